"""Accounts, tokens and switches, and what starts by itself next. Five queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from audits.events.models import LiveEvent
from audits.events.state import live_state
from audits.models import AuditRun
from groupadmin import schedules
from groupadmin.dashboard.links import Reader, admin_url, may_view, page_url
from groupadmin.dashboard.pieces import Health, NextRun
from groupadmin.models import Schedule
from members.dates import moment_in_words
from members.models import SlackWorkspace
from members.platforms.types import Platform
from members.ui import Tone
from telegram_ops import gateway
from telegram_ops.account_page import TONES
from telegram_ops.models import AccountState, TelegramAccount
from whitelist.flags import KICKS
from whitelist.models import FeatureFlag

RUNS_SHOWN = 5
HOUSEKEEPING = timedelta(hours=1)
"""What runs more often than this is the product's own business."""


def load_health(
    user: Reader,
    runs: Sequence[AuditRun],
    account: TelegramAccount | None,
    further: Sequence[TelegramAccount],
    now: datetime,
) -> tuple[Health, ...]:
    """How the accounts and switches stand, as far as this reader may see them.

    `runs`: the latest first; `account`: the Telegram account in use; `further`: those audited too.
    """
    may_see = may_view(user, SlackWorkspace)
    workspaces = list(SlackWorkspace.objects.filter(in_use=True)) if may_see else []
    return (
        *_slack(user, runs, workspaces),
        *_workspaces(workspaces),
        *_telegram(user, runs, account),
        *_further_accounts(user, further),
        *_live(user),
        *_kicks(user, now),
    )


# --- Accounts ----------------------------------------------------------------------------------


def _slack(user: Reader, runs: Sequence[AuditRun], workspaces: Sequence[SlackWorkspace]) -> Iterable[Health]:
    if not may_view(user, AuditRun):
        return
    if not settings.SLACK_USER_TOKEN:
        if workspaces:
            return  # whoever has others needs none there
        hint = "Put SLACK_USER_TOKEN into the file .env, then restart."
        yield Health("Slack token", "Missing", "muted", hint)
        return
    yield _answered("Slack token", Platform.SLACK, runs) or Health(
        "Slack token", "Not tried yet", "muted", "The first audit tells."
    )


def _telegram(user: Reader, runs: Sequence[AuditRun], account: TelegramAccount | None) -> Iterable[Health]:
    if not may_view(user, TelegramAccount):
        return
    accounts = admin_url(TelegramAccount, "changelist")
    last = _answered("Telegram account", Platform.TELEGRAM, runs)
    if gateway.uses_environment():
        name = "Telegram session in .env"
        if last is None:
            yield Health(name, "Not tried yet", "muted", "The first audit tells.", url=accounts)
        else:
            yield Health(name, last.state, last.tone, last.note, last.at, accounts)
        return
    if account is None:
        yield Health("Telegram account", "None", "muted", "Add one and sign in.", url=accounts)
        return
    state, tone, note = account.get_state_display(), TONES[account.state], account.reason
    if account.state == AccountState.SIGNED_IN and last is not None and last.tone != "good":
        state, tone, note = last.state, last.tone, last.note
    at = account.last_used_at or account.state_since
    yield Health(f"Telegram account “{account}”", state, tone, note or account.person, at, page_url(account))


def _workspaces(workspaces: Iterable[SlackWorkspace]) -> Iterable[Health]:
    """The Slack workspaces that are audited too."""
    for workspace in workspaces:
        state, tone = _verdict(reached=False, trouble=workspace.problem)
        name, note = f"Slack workspace “{workspace}”", workspace.problem or workspace.account_name
        yield Health(name, state, tone, note, workspace.proven_at, page_url(workspace))


def _further_accounts(user: Reader, further: Iterable[TelegramAccount]) -> Iterable[Health]:
    """The Telegram accounts that are audited too."""
    if not may_view(user, TelegramAccount):
        return
    for account in further:
        state, note = account.get_state_display(), account.reason or account.person
        at = account.last_used_at or account.state_since
        yield Health(
            f"Telegram account “{account}”", state, TONES[account.state], note, at, page_url(account)
        )


def _answered(name: str, platform: Platform, runs: Sequence[AuditRun]) -> Health | None:
    """What the last run that asked the platform came to; None when none did."""
    run = next((run for run in runs if platform in run.platforms and run.finished and run.finished_at), None)
    if run is None:
        return None
    trouble = next((line for line in run.message.splitlines() if platform.label in line), "")
    state, tone = _verdict(reached=platform in run.verdicts, trouble=trouble)
    return Health(name, state, tone, trouble or f"Asked by {run}", run.finished_at, page_url(run))


def _verdict(*, reached: bool, trouble: str) -> tuple[str, Tone]:
    if trouble:
        return ("Answered in part", "warn") if reached else ("In trouble", "bad")
    return "Works", "good"


def _live(user: Reader) -> Iterable[Health]:
    """Whether somebody listens to what happens on the platforms, where that is set up."""
    if not may_view(user, LiveEvent):
        return
    url = admin_url(LiveEvent, "changelist")
    for state in live_state():
        if not state.configured:
            continue
        name = f"Live events of {state.platform.label}"
        waiting = f"{state.waiting:,} groups wait to be looked at" if state.waiting else ""
        if state.is_listening:
            note = waiting or state.last_event
            yield Health(name, "Listens", "good", note, state.last_event_at or state.listening_since, url)
        elif state.problem:
            yield Health(name, "In trouble", "bad", state.problem, state.problem_at, url)
        else:
            yield Health(name, "Nobody listens", "muted", waiting, url=url)


# --- Switches ----------------------------------------------------------------------------------


def _kicks(user: Reader, now: datetime) -> Iterable[Health]:
    if not may_view(user, FeatureFlag):
        return
    url = admin_url(FeatureFlag, "changelist")
    switch = FeatureFlag.objects.filter(key=KICKS).first()
    if switch is None:
        yield Health("Kicks", "Off", "good", "Never turned on", url=url)
        return
    on = switch.bool_value and (switch.expires_at is None or switch.expires_at > now)
    by = f"by {switch.changed_by}" if switch.changed_by else ""
    if not on:
        yield Health("Kicks", "Off", "good", by, switch.changed_at, url)
        return
    until = f"until {moment_in_words(switch.expires_at)}" if switch.expires_at else "without an end"
    yield Health("Kicks", "On", "warn", f"{until} {by}".strip(), switch.changed_at, url)


# --- Schedules ---------------------------------------------------------------------------------


def next_runs(user: Reader, now: datetime) -> tuple[NextRun, ...]:
    """What people scheduled, in the order in which it starts."""
    if not may_view(user, AuditRun):
        return ()
    rows = Schedule.objects.filter(enabled=True).select_related("crontab", "interval")
    due = [(at, row) for row in rows if _is_news(row) and (at := schedules.next_run(row, now)) is not None]
    due.sort(key=lambda each: (each[0], each[1].pk))
    may_open = may_view(user, Schedule)
    return tuple(NextRun(str(row), at, page_url(row) if may_open else "") for at, row in due[:RUNS_SHOWN])


def _is_news(schedule: Schedule) -> bool:
    interval = schedule.interval
    return interval is None or timedelta(**{interval.period: interval.every}) >= HOUSEKEEPING
