"""What other pages say of the Telegram account."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse

from telegram_ops import gateway
from telegram_ops.account_page import state_badge
from telegram_ops.models import AccountState

register = template.Library()
register.simple_tag(state_badge, name="account_badge")


@register.inclusion_tag("admin/telegram_ops/sign_in_needed.html", takes_context=True)
def sign_in_needed(context: template.Context, *, met: bool = False) -> dict[str, Any]:
    """A line where the account in use cannot be used until somebody signs in, with the way to do it.

    Nothing while it can, and for who may not see the accounts. `met`: what the page tells of has met it;
    of the session in the environment nothing else is known.
    """
    user = context["request"].user
    if not user.has_perm("telegram_ops.view_telegramaccount"):
        return {}
    may = {"may_sign_in": user.has_perm("telegram_ops.sign_in_telegram")}
    if gateway.uses_environment():
        accounts = reverse("admin:telegram_ops_telegramaccount_changelist")
        return may | {"why": _ENVIRONMENT_IS_DEAD, "url": accounts} if met else {}
    account = gateway.account_in_use()
    if account is None or account.state == AccountState.SIGNED_IN:
        return {}
    why = account.reason or f"The account “{account}” is not signed in"
    return may | {
        "why": why,
        "url": reverse("admin:telegram_ops_telegramaccount_change", args=[account.pk]),
    }


_ENVIRONMENT_IS_DEAD = "The session in TELEGRAM_SESSION is dead: take it out of .env, then sign in here"
