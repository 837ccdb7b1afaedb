"""What the page of one operation shows, in each of its states: queries → frozen dataclasses → template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, CharField, Count, F, QuerySet, Value, When
from django.db.models.functions import Concat, NullIf
from django.utils import timezone
from django.utils.http import urlencode

from members.charts import Part
from members.downloads import is_there
from members.operations import kinds
from members.operations.display import STEP_TONES, step_label, tally
from members.operations.kinds import Kind, Link
from members.operations.lineage import undoings_of
from members.operations.models import Operation, OperationReport, Relation, Step
from members.operations.plan import Skipped
from members.operations.progress import Counts, step_counts, time_allowed
from members.operations.services import skipped_of
from members.operations.states import UNDER_WAY, OperationState, StepState
from members.platforms.types import Platform
from members.ui import Tone

LINES = 200
"""How many steps, and how many skipped targets, one page holds."""
NOT_ASKED_FOR = "exempt"
"""How audits call a group that does not need the full team; of `Operation.before` and `after`."""
NAMED = 10
"""How many targets of one sort of failure are named."""


@dataclass(frozen=True, slots=True)
class StepsOfGroup:
    """Neighbouring steps that do the same in the same group; one step, where it is in none."""

    platform: Platform
    group_name: str
    group_id: str
    verb: str
    steps: tuple[Step, ...]

    @property
    def heading(self) -> str:
        """The group; the person, where a step is about somebody in no group."""
        return self.group_name or self.steps[0].subject_name or self.steps[0].user_id


@dataclass(frozen=True, slots=True)
class Failure:
    """Steps that failed for the same reason: what happened and what to do, and the first of them."""

    label: str
    tone: Tone
    message: str
    count: int
    steps: tuple[Step, ...]

    @property
    def more(self) -> int:
        """How many there are beside those that are named."""
        return self.count - len(self.steps)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a floor above can plan out of an operation that has ended: a button."""

    label: str
    url: str
    """Takes a POST, and leads to the plan."""


@dataclass(frozen=True, slots=True)
class Relative:
    """An operation that came of this one, or that this one came of, and how."""

    relation: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a long list, and the addresses of the pages before and after it."""

    page: Page[Any]
    earlier_url: str
    later_url: str


@dataclass(frozen=True, slots=True)
class PlanPage:
    groups: int
    people: int
    verb: str
    """What every step does; "" where they differ."""
    listing: Listing
    by_group: tuple[StepsOfGroup, ...]
    """The steps of the listing's page."""
    skipped: Listing
    reasons: tuple[tuple[str, int], ...]
    """Why targets were left out, the most frequent reason first."""
    seconds: float
    """The least time it takes by the limits that are known; 0 where none is."""
    pace_reason: str


@dataclass(frozen=True, slots=True)
class GroupChange:
    """How many of those who must be in a group were there, before the operation and after it: "6/8"."""

    platform: Platform
    group_name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the operation did to the groups it touched."""

    groups: int
    """Of them, those in scope that need the full team: of the others nobody says that they are complete."""
    complete_before: int
    complete_after: int | None
    """None until somebody has looked again."""
    listing: Listing


@dataclass(frozen=True, slots=True)
class ResultPage:
    done: int
    groups: bool
    """Whether the steps of the listing's page are in groups."""
    parts: tuple[Part, ...]
    failures: tuple[Failure, ...]
    listing: Listing
    people: bool
    """Whether the steps of the listing's page are about people."""
    reports: tuple[OperationReport, ...]
    """Those whose files are there."""
    completeness: Completeness | None
    can_retry: bool
    can_undo: bool
    skipped: Listing
    reasons: tuple[tuple[str, int], ...]


