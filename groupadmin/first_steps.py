"""The steps of a new installation's first day, and which of them are done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import reverse

from audits.models import AuditRun, RunState
from members.models import Employee, MembershipRule, ScopeLine
from members.platforms.types import Platform
from telegram_ops import gateway

CONNECTION_SETTINGS = {
    Platform.SLACK: ("SLACK_USER_TOKEN",),
    Platform.TELEGRAM: ("TELEGRAM_API_ID", "TELEGRAM_API_HASH"),
}
"""Without which an audit cannot look at the platform."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `url` is empty where it is not done in the admin."""

    title: str
    hint: str
    url: str
    done: bool


def first_steps(user: PermissionsMixin | AnonymousUser) -> tuple[Step, ...]:
    """The steps that this user may take; none once all of them are done."""
    steps = [
        Step(
            title,
            hint,
            reverse(f"admin:members_{model._meta.model_name}_add"),
            model._default_manager.exists(),
        )
        for model, title, hint in (
            (Employee, "Add your people", "One by one, or import a CSV or XLSX file."),
            (MembershipRule, "Say who must be where", "A rule asks for a team or a person."),
            (ScopeLine, "Say which groups count", "By name, or everything shared with one person."),
        )
        if user.has_perm(f"members.add_{model._meta.model_name}")
    ]
    if user.has_perm("audits.run_audit"):
        platforms = _platforms_in_use()
        steps.append(_connect(platforms))
        if Platform.TELEGRAM in platforms and user.has_perm("telegram_ops.sign_in_telegram"):
            steps.append(_sign_in())
        steps.append(_audit())
    return () if all(step.done for step in steps) else tuple(steps)


def _platforms_in_use() -> set[str]:
    """Those that the scope speaks of; before it does, both."""
    return set(ScopeLine.objects.order_by().values_list("platform", flat=True).distinct()) or set(Platform)


def _connect(platforms: Collection[str]) -> Step:
    missing = [
        name
        for platform, names in CONNECTION_SETTINGS.items()
        if platform in platforms
        for name in names
        if not getattr(settings, name)
    ]
    hint = "Their keys are in the file .env."
    if missing:
        hint = f"Put {', '.join(missing)} into the file .env, then restart."
    return Step("Connect the accounts", hint, "", not missing)


def _sign_in() -> Step:
    """Done once somebody has signed in, be it into trouble later: then the account's own page tells."""
    account = gateway.account_in_use()
    url = reverse("admin:telegram_ops_telegramaccount_changelist")
    done = gateway.uses_environment() or account is not None
    return Step("Sign in to Telegram", "With the code that Telegram sends to the account.", url, done)


def _audit() -> Step:
    """Done when one learnt something; a failed one did not."""
    learnt = AuditRun.objects.filter(state__in=(RunState.COMPLETE, RunState.PARTIAL)).exists()
    hint = "It finds the groups and shows what is missing."
    return Step("Run the first audit", hint, reverse("admin:audits_auditrun_start"), learnt)
