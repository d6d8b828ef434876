"""The demo company: every departure from New York's airports in January 2013, billed."""
