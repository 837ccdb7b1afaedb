"""Make the policy in the database say what a policy file says.

A section that the file has is made equal to it; one that it lacks is left alone. What a file
cannot know survives: ids and changed usernames that audits learnt, and pinned categories.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from django.db import models, transaction

from members import policy, policy_store
from members.models import (
    Category,
    Employee,
    EmployeeHandle,
    Exclusion,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import Platform
from members.policy_file import CategoryPatterns, EmployeeEntry, PolicyFile, TeamEntry, parse

Value = TypeVar("Value", bound=Hashable)


class Action(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"
    KEPT = "kept"
    """The file would have it otherwise; the detail says why it stays."""


_INFINITIVE = {
    Action.CREATED: "create",
    Action.UPDATED: "update",
    Action.REMOVED: "remove",
    Action.KEPT: "keep",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that loading a file did."""

    action: Action
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return self._line(self.action)

    def as_intent(self) -> str:
        """The line of a dry run."""
        return self._line(f"would {_INFINITIVE[self.action]}")

    def _line(self, verb: str) -> str:
        return f"{verb} {self.what}" + (f": {self.detail}" if self.detail else "")


@dataclass(slots=True)
class Changes:
    """Everything that loading a file did."""

    entries: list[Change] = field(default_factory=list)
    unchanged: int = 0

    def add(self, action: Action, what: str, detail: str = "") -> None:
        self.entries.append(Change(action, what, detail))

    def counts(self) -> dict[str, int]:
        """How many of each action, and how many things were as the file has them."""
        found = Counter(entry.action for entry in self.entries)
        return {**{str(action): found[action] for action in Action}, "unchanged": self.unchanged}


@transaction.atomic
def load(data: bytes, *, reason: str, dry_run: bool = False) -> Changes:
    """Bring a policy file (also the older one with categories alone) into the database, or nothing of it.

    `reason` is kept in the history of what changes, and as who granted new exclusions.
    With `dry_run` the same is done and taken back. Raises PolicyFileError.
    """
    file = parse(data, policy_store.known_keys())
    loader = _Loader(reason)
    if isinstance(file, CategoryPatterns):
        loader.set_patterns(file)
    else:
        loader.make_equal(file)
    if dry_run:
        transaction.set_rollback(True)
    return loader.changes


