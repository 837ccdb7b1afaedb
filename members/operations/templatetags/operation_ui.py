"""The operation pages' own badges and words, as template tags."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from members.operations import display
from members.operations.models import Operation, OperationReport, Step
from members.platforms.types import Platform

register = template.Library()
register.simple_tag(display.step_badge)
register.filter(display.words)
register.filter(display.platform_names)
register.filter("kind_label", display.kind_label)


@register.simple_tag
def step_arguments(step: Step, kind: str) -> str:
    return display.arguments_label(kind, step.arguments)


@register.simple_tag
def asked_for(operation: Operation) -> str:
    return display.asked_for(operation.kind, operation.parameters)


_FORMATS = {"md": "Markdown", "xlsx": "XLSX", "csv": "CSV", "json": "JSON"}


@register.simple_tag
def state_badge(operation: Operation) -> SafeString:
    return display.state_badge(operation, timezone.now())


@register.filter
def platform_label(platform: str) -> str:
    return Platform(platform).label


@register.filter
def report_label(report: OperationReport) -> str:
    return f"Report ({_FORMATS.get(report.format, report.format)})"


@register.simple_tag
def steps_url(operation: Operation, **filters: str) -> str:
    """The list of the operation's steps."""
    query = urlencode({"operation__id__exact": str(operation.pk), **filters})
    return f"{reverse('admin:operations_step_changelist')}?{query}"
