"""How leavings and joinings look to a person, and where what helps is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from audits.staff_changes.facts import ChangeKind
from audits.staff_changes.items import Act, Evidence, Item, ItemState, Proof
from audits.staff_changes.models import ChangeState, StaffChange
from audits.staff_changes.reading import FINDING_OF
from members.models import Employee
from members.ui import Tone, badge
from telegram_ops.ownership import way_to_owners

STATE_TONES: dict[str, Tone] = {
    ChangeState.OPEN: "info",
    ChangeState.CLOSED: "good",
    ChangeState.DROPPED: "muted",
}
ITEM_BADGES: dict[ItemState, tuple[str, Tone]] = {
    ItemState.DONE: ("Done", "good"),
    ItemState.TODO: ("To do", "warn"),
    ItemState.WAITING: ("Waiting", "info"),
    ItemState.NOTED: ("Noted", "muted"),
    ItemState.NOT_NEEDED: ("Not needed", "muted"),
}
LABELS = {
    Act.EDIT_EMPLOYEE: "Open the employee",
    Act.PLAN_REMOVAL: "Plan the removal…",
    Act.PLAN_ADDITIONS: "Plan the additions…",
    Act.SEE_OPERATION: "Look at the operation",
    Act.ASK_OWNERS: "Ask the owners…",
    Act.SEE_REQUESTS: "Look at the requests",
    Act.RUN_AUDIT: "Run an audit…",
    Act.SEE_RUN: "Look at the audit",
    Act.SEE_FINDINGS: "Look at the findings",
}
RIGHTS = {
    Act.EDIT_EMPLOYEE: "members.view_employee",
    Act.PLAN_REMOVAL: "operations.run_operation",
    Act.PLAN_ADDITIONS: "operations.run_operation",
    Act.SEE_OPERATION: "operations.view_operation",
    Act.ASK_OWNERS: "operations.run_operation",
    Act.SEE_REQUESTS: "telegram_ops.view_ownershiprequest",
    Act.RUN_AUDIT: "audits.run_audit",
    Act.SEE_RUN: "audits.view_auditrun",
    Act.SEE_FINDINGS: "audits.view_finding",
}
_PROOF_RIGHTS = {
    Proof.RUN: "audits.view_auditrun",
    Proof.OPERATION: "operations.view_operation",
    Proof.REPORT: "operations.view_operation",
    Proof.FINDINGS: "audits.view_finding",
    Proof.REQUESTS: "telegram_ops.view_ownershiprequest",
}

May = Callable[[str], bool]
"""Whether the reader has a right."""


@dataclass(frozen=True, slots=True)
class Button:
    """The one thing to do next."""

    label: str
    url: str
    posts: bool
    """Whether it makes a plan, and hence is no link."""


def item_badge(item: Item) -> SafeString:
    """How a line stands; what nobody has to do is no warning."""
    word, tone = ITEM_BADGES[item.state]
    return badge(word, "muted" if not item.blocks and tone == "warn" else tone)


def employee_of(change: StaffChange) -> Employee | None:
    return Employee.objects.filter(key=change.employee_key).first()


def button_for(item: Item, change: StaffChange, employee: Employee | None, may: May) -> Button | None:
    """What helps with a line, if the reader may do it."""
    act = item.act
    if act is None or not may(RIGHTS[act]):
        return None
    return Button(LABELS[act], _address(act, item, change, employee), posts=act is Act.PLAN_ADDITIONS)


def _address(act: Act, item: Item, change: StaffChange, employee: Employee | None) -> str:
    match act:
        case Act.EDIT_EMPLOYEE:
            page = "admin:members_employee_changelist"
            return _page("admin:members_employee_change", employee.pk) if employee else reverse(page)
        case Act.PLAN_REMOVAL:
            return _with(reverse("admin:remove_person"), person=change.employee_key)
        case Act.PLAN_ADDITIONS:
            return _page("admin:staff_changes_staffchange_add_missing", change.pk)
        case Act.ASK_OWNERS:
            ways = way_to_owners(int(item.act_on))
            return ways[0].url if ways else reverse("admin:telegram_ops_ownershiprequest_ask")
        case Act.SEE_OPERATION:
            return _page("admin:operations_operation_change", item.act_on)
        case Act.SEE_REQUESTS:
            return reverse("admin:telegram_ops_ownershiprequest_changelist")
        case Act.RUN_AUDIT:
            return reverse("admin:audits_auditrun_start")
        case Act.SEE_RUN:
            return _page("admin:audits_auditrun_change", item.act_on)
        case Act.SEE_FINDINGS:
            return findings_url(change, employee, item.act_on)


def evidence_url(proof: Evidence, change: StaffChange, employee: Employee | None, may: May) -> str:
    """Where it can be looked up; "" where the reader may not."""
    if not may(_PROOF_RIGHTS[proof.proof]):
        return ""
    match proof.proof:
        case Proof.RUN:
            return _page("admin:audits_auditrun_change", proof.on)
        case Proof.OPERATION:
            return _page("admin:operations_operation_change", proof.on)
        case Proof.REPORT:
            return reverse("admin:operations_operation_report", args=[proof.on, "md"])
        case Proof.FINDINGS:
            return findings_url(change, employee, proof.on)
        case Proof.REQUESTS:
            return reverse("admin:telegram_ops_ownershiprequest_changelist")


def findings_url(change: StaffChange, employee: Employee | None, platform: str) -> str:
    """The open findings that keep the change open there."""
    query = {"kind__exact": FINDING_OF[ChangeKind(change.kind)], "platform__exact": platform}
    query |= {"employee__id__exact": str(employee.pk)} if employee else {"q": change.employee_key}
    return _with(reverse("admin:audits_finding_changelist"), **query)


def _page(name: str, number: object) -> str:
    return reverse(name, args=[number])


def _with(address: str, **query: str) -> str:
    return f"{address}?{urlencode(query)}"
