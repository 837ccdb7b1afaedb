"""The checklist of somebody who leaves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from audits.staff_changes import common
from audits.staff_changes.facts import (
    Account,
    Asked,
    Facts,
    Hurdle,
    Look,
    OnPlatform,
    OperationFact,
    StuckGroup,
)
from audits.staff_changes.items import (
    Act,
    Evidence,
    Item,
    ItemState,
    Proof,
    counted,
    listed,
    operation_evidence,
    run_evidence,
)
from members.operations.states import OperationState
from members.platforms.types import Platform

REQUESTS = Evidence(Proof.REQUESTS, "", "Ownership requests")


def items(facts: Facts) -> Iterator[Item]:
    """In the order in which somebody does them."""
    yield common.status(facts, done="Offboarded: no rule counts, and being present is a finding.")
    if not facts.platforms:
        text = "Enter the accounts that they had, or drop this: without one no audit can look for them."
        yield Item("Accounts", ItemState.TODO, text, act=Act.EDIT_EMPLOYEE)
    for on in facts.platforms:
        yield _account(facts, on)
    yield _removal(facts)
    yield from _stuck(facts)
    yield from (_deactivation(on) for on in facts.platforms if on.platform is Platform.SLACK)
    for on in facts.platforms:
        if (look := facts.fresh_look(on)) is not None:
            yield _sight(on.platform, look)
    for on in facts.platforms:
        yield _audit(facts, on)


def _account(facts: Facts, on: OnPlatform) -> Item:
    topic = f"{on.platform.label} account"
    if on.account is Account.NONE:
        return Item(topic, ItemState.NOT_NEEDED, f"No {on.platform.label} account of theirs is entered.")
    if on.closed_at is not None and on.platform is not Platform.SLACK:
        proof = (run_evidence(on.closed_run),) if on.closed_run else ()
        return Item(topic, ItemState.DONE, "Known, and deleted by now.", on.closed_at, proof)
    return common.account(on, facts)


def _removal(facts: Facts) -> Item:
    topic = "Taken out of groups"
    if (moving := facts.under_way) is not None:
        return common.under_way(topic, moving)
    newest = next((each for each in facts.operations if each.takes_out and _counts(each)), None)
    back = next((each for each in facts.operations if not each.takes_out and each.state.finished), None)
    nothing_left = facts.all_fresh and not facts.left
    if newest is not None and newest.state is OperationState.PLANNED and newest.steps:
        text = f"Look at operation {newest.id} and confirm it, or plan anew."
        proof, number = (operation_evidence(newest.id),), str(newest.id)
        at, act = newest.planned_at, Act.SEE_OPERATION
        return Item(topic, ItemState.TODO, text, at, proof, act, number, blocks=not nothing_left)
    if nothing_left and newest is None:
        return Item(topic, ItemState.NOT_NEEDED, "Audits found them in no group.")
    if newest is None:
        text = "Look where they are now, and plan to take them out."
    elif not nothing_left and back is not None and back.id > newest.id:
        text = f"Plan to take them out again: operation {back.id} brought them back."
    elif _could_go(facts):
        text = f"Plan to take them out of {counted(_could_go(facts), 'group')} that they are still in."
    else:
        return _done(topic, newest)
    return Item(topic, ItemState.TODO, text, act=Act.PLAN_REMOVAL)


def _could_go(facts: Facts) -> int:
    """In how many groups an audit saw them since, of those where nothing keeps us from taking them out."""
    stuck = sum(group.audited and group.still_there for group in facts.stuck)
    return max(0, facts.found - stuck)


def _counts(operation: OperationFact) -> bool:
    """Whether it tells something: it ended, or can still be confirmed, or there was nothing to do."""
    return operation.state.finished or operation.state is OperationState.PLANNED or not operation.steps


def _done(topic: str, operation: OperationFact) -> Item:
    proof = (operation_evidence(operation.id),)
    if not operation.steps:
        text = "Nothing was found that our accounts may do."
        return Item(topic, ItemState.NOTED, text, operation.planned_at, proof)
    return Item(topic, ItemState.DONE, common.outcome(operation, "out of"), operation.finished_at, proof)


def _stuck(facts: Facts) -> Iterator[Item]:
    """Groups in which we may not act, by what helps."""
    topic = "Groups where we may not act"
    audited = [group for group in facts.stuck if group.audited]
    left = [group for group in audited if _is_left(facts, group)]
    outside = [group for group in facts.stuck if not (group.audited or group.taken_out)]
    if audited and not left:
        looks = [look for on in facts.platforms if (look := facts.fresh_look(on)) is not None]
        at = max((look.started_at for look in looks), default=None)
        proof = tuple(run_evidence(number) for number in sorted({look.run for look in looks}))
        yield Item(topic, ItemState.DONE, f"They are out of {_names(audited)}.", at, proof)
    elif not audited:
        yield Item(topic, ItemState.NOT_NEEDED, "No removal had to leave one out.")
    yield from _by_hurdle(topic, left)
    if outside:
        text = f"See to them by hand, since no audit looks there: {_names(outside)}."
        proof = _left_out_by(outside)
        yield Item("Groups out of scope", ItemState.NOTED, text, None, proof, blocks=False)


def _is_left(facts: Facts, group: StuckGroup) -> bool:
    """Whether they are still there, or no audit has told since."""
    if not group.audited:
        return False
    on = next((each for each in facts.platforms if each.platform is group.platform), None)
    return group.still_there or on is None or not facts.fresh(on) or group.name in _unknown(on)


def _unknown(on: OnPlatform) -> frozenset[str]:
    return frozenset((*on.look.unseen, *on.look.hidden)) if on.look is not None else frozenset()


def _by_hurdle(topic: str, left: list[StuckGroup]) -> Iterator[Item]:
    owned = [group for group in left if group.hurdle in (Hurdle.OWNER, Hurdle.THEIRS)]
    ours = [group for group in owned if group.we_may]
    theirs = [group for group in owned if not group.we_may]
    asked = [group for group in theirs if group.asked in (Asked.REQUESTED, Asked.REMINDED)]
    refused = [group for group in theirs if group.asked is Asked.REFUSED]
    unasked = [group for group in theirs if group.asked in (None, Asked.DONE)]
    if reachable := [group for group in unasked if not group.nobody_to_ask]:
        number = max(group.operation for group in reachable)
        text = f"Ask who runs {_names(reachable)}: our account may not take them out there."
        proof = (operation_evidence(number),)
        yield Item(topic, ItemState.TODO, text, None, proof, Act.ASK_OWNERS, str(number))
    if silent := [group for group in unasked if group.nobody_to_ask]:
        text = (
            f"Ask in the group itself, or accept the finding as an exception: nobody who runs it can be "
            f"written to in {_names(silent)}."
        )
        yield Item(topic, ItemState.TODO, text, None, _left_out_by(silent))
    if ours:
        text = f"Plan to take them out of {_names(ours)}: our account may do that by now."
        yield Item(topic, ItemState.TODO, text, None, (REQUESTS,), Act.PLAN_REMOVAL)
    if refused:
        text = (
            f"Settle it by hand in {_names(refused)}, whose owner refused, or accept the finding as an "
            f"exception."
        )
        yield Item(topic, ItemState.TODO, text, _latest(refused), (REQUESTS,), Act.SEE_REQUESTS)
    if asked:
        text = f"Waiting for who runs {_names(asked)}: remind them when it takes long."
        yield Item(topic, ItemState.WAITING, text, _latest(asked), (REQUESTS,), Act.SEE_REQUESTS)
    if admins := [group for group in left if group.hurdle is Hurdle.ADMIN]:
        text = f"Plan again with “Also where they are admins”, as they are in {_names(admins)}."
        yield Item(topic, ItemState.TODO, text, None, _left_out_by(admins), Act.PLAN_REMOVAL)
    if foreign := [group for group in left if group.hurdle is Hurdle.OUTSIDE]:
        text = f"Deactivate them in Slack, or ask somebody inside: we are not in {_names(foreign)}."
        yield Item(topic, ItemState.TODO, text, None, _left_out_by(foreign))


def _names(groups: Iterable[StuckGroup]) -> str:
    return listed(group.name for group in groups)


def _left_out_by(groups: Iterable[StuckGroup]) -> tuple[Evidence, ...]:
    return tuple(operation_evidence(number) for number in sorted({group.operation for group in groups}))


def _latest(groups: Iterable[StuckGroup]) -> datetime | None:
    return max((group.asked_at for group in groups if group.asked_at is not None), default=None)


def _deactivation(on: OnPlatform) -> Item:
    topic = "Slack account deactivated"
    if on.account is Account.NONE:
        return Item(topic, ItemState.NOT_NEEDED, "They have none.", blocks=False)
    if on.closed_at is None:
        text = "Deactivate it in Slack's administration, unless they keep it; the next audit notes it here."
        return Item(topic, ItemState.TODO, text, blocks=False)
    proof = (run_evidence(on.closed_run),) if on.closed_run else ()
    return Item(topic, ItemState.DONE, "An audit saw that it is.", on.closed_at, proof, blocks=False)


def _sight(platform: Platform, look: Look) -> Item:
    """What nobody could see there."""
    topic = f"Blind spots on {platform.label}"
    proof = (run_evidence(look.run),)
    if unknown := (*look.hidden, *look.unseen):
        text = (
            f"Have our account let into {listed(unknown)}, or accept it as an exception: nobody could see "
            f"whether they are in {'it' if len(unknown) == 1 else 'them'}."
        )
        return Item(topic, ItemState.TODO, text, look.started_at, proof, Act.SEE_RUN, str(look.run))
    return Item(topic, ItemState.DONE, "Every group in scope was seen.", look.started_at, proof)


def _audit(facts: Facts, on: OnPlatform) -> Item:
    topic = f"Audit of {on.platform.label}"
    look = facts.fresh_look(on)
    if look is None or look.unread or facts.mended_since(on):
        return common.audit_to_come(topic, facts, on)
    proof = run_evidence(look.run)
    if on.open_findings:
        findings = Evidence(Proof.FINDINGS, str(on.platform), counted(on.open_findings, "finding"))
        text, act = f"They are still in {counted(on.open_findings, 'group')}.", Act.SEE_FINDINGS
        both = (proof, findings)
        return Item(topic, ItemState.TODO, text, look.started_at, both, act, str(on.platform))
    text = "It began after all that was done, and found them in no group."
    if on.accepted:
        text = f"It found them in no group but {on.accepted:,}, where somebody accepted it."
    return Item(topic, ItemState.DONE, text, look.started_at, (proof,))
