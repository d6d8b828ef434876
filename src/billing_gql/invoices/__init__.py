"""Invoices. The files of this folder are the verbs of an invoice's life."""
