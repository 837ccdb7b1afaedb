"""The kinds of operations: what the floors above teach the engine. Filled in each `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from members.operations.pace import Pace
from members.operations.plan import Cap, Plan, PlannedStep
from members.platforms.base import CallMeter
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.platforms.writing import Reply

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from members.operations.models import Step


class Executor(Protocol):
    """Does the steps of one platform. Lives in an event loop and never touches the database.

    Every method may raise the errors of `members.platforms.errors`.
    """

    async def fulfilled(self, steps: Sequence[PlannedStep], *, thorough: bool) -> Sequence[bool | None]:
        """For each step, read afresh: whether it is now as the step wants it; None when nobody can tell.

        Not `thorough`, it may take the cheapest list's word for "no": the call itself will tell.
        """

    async def apply(self, batch: Sequence[PlannedStep]) -> Sequence[Reply]:
        """One API call for all of `batch` (see `plan.batches`): a reply for each step.

        Raises InDoubt when nobody knows whether it was done; any TryLater else means that it was not.
        """


class Connection(Protocol):
    """A way to the executor of one platform, opened once per slice."""

    batch_size: int
    """How many steps one call may cover."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[Executor]:
        """Entering may raise any PlatformError; never touches the database."""

    def keep_books(self) -> None:
        """Store what was learnt on the way. Called outside the event loop, after it was closed."""


@dataclass(frozen=True, slots=True)
class Link:
    """A page to look at, and what it is to the operation: "Checked by", "Audit 7", "/admin/…"."""

    relation: str
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Kind:
    """All that the engine must know to plan again, run, verify and undo."""

    name: str
    label: str
    done_word: str
    """What was done to each step, for people: "added"."""
    fulfilled_outcome: Outcome
    """What a step comes to that needs no call any more."""
    cap: Callable[[], Cap]
    connect: Callable[[Platform, str], Connection]
    """From a platform, and which account there ("" for the usual one). Called outside the event loop: may
    read the database."""
    plan_again: Callable[[Mapping[str, Any]], Plan]
    """A plan for the same parameters, of the world as it is now."""
    unwanted: Callable[[Sequence[PlannedStep]], Mapping[int, str]]
    """Which of the steps (by index) our own rules do not want any more, and why; asked before each batch."""
    undo: Callable[[Sequence[PlannedStep]], Plan] | None = None
    """The plan that takes these steps back, which were really done."""
    finished: Callable[[int], None] | None = None
    """Told the id of each operation that has come to its end: reports, audits, notices."""
    refused: Callable[[int], None] | None = None
    """Told the id of each operation that was refused for its size: whom to tell."""
    survey: Callable[[Sequence[PlannedStep]], Mapping[str, Any]] | None = None
    """What is known of the groups that the steps touch, in JSON types: kept as `Operation.before`."""
    destructive: bool = False
    """Whether a second person may have to confirm."""
    one_at_a_time: bool = False
    """Whether no two calls may be under way, and `unwanted` is asked once more between claim and call: the
    claim may have waited for somebody who changed what it depends on."""
    count_is_typed: bool = False
    """Whether whoever confirms a plan in the admin types its number of steps, however few they are."""
    asked_for: Callable[[Mapping[str, Any]], str] | None = None
    """What the selection was, in a phrase, from the plan's parameters: "where the rules require it"."""
    describe: Callable[[Mapping[str, Any]], str] | None = None
    """What a step does beyond its verb and its target, from its arguments; else they are listed by name."""
    warn: Callable[[Sequence[PlannedStep]], Sequence[str]] | None = None
    """What may be wrong with a plan of these steps that can be done all the same: one sentence each."""
    pace: Callable[[Platform], Pace | None] | None = None
    """How fast the platform is known to let such steps be done."""
    see_also: Callable[[int], Sequence[Link]] | None = None
    """Pages of the floors above that tell more about the operation of this id."""
    still_needed: Callable[[], QuerySet[Step]] | None = None
    """Steps that something still depends on, however old they are: their operations are not purged."""


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind known. Raises ValueError for a name that is taken."""
    if kind.name in _kinds:
        raise ValueError(f"There is a kind {kind.name!r} already.")
    _kinds[kind.name] = kind


def get(name: str) -> Kind:
    """The kind of that name. Raises LookupError."""
    return _kinds[name]


def known() -> Collection[Kind]:
    """All of them."""
    return _kinds.values()


def labels() -> dict[str, str]:
    """What people call each kind, by name."""
    return {kind.name: kind.label for kind in _kinds.values()}
