"""Customers: who is billed, in which currency, by which calendar."""
