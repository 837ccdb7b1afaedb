"""What other pages show of leavings and joinings, as template tags."""

from __future__ import annotations

from django import template

from audits.staff_changes.models import ChangeState, StaffChange

register = template.Library()


@register.simple_tag
def open_change(employee_key: str) -> StaffChange | None:
    """The leaving or joining of this employee that is under way."""
    return StaffChange.objects.filter(employee_key=employee_key, state=ChangeState.OPEN).first()
