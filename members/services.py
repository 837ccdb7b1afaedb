"""What the floors above do with people and groups: read the policy, keep what was learnt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from members import policy_store
from members.models import LONGEST_USERNAME, Employee, EmployeeAccount, EmployeeHandle, Exclusion, Group
from members.platforms.types import (
    AdminStatus,
    GroupKind,
    History,
    Platform,
    PlatformGroup,
    PlatformUser,
    Privacy,
)
from members.policy import EmployeeStatus, Handle, Person, Policy
from members.policy_file import EmployeeEntry
from members.workspaces.accounts import keep_accounts


def load_policy() -> Policy:
    """The policy as stored, in a constant number of queries; people in the order of their entry."""
    has_accounts = Exists(EmployeeAccount.objects.filter(employee=OuterRef("pk")))
    rows = list(policy_store.employees().annotate(has_accounts=has_accounts))
    elsewhere = _accounts_elsewhere() if any(row.has_accounts for row in rows) else {}
    stored = policy_store.read(rows)
    pinned = Group.objects.filter(category_pinned=True, category__isnull=False)
    return Policy(
        people=tuple(_person(entry, elsewhere.get(entry.key, {})) for entry in stored.employees or ()),
        categories=stored.categories or (),
        rules=stored.rules or (),
        scope=stored.scope or (),
        naming=stored.naming or (),
        exclusions=stored.exclusions or (),
        pinned_categories={
            (Platform(platform), group_id): category
            for platform, group_id, category in pinned.values_list("platform", "external_id", "category__key")
        },
    )


@dataclass(frozen=True, slots=True)
class IdentitySeen:
    """An employee's account, as an audit found it."""

    key: str
    user: PlatformUser
    changed_from: str | None = None
    """The username we had, when the user has it no more (see `members.identity.Resolved`)."""
    workspace: str = ""
    """The further Slack workspace in which the account is, where it is one."""


@transaction.atomic
def record_identities(*, seen: Iterable[IdentitySeen], at: datetime) -> tuple[str, ...]:
    """Keep the ids, usernames and former usernames that an audit learnt; `at` is when it looked.

    What staff edited meanwhile wins: an account that does not answer to what is stored any more
    is skipped, as is an id that belongs to another employee by now. Returns the keys of the
    employees that changed.
    """
    rows = {row.key: row for row in Employee.objects.select_for_update()}
    owners = {
        (platform, str(held)): row.key
        for row in rows.values()
        for platform in Platform
        if (held := getattr(row, f"{platform}_user_id")) is not None
    }
    usernames = _Usernames()
    seen = list(seen)
    keep_accounts(
        (rows[sight.key].pk, sight.workspace, sight.user)
        for sight in seen
        if sight.workspace and sight.key in rows
    )
    changed: dict[str, Any] = {}  # any: simple-history reads the reason from an attribute
    for sight in seen:
        if sight.workspace:
            continue
        row = rows.get(sight.key)
        owner = owners.setdefault((sight.user.platform, sight.user.id), sight.key)
        if row is None or owner != sight.key or not _still_meant(row, sight):
            continue
        if sight.changed_from:
            usernames.former(row, sight.user.platform, sight.changed_from)
        for username in filter(_storable, sight.user.usernames):
            usernames.current(row, sight.user.platform, username, at)
        if _learn(row, sight):
            changed[row.key] = row
    for row in changed.values():
        row._change_reason = "learnt by an audit"
        row.save()
    usernames.save()
    return tuple(changed)


@transaction.atomic
def usernames_by_id(platform: Platform, connection: str = "") -> dict[str, str]:
    """The employees' usernames on `platform`, by their ids there; in a further workspace those of it."""
    if connection and platform is Platform.SLACK:
        accounts = EmployeeAccount.objects.filter(workspace=int(connection)).exclude(user_id="")
        return dict(accounts.exclude(username="").values_list("user_id", "username"))
    columns = f"{platform}_user_id", f"{platform}_username"
    rows = Employee.objects.exclude(**{columns[0]: None}).exclude(**{columns[1]: ""}).values_list(*columns)
    return {str(user_id): username for user_id, username in rows}


def set_status(*, employees: QuerySet[Employee], status: EmployeeStatus) -> int:
    """Give the employees this status. Returns how many had another one."""
    rows = list(employees.exclude(status=status).select_for_update())
    for row in rows:
        row.status = status
        row.save()  # one by one: simple-history's bulk way forgets the teams
    return len(rows)


