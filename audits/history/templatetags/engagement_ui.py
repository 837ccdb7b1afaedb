"""What a group's page shows of its conversation: `{% load engagement_ui %}{% engagement group %}`."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from audits.history.admin.engagement import RIGHTS, answer_in_words
from audits.history.display import days_in_words
from audits.history.engagement import WEEKS, engagement_of, names_of, quiet_days
from audits.history.models import Conversation
from members.charts import sparkline
from members.models import Group

register = template.Library()


@register.inclusion_tag("admin/history/engagement.html", takes_context=True)
def engagement(context: Any, group: Group | None) -> dict[str, Any]:
    """Nothing for who may see no conversation, or where none is kept."""
    user = context["request"].user
    if group is None or not any(user.has_perm(right) for right in RIGHTS):
        return {}
    conversation = Conversation.objects.filter(group=group, message_count__gt=0).defer("covered").first()
    if conversation is None:
        return {}
    now = timezone.now()
    counted = engagement_of([conversation], now=now)[conversation.pk]
    names = names_of(key for key, _ in counted.by_employee)
    return {
        "conversation": conversation,
        "engagement": counted,
        "count": WEEKS,
        "quiet": days_in_words(quiet_days(conversation, now)),
        "answer": answer_in_words(counted.usual_answer),
        "chart": sparkline([messages for _, messages in counted.weeks], "Messages a week"),
        "staff": [(names[key], messages) for key, messages in counted.by_employee],
    }