def load_plan_page(operation: Operation, query: Mapping[str, str]) -> PlanPage:
    """Everything the preview needs; `query` says which pages of its lists."""
    steps = operation.steps.order_by("position")
    sizes = operation.steps.order_by().aggregate(
        groups=Count(NullIf("group_id", Value("")), distinct=True), people=Count(_person(), distinct=True)
    )
    verbs = operation.steps.order_by().values_list("verb", flat=True).distinct()[:2]
    listing = _listing(steps, query, "page", operation.count)
    skipped, reasons = _skipped(operation, query)
    allowed = time_allowed(operation, timezone.now())
    return PlanPage(
        groups=sizes["groups"],
        people=sizes["people"],
        verb=verbs[0] if len(verbs) == 1 else "",
        listing=listing,
        by_group=tuple(_by_group(listing.page.object_list)),
        skipped=skipped,
        reasons=reasons,
        seconds=allowed.seconds if allowed is not None else 0.0,
        pace_reason=allowed.why if allowed is not None else "",
    )


def load_result_page(operation: Operation, query: Mapping[str, str]) -> ResultPage:
    """Everything the page of a finished operation needs."""
    counts = step_counts(operation)
    kind = kind_of(operation)
    done = _number(counts, StepState.DONE)
    skipped, reasons = _skipped(operation, query)
    listing = _listing(operation.steps.order_by(by_urgency(), "position"), query, "page", operation.count)
    return ResultPage(
        done=done,
        groups=any(step.group_id for step in listing.page.object_list),
        parts=tuple(tally(operation.kind, counts)),
        failures=tuple(_failures(operation)),
        listing=listing,
        people=any(step.subject or step.user_id for step in listing.page.object_list),
        reports=tuple(report for report in operation.reports.all() if is_there(report.file)),
        completeness=_completeness(operation, query),
        can_retry=kind is not None and _number(counts, StepState.FAILED, StepState.NOT_TRIED) > 0,
        can_undo=kind is not None and kind.undo is not None and done > 0 and not _is_undone(operation),
        skipped=skipped,
        reasons=reasons,
    )


def _person() -> Case:
    """Who a step is about, as `Target.person` has it; null where it is about nobody."""
    nobody = When(subject="", user_id="", then=None)
    stranger = When(subject__in=["", F("user_id")], then=Concat("platform", Value(" "), "user_id"))
    return Case(nobody, stranger, default=F("subject"), output_field=CharField())


def kind_of(operation: Operation) -> Kind | None:
    """The operation's kind; None where an older record knows one that is gone."""
    try:
        return kinds.get(operation.kind)
    except LookupError:
        return None


def count_is_typed(operation: Operation) -> bool:
    """Whether whoever confirms the plan has to type how many steps it has, also below its cap."""
    kind = kind_of(operation)
    return kind is not None and kind.count_is_typed


def by_urgency() -> Case:
    """Orders steps: those first that ask for a person's attention."""
    ranks = (When(state=state, then=Value(rank)) for rank, state in enumerate(STEP_TONES))
    return Case(*ranks, default=Value(len(STEP_TONES)))


def see_also(operation: Operation) -> Sequence[Link]:
    """What the floors above have to say about the operation."""
    kind = kind_of(operation)
    return kind.see_also(operation.pk) if kind is not None and kind.see_also is not None else ()


def relatives(operation: Operation) -> tuple[Relative, ...]:
    """What the operation came of, and what came of it."""
    found = []
    if operation.parent is not None:
        found.append(Relative(_OF_PARENT.get(operation.relation, "Comes after"), operation.parent))
    found += [
        Relative(_OF_CHILD.get(child.relation, "Followed by"), child)
        for child in operation.children.order_by("pk")
    ]
    return tuple(found)


_OF_PARENT: dict[str, str] = {
    Relation.UNDO: "Undo of",
    Relation.RETRY: "Retry of",
    Relation.REPLAN: "New plan after",
}
_OF_CHILD: dict[str, str] = {
    Relation.UNDO: "Undo",
    Relation.RETRY: "Retry",
    Relation.REPLAN: "New plan",
}


