"""Store what a run found: identities, groups, rows, findings; in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from audits.announcements import tell_outcome
from audits.coverage import count_verdicts
from audits.engine import Evaluation
from audits.models import AuditRun, GroupResult, RunState
from audits.observation import KnownGroup, PlatformObservation
from audits.record_findings import record_findings
from audits.rows import GroupRow, summarise
from audits.staff_changes.sights import keep_sights
from members.models import Category, Group
from members.operations.parts import Way
from members.platforms.types import History, Platform, PlatformGroup
from members.services import IdentitySeen, follow_migrations, record_identities
from telegram_ops import ownership_requests

GroupKey = tuple[Platform, str]

_BATCH = 500
_OBSERVED = (
    "name",
    "kind",
    "category_id",
    "privacy",
    "history_visibility",
    "history_read_at",
    "members_hidden",
    "admin_status",
    "joined",
    "may_rename",
    "may_invite",
    "may_remove",
    "total_members",
    "archived",
    "shared_externally",
    "in_scope",
    "visible",
    "connection",
)


def known_groups(only: Collection[GroupKey] = ()) -> tuple[KnownGroup, ...]:
    """What earlier runs stored about `only` these groups, or about all, in one query."""
    return tuple(
        KnownGroup(
            platform=Platform(group.platform),
            id=group.external_id,
            name=group.name,
            in_scope=group.in_scope,
            archived=group.archived,
            history=History(group.history_visibility),
            history_read_at=group.history_read_at,
            members_hidden=group.members_hidden,
            connection=group.connection,
        )
        for group in (_rows_of(only) if only else Group.objects.all())
    )


def _rows_of(keys: Collection[GroupKey]) -> QuerySet[Group]:
    wanted = Q(pk__in=[])
    for platform in Platform:
        wanted |= Q(platform=platform, external_id__in=[key for each, key in keys if each is platform])
    return Group.objects.filter(wanted)


class RunLost(Exception):
    """Another execution holds the run by now: what this one found must not be stored."""


@transaction.atomic
def record(*, run: AuditRun, evaluation: Evaluation, state: RunState, message: str, at: datetime) -> None:
    """Make the outcome of `run` durable, all or nothing, and finish it.

    Raises RunLost, with nothing stored, when `run.owner` does not hold the run any more.
    """
    held = AuditRun.objects.select_for_update().filter(pk=run.pk, owner=run.owner, state=RunState.RUNNING)
    if not held.exists():
        raise RunLost(f"Audit {run.pk} was taken over.")
    record_identities(seen=_identities(evaluation.observation.platforms), at=at)
    groups = _record_groups(evaluation, at)
    _record_rows(run, evaluation.rows, groups)
    tally = record_findings(run=run, evaluation=evaluation, groups=groups, at=at)
    keep_sights(run=run, evaluation=evaluation, at=at)
    seen = evaluation.observation.platforms
    held.update(
        state=state,
        message=message,
        account_trouble=any(part.trouble is not None and part.trouble.account for part in seen)
        and all(part.trouble is not None for part in seen),
        sign_in_needed=any(part.trouble is not None and part.trouble.sign_in for part in seen),
        finished_at=at,
        progress_percent=100,
        progress_label="",
        policy="",
        accounts=_accounts(seen),
        api_calls={str(part.platform): part.cost.calls for part in seen},
        waited_seconds=sum(part.cost.waited_seconds for part in seen),
        summary=asdict(summarise(evaluation.rows)),
        verdicts={} if run.narrow else count_verdicts(evaluation.rows),
        blind_spots=[asdict(spot) for spot in evaluation.blind_spots],
        archived_groups=[
            {"platform": group.platform, "id": group.id, "name": group.name} for group in evaluation.archived
        ],
        opened=tally.opened,
        resolved=tally.resolved,
        reopened=tally.reopened,
        excluded=tally.excluded,
        open_findings=tally.open,
    )
    run.parts.all().delete()
    tell_outcome(run.pk)


def _accounts(platforms: Iterable[PlatformObservation]) -> dict[str, str]:
    """Our own id in each connection, by `Way.name`."""
    return {
        Way(part.platform, part.connection).name: part.account.id
        for platform in platforms
        for part in platform.by_connection
        if part.account is not None
    }


def _identities(platforms: Iterable[PlatformObservation]) -> Iterator[IdentitySeen]:
    for seen in (part for platform in platforms for part in platform.by_connection):
        elsewhere = seen.connection if seen.platform is Platform.SLACK else ""
        for key, person in seen.people.items():
            if person.user is not None:
                yield IdentitySeen(key, person.user, person.changed_from, elsewhere)
        for key, user in seen.met.items():
            yield IdentitySeen(key, user, workspace=elsewhere)


def _record_groups(evaluation: Evaluation, at: datetime) -> dict[GroupKey, Group]:
    """Insert or refresh every group in scope, and what became of those that earlier runs knew."""
    # Locked, so that nobody pins a group between its reading and its writing; in the order of the keys, so
    # that it and somebody who pins several never wait for each other.
    groups = Group.objects.all() if evaluation.only is None else _rows_of(evaluation.only)
    locked = groups.select_for_update(no_key=True).order_by("pk")
    stored = {(Platform(group.platform), group.external_id): group for group in locked}
    rows = {(row.platform, row.id): row for row in evaluation.rows}
    archived = {(group.platform, group.id) for group in evaluation.archived}
    categories = {category.key: category for category in Category.objects.all()}
    fresh: list[Group] = []
    for seen in evaluation.observation.platforms:
        for sighting in (*seen.groups.values(), *seen.vanished.values()):
            key = (sighting.platform, sighting.id)
            if key in rows or key in archived or key in stored or sighting.id in seen.details:
                group = _sighted(sighting, stored.get(key), seen, rows.get(key), at)
                before = stored.get(key)
                if key in rows and not (before is not None and before.category_pinned):
                    group.category = categories.get(rows[key].category.key)
                group.in_scope = key in rows
                fresh.append(group)
    _store_groups(fresh, stored, at)
    _hide_unseen(evaluation, stored)
    for seen in evaluation.observation.platforms:
        follow_migrations(platform=seen.platform, moved=seen.superseded)
        if seen.platform is Platform.TELEGRAM:
            ownership_requests.follow_migrations(seen.superseded)
    return stored | {(Platform(group.platform), group.external_id): group for group in fresh}


def _store_groups(fresh: Iterable[Group], stored: Mapping[GroupKey, Group], at: datetime) -> None:
    """Write the new and changed groups, and for all others just when they were seen."""
    changed: list[Group] = []
    seen_again: list[int] = []
    for group in fresh:
        before = stored.get((Platform(group.platform), group.external_id))
        if before is None or any(getattr(before, name) != getattr(group, name) for name in _OBSERVED):
            changed.append(group)
        else:
            group.pk = before.pk
            if group.visible:
                seen_again.append(group.pk)
    Group.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["platform", "external_id"],
        update_fields=[*_OBSERVED, "last_seen_at"],
        batch_size=_BATCH,
    )
    _update(seen_again, last_seen_at=at)


def _sighted(
    sighting: PlatformGroup,
    stored: Group | None,
    seen: PlatformObservation,
    row: GroupRow | None,
    at: datetime,
) -> Group:
    """The group's new row: what the run saw, and what it keeps from before."""
    details = seen.details.get(sighting.id)
    vanished = sighting.id in seen.vanished
    group = Group(
        platform=sighting.platform,
        external_id=sighting.id,
        name=sighting.name,
        kind=sighting.kind,
        category_id=stored.category_id if stored is not None else None,
        privacy=sighting.privacy,
        history_visibility=sighting.history,
        admin_status=sighting.admin_status,
        joined=sighting.joined,
        may_rename=sighting.may_rename,
        may_invite=sighting.may_invite,
        may_remove=sighting.may_remove,
        total_members=row.total_members if row is not None else sighting.total_members,
        archived=sighting.archived,
        shared_externally=sighting.shared_externally,
        visible=not vanished,
        connection=seen.way_to(sighting.id),
        first_seen_at=stored.first_seen_at if stored is not None else at,
        last_seen_at=stored.last_seen_at if stored is not None and vanished else at,
    )
    if stored is not None and sighting.history is History.UNKNOWN:
        group.history_visibility = stored.history_visibility
        group.history_read_at = stored.history_read_at
        group.members_hidden = stored.members_hidden
    if details is not None:
        group.history_visibility = details.history
        group.history_read_at = at
        group.members_hidden = details.members_hidden
    return group


