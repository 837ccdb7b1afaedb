"""The steps of a new installation's first day, and which of them are done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db.models import Value
from django.urls import reverse

from members.models import Employee, MembershipRule, ScopeLine, SlackWorkspace
from members.platforms.types import Platform
from telegram_ops import gateway
from telegram_ops.models import TelegramAccount

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


def first_steps(
    user: PermissionsMixin | AnonymousUser,
    accounts: Collection[TelegramAccount],
    *,
    audited: Collection[str],
    reached: Collection[str] = (),
) -> tuple[Step, ...]:
    """The steps that this user may take; none once all of them are done. One query at most.

    `accounts`: the Telegram accounts that audits look through; `audited`: the platforms of which an audit
    learnt something; `reached`: those whose groups audits have judged. Whoever has seen both has gone all
    the way.
    """
    if {*Platform} <= {*reached}:
        return ()
    there = _what_there_is()
    steps = [
        Step(title, hint, reverse(f"admin:members_{model._meta.model_name}_add"), bool(there & proof))
        for model, proof, title, hint in (
            (Employee, {"employee"}, "Add your people", "One by one, or import a CSV or XLSX file."),
            (MembershipRule, {"rule"}, "Say who must be where", "A rule asks for a team or a person."),
            (
                ScopeLine,
                {*Platform},
                "Say which groups count",
                "By name, or everything shared with one person.",
            ),
        )
        if user.has_perm(f"members.add_{model._meta.model_name}")
    ]
    if user.has_perm("audits.run_audit"):
        platforms = there & {*Platform} or {*Platform}  # before the scope speaks of any, both
        steps.append(_connect(platforms, has_workspace="workspace" in there))
        if Platform.TELEGRAM in platforms and user.has_perm("telegram_ops.sign_in_telegram"):
            steps.append(_sign_in(accounts))
        steps.append(_audit(platforms, audited))
    return () if all(step.done for step in steps) else tuple(steps)


def _what_there_is() -> set[str]:
    """ "employee", "rule", "workspace" where there is one, and the platforms that the scope speaks of."""
    marked = (
        rows.order_by().annotate(what=Value(what)).values_list("what")
        for rows, what in (
            (Employee.objects.all(), "employee"),
            (MembershipRule.objects.all(), "rule"),
            (SlackWorkspace.objects.filter(in_use=True), "workspace"),
        )
    )
    scope = ScopeLine.objects.order_by().values_list("platform")
    return {what for (what,) in scope.union(*marked)}


def _connect(platforms: Collection[str], *, has_workspace: bool) -> Step:
    """`has_workspace`: whether one is connected in the admin. Who has one needs no token in the file."""
    missing = [
        name
        for platform, names in CONNECTION_SETTINGS.items()
        if platform in platforms and not (platform is Platform.SLACK and has_workspace)
        for name in names
        if not getattr(settings, name)
    ]
    hint = "Their keys are there."
    if missing:
        hint = f"Put {', '.join(missing)} into the file .env, then restart."
    return Step("Connect the accounts", hint, "", not missing)


def _sign_in(accounts: Collection[TelegramAccount]) -> Step:
    """Done once somebody has signed in, be it into trouble later: then the account's own page tells."""
    url = reverse("admin:telegram_ops_telegramaccount_changelist")
    done = gateway.uses_environment() or bool(accounts)
    return Step("Sign in to Telegram", "With the code that Telegram sends to the account.", url, done)


def _audit(platforms: Collection[str], audited: Collection[str]) -> Step:
    """Done when audits learnt something of every platform that counts; a failed one did not."""
    unseen = [platform.label for platform in Platform if platform in platforms and platform not in audited]
    hint = "It finds the groups and shows what is missing."
    if unseen and audited:
        where = " and ".join(unseen)
        hint = (
            f"Nothing is known of {where} yet. If an audit looked there, its page says what was in the way."
        )
    return Step("Run the first audit", hint, reverse("admin:audits_auditrun_start"), not unseen)
