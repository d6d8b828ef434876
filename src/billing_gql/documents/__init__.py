"""Printed documents: invoices and credit notes as PDF, and the signed links to them."""
