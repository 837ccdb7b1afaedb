"""Lines that both checklists have. Pure."""

from __future__ import annotations

from audits.staff_changes.facts import Account, Facts, OnPlatform, OperationFact
from audits.staff_changes.items import Act, Item, ItemState, counted, operation_evidence, run_evidence


def status(facts: Facts, *, done: str) -> Item:
    """Whether the employee is what the change needs them to be."""
    wanted = facts.kind.status
    if facts.status is wanted:
        return Item("Status", ItemState.DONE, done, facts.begun_at)
    if facts.status is None:
        text = f"Enter them again as {wanted}, or drop this: deleted, they are looked for by no audit."
    else:
        now = facts.status.replace("_", " ")
        text = f"Mark them as {wanted}, or drop this: their status is {now} now."
    return Item("Status", ItemState.TODO, text, act=Act.EDIT_EMPLOYEE)


def account(on: OnPlatform, facts: Facts) -> Item:
    """Whether an audit knows who they are on a platform where some account of theirs is entered."""
    topic, look = f"{on.platform.label} account", facts.fresh_look(on)
    if look is None:
        if on.account is Account.KNOWN:
            return Item(topic, ItemState.DONE, "Known by its id.")
        text = "Run an audit: it finds the account behind the username."
        return Item(topic, ItemState.WAITING, text, act=Act.RUN_AUDIT)
    proof = (run_evidence(look.run),)
    if on.account is Account.KNOWN and not look.unresolved:
        return Item(topic, ItemState.DONE, "Known by its id.", look.started_at, proof)
    text = look.unresolved or "Correct the username, or enter the id: the audit did not find the account."
    return Item(topic, ItemState.TODO, text, look.started_at, proof, Act.EDIT_EMPLOYEE)


def under_way(topic: str, operation: OperationFact) -> Item:
    """Something moves them at this moment."""
    text = f"Operation {operation.id} is under way."
    proof = (operation_evidence(operation.id),)
    number = str(operation.id)
    return Item(topic, ItemState.WAITING, text, operation.planned_at, proof, Act.SEE_OPERATION, number)


def outcome(operation: OperationFact, where: str) -> str:
    """ "Out of 11 groups, 1 not." """
    failed = f", {operation.failed:,} not" if operation.failed else ""
    return f"{where.capitalize()} {counted(operation.done, 'group')}{failed}."


def audit_to_come(topic: str, facts: Facts, on: OnPlatform) -> Item:
    """Why no audit of the platform says enough: nobody looked, or too early, or not at everything."""
    at = on.look.started_at if on.look is not None else None
    proof = (run_evidence(on.look.run),) if on.look is not None else ()
    if (moving := facts.under_way) is not None:
        number = str(moving.id)
        text = f"It follows operation {number} by itself, where that touches {on.platform.label}."
        return Item(topic, ItemState.WAITING, text, at, proof, Act.SEE_OPERATION, number)
    if on.coming_run is not None:
        text, number = f"Audit {on.coming_run} waits or runs.", str(on.coming_run)
        return Item(topic, ItemState.WAITING, text, at, proof, Act.SEE_RUN, number)
    text = "Run one: nobody has looked since this began."
    if on.look is not None:
        text = "Run another: the last one began before the last change."
        if on.look.unread and facts.fresh(on):
            text = f"Run another: the last one could not read everything. {on.look.unread}"
        elif facts.mended_since(on):
            text = "Run another: what the last one found is mended since, and only single groups were seen."
    return Item(topic, ItemState.TODO, text, at, proof, Act.RUN_AUDIT)
