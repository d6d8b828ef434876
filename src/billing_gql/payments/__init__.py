"""Money that comes in for invoices: recorded by hand, or taken by a payment method."""
