"""How it stands with the groups of a customer."""
