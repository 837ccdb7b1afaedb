"""What people are told of unasked, and on which ways. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """A way to people."""

    SLACK = "slack"
    EMAIL = "email"
    BOT = "bot"

    @property
    def label(self) -> str:
        return {"slack": "Slack", "email": "E-mail", "bot": "Telegram bot"}[self]


class NoticeKind(StrEnum):
    GAPS_FOUND = "gaps_found"
    NEW_GROUP = "new_group"
    AUDIT_FAILED = "audit_failed"
    OPERATION_FINISHED = "operation_finished"
    OPERATION_WAITING = "operation_waiting"
    DONE_BY_ITSELF = "done_by_itself"
    SIGN_IN_NEEDED = "sign_in_needed"
    KICK_SWITCH = "kick_switch"
    SWEEP_REFUSED = "sweep_refused"
    EXCLUSION_REQUESTED = "exclusion_requested"
    EXCLUSION_ENDING = "exclusion_ending"
    SCHEDULE_MISSED = "schedule_missed"
    WEEKLY_REPORT = "weekly_report"
    TEST = "test"

    @property
    def facts(self) -> Facts:
        return FACTS[self]

    @property
    def label(self) -> str:
        return FACTS[self].label


BOTH = frozenset({Channel.SLACK, Channel.EMAIL})
SLACK_ONLY = frozenset({Channel.SLACK})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a kind tells, and where it goes until somebody says otherwise."""

    label: str
    tells: str
    default: frozenset[Channel] = SLACK_ONLY
    urgent: bool = False
    """Goes out at once: neither quiet hours nor a digest hold it back."""


FACTS: Mapping[NoticeKind, Facts] = {
    NoticeKind.GAPS_FOUND: Facts("Gaps found", "An audit opened findings, or opened some again."),
    NoticeKind.NEW_GROUP: Facts(
        "New group without required people",
        "An audit saw a group for the first time, and somebody is missing.",
    ),
    NoticeKind.AUDIT_FAILED: Facts(
        "Audit failed", "An audit failed, or could not see everything it was to look at.", BOTH
    ),
    NoticeKind.OPERATION_FINISHED: Facts("Operation finished", "A plan that was confirmed is at its end."),
    NoticeKind.OPERATION_WAITING: Facts(
        "Operation waits", "A plan needs somebody to confirm it, or an account makes it wait for long.", BOTH
    ),
    NoticeKind.DONE_BY_ITSELF: Facts("Something is done unasked", "Rules that add people by themselves did."),
    NoticeKind.SIGN_IN_NEEDED: Facts(
        "Sign-in needed",
        "A Telegram account was signed out, and nothing goes on without it.",
        BOTH,
        urgent=True,
    ),
    NoticeKind.KICK_SWITCH: Facts(
        "Kick switch changed", "Kicks from the gated community were turned on or off.", BOTH, urgent=True
    ),
    NoticeKind.SWEEP_REFUSED: Facts(
        "Sweep refused",
        "A scheduled sweep would have kicked too many people, and kicked nobody.",
        frozenset(Channel),
    ),
    NoticeKind.EXCLUSION_REQUESTED: Facts(
        "Exclusion asked for", "Somebody asks for an exclusion that another person has to grant.", BOTH
    ),
    NoticeKind.EXCLUSION_ENDING: Facts(
        "Exclusion ends", "An exclusion is about to end, or has ended and its findings are open again."
    ),
    NoticeKind.SCHEDULE_MISSED: Facts(
        "Schedule missed",
        "Something did not run when it was due. Told once, until it runs in time again.",
        BOTH,
    ),
    NoticeKind.WEEKLY_REPORT: Facts(
        "Weekly coverage report", "How complete the groups are, with the workbook attached.", BOTH
    ),
    NoticeKind.TEST: Facts("Test", "Sent by hand from this page.", BOTH, urgent=True),
}
