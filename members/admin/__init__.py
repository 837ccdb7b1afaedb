"""The admin pages of people, groups and policy."""

from members.admin import customers, groups, people, policy

__all__ = ["customers", "groups", "people", "policy"]
