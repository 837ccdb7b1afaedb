"""What one audit says of somebody whose leaving or joining is under way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audits.engine import Evaluation
from audits.observation import PersonSeen, PlatformObservation
from audits.rows import FindingKey, GroupRow, Verdict
from audits.sight import Judge
from audits.staff_changes.facts import ChangeKind
from members.platforms.types import Platform
from members.policy import FindingKind, Level, Person, level_of


@dataclass(frozen=True, slots=True)
class Seen:
    """As `facts.Look`, of a run that is being stored."""

    platform: Platform
    account_closed: bool
    """Whether the platform says that each of their accounts is deactivated or deleted."""
    unresolved: str
    unread: str
    present: int
    missing: int
    unseen: tuple[str, ...]
    hidden: tuple[str, ...]


def looks_at(evaluation: Evaluation, kind: ChangeKind, key: str) -> Iterator[Seen]:
    """One for each platform on which the run looked for them as what they are now, and saw all the lists."""
    person = next((each for each in evaluation.policy.people if each.key == key), None)
    if person is None or person.status is not kind.status:
        return
    judge = Judge(evaluation)
    for seen in evaluation.observation.platforms:
        found = seen.people.get(key)
        if found is not None and seen.groups_complete:
            rows = [row for row in evaluation.rows if row.platform is seen.platform]
            see = _leaver if kind is ChangeKind.LEAVING else _joiner
            yield see(seen, found, person, rows, evaluation, judge.excluded)


def _leaver(
    seen: PlatformObservation,
    found: PersonSeen,
    person: Person,
    rows: list[GroupRow],
    evaluation: Evaluation,
    accepted: Callable[[FindingKey], bool],
) -> Seen:
    """Where they are, and where nobody could tell; what somebody accepted for a group counts as neither."""
    told = not found.unresolved and not found.unread
    hidden, unseen, present = [], [], 0
    for row in rows:
        if accepted(FindingKey(seen.platform, row.id, FindingKind.DEPARTED_MEMBER_PRESENT, person.key)):
            continue
        if row.id not in seen.groups:
            hidden.append(row.name)
        elif (there := seen.presence(row.id, person.key)) is None:
            unseen.append(row.name)
        else:
            present += there
    return _seen(seen, found, present=present, unseen=unseen if told else [], hidden=hidden)


def _joiner(
    seen: PlatformObservation,
    found: PersonSeen,
    person: Person,
    rows: list[GroupRow],
    evaluation: Evaluation,
    accepted: Callable[[FindingKey], bool],
) -> Seen:
    """The required groups that they are in, that they are missing in, and where nobody could tell."""
    told = not found.unresolved and not found.unread
    rules = evaluation.policy.rules
    present = missing = 0
    unseen, hidden = [], []
    for row in rows:
        if not row.category.full_team:
            continue  # nobody has to be there
        present += person.key in row.required_present
        missing += person.key in row.required_missing
        if level_of(person, seen.platform, row.category.key, rules) is not Level.REQUIRED:
            continue
        if row.verdict is Verdict.NOT_VISIBLE:
            hidden.append(row.name)
        elif person.key in row.unresolved:
            unseen.append(row.name)
    unseen = unseen if told else []
    return _seen(seen, found, present=present, missing=missing, unseen=unseen, hidden=hidden)


def _seen(
    seen: PlatformObservation,
    found: PersonSeen,
    *,
    present: int,
    missing: int = 0,
    unseen: list[str],
    hidden: list[str],
) -> Seen:
    sights = [part.people[found.key] for part in seen.by_connection if found.key in part.people]
    accounts = [sight.user for sight in sights if sight.user is not None]
    return Seen(
        platform=seen.platform,
        account_closed=bool(accounts) and not any(account.active for account in accounts),
        unresolved=found.unresolved,
        unread=found.unread,
        present=present,
        missing=missing,
        unseen=tuple(unseen),
        hidden=tuple(hidden),
    )
