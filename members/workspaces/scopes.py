"""What a Slack token must be allowed to, and for what. Pure.

The scopes are those of Slack's method reference (docs.slack.dev/reference/scopes), for user tokens. Of
several that open the same, one is enough.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """Something that people want to do, and the scopes that it takes, each with what opens the same."""

    purpose: str
    scopes: tuple[tuple[str, ...], ...]

    def missing(self, granted: Collection[str]) -> list[str]:
        return [scopes[0] for scopes in self.scopes if not set(scopes) & set(granted)]


NEEDS = (
    Need("audits", (("channels:read",), ("groups:read",), ("users:read",), ("users:read.email",))),
    Need(
        "adding people",
        (("channels:write", "channels:write.invites"), ("groups:write", "groups:write.invites")),
    ),
    Need("removing people and renaming", (("channels:write",), ("groups:write",))),
    Need("conversations", (("channels:history",), ("groups:history",))),
)


def what_is_missing(granted: Collection[str]) -> list[str]:
    """One sentence for each purpose that lacks a scope."""
    return [
        f"For {need.purpose} the token lacks {', '.join(missing)}."
        for need in NEEDS
        if (missing := need.missing(granted))
    ]
