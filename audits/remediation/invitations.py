"""Invite links for people whom our account may not add: one message to each, with all their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from audits.remediation import obstacles
from audits.remediation.draft import ALREADY_THERE, in_order
from audits.remediation.facts import Facts, Standing
from audits.remediation.reading import read_facts
from audits.remediation.recheck import unwanted_additions
from members.dates import day_in_words
from members.models import Group
from members.operations.membership import ADD
from members.operations.messages import INVITED_TO, MESSAGE, GroupToJoin, Letter, message_step
from members.operations.models import Operation, Step
from members.operations.plan import Plan, PlannedStep, Skipped, Target
from members.operations.services import Actor, OperationRefused, planned, propose_operation
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import AdminStatus, Platform

KIND = "send_invite_links"

LINK_HELPS = (Outcome.PRIVACY_RESTRICTED, Outcome.NOT_MUTUAL_CONTACT)
"""Why somebody could not be added who may still join by a link. https://core.telegram.org/api/invites"""

NOT_AGAIN_WITHIN = timedelta(days=7)
"""For so long nobody gets a second link to the same group: so long the first one works."""

MOST_GROUPS = 20
"""In one message: with the longest names it still fits (Telegram takes 4,096 characters)."""

DEFAULT_TEXT = """Hello {name},

we would like you to be in these Telegram groups, but your privacy settings do not let us add you. \
Please join by these links. Each works once, for you alone, and for a week.

{links}

Thank you!"""
"""What `settings.INVITATION_TEXT` replaces."""

Pair = tuple[str, str, str]
"""Platform, user id, group id."""


def not_added(operation: Operation) -> QuerySet[Step]:
    """The additions of `operation` that failed, and for which a link is the way out."""
    return operation.steps.filter(verb=ADD, state=StepState.FAILED, outcome__in=LINK_HELPS)


def people_not_added(operation: Operation) -> int:
    """How many people those are."""
    return not_added(operation).order_by().values("platform", "user_id").distinct().count()


def offer_links(*, operation: Operation, actor: Actor) -> Operation:
    """A new plan that writes to whom `operation` could not add. Raises OperationRefused if that is nobody."""
    if not not_added(operation).exists():
        raise OperationRefused(f"{operation} has nobody whom an invite link would help.")
    return propose_operation(plan=plan_invitations(operation), actor=actor, parent=operation)


def plan_invitations(operation: Operation) -> Plan:
    """One message for each person, in a constant number of queries. Skipped are the pairs of which we know
    by now that no link is wanted, or that one was sent lately."""
    targets = sorted((planned(step).target for step in not_added(operation)), key=in_order)
    facts = read_facts([platform for platform in Platform if platform in operation.platforms])
    reasons = _reasons(targets)
    offers: dict[tuple[Target, str], list[GroupToJoin]] = {}
    skipped = []
    for at, target in enumerate(targets):
        place = facts.places.get((target.platform, target.group_id))
        account = place.connection if place is not None else ""  # which alone can make links to it
        groups = offers.setdefault((replace(target, group_id="", group_name=""), account), [])
        reason = reasons.get(at) or _seen_by_audits(target, facts)
        if not reason and len(groups) == MOST_GROUPS:
            reason = f"The message has {MOST_GROUPS} groups already: plan again when it is sent."
        if reason:
            skipped.append(Skipped(target, reason))
        else:
            groups.append(GroupToJoin(target.group_id, target.group_name))
    since = _midnight() - NOT_AGAIN_WITHIN + timedelta(days=1)
    return Plan(
        KIND,
        tuple(
            message_step(person, _text_for(person), since=since, invite_to=groups)
            for (person, _), groups in sorted(offers.items(), key=lambda offer: in_order(offer[0][0]))
            if groups
        ),
        tuple(skipped),
        parameters={"operation": operation.pk},
        reach=len(offers),
    )


def unwanted_invitations(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Which of the messages (by index) are not to be sent any more, and why: asked right before each."""
    places = [(at, target) for at, step in enumerate(steps) for target in _targets_of(step)]
    unwanted: dict[int, str] = {}
    for number, reason in _reasons([target for _, target in places]).items():
        at, target = places[number]
        unwanted.setdefault(at, f"{target.group_name}: {reason} Plan again.")
    return unwanted


def doubts_about(steps: Sequence[PlannedStep]) -> list[str]:
    """The groups to which our account may probably make no link: one sentence, or nothing."""
    targets = {target.group_id for step in steps for target in _targets_of(step)}
    powerless = Group.objects.filter(external_id__in=targets, admin_status=AdminStatus.MEMBER)
    names = ", ".join(powerless.order_by("name").values_list("name", flat=True))
    if not names:
        return []
    return [
        f"Our account was no admin when an audit last looked, and may probably make no link to: {names}. "
        "Groups without a link are left out of the message."
    ]


def links_sent(*, since: datetime) -> dict[Pair, datetime]:
    """When each person was last sent a link to each group, as far as that was after `since`."""
    return _sent(Step.objects.filter(operation__kind=KIND, finished_at__gte=since))


def links_sent_after(operation: Operation) -> dict[Pair, datetime]:
    """The same for whom `operation` could not add: what came of the offer."""
    return _sent(Step.objects.filter(operation__kind=KIND, operation__parameters__operation=operation.pk))


def _sent(messages: QuerySet[Step]) -> dict[Pair, datetime]:
    found: dict[Pair, datetime] = {}
    sent = messages.filter(verb=MESSAGE, state__in=(StepState.DONE, StepState.APPLIED))
    for step in sent.order_by("finished_at"):
        for group_id in _groups_linked_by(step):
            if step.finished_at is not None:
                found[step.platform, step.user_id, group_id] = step.finished_at
    return found


def _groups_linked_by(step: Step) -> list[str]:
    """Where a lost answer keeps us from knowing better: all that it was to invite to."""
    if INVITED_TO in step.after:
        return str(step.after[INVITED_TO]).split()
    return [group.id for group in Letter.of(step.arguments).invite_to]


def _reasons(targets: Sequence[Target]) -> Mapping[int, str]:
    """Why no link is to be sent for these pairs (by index), by our own rules and by what was sent lately."""
    sent = links_sent(since=timezone.now() - NOT_AGAIN_WITHIN)
    reasons = unwanted_additions([PlannedStep(ADD, target) for target in targets])
    for at, target in enumerate(targets):
        when = sent.get((target.platform, target.user_id, target.group_id))
        if when is not None:
            reasons.setdefault(at, f"Was sent a link on {day_in_words(when)}, which works for a week.")
    return reasons


def _seen_by_audits(target: Target, facts: Facts) -> str:
    place = facts.places.get((target.platform, target.group_id))
    if place is None:
        return obstacles.of_standing(Standing.UNLISTED)
    return ALREADY_THERE if target.subject in place.present else obstacles.of_place(place)


def _targets_of(step: PlannedStep) -> list[Target]:
    """The pairs that a message is about."""
    groups = Letter.of(step.arguments).invite_to
    return [replace(step.target, group_id=group.id, group_name=group.name) for group in groups]


def _text_for(person: Target) -> str:
    text: str = settings.INVITATION_TEXT or DEFAULT_TEXT
    return text.replace("{name}", person.subject_name)


def _midnight() -> datetime:
    """The beginning of today in UTC: the same plan has the same hash all day."""
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
