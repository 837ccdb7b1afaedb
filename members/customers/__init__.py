"""Customers: the accounts of a CRM, and which groups belong to them."""
