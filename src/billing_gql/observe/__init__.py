"""What an operator sees of a running process: log lines, metrics and traces."""
