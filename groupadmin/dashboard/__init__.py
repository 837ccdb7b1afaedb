"""The admin's first page: queries → frozen dataclasses → template.

Everything is counted in the database, in a fixed number of queries whatever the number of rows, and a reader
only sees what their permissions let them open.
"""

from groupadmin.dashboard.overview import Overview, load

__all__ = ["Overview", "load"]
