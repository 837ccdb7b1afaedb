"""Bulk renaming, on both platforms: plan, check again, undo, and keep the new names.

The kind itself is registered by `audits.remediation`: an audit verifies what came of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from members import policy_store
from members.dates import day_in_words
from members.models import Exclusion, Group, holding
from members.operations.account_connection import AccountConnection
from members.operations.connections import account_on
from members.operations.kinds import Connection
from members.operations.models import Operation
from members.operations.pace import Pace
from members.operations.plan import Cap, Plan, PlannedStep, Skipped, Target, Unit
from members.operations.services import OperationRefused
from members.operations.states import StepState
from members.patterns import PatternTrouble
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from members.policy import FindingKind, Naming, in_scope, outdated_part
from members.services import rename_groups
from telegram_ops.new_names import Renamer, by_regex, by_rules, by_text, doubled_words
from telegram_ops.rename_plans import (
    NEW,
    OLD,
    Candidate,
    GroupKey,
    Wish,
    draw_up,
    groups_called,
    wishes_in,
    wishes_of,
)
from telegram_ops.rename_selections import Change, RenameSelection, Way
from telegram_ops.renaming import RenameExecutor

WARNED_OF = 5
"""How many names a warning spells out."""

_PACES = {
    Platform.TELEGRAM: Pace(10, 900.0, "Telegram lets an account rename about 10 groups in 15 minutes."),
    Platform.SLACK: Pace(20, 60.0, "Slack takes about 20 renames a minute."),
}
"""Telegram documents no number: this is its users' experience. Slack's is that of tier 2
(docs.slack.dev/apis/web-api/rate-limits)."""


def plan_renames(selection: RenameSelection) -> Plan:
    """The renames that were asked for, in a constant number of queries.

    `skipped` has each group that is to keep its name, with the reason, and each word that leads to no one
    group, in the `group_name` of its target. Raises PatternTrouble.
    """
    naming = _naming()
    everybody = _stored_groups(naming)
    rows = [row for row in everybody if not selection.platforms or row.group.platform in selection.platforms]
    chosen, named, lost = _chosen(selection, rows)
    groups = [row.to_be_renamed(back=selection.way is Way.BACK) for row in chosen]
    match selection.way:
        case Way.MAPPING:
            wishes, unknown = wishes_in(selection.mapping, groups)
            lost |= unknown
        case Way.BACK:
            wishes = _wishes_back(selection, groups)
        case _:
            wishes = list(wishes_of(groups, _renamer(selection, naming), named=named))
    if selection.way is Way.RULES:
        wishes = [_checked(wish, naming) for wish in wishes]
    nowhere = selection.platforms[0] if selection.platforms else next(iter(Platform))
    return draw_up(
        wishes,
        [row.group for row in everybody],
        skipped=[Skipped(Target(nowhere, "", word), reason) for word, reason in lost.items()],
        parameters=selection.as_parameters(),
        reach=len(chosen),
    )


def plan_again(parameters: Mapping[str, Any]) -> Plan:
    """The same, of the groups as they are now. Raises OperationRefused."""
    try:
        return plan_renames(RenameSelection.from_parameters(parameters))
    except PatternTrouble as error:
        raise OperationRefused(str(error)) from error


def words_left_out(plan: Plan) -> tuple[Skipped, ...]:
    """The names, ids and words of a mapping that lead to no group, or to several."""
    return tuple(line for line in plan.skipped if not line.target.group_id)


def undo_renames(done: Sequence[PlannedStep]) -> Plan:
    """Give those groups their old names back that still have the one we gave."""
    changes = [
        Change(
            step.target.platform,
            step.target.group_id,
            old=step.after.get("name") or step.arguments[NEW],
            new=step.arguments[OLD],
        )
        for step in done
    ]
    return plan_renames(RenameSelection(Way.BACK, changes=tuple(changes)))


def unwanted_renames(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the steps (by index) our own rules do not want any more, and why. Three queries."""
    ids = {step.target.group_id for step in steps}
    now = {row.group.key: row.group for row in _stored_groups(_naming(), ids=ids)}
    found = {at: now.get((step.target.platform, step.target.group_id)) for at, step in enumerate(steps)}
    return {at: group.obstacle for at, group in found.items() if group is not None and group.obstacle}


