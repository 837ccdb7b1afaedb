"""A run on paper: what is told of it, as a page to print and as a PDF."""
