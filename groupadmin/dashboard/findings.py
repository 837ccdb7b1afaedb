"""The findings: how many of what, where they pile up, and how far the rebranding is. Four queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from django.db.models import Count, Q

from audits.display import KINDS_BY_URGENCY, words
from audits.lifecycle import State
from audits.models import Finding
from audits.rebranding import FIXED
from groupadmin.dashboard.links import Reader, list_url, may_view
from groupadmin.dashboard.pieces import Notice, Stat
from members.charts import Bar, percent
from members.platforms.types import Platform
from members.policy import FindingKind

GROUPS_LISTED = 8
URGENT = (
    FindingKind.MISSING_REQUIRED,
    FindingKind.DEPARTED_MEMBER_PRESENT,
    FindingKind.NOT_VISIBLE,
    FindingKind.PUBLIC_CHANNEL,
)
"""What makes a group come first; of the rest there may be one in every group."""


@dataclass(frozen=True, slots=True)
class NeedyGroup:
    """A group with open findings: how many of each kind, the urgent ones first."""

    name: str
    platform: str
    url: str
    count: int
    what: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the page tells of findings."""

    stats: tuple[Stat, ...]
    kinds: tuple[Bar, ...]
    """Open findings by kind, the most frequent first, and of equals the more urgent."""
    groups: tuple[NeedyGroup, ...]
    """Those that need attention most."""
    notices: tuple[Notice, ...]


def load_findings(user: Reader, trend: tuple[float, ...] = ()) -> Findings:
    """What this reader may see; `trend` is how many were open after earlier audits, oldest first."""
    if not may_view(user, Finding):
        return Findings((), (), (), ())
    kinds = Finding.objects.filter(state=State.OPEN).order_by().values_list("kind").annotate(n=Count("*"))
    found = dict(kinds)
    counts = Counter[str]({kind: found[kind] for kind in KINDS_BY_URGENCY if kind in found})
    unresolved = FindingKind.UNRESOLVED_IDENTITY
    return Findings(
        stats=(
            Stat(
                "Open findings",
                f"{counts.total():,}",
                list_url(Finding, state=State.OPEN),
                _most_frequent(counts),
                trend=trend,
            ),
            *_rebranding(left=counts[FindingKind.DEPRECATED_NAME]),
        ),
        kinds=tuple(
            Bar(words(kind), n, url=list_url(Finding, state=State.OPEN, kind=kind))
            for kind, n in counts.most_common()
        ),
        groups=_needy_groups(),
        notices=(
            Notice(
                counts[unresolved],
                "Employees whose account no audit could find",
                list_url(Finding, state=State.OPEN, kind=unresolved),
            ),
        ),
    )


def _most_frequent(counts: Counter[str]) -> str:
    if not counts:
        return "none as far as audits saw"
    kind, count = counts.most_common(1)[0]
    return f"mostly {words(kind).lower()}: {count:,}"


def _rebranding(*, left: int) -> list[Stat]:
    """Renamed are those whose finding ended because the name was in order (see `audits.rebranding`)."""
    ended = Finding.objects.filter(state=State.RESOLVED, kind=FindingKind.DEPRECATED_NAME)
    renamed = ended.filter(end_reason=FIXED).count()
    if not renamed + left:
        return []
    note = f"{renamed:,} renamed, {left:,} left"
    url = list_url(Finding, state=State.OPEN, kind=FindingKind.DEPRECATED_NAME)
    return [Stat("Rebranding", percent(renamed, renamed + left), url, note)]


def _needy_groups() -> tuple[NeedyGroup, ...]:
    """The groups with the most urgent findings, and of equals those with the most of all."""
    open_ones = Finding.objects.filter(state=State.OPEN, group__isnull=False).order_by()
    counted = open_ones.values("group").annotate(
        urgent=Count("kind", filter=Q(kind__in=URGENT)), n=Count("*")
    )
    first = [row["group"] for row in counted.order_by("-urgent", "-n", "group")[:GROUPS_LISTED]]
    kinds: dict[int, Counter[str]] = defaultdict(Counter)
    names: dict[int, tuple[str, str]] = {}
    columns = ("group", "group__name", "group__platform", "kind")
    for pk, name, platform, kind, n in (
        open_ones.filter(group__in=first).values_list(*columns).annotate(n=Count("*"))
    ):
        kinds[pk][kind] = n
        names[pk] = name, platform
    return tuple(
        NeedyGroup(
            name=names[pk][0],
            platform=Platform(names[pk][1]).label,
            url=f"{list_url(Finding, state=State.OPEN)}&group__id__exact={pk}",
            count=kinds[pk].total(),
            what=", ".join(
                f"{words(kind).lower()} ({kinds[pk][kind]:,})" for kind in KINDS_BY_URGENCY if kinds[pk][kind]
            ),
        )
        for pk in first
        if pk in names
    )
