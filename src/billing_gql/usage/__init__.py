"""Usage: events as they arrive, exact roll-ups of them, and aggregation for bills and readers."""
