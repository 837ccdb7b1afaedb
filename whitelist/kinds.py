"""The sweep and its undo, as the engine of operations learns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings

from members.clock import shared_now
from members.notices.kinds import NoticeKind
from members.operations import kinds
from members.operations.kinds import Connection, Kind
from members.operations.models import Operation, Step, Trigger
from members.operations.notices import notify
from members.operations.pace import Pace
from members.operations.plan import Cap, Plan, PlannedStep, Target, Unit
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from whitelist import community, facts, flags, kick_record, services
from whitelist.decision import Reason, decide
from whitelist.kicking import LET_BACK, CommunityConnection
from whitelist.record import gated_chat_id
from whitelist.sweep import KIND, plan_sweep

LET_BACK_KIND = "undo_sweep"
UNDO = "undo of a sweep"


def register_kinds() -> None:
    """Make them known. Called once, when the apps are ready."""
    kinds.register(
        Kind(
            name=KIND,
            label="Kick expired subscribers",
            done_word="kicked",
            fulfilled_outcome=Outcome.ALREADY_GONE,
            cap=cap_of_sweeps,
            connect=_connect_to_kick,
            plan_again=lambda parameters: plan_sweep(now=shared_now()).plan,
            unwanted=unwanted_kicks,
            undo=undo_sweep,
            warn=_warn,
            pace=pace_of_sweeps,
            finished=_note_kicked,
            refused=_tell_owners,
            destructive=True,
            one_at_a_time=True,
            still_needed=kick_record.open_kicks,
        )
    )
    kinds.register(
        Kind(
            name=LET_BACK_KIND,
            label="Let kicked people back",
            done_word="let back",
            fulfilled_outcome=Outcome.ALREADY_THERE,
            cap=Cap,
            connect=lambda platform, connection: CommunityConnection(gated_chat_id(), connection, back=True),
            plan_again=_plan_undo_again,
            unwanted=_elsewhere,
            finished=_protect_returned,
        )
    )


def cap_of_sweeps() -> Cap:
    """Too large a sweep kicks nobody."""
    return Cap(Unit.PEOPLE, count=settings.SWEEP_CAP_PEOPLE, share=settings.SWEEP_CAP_SHARE)


def pace_of_sweeps(platform: Platform) -> Pace | None:
    """Slow enough for somebody to turn kicks off after the first wrong one."""
    seconds = settings.SWEEP_PAUSE_SECONDS
    why = f"One kick every {seconds:g} seconds (SWEEP_PAUSE_SECONDS)."
    return Pace(1, seconds, why, kept=True) if seconds > 0 else None


def unwanted_kicks(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Asked right before every kick: the switch, the subscription and the whitelist, all read anew."""
    ids = [int(step.target.user_id) for step in steps]
    kept, now = _elsewhere(steps), shared_now()
    people, on = facts.people(ids), flags.kick_enabled()
    for at, telegram_id in enumerate(ids):
        verdict = decide(people[telegram_id], kicks_on=on, now=now)
        if at in kept:
            continue
        if verdict.reason is Reason.KICKS_OFF and decide(people[telegram_id], kicks_on=True, now=now).kick:
            kept[at] = "Would kick: kicks are off."
        elif not verdict.kick:
            kept[at] = f"Kept: {verdict.reason.words}."
    return kept


def _elsewhere(steps: Sequence[PlannedStep]) -> dict[int, str]:
    """Those that are about another community than the one that is guarded now."""
    chat = str(gated_chat_id())
    return {
        at: "The gated community is another one by now."
        for at, step in enumerate(steps)
        if step.target.group_id != chat
    }


def undo_sweep(steps: Sequence[PlannedStep]) -> Plan:
    """Nothing keeps them out, an invite link for each, and the whitelist: so no sweep kicks them again."""
    back = tuple(replace(step, verb=LET_BACK, arguments={}) for step in steps)
    return Plan(LET_BACK_KIND, back, parameters={"people": [asdict(step.target) for step in back]})


def _plan_undo_again(parameters: Mapping[str, Any]) -> Plan:
    targets = [Target(**known | {"platform": Platform.TELEGRAM}) for known in parameters["people"]]
    return undo_sweep([PlannedStep(LET_BACK, target) for target in targets])


def _connect_to_kick(platform: Platform, connection: str) -> Connection:
    left = kick_record.may_be_banned()
    return CommunityConnection(
        gated_chat_id(), connection, maybe_banned=left, note_lifted=kick_record.note_lifted
    )


def _warn(steps: Sequence[PlannedStep]) -> list[str]:
    warnings = []
    if not flags.kick_enabled():
        warnings.append("Kicks are off: this would only write down whom it would kick.")
    reading = community.last_reading(gated_chat_id())
    if reading is None or not reading.whole:
        warnings.append("Not the whole member list has been read: some may not be there.")
    return warnings


def _tell_owners(operation_id: int) -> None:
    operation = Operation.objects.get(pk=operation_id)
    sweep = "a scheduled sweep" if operation.trigger == Trigger.SCHEDULE else "a sweep"
    notify(
        f"Nobody was kicked: {sweep} would kick {operation.count:,} people. {operation.over_cap} "
        f"Look at operation {operation.pk}, and have somebody who may override the cap do it, or not.",
        kind=NoticeKind.SWEEP_REFUSED,
        actor=operation.planned_by,
        operation_id=operation.pk,
    )


def _done(operation_id: int) -> list[int]:
    steps = Step.objects.filter(operation=operation_id, state=StepState.DONE).order_by("position")
    return list(map(int, steps.values_list("user_id", flat=True)))


def _note_kicked(operation_id: int) -> None:
    """Whom we kicked is not there any more, unless they have come back since."""
    chat_id = gated_chat_id()
    gone = kick_record.kicked(chat_id) & set(_done(operation_id))
    community.note_left(chat_id=chat_id, telegram_ids=gone, at=shared_now())


def _protect_returned(operation_id: int) -> None:
    operation = Operation.objects.get(pk=operation_id)
    actor = operation.confirmed_by
    granted = services.grant(telegram_ids=_done(operation_id), actor=actor, source=UNDO)
    services.revive(telegram_ids=granted.burned, actor=actor, note=UNDO)
