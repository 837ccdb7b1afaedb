"""What is to be done when somebody leaves or joins: by the facts alone, in order. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audits.staff_changes import joining, leaving
from audits.staff_changes.facts import ChangeKind, Facts
from audits.staff_changes.items import Item, ItemState


def checklist(facts: Facts) -> tuple[Item, ...]:
    """Every line, the settled ones too. What is left to do without a date of its own is so from the start."""
    lines = leaving.items(facts) if facts.kind is ChangeKind.LEAVING else joining.items(facts)
    return tuple(
        line if line.settled or line.at is not None else replace(line, at=facts.begun_at) for line in lines
    )


def obstacle(items: Sequence[Item]) -> Item | None:
    """The first line for which the change stays open; None when it may be closed."""
    return next((item for item in items if item.blocks and not item.settled), None)


def next_step(items: Sequence[Item]) -> Item | None:
    """What to do next: what somebody of ours can do, before what has to be waited for."""
    blocking = [item for item in items if item.blocks and not item.settled and item.act is not None]
    ours = (item for item in blocking if item.state is ItemState.TODO)
    return next(ours, None) or next(iter(blocking), None)
