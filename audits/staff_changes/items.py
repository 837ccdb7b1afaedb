"""The lines of a checklist. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

NAMED = 3
"""How many groups a line names."""


class ItemState(StrEnum):
    DONE = "done"
    TODO = "to_do"
    """Somebody of ours has to act."""
    WAITING = "waiting"
    """For an audit, an operation or an owner."""
    NOTED = "noted"
    """To be known; nothing follows from it."""
    NOT_NEEDED = "not_needed"


SETTLED = frozenset({ItemState.DONE, ItemState.NOTED, ItemState.NOT_NEEDED})


class Act(StrEnum):
    """What helps next. The pages know where it is done."""

    EDIT_EMPLOYEE = "edit_employee"
    PLAN_REMOVAL = "plan_removal"
    PLAN_ADDITIONS = "plan_additions"
    SEE_OPERATION = "see_operation"
    ASK_OWNERS = "ask_owners"
    SEE_REQUESTS = "see_requests"
    RUN_AUDIT = "run_audit"
    SEE_RUN = "see_run"
    SEE_FINDINGS = "see_findings"


class Proof(StrEnum):
    """What a piece of evidence is."""

    RUN = "run"
    OPERATION = "operation"
    REPORT = "report"
    FINDINGS = "findings"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a line can be looked up. `on` is a run's or an operation's number, or a platform."""

    proof: Proof
    on: str
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line: how it stands, since when, and by what that is known."""

    topic: str
    state: ItemState
    text: str
    """One sentence or two; of a line that is not settled, the first says what to do."""
    at: datetime | None = None
    evidence: tuple[Evidence, ...] = ()
    act: Act | None = None
    act_on: str = ""
    """The number of a run or an operation, or a platform; what `act` needs."""
    blocks: bool = True
    """Whether the change stays open as long as it is not settled."""

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    def as_words(self) -> dict[str, Any]:
        """JSON types; `of` leads back."""
        return {**asdict(self), "at": self.at.isoformat() if self.at else None}

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Self:
        """The item that `as_words` was made of."""
        return cls(
            topic=words["topic"],
            state=ItemState(words["state"]),
            text=words["text"],
            at=datetime.fromisoformat(words["at"]) if words["at"] else None,
            evidence=tuple(
                Evidence(Proof(each["proof"]), each["on"], each["label"]) for each in words["evidence"]
            ),
            act=Act(words["act"]) if words["act"] else None,
            act_on=words["act_on"],
            blocks=words["blocks"],
        )


def run_evidence(run: int) -> Evidence:
    return Evidence(Proof.RUN, str(run), f"Audit {run}")


def operation_evidence(operation: int) -> Evidence:
    return Evidence(Proof.OPERATION, str(operation), f"Operation {operation}")


def counted(count: int, noun: str) -> str:
    """ "1 group", "12 groups"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Iterable[str]) -> str:
    """The first few of the names, and how many there are more."""
    each = list(names)
    more = f" and {len(each) - NAMED:,} more" if len(each) > NAMED else ""
    return ", ".join(each[:NAMED]) + more
