"""The billing run: what has fallen due, done exactly once."""
