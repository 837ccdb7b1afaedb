"""The words in which an audit answers: verdicts, rows, and the key of a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from members.platforms.types import AdminStatus, History, Platform, Privacy
from members.policy import Category, FindingKind


class Verdict(StrEnum):
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    EXEMPT = "exempt"
    NOT_VISIBLE = "not_visible"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FindingKey:
    """What makes a finding the same one in every run. `group_id` is "" for findings about a person alone."""

    platform: Platform
    group_id: str
    kind: FindingKind
    subject: str = ""
    """The employee's key; "" for findings about the group itself."""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One audited group: a line of the report. People are listed by key, in the policy's order."""

    platform: Platform
    id: str
    name: str
    category: Category
    verdict: Verdict
    privacy: Privacy = Privacy.PRIVATE
    history: History = History.UNKNOWN
    admin_status: AdminStatus = AdminStatus.UNKNOWN
    total_members: int | None = None
    required_present: tuple[str, ...] = ()
    required_missing: tuple[str, ...] = ()
    optional_present: tuple[str, ...] = ()
    optional_missing: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    """Asked for here, but whether they are here could not be told."""
    under_review: tuple[str, ...] = ()
    """Present and under review: shown, never counted."""
    departed: tuple[str, ...] = ()
    """Present although offboarded."""
    flags: tuple[FindingKind, ...] = ()

    @property
    def completeness(self) -> str:
        """ "7/8": required people present, of those counted."""
        present = len(self.required_present)
        return f"{present}/{present + len(self.required_missing)}"


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals of a run."""

    groups: int
    complete: int
    coverage: float
    """Complete groups among those that need the full team and could be judged, 0–1; 0 when none could."""
    by_category: dict[str, int]
    public_channels: int
    deprecated_names: int
    hidden_history: int
    not_visible: int


def summarise(rows: Iterable[GroupRow]) -> Summary:
    verdicts: Counter[Verdict] = Counter()
    categories: Counter[str] = Counter()
    flags: Counter[FindingKind] = Counter()
    for row in rows:
        verdicts[row.verdict] += 1
        categories[row.category.key] += 1
        flags.update(row.flags)
    judged = verdicts[Verdict.COMPLETE] + verdicts[Verdict.INCOMPLETE]
    return Summary(
        groups=verdicts.total(),
        complete=verdicts[Verdict.COMPLETE],
        coverage=round(verdicts[Verdict.COMPLETE] / judged, 4) if judged else 0.0,
        by_category=dict(sorted(categories.items())),
        public_channels=flags[FindingKind.PUBLIC_CHANNEL],
        deprecated_names=flags[FindingKind.DEPRECATED_NAME],
        hidden_history=flags[FindingKind.HIDDEN_HISTORY],
        not_visible=verdicts[Verdict.NOT_VISIBLE],
    )
