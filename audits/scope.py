"""Which of the groups that were seen are audited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audits.observation import KnownGroup, PlatformObservation
from members.platforms.types import PlatformGroup
from members.policy import Policy, ScopeKind, in_scope


def scoped_groups(
    seen: PlatformObservation, policy: Policy, known: Mapping[str, KnownGroup]
) -> Iterator[PlatformGroup]:
    """The groups in scope, archived ones included.

    Where scope hangs on a person whose membership could not be seen, the group stays where
    the last run had it (`known`, by group id): not seeing must not move it.
    """
    anchors = {
        line.employee
        for line in policy.scope
        if line.platform is seen.platform and line.kind is ScopeKind.SHARED_WITH and line.employee
    }
    for group in seen.groups.values():
        presence = {key: seen.presence(group.id, key) for key in anchors}
        present = {key for key, there in presence.items() if there}
        unsure = {key for key, there in presence.items() if there is None}
        if in_scope(seen.platform, group.name, present, policy.scope):
            yield group
        elif unsure and in_scope(seen.platform, group.name, present | unsure, policy.scope):
            before = known.get(group.id)
            if before is not None and before.in_scope:
                yield group
