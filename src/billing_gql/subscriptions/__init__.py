"""Subscriptions: which plan a customer is on, and the periods that it is billed by."""