def warnings_about(steps: Sequence[PlannedStep]) -> list[str]:
    """What people should know before they confirm these renames: one sentence each, in two queries."""
    return [*_leaving_scope(steps), *_equal_titles(steps), *_doubled_words(steps)]


def _leaving_scope(steps: Sequence[PlannedStep]) -> Iterator[str]:
    """Groups that audits would not look at any more, because of their new names."""
    lines = [line for _, line in policy_store.scope_lines()]
    sharers = {line.employee for line in lines if line.employee is not None}
    try:
        names = [
            step.arguments[NEW]
            for step in steps
            if in_scope(step.target.platform, step.arguments[OLD], sharers, lines)
            and not in_scope(step.target.platform, step.arguments[NEW], sharers, lines)
        ]
    except PatternTrouble as error:
        yield f"Nobody can tell what is in scope. {error}"
        return
    if names:
        who = f"“{names[0]}”" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        yield f"By the scope lines, no audit would look at {who} any more: adapt the scope first."


def _equal_titles(steps: Sequence[PlannedStep]) -> list[str]:
    """Telegram groups that would be called alike, which Telegram allows and people confuse."""
    new = {
        step.target.group_id: step.arguments[NEW]
        for step in steps
        if step.target.platform is Platform.TELEGRAM
    }
    alike = Counter(new.values())
    rows = Group.objects.filter(platform=Platform.TELEGRAM, archived=False, name__in=set(new.values()))
    alike.update(name for group_id, name in rows.values_list("external_id", "name") if group_id not in new)
    several = [(name, count) for name, count in alike.most_common() if count > 1]
    lines = [f"{count} Telegram groups would be called “{name}”." for name, count in several[:WARNED_OF]]
    if (more := len(several) - WARNED_OF) > 0:
        lines.append(f"{more} more titles would be those of several Telegram groups.")
    return lines


def _doubled_words(steps: Sequence[PlannedStep]) -> Iterator[str]:
    """New names in which a word stands twice: a rule and the rest of the name said the same."""
    named = [
        f"“{step.arguments[NEW]}” ({', '.join(words)})"
        for step in steps
        if (words := doubled_words(step.arguments[OLD], step.arguments[NEW]))
    ]
    if named:
        more = f" and {len(named) - WARNED_OF:,} more" if len(named) > WARNED_OF else ""
        yield (
            f"A word would stand twice in {', '.join(named[:WARNED_OF])}{more}: "
            "rename them by hand or with a mapping, if that is not meant."
        )


def keep_names(operation: Operation) -> None:
    """Have the stored groups be called as the operation has them called now, without waiting for an audit."""
    so = Q(state=StepState.DONE) | Q(state=StepState.SKIPPED, outcome=Outcome.ALREADY_THERE)
    changes = {
        (step.platform, step.group_id): (step.arguments[OLD], step.after.get("name") or step.arguments[NEW])
        for step in operation.steps.filter(so)
    }
    rename_groups(changes=changes, reason=f"renamed by operation {operation.pk}")


def cap_of_renames() -> Cap:
    """How many groups one plan may rename."""
    return Cap(Unit.GROUPS, count=settings.OPERATION_CAP_RENAMES)


def pace_of_renames(platform: Platform) -> Pace | None:
    """What the platform is known to allow."""
    return _PACES.get(platform)


def describe_rename(arguments: Mapping[str, Any]) -> str:
    """Old name and new name, for people."""
    return f"{arguments[OLD]} → {arguments[NEW]}"


def connect(platform: Platform, connection: str) -> Connection:
    """The way to rename on `platform`."""
    return AccountConnection(
        account_on(platform, connection), lambda writer, groups, people: RenameExecutor(writer, groups)
    )


@dataclass(frozen=True, slots=True)
class _StoredGroup:
    group: Candidate
    in_scope: bool
    archived: bool
    category: str
    """The category's key; "" without one."""

    def to_be_renamed(self, *, back: bool) -> Candidate:
        """The group with whatever speaks against renaming it. A new name may have put it out of scope,
        which must not keep it from being taken `back`."""
        if self.in_scope or self.archived or back:
            return self.group
        return replace(self.group, obstacle="The group is out of scope.")


