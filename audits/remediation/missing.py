"""Plan to add the missing members: what the open findings say, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from audits.lifecycle import State
from audits.models import Finding, GroupResult
from audits.remediation import obstacles
from audits.remediation.draft import ALREADY_THERE, Draft
from audits.remediation.facts import Facts, GroupKey, Place, Standing
from audits.remediation.reading import read_facts
from audits.remediation.selections import MissingSelection, platforms_or_all
from members.operations.membership import ADD
from members.operations.models import Step
from members.operations.plan import Plan, Target
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.policy import UNCATEGORISED, FindingKind, Level, Person, rules_for

KIND = "add_missing"

PAUSE_AFTER_FAILURE = timedelta(days=7)
"""How long what acts by itself leaves somebody alone whom it could not add: whoever does not want to be
added must not be asked every night."""

_FAILURES_OF_OURS = (
    Outcome.MISSING_SCOPE,
    Outcome.PEER_FLOOD,
    Outcome.ACCOUNT_TROUBLE,
    Outcome.RATE_LIMITED,
    Outcome.UNREACHABLE,
    Outcome.NOT_VERIFIED,
)
"""They say nothing of whom was to be added where: once mended, the next attempt may succeed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stored finding: somebody who is required was seen to be missing."""

    platform: Platform
    group_id: str
    group_name: str
    employee: str
    state: State = State.OPEN
    end_reason: str = ""


def plan_missing(selection: MissingSelection) -> Plan:
    """The additions that close the selected open findings, in a constant number of queries.

    `skipped` names what was looked at and is not to be done: a group as a whole, a person on a platform
    as a whole, or one person in one group.
    """
    platforms = platforms_or_all(selection.platforms)
    failures = _failed_lately() if selection.automatic else frozenset()
    return draw_up(selection, read_facts(platforms), _gaps(selection, platforms), failed_lately=failures)


def draw_up(
    selection: MissingSelection,
    facts: Facts,
    gaps: Iterable[Gap],
    *,
    failed_lately: Collection[tuple[str, str, str]] = (),
) -> Plan:
    """`plan_missing` without the database.

    `gaps` are of the selected platforms, run and findings; `failed_lately` are (platform, group id,
    user id).
    """
    draft = Draft(facts)
    people = facts.people()
    groups = frozenset(selection.groups)
    places = {key: place for key, place in facts.places.items() if _is_selected(place, selection, groups)}
    for gap in gaps:
        place, person = facts.places.get((gap.platform, gap.group_id)), people.get(gap.employee)
        if place is None:
            place = Place(gap.platform, gap.group_id, gap.group_name, UNCATEGORISED, Standing.UNLISTED)
        if not _is_selected(place, selection, groups) or not _names(selection, gap.employee):
            continue
        if selection.automatic and not _adds_by_itself(person, place, facts):
            continue
        if draft.obstructed(place) or draft.unable(gap.employee, gap.platform) or person is None:
            continue
        target = obstacles.target_in(place, person)
        if not place.category.full_team:
            draft.skip(obstacles.whole_place(place), obstacles.of_category(place.category))
        elif reason := _settled(gap) or obstacles.of_rules(
            person, place.platform, place.category, facts.policy.rules
        ):
            draft.skip(target, reason)
        elif (target.platform, target.group_id, target.user_id) in failed_lately:
            draft.skip(target, _FAILED_LATELY)
        else:
            draft.add(gap.employee, place, excluded_by={FindingKind.MISSING_REQUIRED})
    if not selection.findings and not selection.automatic:
        _name_what_was_not_judged(draft, selection, places.values(), people)
        _name_what_needs_nobody(draft, selection, facts)
    reach = sum(len(place.present) + len(place.missing) for place in places.values())
    return draft.plan(KIND, parameters=selection.as_parameters(), reach=reach)


def _name_what_was_not_judged(
    draft: Draft, selection: MissingSelection, places: Iterable[Place], people: Mapping[str, Person]
) -> None:
    """No finding speaks of these, and yet somebody may be missing there."""
    for place in places:
        if draft.obstructed(place):
            continue
        if not place.category.full_team:
            if any(_names(selection, key) for key in place.missing):
                draft.skip(obstacles.whole_place(place), obstacles.of_category(place.category))
            continue
        for key in sorted(place.unknown):
            if _names(selection, key) and not draft.unable(key, place.platform):
                draft.skip(obstacles.target_in(place, people[key]), _NOT_TOLD)
    for platform in platforms_or_all(selection.platforms):
        for key in selection.employees:
            draft.unable(key, platform)


def _name_what_needs_nobody(draft: Draft, selection: MissingSelection, facts: Facts) -> None:
    """Somebody chose these groups one by one, and looks for each of them in the plan."""
    spoken_of = draft.groups
    for platform, group_id in selection.groups:
        if (platform, group_id) in spoken_of or platform not in platforms_or_all(selection.platforms):
            continue
        place = facts.places.get((platform, group_id))
        if place is None:
            draft.skip(Target(platform, group_id, group_id), _NOT_AUDITED)
        elif selection.category in ("", place.category.key) and not draft.obstructed(place):
            draft.skip(obstacles.whole_place(place), _NOBODY)


def _gaps(selection: MissingSelection, platforms: Collection[Platform]) -> Iterator[Gap]:
    """The findings to look at: the living ones, and what the selection names by itself, ended or not."""
    found = Finding.objects.filter(kind=FindingKind.MISSING_REQUIRED, platform__in=platforms)
    wanted = None
    if selection.run is not None:
        wanted = _named_by(selection.run)
        found = found.filter(group__results__run=selection.run)
    if selection.findings:
        found = found.filter(pk__in=selection.findings)
    if selection.run is None and not selection.findings:
        found = found.exclude(state=State.RESOLVED)
    for finding in found.select_related("group").order_by("pk"):
        platform = Platform(finding.platform)
        if wanted is None or (platform, finding.group_external_id, finding.subject) in wanted:
            yield Gap(
                platform,
                finding.group_external_id,
                finding.group.name if finding.group is not None else "",
                finding.subject,
                State(finding.state),
                finding.end_reason,
            )


def _named_by(run: int) -> set[tuple[str, str, str]]:
    """(platform, group id, employee key) of everybody whom the report of this audit names as missing."""
    lists = GroupResult.objects.filter(run=run, missing_count__gt=0)
    return {
        (platform, group_id, key)
        for platform, group_id, keys in lists.values_list(
            "group__platform", "group__external_id", "required_missing"
        )
        for key in keys
    }


def _failed_lately() -> frozenset[tuple[str, str, str]]:
    """(platform, group id, user id) of the additions that failed since `PAUSE_AFTER_FAILURE`, for a reason
    that lies with the person or the group."""
    since = timezone.now() - PAUSE_AFTER_FAILURE
    failed = Step.objects.filter(verb=ADD, state=StepState.FAILED, finished_at__gte=since)
    failed = failed.exclude(outcome__in=_FAILURES_OF_OURS)
    return frozenset(failed.values_list("platform", "group_id", "user_id"))


def _is_selected(place: Place, selection: MissingSelection, groups: Collection[GroupKey]) -> bool:
    return (not groups or place.key in groups) and selection.category in ("", place.category.key)


def _names(selection: MissingSelection, employee: str) -> bool:
    return not selection.employees or employee in selection.employees


def _adds_by_itself(person: Person | None, place: Place, facts: Facts) -> bool:
    rules = rules_for(person, place.platform, place.category.key, facts.policy.rules) if person else ()
    return any(rule.auto_add and rule.level is Level.REQUIRED for rule in rules)


def _settled(gap: Gap) -> str:
    if gap.state is not State.RESOLVED:
        return ""
    return ALREADY_THERE if gap.end_reason == "fixed" else f"Not missing any more: {gap.end_reason}."


_NOBODY = "Nobody of those asked for is missing there."
_NOT_AUDITED = "It is not among the groups in scope of the latest audit."
_NOT_TOLD = "The latest audit could not tell whether they are there: run a new one."
_FAILED_LATELY = "Could not be added within the last week: add them by hand, or plan it yourself."
