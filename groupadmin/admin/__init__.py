"""The admin pages of the project itself."""

from groupadmin.admin import api_tokens, schedules, users

__all__ = ["api_tokens", "schedules", "users"]