def _hide_unseen(evaluation: Evaluation, stored: Mapping[GroupKey, Group]) -> None:
    """Take the groups that left the audit out of scope, and mark those that a whole listing did not show."""
    left = [group.pk for key, group in stored.items() if group.in_scope and key in evaluation.void_groups]
    _update(left, in_scope=False)
    for seen in evaluation.observation.platforms:
        if seen.groups_complete:
            sighted = seen.groups.keys() | seen.vanished.keys()
            hidden = [
                group.pk
                for (platform, group_id), group in stored.items()
                if platform is seen.platform and group.visible and group_id not in sighted
            ]
            _update(hidden, visible=False)


def _update(keys: Sequence[int], **values: bool | datetime) -> None:
    for start in range(0, len(keys), _BATCH):
        Group.objects.filter(pk__in=keys[start : start + _BATCH]).update(**values)


def _record_rows(run: AuditRun, rows: Iterable[GroupRow], groups: Mapping[GroupKey, Group]) -> None:
    categories = Category.objects.in_bulk(field_name="key")
    GroupResult.objects.bulk_create(
        [
            GroupResult(
                run=run,
                group=groups[row.platform, row.id],
                name=row.name,
                category=categories.get(row.category.key),
                category_key=row.category.key,
                requires_full_team=row.category.full_team,
                verdict=row.verdict,
                privacy=row.privacy,
                history_visibility=row.history,
                admin_status=row.admin_status,
                total_members=row.total_members,
                required_present=row.required_present,
                required_missing=row.required_missing,
                optional_present=row.optional_present,
                optional_missing=row.optional_missing,
                excluded=row.excluded,
                unresolved=row.unresolved,
                under_review=row.under_review,
                departed=row.departed,
                flags=row.flags,
                completeness=row.completeness,
                missing_count=len(row.required_missing),
            )
            for row in rows
        ],
        batch_size=_BATCH,
    )
