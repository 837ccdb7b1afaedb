"""Small hand-made policies and observations for the pure tests; every name is invented."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from audits.engine import Evaluation, evaluate
from audits.observation import KnownGroup, Observation, PersonSeen, PlatformObservation
from members.platforms.types import (
    Account,
    AdminStatus,
    GroupKind,
    History,
    Platform,
    PlatformGroup,
    PlatformUser,
    Privacy,
)
from members.policy import (
    Category,
    EmployeeStatus,
    Exclusion,
    Handle,
    Level,
    Naming,
    Person,
    Policy,
    Rule,
    ScopeKind,
    ScopeLine,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SLACK, TELEGRAM = Platform.SLACK, Platform.TELEGRAM

CUSTOMER = Category("customer", "BD Customer", full_team=True, default=True)
INTERNAL = Category("internal", "Internal", full_team=False, patterns=("company",))


def person(
    key: str,
    *,
    status: EmployeeStatus = EmployeeStatus.ACTIVE,
    teams: Iterable[str] = ("core",),
    platforms: Iterable[Platform] = Platform,
) -> Person:
    handles = {platform: Handle(id=f"U-{key}", username=key) for platform in platforms}
    return Person(key, f"{key.capitalize()} Example", status, frozenset(teams), None, handles)


def policy(
    *people: Person, exclusions: Iterable[Exclusion] = (), rules: Iterable[Rule] | None = None
) -> Policy:
    """ "core" is required on both platforms, "extra" is optional; groups named "…bitsafe…" are in scope."""
    both = [Rule(platform, Level.REQUIRED, team="core") for platform in Platform]
    both += [Rule(platform, Level.OPTIONAL, team="extra") for platform in Platform]
    return Policy(
        people=people,
        categories=(CUSTOMER, INTERNAL),
        rules=tuple(both if rules is None else rules),
        scope=(
            ScopeLine(SLACK, ScopeKind.INCLUDE, pattern="bitsafe"),
            ScopeLine(TELEGRAM, ScopeKind.INCLUDE, pattern="bitsafe"),
            ScopeLine(TELEGRAM, ScopeKind.EXCLUDE, pattern=" - archived"),
        ),
        naming=(Naming("iBTC", "BitSafe (CBTC)"),),
        exclusions=tuple(exclusions),
    )


def channel(id: str, name: str = "acme-bitsafe", **fields: Any) -> PlatformGroup:
    values: dict[str, Any] = {"kind": GroupKind.CHANNEL, "privacy": Privacy.PRIVATE, "total_members": 9}
    return PlatformGroup(platform=SLACK, id=id, name=name, **{**values, **fields})


def supergroup(id: str, name: str = "Acme <> BitSafe", **fields: Any) -> PlatformGroup:
    values: dict[str, Any] = {
        "kind": GroupKind.SUPERGROUP,
        "privacy": Privacy.PRIVATE,
        "history": History.VISIBLE,
        "admin_status": AdminStatus.OWNER,
    }
    return PlatformGroup(platform=TELEGRAM, id=id, name=name, **{**values, **fields})


def in_groups(key: str, *group_ids: str, platform: Platform = SLACK, unread: str = "") -> PersonSeen:
    user = PlatformUser(platform, f"U-{key}", (key,), f"{key.capitalize()} Example")
    return PersonSeen(key, user, user.id, unread=unread, group_ids=frozenset(group_ids))


def seen(
    groups: Iterable[PlatformGroup],
    *people: PersonSeen,
    platform: Platform = SLACK,
    complete: bool = True,
    **fields: Any,
) -> PlatformObservation:
    return PlatformObservation(
        platform=platform,
        account=Account(platform, "U-account", "account", "Account Example"),
        groups={group.id: group for group in groups},
        groups_complete=complete,
        people={one.key: one for one in people},
        **fields,
    )


def judge(rules: Policy, *platforms: PlatformObservation, known: Iterable[KnownGroup] = ()) -> Evaluation:
    return evaluate(Observation(platforms), rules, known, NOW)
