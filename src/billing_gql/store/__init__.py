"""The store: PostgreSQL and nothing else. Its two doors are in `database`."""
