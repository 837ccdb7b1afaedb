"""The page “Community report”: everything in numbers and charts."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from members.charts import Bar, Part
from members.operations.display import state_badge
from members.ui import Tone
from whitelist import report
from whitelist.admin.base import SUBSCRIPTION_TONES
from whitelist.decision import SubscriptionStatus
from whitelist.report import CommunityReport, load_report

PERMISSION = "whitelist.view_subscriber"

_MAKE_UP: tuple[tuple[str, str, Tone], ...] = (
    (report.SUBSCRIBED, "Subscribed", "good"),
    (report.PROTECTED, "Whitelisted", "info"),
    (report.STAFF, "Owner, admins, bots, our account", "muted"),
    (report.OTHERS, "Nothing known, or not decided", "warn"),
    (report.EXPIRED, "Expired, not whitelisted", "bad"),
)


@require_GET
def report_view(request: HttpRequest) -> HttpResponse:
    """How the community stands; changes nothing."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = timezone.now()
    numbers = load_report(now=now)
    context = {
        **admin.site.each_context(request),
        "title": "Community report",
        "report": numbers,
        "coverage": min(1.0, numbers.accounted / numbers.size) if numbers.size else None,
        "make_up": [Part(label, numbers.make_up.get(key, 0), tone) for key, label, tone in _MAKE_UP],
        "subscriptions": _subscriptions(numbers),
        "protected_by": _bars(numbers.protected_by),
        "burned_because": _bars(numbers.burned_because),
        "weekly": [
            ("Kicked in each week", numbers.kicked, sum(numbers.kicked)),
            ("Burned in each week", numbers.burned, sum(numbers.burned)),
        ],
        "ending": [Bar(f"Week of {week:%-d %b %Y}", count) for week, count in numbers.ending],
        "sweeps": [(operation, state_badge(operation, now)) for operation in numbers.sweeps],
        "weeks": report.WEEKS,
    }
    return TemplateResponse(request, "admin/whitelist/report.html", context)


def _subscriptions(numbers: CommunityReport) -> list[Part]:
    return [
        Part(str(status).capitalize(), numbers.subscriptions.get(status, 0), SUBSCRIPTION_TONES[status])
        for status in SubscriptionStatus
    ]


def _bars(counts: Iterable[tuple[str, int]]) -> list[Bar]:
    return [Bar(name.capitalize(), count) for name, count in counts]
