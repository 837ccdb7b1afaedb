"""The admin pages of people, groups and policy."""

from members.admin import customers, groups, people, policy, workspaces

__all__ = ["customers", "groups", "people", "policy", "workspaces"]
