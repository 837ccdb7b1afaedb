"""How operations look to a person: the same words and tones on every page and in every report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from members.charts import Part
from members.operations import kinds
from members.operations.models import Operation, Step
from members.operations.states import OperationState, StepState
from members.operations.words import OUTCOME_WORDS, STATE_WORDS, STEP_WORDS
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.ui import Tone, badge

STATE_TONES: dict[str, Tone] = {
    OperationState.PLANNED: "info",
    OperationState.CONFIRMED: "info",
    OperationState.RUNNING: "info",
    OperationState.WAITING: "warn",
    OperationState.DONE: "good",
    OperationState.PARTIAL: "warn",
    OperationState.FAILED: "bad",
    OperationState.CANCELLED: "muted",
    OperationState.EXPIRED: "muted",
    OperationState.REFUSED: "bad",
}
STEP_TONES: dict[str, Tone] = {
    StepState.FAILED: "bad",
    StepState.NOT_TRIED: "warn",
    StepState.SKIPPED: "muted",
    StepState.DONE: "good",
    StepState.APPLIED: "good",
    StepState.RUNNING: "info",
    StepState.PENDING: "muted",
}
"""The states of a step, those first that ask for a person's attention."""


def kind_label(name: str) -> str:
    """What people call a kind; its name, where an older record knows one that is gone."""
    return kinds.labels().get(name, words(name))


def title_of(operation: Operation, undone: int | None) -> str:
    """What the operation is called, which may take back the one of the number `undone`: "Remove people",
    "Undo of #12: Bring people back"."""
    label = kind_label(operation.kind)
    return label if undone is None else f"Undo of #{undone}: {label}"


def done_word(kind: str) -> str:
    """What was done to each step of a kind, as the beginning of a line: "Added"."""
    try:
        return kinds.get(kind).done_word.capitalize()
    except LookupError:
        return OUTCOME_WORDS[Outcome.DONE]


def arguments_label(kind: str, arguments: Mapping[str, Any]) -> str:
    """What a step does beyond its verb and its target: "acme-old → acme-new"; "" when that is all."""
    try:
        describe = kinds.get(kind).describe
    except LookupError:
        describe = None
    if describe is not None:
        return describe(arguments)
    return ", ".join(f"{words(name)}: {value}" for name, value in arguments.items())


def asked_for(kind: str, parameters: Mapping[str, Any]) -> str:
    """What somebody asked for, in a phrase; "" where the kind has none."""
    try:
        phrase = kinds.get(kind).asked_for
    except LookupError:
        phrase = None
    return phrase(parameters) if phrase is not None else ""


def person(key: str, name: str) -> SafeString | str:
    """Somebody by their name, with their key for who points at it; the key where there is no name."""
    return format_html('<span title="{}">{}</span>', key, name) if name else key


def platform_names(platforms: Iterable[str]) -> str:
    return ", ".join(Platform(name).label for name in platforms)


def state_now(operation: Operation, now: datetime) -> OperationState:
    """The operation's state; a plan whose time has passed is expired, whether anybody noticed or not."""
    if operation.state == OperationState.PLANNED and operation.expires_at <= now:
        return OperationState.EXPIRED
    return OperationState(operation.state)


def state_badge(operation: Operation, now: datetime) -> SafeString:
    state = state_now(operation, now)
    return badge(STATE_WORDS[state], STATE_TONES[state], hint=operation.message)


def step_label(kind: str, state: str, outcome: str) -> str:
    """Where a step stands, or how it ended, in a few words."""
    if state == StepState.DONE and outcome == Outcome.DONE:
        return done_word(kind)
    if state == StepState.APPLIED:
        return f"{done_word(kind)}, to be checked"
    if outcome and state != StepState.RUNNING:
        return OUTCOME_WORDS[Outcome(outcome)]
    return STEP_WORDS[StepState(state)]


def step_badge(step: Step, kind: str) -> SafeString:
    return badge(step_label(kind, step.state, step.outcome), STEP_TONES[step.state])


def tally(kind: str, counts: Mapping[tuple[str, str], int]) -> list[Part]:
    """How many steps stand where, from their numbers by (state, outcome); the urgent ones first."""
    urgency = list(STEP_TONES)
    totals: dict[tuple[str, Tone], int] = {}
    for (state, outcome), count in sorted(
        counts.items(), key=lambda item: (urgency.index(item[0][0]), -item[1])
    ):
        key = step_label(kind, state, outcome), STEP_TONES[state]
        totals[key] = totals.get(key, 0) + count
    return [Part(label, count, tone) for (label, tone), count in totals.items()]


_GOOD_ENDS = {Outcome.DONE, Outcome.ALREADY_THERE, Outcome.ALREADY_GONE, "whole"}
_QUIET_ENDS = {Outcome.CHANGED_MEANWHILE}


def event_outcome(outcome: str) -> SafeString:
    """What an event of the record came to: of an operation, of a step, or of a check of the record itself."""
    if outcome in {*OperationState} - {OperationState.DONE}:
        state = OperationState(outcome)
        return badge(STATE_WORDS[state], STATE_TONES[state])
    label = OUTCOME_WORDS[Outcome(outcome)] if outcome in {*Outcome} else words(outcome)
    return badge(label, "good" if outcome in _GOOD_ENDS else "muted" if outcome in _QUIET_ENDS else "bad")


def words(value: str) -> str:
    """ "add_missing" → "Add missing"."""
    return value.replace("_", " ").replace(".", ": ").capitalize().replace("Api ", "API ")
