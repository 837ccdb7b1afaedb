"""The checklist of somebody who joins. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from audits.staff_changes import common
from audits.staff_changes.facts import Account, Facts, Look, OnPlatform
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


def items(facts: Facts) -> Iterator[Item]:
    """In the order in which somebody does them."""
    yield common.status(facts, done="Active: the rules count.")
    if not facts.platforms:
        text = "Put them into a team, or write a rule for them: no rule asks for them anywhere."
        yield Item("Rules", ItemState.TODO, text, act=Act.EDIT_EMPLOYEE)
    for on in facts.platforms:
        yield _account(facts, on)
    for on in facts.platforms:
        yield _required(facts, on)
    yield _addition(facts)
    yield _report(facts)
    for on in facts.platforms:
        if (look := facts.fresh_look(on)) is not None:
            yield from _sight(on.platform, look)
    for on in facts.platforms:
        yield _audit(facts, on)


def _account(facts: Facts, on: OnPlatform) -> Item:
    if on.account is Account.NONE:
        topic = f"{on.platform.label} account"
        text = f"Enter their {on.platform.label} username: a rule asks for them there."
        return Item(topic, ItemState.TODO, text, act=Act.EDIT_EMPLOYEE)
    return common.account(on, facts)


def _required(facts: Facts, on: OnPlatform) -> Item:
    topic, look = f"Required on {on.platform.label}", on.look
    if look is None or look.unresolved:
        return Item(topic, ItemState.WAITING, "The next audit that finds them tells in which groups.")
    proof: tuple[Evidence, ...] = (run_evidence(look.run),)
    excused = f" {counted(on.accepted, 'absence')} accepted as an exception." if on.accepted else ""
    if not on.open_findings:
        text = f"In {look.present:,} of {counted(look.present + look.missing, 'group')}.{excused}"
        return Item(topic, ItemState.DONE, text, look.started_at, proof)
    findings = Evidence(Proof.FINDINGS, str(on.platform), counted(on.open_findings, "finding"))
    text = (
        f"In {look.present:,} of {counted(look.present + look.missing, 'group')}; {on.open_findings:,} to go."
    )
    return Item(topic, ItemState.TODO, text + excused, look.started_at, (*proof, findings))


def _addition(facts: Facts) -> Item:
    topic = "Added to groups"
    if (moving := facts.under_way) is not None:
        return common.under_way(topic, moving)
    additions = [each for each in facts.operations if not each.takes_out]
    planned = next((each for each in additions if each.state is OperationState.PLANNED), None)
    done = next((each for each in additions if each.state.finished), None)
    to_go = facts.left if done is None else facts.found
    if planned is not None and to_go and (done is None or planned.id > done.id):
        text = f"Operation {planned.id} is planned: look at it and confirm it."
        proof = (operation_evidence(planned.id),)
        number = str(planned.id)
        return Item(topic, ItemState.TODO, text, planned.planned_at, proof, Act.SEE_OPERATION, number)
    if to_go:
        text = f"Add them to {counted(to_go, 'group')}, and see why where it fails."
        earlier = (operation_evidence(done.id),) if done is not None else ()
        return Item(topic, ItemState.TODO, text, None, earlier, Act.PLAN_ADDITIONS)
    if done is not None:
        proof = (operation_evidence(done.id),)
        return Item(topic, ItemState.DONE, common.outcome(done, "into"), done.finished_at, proof)
    if facts.all_fresh:
        return Item(topic, ItemState.NOT_NEEDED, "They are wherever they are required.")
    return Item(topic, ItemState.WAITING, "The next audit tells where they are missing.")


def _report(facts: Facts) -> Item:
    topic = "Addition report"
    ended = [each for each in facts.operations if not each.takes_out and each.state.finished and each.steps]
    if not ended:
        return Item(topic, ItemState.NOT_NEEDED, "Nobody was added.", blocks=False)
    reported = [each for each in ended if each.has_report]
    proof = tuple(Evidence(Proof.REPORT, str(each.id), f"Report of operation {each.id}") for each in reported)
    if len(reported) < len(ended):
        text = "Being written, or refused by the disk: look at the operation."
        number = str(ended[0].id)
        return Item(topic, ItemState.WAITING, text, None, proof, Act.SEE_OPERATION, number, blocks=False)
    return Item(topic, ItemState.DONE, "Written.", ended[0].finished_at, proof, blocks=False)


def _sight(platform: Platform, look: Look) -> Iterator[Item]:
    """What nobody could see there."""
    topic = f"Blind spots on {platform.label}"
    proof = (run_evidence(look.run),)
    if look.unseen:
        text = f"Run another audit: whether they are in {listed(look.unseen)} could not be told."
        yield Item(topic, ItemState.TODO, text, look.started_at, proof, Act.RUN_AUDIT)
    if look.hidden:
        text = f"Our account does not see {listed(look.hidden)}; nobody knows who is missing there."
        yield Item(topic, ItemState.NOTED, text, look.started_at, proof, blocks=False)


def _audit(facts: Facts, on: OnPlatform) -> Item:
    topic = f"Audit of {on.platform.label}"
    look = facts.fresh_look(on)
    if look is None or look.unread or facts.mended_since(on):
        return common.audit_to_come(topic, facts, on)
    proof = (run_evidence(look.run),)
    if on.open_findings:
        text = f"They are missing in {counted(on.open_findings, 'group')}."
        act_on = str(on.platform)
        return Item(topic, ItemState.TODO, text, look.started_at, proof, Act.SEE_FINDINGS, act_on)
    text = "It began after all that was done, and found them nowhere missing."
    return Item(topic, ItemState.DONE, text, look.started_at, proof)
