"""What people call the states and outcomes: the same on badges, tabs, filters and in reports. Plain data."""

from __future__ import annotations

from members.operations.states import OperationState, StepState
from members.platforms.outcomes import Outcome

STATE_WORDS = {state: str(state).capitalize() for state in OperationState} | {
    OperationState.PARTIAL: "Partly done"
}

STEP_WORDS = {
    StepState.PENDING: "To be done",
    StepState.RUNNING: "Under way",
    StepState.NOT_TRIED: "Not tried",
    StepState.DONE: "Done",
    StepState.FAILED: "Failed",
    StepState.APPLIED: "Done, to be checked",
    StepState.SKIPPED: "Not needed",
}

OUTCOME_WORDS = {
    Outcome.DONE: "Done",
    Outcome.ALREADY_THERE: "Already there",
    Outcome.ALREADY_GONE: "Already gone",
    Outcome.ARCHIVED: "Group is archived",
    Outcome.GROUP_NOT_FOUND: "Group not found",
    Outcome.PERSON_NOT_FOUND: "Person not found",
    Outcome.CANNOT_INVITE_SELF: "Account cannot invite itself",
    Outcome.USER_RESTRICTED: "Person is restricted",
    Outcome.TOO_MANY_CHANNELS: "In too many groups",
    Outcome.CHANGED_MEANWHILE: "Not wanted any more",
    Outcome.NOT_IN_GROUP: "Account is not in the group",
    Outcome.ADMIN_RIGHTS_NEEDED: "Admin right needed",
    Outcome.PRIVACY_RESTRICTED: "Privacy settings forbid it",
    Outcome.NOT_MUTUAL_CONTACT: "Not a mutual contact",
    Outcome.KICKED_BEFORE: "Kicked before",
    Outcome.MISSING_SCOPE: "Scope missing",
    Outcome.PEER_FLOOD: "Account limited by Telegram",
    Outcome.ACCOUNT_TROUBLE: "Account in trouble",
    Outcome.RATE_LIMITED: "Rate limited",
    Outcome.UNREACHABLE: "No answer",
    Outcome.NOT_VERIFIED: "Not seen afterwards",
    Outcome.REFUSED: "Refused",
}
