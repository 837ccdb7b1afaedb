"""The admin pages of people, groups and policy."""

from members.admin import groups, people, policy

__all__ = ["groups", "people", "policy"]