@transaction.atomic
def pin_categories(*, groups: QuerySet[Group]) -> int:
    """Keep the groups' present categories whatever their names say. Returns how many were not pinned yet."""
    return _set_pinned(groups.filter(category_pinned=False, category__isnull=False), pinned=True)


@transaction.atomic
def unpin_categories(*, groups: QuerySet[Group]) -> int:
    """Let the names decide again, from the next audit on. Returns how many were pinned."""
    return _set_pinned(groups.filter(category_pinned=True), pinned=False)


@transaction.atomic
def rename_groups(*, changes: Mapping[tuple[str, str], tuple[str, str]], reason: str) -> int:
    """Store the names that the platforms were told: (platform, id) → (old name, new name).

    Left alone is a group that is not stored under the old one any more: an audit has seen it since.
    Returns how many changed.
    """
    ids = {group_id for _, group_id in changes}
    locked = Group.objects.select_for_update().filter(external_id__in=ids).order_by("pk")
    known = {(row.platform, row.external_id): row for row in locked}
    rows = [row for key, row in known.items() if key in changes and row.name == changes[key][0]]
    remember_as_seen(rows)
    for row in rows:
        row.name = changes[row.platform, row.external_id][1]
    bulk_update_with_history(rows, Group, ["name"], batch_size=500, default_change_reason=reason)
    return len(rows)


@transaction.atomic
def follow_migrations(*, platform: Platform, moved: Mapping[str, str]) -> None:
    """What people decided about a basic group goes on for the supergroup it became (old id → new id)."""
    for old, new in moved.items():
        group = Group.objects.filter(platform=platform, external_id=old, category_pinned=True).first()
        if group is not None:
            heir = Group.objects.filter(platform=platform, external_id=new, category_pinned=False)
            heir.update(category=group.category, category_pinned=True)
        owned = Group.objects.filter(platform=platform, external_id=old, customer__isnull=False).first()
        if owned is not None:
            Group.objects.filter(platform=platform, external_id=new, customer=None).update(
                customer=owned.customer
            )
        decided = Exclusion.objects.filter(platform=platform, group_external_id=new)
        known = set(decided.values_list("employee", "kind"))
        for exclusion in Exclusion.objects.filter(platform=platform, group_external_id=old):
            if (exclusion.employee_id, exclusion.kind) not in known:
                exclusion.group_external_id = new
                exclusion.save()


def remember_as_seen(groups: Iterable[Group]) -> None:
    """Call it before people change groups, with the groups as stored.

    Audits write groups without history, so what they changed since the last change by hand would look like
    part of the next one.
    """
    stored = list(groups)
    records = Group.history.filter(id__in=[group.pk for group in stored]).order_by("history_id")
    last = {record.id: record for record in records}
    fields = [field.attname for field in Group.history.model.tracked_fields]
    Group.history.bulk_create(
        Group.history.model(
            **{name: getattr(group, name) for name in fields},
            history_date=timezone.now(),
            history_type="~" if group.pk in last else "+",
            history_change_reason="as audits saw it",
        )
        for group in stored
        if any(getattr(last.get(group.pk), name, None) != getattr(group, name) for name in fields)
    )


def _set_pinned(groups: QuerySet[Group], *, pinned: bool) -> int:
    # Locked in the order of the keys, so that it and an audit that writes groups never wait for each other.
    locked = Group.objects.select_for_update().filter(pk__in=groups.order_by().values("pk"))
    rows = list(locked.order_by("pk"))
    remember_as_seen(rows)
    for row in rows:
        row.category_pinned = pinned
    bulk_update_with_history(rows, Group, ["category_pinned"], batch_size=500)
    return len(rows)


def _accounts_elsewhere() -> dict[str, dict[str, Handle]]:
    """Employee key → connection → who they are there."""
    known: defaultdict[str, dict[str, Handle]] = defaultdict(dict)
    rows = EmployeeAccount.objects.values_list("employee__key", "workspace", "user_id", "username")
    for key, workspace, user_id, username in rows:
        known[key][str(workspace)] = Handle(user_id or None, username or None)
    return known


