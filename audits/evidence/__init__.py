"""Evidence of a period to take away, and the end of what has been kept long enough."""