def _is_undone(operation: Operation) -> bool:
    """Whether an undo of it, or a new plan or retry of that, is under way or came to its good end."""
    return any(
        undo.state in UNDER_WAY or undo.state == OperationState.DONE for undo in undoings_of(operation)
    )


def _listing(rows: QuerySet[Any] | list[Any], query: Mapping[str, str], name: str, count: int) -> Listing:
    """The page of `rows` that `query` asks for under `name`; the first, or the nearest, for nonsense."""
    paginator = Paginator(rows, LINES)
    paginator.__dict__["count"] = count  # known already: no query for it
    page = paginator.get_page(query.get(name))

    def url(number: int) -> str:
        others = {key: value for key, value in query.items() if key != name}
        return f"?{urlencode(others | {name: str(number)})}#{name}"

    return Listing(
        page,
        url(page.number - 1) if page.has_previous() else "",
        url(page.number + 1) if page.has_next() else "",
    )


def _skipped(operation: Operation, query: Mapping[str, str]) -> tuple[Listing, tuple[tuple[str, int], ...]]:
    lines: list[Skipped] = sorted(skipped_of(operation), key=attrgetter("reason"))
    reasons = Counter(line.reason for line in lines)
    return _listing(lines, query, "skipped", len(lines)), tuple(reasons.most_common())


def _completeness(operation: Operation, query: Mapping[str, str]) -> Completeness | None:
    """Of the touched groups, as the operation's kind keeps it: by "platform:id", before and after."""
    changes, judged = [], []
    for word, before in operation.before.items():
        after = operation.after.get(word, {})
        platform = Platform(word.partition(":")[0])
        name = after.get("name") or before["name"]
        change = GroupChange(platform, name, before["completeness"], after.get("completeness", ""))
        changes.append(change)
        verdict = after.get("verdict") or before["verdict"]
        if verdict != NOT_ASKED_FOR and (change.before or change.after):
            judged.append(change)
    if not changes:
        return None
    changes.sort(key=lambda change: (change.after in ("", change.before), change.group_name.casefold()))
    return Completeness(
        groups=len(judged),
        complete_before=sum(_is_complete(change.before) for change in judged),
        complete_after=sum(_is_complete(change.after) for change in judged) if operation.after else None,
        listing=_listing(changes, query, "groups", len(changes)),
    )


def _is_complete(completeness: str) -> bool:
    present, _, needed = completeness.partition("/")
    return bool(needed) and present == needed


def _by_group(steps: Iterable[Step]) -> Iterator[StepsOfGroup]:
    def same(step: Step) -> tuple[str, str, str, str, int | None]:
        return step.platform, step.group_id, step.group_name, step.verb, None if step.group_id else step.pk

    for (platform, group_id, group_name, verb, _), neighbours in groupby(steps, key=same):
        yield StepsOfGroup(Platform(platform), group_name, group_id, verb, tuple(neighbours))


def _failures(operation: Operation) -> Iterator[Failure]:
    """What failed and what was not tried, by reason; the most frequent first."""
    steps = operation.steps.filter(state__in=(StepState.FAILED, StepState.NOT_TRIED)).order_by("position")
    found: dict[tuple[str, str, str], list[Step]] = {}
    for step in steps.defer("before", "after", "arguments"):
        found.setdefault((step.state, step.outcome, step.message), []).append(step)
    for (state, outcome, message), same in sorted(
        found.items(), key=lambda item: (item[0][0], -len(item[1]))
    ):
        yield Failure(
            label=step_label(operation.kind, state, outcome),
            tone=STEP_TONES[state],
            message=message or ("" if state == StepState.FAILED else _NOT_TRIED),
            count=len(same),
            steps=tuple(same[:NAMED]),
        )


_NOT_TRIED = "The operation ended before it was their turn: try them again."


def _number(counts: Counts, *states: StepState) -> int:
    return sum(count for (state, _), count in counts.items() if state in states)


def is_plan(operation: Operation) -> bool:
    """Whether it never was confirmed: what there is to see is the plan."""
    return operation.confirmed_at is None
