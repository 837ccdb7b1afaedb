"""Slack workspaces beside the one of the environment's token: rows, not code."""
