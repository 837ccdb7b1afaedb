"""The admin pages of the project itself."""

from groupadmin.admin import schedules

__all__ = ["schedules"]
