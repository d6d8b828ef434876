"""The catalog: features that are metered, plans and their prices."""