def _naming() -> list[Naming]:
    return [rule for _, rule in policy_store.naming_rules()]


def _stored_groups(naming: Sequence[Naming], *, ids: Collection[str] | None = None) -> list[_StoredGroup]:
    """All stored groups, or those of these ids: two queries."""
    rows = Group.objects.select_related("category").order_by("platform", "pk")
    accepted = Exclusion.objects.filter(
        holding(datetime.now(UTC).date()), kind=FindingKind.DEPRECATED_NAME, employee=None
    )
    if ids is not None:
        rows, accepted = rows.filter(external_id__in=ids), accepted.filter(group_external_id__in=ids)
    exceptions = {
        (platform, group_id): (reason, expires)
        for platform, group_id, reason, expires in accepted.values_list(
            "platform", "group_external_id", "reason", "expires"
        )
    }
    found = []
    for row in rows:
        exception = exceptions.get((row.platform, row.external_id))
        if outdated_part(row.name, naming) is None:
            exception = None
        group = Candidate(Platform(row.platform), row.external_id, row.name, _obstacle(row, exception))
        category = row.category.key if row.category is not None else ""
        found.append(_StoredGroup(group, row.in_scope, row.archived, category))
    return found


def _obstacle(row: Group, exception: tuple[str, date | None] | None) -> str:
    """Why nobody can, or shall, rename it."""
    if row.archived:
        return "The group is archived: somebody has to bring it back first."
    if not row.visible:
        return "Our account does not see the group: it has to be let in first."
    if not row.may_rename and row.platform == Platform.SLACK:
        return "Our account is not in the channel: somebody in it has to add it first."
    if not row.may_rename:
        return "Our account may not rename the group: it needs an admin's right to change its info."
    if exception is not None:
        reason, expires = exception
        end = f"until {day_in_words(expires)}" if expires else "without an end"
        return f"The name is accepted as it is {end}: {reason}"
    return ""


def _chosen(
    selection: RenameSelection, rows: Sequence[_StoredGroup]
) -> tuple[list[_StoredGroup], bool, dict[str, str]]:
    """The groups to look at, whether each was named, and the words that lead to no one group."""
    lost: dict[str, str] = {}
    keys: set[GroupKey] = {(change.platform, change.group_id) for change in selection.changes}
    keys |= set(selection.groups)
    if selection.names:
        found, lost = groups_called(selection.names, [row.group for row in rows])
        keys |= {group.key for group in found}
    named = bool(keys or selection.names)
    everybody = named or selection.way is Way.MAPPING
    chosen = [
        row
        for row in rows
        if (row.group.key in keys if named else everybody or row.in_scope or row.archived)
        and selection.category in ("", row.category)
    ]
    return chosen, named, lost


def _renamer(selection: RenameSelection, naming: Sequence[Naming]) -> Renamer:
    match selection.way:
        case Way.TEXT:
            return by_text(selection.pattern, selection.replacement)
        case Way.REGEX:
            return by_regex(selection.pattern, selection.replacement)
        case _:
            return by_rules(naming)


def _checked(wish: Wish, naming: Sequence[Naming]) -> Wish:
    """A rule whose replacement holds the deprecated part again would never come to an end."""
    rule = outdated_part(wish.name, naming)
    if rule is None or wish.needless:
        return wish
    again = f"The new name would have “{rule.pattern}” in it again: correct the naming rule."
    return Wish(wish.group, wish.name, again)


def _wishes_back(selection: RenameSelection, groups: Sequence[Candidate]) -> list[Wish]:
    """The old names of those that are still called as we called them."""
    changes = {(change.platform, change.group_id): change for change in selection.changes}
    wishes = []
    for group in groups:
        change = changes[group.key]
        other = f"It is called “{group.name}” by now, which is not the name that we gave it."
        wishes.append(Wish(group, change.new, "" if group.name in (change.old, change.new) else other))
    return wishes
