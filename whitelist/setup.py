"""What the gated community still needs before it can be looked after, in the order of the runbook."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from telegram_ops import gateway
from telegram_ops.models import AccountState
from whitelist.models import CommunityReading, Subscription
from whitelist.record import gated_chat_id


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and how it is taken; `url` is empty where it is not done in the admin."""

    title: str
    hint: str
    done: bool
    url: str = ""


def setup_steps() -> tuple[Step, ...]:
    """The steps of a new community; none once all of them are done. Three small queries at most."""
    chat_id = gated_chat_id()
    steps = (
        Step(
            "Name the community: TELEGRAM_GATED_CHAT_ID",
            "Put the id of its Telegram supergroup into the file .env, then restart.",
            bool(chat_id),
        ),
        Step(
            "Sign in to Telegram",
            "With an account that is an admin of the community: only an admin sees all members.",
            can_read_telegram(),
            reverse("admin:telegram_ops_telegramaccount_changelist"),
        ),
        Step(
            "Give it a bot: TELEGRAM_BOT_TOKEN",
            "Take the token from @BotFather, put it into .env, restart, and make the bot an admin of the "
            "community: it hears who leaves.",
            bool(settings.TELEGRAM_BOT_TOKEN),
        ),
        Step(
            "Load who has paid",
            "With manage.py loadsubscribers FILE.csv, or import tables of subscribers and subscriptions.",
            Subscription.objects.exists(),
            reverse("admin:whitelist_subscriber_changelist"),
        ),
        Step(
            "Protect everybody who is there",
            "Seedings › “Read the members…” shows whom it would protect, and asks.",
            bool(chat_id) and CommunityReading.objects.filter(chat_id=chat_id).exists(),
            reverse("admin:whitelist_seedingjob_changelist"),
        ),
    )
    return () if all(step.done for step in steps) else steps


def can_read_telegram() -> bool:
    """Whether there is an account to read the members with."""
    if gateway.uses_environment():
        return True
    account = gateway.account_in_use()
    return account is not None and account.state == AccountState.SIGNED_IN


def can_read_members() -> bool:
    """Whether there is a community, and an account to read its members with."""
    return bool(gated_chat_id()) and can_read_telegram()
