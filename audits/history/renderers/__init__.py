"""From kept messages to files that people and other programs read. Pure: plain data in, bytes out.

Every renderer writes the same bytes for the same messages: nothing in a file tells when it was made.
"""