def _person(entry: EmployeeEntry, elsewhere: Mapping[str, Handle]) -> Person:
    telegram_id = None if entry.telegram_user_id is None else str(entry.telegram_user_id)
    return Person(
        key=entry.key,
        name=entry.name,
        status=entry.status,
        teams=frozenset(entry.teams),
        email=entry.email,
        handles={
            Platform.SLACK: Handle(entry.slack_user_id, entry.slack_username),
            Platform.TELEGRAM: Handle(telegram_id, entry.telegram_username),
        },
        elsewhere=elsewhere,
    )


def _still_meant(row: Employee, sight: IdentitySeen) -> bool:
    """Whether the stored identity is still the one for which the account was found."""
    held = getattr(row, f"{sight.user.platform}_user_id")
    if held is not None and str(held) != sight.user.id:
        return False
    known = getattr(row, f"{sight.user.platform}_username").casefold()
    expected = {username.casefold() for username in (*sight.user.usernames, sight.changed_from or "")}
    return known in expected


def _storable(username: str) -> bool:
    """Whether it fits; no platform allows one that does not, and half of one would be somebody else's."""
    return len(username) <= LONGEST_USERNAME


def _learn(row: Employee, sight: IdentitySeen) -> bool:
    """Put the account's id and username into the row; whether that changed it."""
    id_field, username_field = f"{sight.user.platform}_user_id", f"{sight.user.platform}_username"
    user_id = int(sight.user.id) if sight.user.platform is Platform.TELEGRAM else sight.user.id
    before = getattr(row, id_field), getattr(row, username_field)
    setattr(row, id_field, user_id)
    username = sight.user.username or ""
    if (sight.changed_from or not before[1]) and _storable(username):
        setattr(row, username_field, username)
    return before != (getattr(row, id_field), getattr(row, username_field))


class _Usernames:
    """The remembered usernames of everybody; reads them in one query and writes them in two."""

    def __init__(self) -> None:
        self._known = {
            (handle.employee_id, handle.platform, handle.username.casefold()): handle
            for handle in EmployeeHandle.objects.all()
        }
        self._seen_again: list[EmployeeHandle] = []

    def current(self, row: Employee, platform: Platform, username: str, at: datetime) -> None:
        """The person has this username now."""
        handle = self._handle(row, platform, username, at)
        if handle.last_seen_at < at:
            handle.last_seen_at = at
            self._seen_again.append(handle)

    def former(self, row: Employee, platform: Platform, username: str) -> None:
        """The person had it; where no audit saw that, it held when the row was last written."""
        self._handle(row, platform, username, row.updated_at)

    def save(self) -> None:
        EmployeeHandle.objects.bulk_create([handle for handle in self._known.values() if handle.pk is None])
        EmployeeHandle.objects.bulk_update(self._seen_again, ["last_seen_at"], batch_size=500)

    def _handle(self, row: Employee, platform: Platform, username: str, at: datetime) -> EmployeeHandle:
        return self._known.setdefault(
            (row.pk, platform, username.casefold()),
            EmployeeHandle(
                employee=row, platform=platform, username=username, first_seen_at=at, last_seen_at=at
            ),
        )


def employee_of(user: AbstractBaseUser | AnonymousUser) -> Employee | None:
    """Who of the staff signs in as this user: who is said to, else the only one with their e-mail address.

    An address that two employees share tells nothing.
    """
    if not user.is_authenticated or user.pk is None:
        return None
    email = getattr(user, "email", "")
    same = Q(user=None, email__iexact=email) if email else Q(pk__in=[])
    found = list(Employee.objects.filter(Q(user=user.pk) | same)[:3])
    said = [employee for employee in found if employee.user_id == user.pk]
    return (said or found)[0] if said or len(found) == 1 else None


def platform_group(group: Group) -> PlatformGroup:
    """A stored group as the adapters take it, and told of it when the latest audit looked."""
    return PlatformGroup(
        platform=Platform(group.platform),
        id=group.external_id,
        name=group.name,
        kind=GroupKind(group.kind),
        privacy=Privacy(group.privacy),
        admin_status=AdminStatus(group.admin_status),
        history=History(group.history_visibility),
        total_members=group.total_members,
        archived=group.archived,
        shared_externally=group.shared_externally,
        joined=group.joined,
        may_invite=group.may_invite,
        may_remove=group.may_remove,
        may_rename=group.may_rename,
    )
