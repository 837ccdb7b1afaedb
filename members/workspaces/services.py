"""What people and programs do with Slack's workspaces: connect one, check it, and get at its token.

A token is proven before it is kept, and goes from here to Slack's adapter and nowhere else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from members.crypto import WrongKey
from members.models import Group, SlackWorkspace, WorkspaceToken
from members.operations import activity
from members.operations.activity import Event
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.errors import NotConfigured, PlatformError
from members.platforms.types import Account, Platform

PATIENCE = 5.0
"""Seconds: the longest pause that Slack may ask for while a person waits."""


class WorkspaceRefused(Exception):
    """What was asked for is not to be done: one line, what happened and what to do."""


class Access:
    """The token of one workspace, read before an event loop begins. "" is the one of the environment."""

    def __init__(self, connection: str = "") -> None:
        self._config: SlackConfig | NotConfigured
        try:
            self._config = config_of(connection)
        except NotConfigured as error:
            self._config = error

    def config(self) -> SlackConfig:
        """Raises NotConfigured."""
        if isinstance(self._config, NotConfigured):
            raise self._config
        return self._config


def connections() -> tuple[str, ...]:
    """All workspaces that are in use, that of the environment ("") first. One query.

    Without any there is that one all the same: it says what is to be set up.
    """
    rows = SlackWorkspace.objects.filter(in_use=True).order_by("pk").values_list("pk", flat=True)
    further = tuple(map(str, rows))
    return ("", *further) if settings.SLACK_USER_TOKEN or not further else further


def label_of(connection: str) -> str:
    """What people call it; "" for the workspace of the environment."""
    if not connection:
        return ""
    label = SlackWorkspace.objects.filter(pk=connection).values_list("label", flat=True).first()
    return label or f"workspace {connection}"


def routes() -> dict[tuple[str, str], str]:
    """(platform, group id) → connection, of the groups that are not reached through the usual one."""
    rows = Group.objects.exclude(connection="").values_list("platform", "external_id", "connection")
    return {(platform, group_id): connection for platform, group_id, connection in rows}


def config_of(connection: str) -> SlackConfig:
    """The token, ready for the adapter. Raises NotConfigured where there is none that may be used."""
    if not connection:
        return SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
    workspace = SlackWorkspace.objects.filter(pk=connection).first()
    if workspace is None:
        raise NotConfigured(
            "The Slack workspace of this group is not connected any more: connect it again, then audit",
            code="no_workspace",
        )
    if not workspace.in_use:
        raise NotConfigured(
            f"The Slack workspace “{workspace}” is switched off: switch it on", code="switched_off"
        )
    return _config(workspace)


@sensitive_variables("token")
def connect_workspace(*, label: str, token: str, actor: str) -> SlackWorkspace:
    """Keep a workspace and its token, once Slack has said whose it is. Raises WorkspaceRefused."""
    proof = _prove(token, label)
    with transaction.atomic():
        workspace = SlackWorkspace(label=label)
        _note(workspace, proof)
        WorkspaceToken.objects.create(workspace=workspace, token=token)
        _record(workspace, "slack.workspace_connected", actor, detail=_whose(workspace))
    return workspace


@sensitive_variables("token")
def replace_token(*, workspace: SlackWorkspace, token: str, actor: str) -> None:
    """Use another token for the same workspace. Raises WorkspaceRefused, also where it opens another one."""
    proof = _prove(token, workspace.label)
    if proof.account.workspace_id != workspace.team_id:
        raise WorkspaceRefused(
            f"This token opens another workspace than “{workspace}”: connect that one as a new workspace."
        )
    with transaction.atomic():
        _note(workspace, proof)
        WorkspaceToken.objects.update_or_create(workspace=workspace, defaults={"token": token})
        _record(workspace, "slack.token_replaced", actor, detail=_whose(workspace))


def check_workspace(*, workspace: SlackWorkspace, actor: str) -> str:
    """Ask Slack who we are there and what we may do. Returns why it does not work, "" when it does."""
    try:
        proof = asyncio.run(_ask(_config(workspace)))
    except PlatformError as error:
        workspace.problem = str(error)
        workspace.save(update_fields=["problem"])
    else:
        _note(workspace, proof)
    _record(workspace, "slack.workspace_checked", actor, outcome="failed" if workspace.problem else "works")
    return workspace.problem


def note_state(connection: str, *, problem: str) -> None:
    """What an audit found: that the token works, or why it does not."""
    proven = {} if problem else {"proven_at": timezone.now()}
    SlackWorkspace.objects.filter(pk=connection).update(problem=problem, **proven)


@transaction.atomic
def set_in_use(*, workspace: SlackWorkspace, in_use: bool, actor: str) -> None:
    """Let audits look into it and operations act in it, or not."""
    workspace.in_use = in_use
    workspace.save(update_fields=["in_use"])
    _record(workspace, "slack.workspace_used" if in_use else "slack.workspace_left_out", actor)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What Slack says of a token."""

    account: Account
    scopes: frozenset[str]


async def _ask(config: SlackConfig) -> _Proof:
    async with adapters.slack.SlackReader(config, meter=CallMeter(patience=PATIENCE)) as reader:
        return _Proof(await reader.account(), await reader.scopes())


@sensitive_variables("token")
def _prove(token: str, label: str) -> _Proof:
    try:
        return asyncio.run(_ask(SlackConfig(token, settings.SLACK_API_URL, token_name=_token_name(label))))
    except PlatformError as error:
        raise WorkspaceRefused(f"{error}. Nothing was kept.") from None


def _config(workspace: SlackWorkspace) -> SlackConfig:
    try:
        stored = WorkspaceToken.objects.filter(workspace=workspace).first()
    except WrongKey as error:
        raise NotConfigured(str(error), code="FIELD_ENCRYPTION_KEYS") from None
    token = stored.token if stored is not None else ""
    return SlackConfig(token, settings.SLACK_API_URL, token_name=_token_name(workspace.label))


def _token_name(label: str) -> str:
    return f"the token of the workspace “{label}”"


def _note(workspace: SlackWorkspace, proof: _Proof) -> None:
    account = proof.account
    workspace.team_id, workspace.team_name = account.workspace_id, account.workspace_name[:200]
    workspace.account_id, workspace.account_name = account.id, account.name[:200]
    workspace.scopes, workspace.problem = sorted(proof.scopes), ""
    workspace.proven_at = timezone.now()
    workspace.save()


def _whose(workspace: SlackWorkspace) -> str:
    return f"{workspace.account_name} in {workspace.team_name or workspace.team_id}"


def _record(
    workspace: SlackWorkspace, action: str, actor: str, *, outcome: str = "", detail: str = ""
) -> None:
    event = Event(
        actor, action, platform=Platform.SLACK, subject=workspace.label, outcome=outcome, detail=detail
    )
    activity.record(events=[event], at=timezone.now())