@dataclass(slots=True)
class _Loader:
    """Applies one file and writes down what it did."""

    reason: str
    changes: Changes = field(default_factory=Changes)

    def make_equal(self, file: PolicyFile) -> None:
        if file.teams is not None:
            self._teams(file.teams)
        if file.employees is not None:
            self._employees(file.employees)
        if file.categories is not None:
            self._categories(file.categories)
        if file.rules is not None:
            self._rules(file.rules)
        if file.scope is not None:
            self._scope(file.scope)
        if file.naming is not None:
            self._naming(file.naming)
        if file.exclusions is not None:
            self._exclusions(file.exclusions)
        # Last, when nothing in the file's own sections refers to them any more.
        if file.employees is not None:
            self._remove_employees({entry.key for entry in file.employees})
        if file.teams is not None:
            self._remove_teams({entry.key for entry in file.teams})
        if file.categories is not None:
            self._remove_categories({entry.key for entry in file.categories})

    def set_patterns(self, file: CategoryPatterns) -> None:
        """Bring in the older file: its patterns, a default category if there is none, and no more."""
        rows = {row.key: row for row in Category.objects.all()}
        last = max((row.position for row in rows.values()), default=-1)
        if not any(row.default for row in rows.values()):
            customer = rows.get("customer") or Category(key="customer", name="BD Customer", position=last + 1)
            self._put("category customer", customer, {"default": True})
            rows["customer"] = customer
        for offset, (key, name, patterns) in enumerate(file.categories, start=2):
            row = rows.get(key) or Category(key=key, name=name, full_team=False, position=last + offset)
            self._put(f"category {row.key}", row, {"patterns": list(patterns)})

    def _teams(self, entries: Iterable[TeamEntry]) -> None:
        rows = {row.key: row for row in Team.objects.all()}
        for entry in entries:
            row = rows.get(entry.key) or Team(key=entry.key)
            self._put(f"team {row.key}", row, {"name": entry.name})

    def _employees(self, entries: Sequence[EmployeeEntry]) -> None:
        rows = {row.key: row for row in Employee.objects.select_for_update().prefetch_related("teams")}
        teams = {row.key: row for row in Team.objects.all()}
        remembered = _remembered_usernames()
        self._release_ids(entries, rows.values())
        for entry in entries:
            row = rows.get(entry.key) or Employee(key=entry.key)
            identity = {
                **self._identity(entry, row, Platform.SLACK, remembered),
                **self._identity(entry, row, Platform.TELEGRAM, remembered),
            }
            values = {
                "name": entry.name,
                "title": entry.title,
                "status": entry.status,
                "email": entry.email or "",
                **identity,
            }
            self._put(f"employee {row.key}", row, values, teams=[teams[key] for key in entry.teams])

    def _identity(
        self,
        entry: EmployeeEntry,
        row: Employee,
        platform: Platform,
        remembered: Mapping[tuple[int, str], Collection[str]],
    ) -> dict[str, Any]:
        """What the file says about an account, joined with what audits learnt about it."""
        id_field, username_field = f"{platform}_user_id", f"{platform}_username"
        said_id, said = getattr(entry, id_field), getattr(entry, username_field)
        known_id, known = getattr(row, id_field), getattr(row, username_field)
        if said is None:
            said = known
        same_name = said.casefold() == known.casefold()
        same_person = known_id is not None and said_id in (None, known_id)
        if not same_name and same_person and said.casefold() in remembered.get((row.pk, platform), ()):
            # The file is older than the change of username that an audit followed.
            self.changes.add(
                Action.KEPT,
                f"employee {row.key}",
                f"{platform.label} username {known} (the file has the older {said})",
            )
            said, same_name = known, True
        if said_id is None and same_name:
            said_id = known_id
        return {id_field: said_id, username_field: said}

    def _release_ids(self, entries: Iterable[EmployeeEntry], rows: Iterable[Employee]) -> None:
        """Take ids from whom the file gives them away, so that they can even be swapped."""
        entries = tuple(entries)
        for id_field in ("slack_user_id", "telegram_user_id"):
            owner = {getattr(entry, id_field): entry.key for entry in entries}
            for row in rows:
                held = getattr(row, id_field)
                if held is not None and owner.get(held, row.key) != row.key:
                    self._put(f"employee {row.key}", row, {id_field: None})

    def _categories(self, entries: Sequence[policy.Category]) -> None:
        rows = {row.key: row for row in Category.objects.all()}
        default = next((entry.key for entry in entries if entry.default), None)
        for row in rows.values():
            if row.default and row.key != default:
                self._put(f"category {row.key}", row, {"default": False})
        wanted = [entry.key for entry in entries]
        in_order = [key for key in rows if key in wanted] == wanted
        for position, entry in enumerate(entries):
            row = rows.get(entry.key) or Category(key=entry.key)
            values = {
                "name": entry.name,
                "full_team": entry.full_team,
                "default": entry.default,
                "patterns": list(entry.patterns),
            }
            self._put(f"category {row.key}", row, values if in_order else {**values, "position": position})

    def _rules(self, wanted: Sequence[policy.Rule]) -> None:
        categories, teams, employees = _ids(Category), _ids(Team), _ids(Employee)
        rows = policy_store.rules()
        auto_added = {rule for _, rule in rows if rule.auto_add}

        def build(rule: policy.Rule) -> MembershipRule:
            return MembershipRule(
                platform=rule.platform,
                level=rule.level,
                category_id=categories[rule.category],
                team_id=teams[rule.team],
                employee_id=employees[rule.employee],
                auto_add=rule in auto_added,
            )

        self._replace("rule", rows, wanted, build)

    def _scope(self, wanted: Sequence[policy.ScopeLine]) -> None:
        employees = _ids(Employee)

        def build(line: policy.ScopeLine) -> ScopeLine:
            return ScopeLine(
                platform=line.platform,
                kind=line.kind,
                match=line.match,
                pattern=line.pattern,
                employee_id=employees[line.employee],
            )

        self._replace("scope line", policy_store.scope_lines(), wanted, build)

    def _naming(self, wanted: Sequence[policy.Naming]) -> None:
        def build(naming: policy.Naming) -> NamingRule:
            return NamingRule(pattern=naming.pattern, replacement=naming.replacement)

        self._replace("naming rule", policy_store.naming_rules(), wanted, build)

    def _exclusions(self, wanted: Sequence[policy.Exclusion]) -> None:
        employees = _ids(Employee)
        rows = {value.place: row for row, value in policy_store.exclusions()}
        for exclusion in wanted:
            row = rows.pop(exclusion.place, None) or Exclusion(
                platform=exclusion.platform,
                group_external_id=exclusion.group_id,
                employee_id=employees[exclusion.employee],
                kind=exclusion.kind or "",
                granted_by=self.reason[:150],
            )
            values = {"reason": exclusion.reason, "expires": exclusion.expires}
            self._put(f"exclusion of {exclusion}", row, values)
        for row in rows.values():
            self._remove(f"exclusion of {row}", row)

    def _remove_employees(self, named: Collection[str]) -> None:
        for row in Employee.objects.exclude(key__in=named):
            users = {"rule": row.rules, "scope line": row.scope_lines, "exclusion": row.exclusions}
            self._remove_unless_used(f"employee {row.key}", row, users)

    def _remove_teams(self, named: Collection[str]) -> None:
        for row in Team.objects.exclude(key__in=named):
            self._remove_unless_used(f"team {row.key}", row, {"rule": row.rules, "employee": row.employees})

    def _remove_categories(self, named: Collection[str]) -> None:
        """What stays is tried after the file's categories."""
        last = max((row.position for row in Category.objects.filter(key__in=named)), default=-1)
        for row in Category.objects.exclude(key__in=named):
            users = {"rule": row.rules, "pinned group": row.groups.filter(category_pinned=True)}
            self._remove_unless_used(f"category {row.key}", row, users)
            if row.pk is not None:
                last = max(last + 1, row.position)
                self._save(row, {"position": last})

    def _remove_unless_used(self, what: str, row: models.Model, users: Mapping[str, Any]) -> None:
        """Remove what the file left out, unless something outside the file's sections still names it."""
        counts = {noun: manager.count() for noun, manager in users.items()}
        uses = [f"{count} {noun}{'s' if count > 1 else ''}" for noun, count in counts.items() if count]
        if uses:
            self.changes.add(Action.KEPT, what, f"not in the file, but named by {', '.join(uses)}")
        else:
            self._remove(what, row)

    def _replace(
        self,
        kind: str,
        rows: Sequence[tuple[models.Model, Value]],
        wanted: Sequence[Value],
        build: Callable[[Value], models.Model],
    ) -> None:
        """Make an ordered section equal to the file's; rows that stand in order already are left alone."""
        before, after = Counter(value for _, value in rows), Counter(wanted)
        kept = 0
        for row, value in rows:
            if kept < len(wanted) and value == wanted[kept]:
                kept += 1
            else:
                self._delete(row)
        for value in wanted[kept:]:
            self._save(build(value), {})
        for value in (before - after).elements():
            self.changes.add(Action.REMOVED, f"{kind} {value}")
        for value in (after - before).elements():
            self.changes.add(Action.CREATED, f"{kind} {value}")
        self.changes.unchanged += (before & after).total()

    def _put(
        self, what: str, row: Any, values: Mapping[str, Any], *, teams: Collection[Team] | None = None
    ) -> None:
        """Create or update a row, with its teams, only where something differs."""
        is_new = row.pk is None
        detail = [
            f"{field} {_shown(getattr(row, field))} → {_shown(value)}"
            for field, value in values.items()
            if getattr(row, field) != value
        ]
        if is_new or detail:
            self._save(row, values)
        if teams is not None:
            had = set() if is_new else set(row.teams.all())
            if had != set(teams):
                row._change_reason = self.reason[:100]
                row.teams.set(teams)
                keys = [_shown([team.key for team in group]) for group in (had, teams)]
                detail.append(f"teams {' → '.join(keys)}")
        if is_new:
            self.changes.add(Action.CREATED, what)
        elif detail:
            self.changes.add(Action.UPDATED, what, ", ".join(detail))
        else:
            self.changes.unchanged += 1

    def _save(self, row: Any, values: Mapping[str, Any]) -> None:
        for field_name, value in values.items():
            setattr(row, field_name, value)
        row._change_reason = self.reason[:100]
        row.save()

    def _remove(self, what: str, row: Any) -> None:
        self._delete(row)
        self.changes.add(Action.REMOVED, what)

    def _delete(self, row: Any) -> None:
        row._change_reason = self.reason[:100]
        row.delete()


def _ids(model: type[Category] | type[Team] | type[Employee]) -> dict[str | None, int | None]:
    """Primary keys by key; no key has no primary key."""
    return {None: None, **dict(model.objects.values_list("key", "pk"))}


def _remembered_usernames() -> Mapping[tuple[int, str], set[str]]:
    """(employee, platform) → every username that audits saw there, case folded."""
    found: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for employee, platform, username in EmployeeHandle.objects.values_list(
        "employee", "platform", "username"
    ):
        found[employee, platform].add(username.casefold())
    return found


def _shown(value: object) -> str:
    if isinstance(value, Collection) and not isinstance(value, str):
        value = ", ".join(sorted(str(item) for item in value))
    return "none" if value is None or value == "" else str(value)
