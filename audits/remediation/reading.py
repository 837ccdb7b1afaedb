"""Facts from the database: the policy, and what the audits that speak for each platform recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from django.db.models import Q

from audits.latest import newest_results, speaking_runs
from audits.models import AuditRun, GroupResult
from audits.remediation.facts import Facts, GroupKey, Place, Standing
from audits.rows import Verdict
from members.models import Group
from members.operations.parts import Way
from members.platforms.types import Platform
from members.policy import UNCATEGORISED, Category, Policy, category_of
from members.services import load_policy


def read_facts(platforms: Collection[Platform]) -> Facts:
    """The facts about `platforms`, in a constant number of queries."""
    policy = load_policy()
    speaking = speaking_runs()
    runs = AuditRun.objects.in_bulk(speaking.values())
    categories = {category.key: category for category in policy.categories}
    newest = newest_results() if speaking else Q(pk__in=[])
    places: dict[GroupKey, Place] = {}
    own_ids: dict[str, str] = {}
    for platform in platforms:
        run = runs.get(speaking.get(platform, 0))
        if run is not None:
            own_ids |= {
                name: account
                for name, account in run.accounts.items()
                if Way.named(name).platform is platform
            }
            places |= {place.key: place for place in _archived(run, platform, policy)}
            places |= {place.key: place for place in _audited(newest, platform, categories)}
    unaudited = tuple(platform for platform in platforms if platform not in speaking)
    return Facts(policy, datetime.now(UTC).date(), places, own_ids, unaudited)


def standing_of(group: Group) -> Standing:
    """How a stored group stands."""
    if group.archived:
        return Standing.ARCHIVED
    if not group.in_scope:
        return Standing.OUT_OF_SCOPE
    return Standing.AUDITED if group.visible else Standing.OUT_OF_SIGHT


def _audited(newest: Q, platform: Platform, categories: Mapping[str, Category]) -> Iterator[Place]:
    results = GroupResult.objects.filter(newest, group__platform=platform)
    for result in results.select_related("group", "group__category").order_by("pk"):
        group = result.group
        standing = standing_of(group)
        if result.verdict == Verdict.NOT_VISIBLE and standing is Standing.AUDITED:
            standing = Standing.OUT_OF_SIGHT
        key = group.category.key if group.category is not None else ""
        yield Place(
            platform=platform,
            id=group.external_id,
            name=group.name,
            category=categories.get(key, UNCATEGORISED),
            standing=standing,
            connection=group.connection,
            may_invite=group.may_invite,
            present=frozenset(
                (*result.required_present, *result.optional_present, *result.under_review, *result.departed)
            ),
            missing=frozenset(result.required_missing),
            unknown=frozenset(result.unresolved),
        )


def _archived(run: AuditRun, platform: Platform, policy: Policy) -> Iterator[Place]:
    for group in run.archived_groups:
        if group["platform"] == platform:
            category = category_of(group["name"], None, policy.categories)
            yield Place(platform, group["id"], group["name"], category, Standing.ARCHIVED)
