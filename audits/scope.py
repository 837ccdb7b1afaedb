"""Which of the groups that were seen are audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audits.observation import KnownGroup, PlatformObservation
from members.platforms.types import Platform, PlatformGroup
from members.policy import Policy, ScopeKind, in_scope


def scoped_groups(
    seen: PlatformObservation, policy: Policy, known: Mapping[str, KnownGroup]
) -> Iterator[PlatformGroup]:
    """The groups in scope, archived ones included, and not those that vanished; see `is_scoped`."""
    return (group for group in seen.groups.values() if is_scoped(group, seen, policy, known))


def is_scoped(
    group: PlatformGroup, seen: PlatformObservation, policy: Policy, known: Mapping[str, KnownGroup]
) -> bool:
    """Whether a group that was listed is audited.

    Where scope hangs on a person whose membership could not be seen, the group stays where
    the last run had it (`known`, by group id): not seeing must not move it.
    """
    presence = {key: seen.presence(group.id, key) for key in anchors(seen.platform, policy)}
    present = {key for key, there in presence.items() if there}
    possible = {key for key, there in presence.items() if there is not False}
    if in_scope(seen.platform, group.name, present, policy.scope):
        return True
    before = known.get(group.id)
    return (
        before is not None and before.in_scope and in_scope(seen.platform, group.name, possible, policy.scope)
    )


def scope_candidates(seen: PlatformObservation, policy: Policy) -> list[PlatformGroup]:
    """The groups that are out of scope only because nobody they must be shared with was seen in them.

    A group that hides its members may do so wrongly: it is worth a second look.
    """
    wanted = anchors(seen.platform, policy)
    return [
        group
        for group in (seen.groups.values() if wanted else ())
        if not group.archived
        and in_scope(seen.platform, group.name, wanted, policy.scope)
        and not in_scope(
            seen.platform,
            group.name,
            {key for key in wanted if seen.presence(group.id, key) is not False},
            policy.scope,
        )
    ]


def anchors(platform: Platform, policy: Policy) -> set[str]:
    """The keys of the employees that scope lines of the platform hang on."""
    return {
        line.employee
        for line in policy.scope
        if line.platform is platform and line.kind is ScopeKind.SHARED_WITH and line.employee
    }
