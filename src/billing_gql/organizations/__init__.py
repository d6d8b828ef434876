"""Organizations: the tenants, their settings, their keys and their clocks."""
