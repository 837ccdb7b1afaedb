"""What a write to a platform can end in: stable codes, which the platforms' own words are mapped to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    # it is as it was wanted
    DONE = "done"
    ALREADY_THERE = "already_there"
    ALREADY_GONE = "already_gone"
    # it cannot be, whoever tries
    ARCHIVED = "archived"
    GROUP_NOT_FOUND = "group_not_found"
    PERSON_NOT_FOUND = "person_not_found"
    CANNOT_INVITE_SELF = "cannot_invite_self"
    USER_RESTRICTED = "user_restricted"
    TOO_MANY_CHANNELS = "too_many_channels"
    CHANGED_MEANWHILE = "changed_meanwhile"
    # somebody may make it possible
    NOT_IN_GROUP = "not_in_group"
    """The account itself is not in the group."""
    ADMIN_RIGHTS_NEEDED = "admin_rights_needed"
    PRIVACY_RESTRICTED = "privacy_restricted"
    NOT_MUTUAL_CONTACT = "not_mutual_contact"
    KICKED_BEFORE = "kicked_before"
    # the account cannot go on
    MISSING_SCOPE = "missing_scope"
    PEER_FLOOD = "peer_flood"
    ACCOUNT_TROUBLE = "account_trouble"
    # time may help
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    NOT_VERIFIED = "not_verified"
    """The platform said yes, and reading afterwards did not show it."""
    REFUSED = "refused"
    """Anything else; the message carries the platform's own word."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a write ended for one target. `message` is one line for a person: what happened, what to do."""

    outcome: Outcome
    message: str = ""
    before: Mapping[str, str] = field(default_factory=dict, hash=False)
    after: Mapping[str, str] = field(default_factory=dict, hash=False)
    """How the target was and is now, where the call tells it: kept with the step."""

    @property
    def success(self) -> bool:
        return self.outcome in (Outcome.DONE, Outcome.ALREADY_THERE, Outcome.ALREADY_GONE)
