"""Accepting risk: an exclusion is asked for, looked at, granted by a person, and ends by itself."""
