"""An invented office with its sandbox servers, and audits of it the way a person starts them."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from audits.models import AuditRun, Finding, FindingChange
from groupadmin.sandbox.company import GroupTruth, Size, build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackChannel
from groupadmin.sandbox.slack.faults import Perform
from groupadmin.sandbox.slack.wire import Request, Response
from groupadmin.sandbox.telegram.world import TelegramChat
from members import policy_load
from tests import remembered
from tests.processes import environment, running, test_database_url

TINY = Size(
    slack_in_scope=12,
    slack_other=8,
    slack_users=60,
    telegram_shared=24,
    telegram_other=4,
    telegram_users=130,
    members_per_group=6,
)
"""Every kind of group at least once, and an audit of it in a blink."""

AUDITED = ("members", "operations", "notices", "telegram_ops", "audits", "history", "events", "staff_changes")
"""The apps whose rows an audit may change."""

FindingId = tuple[str, str, str, str]
"""(platform, group id, kind, subject)."""


@dataclass(frozen=True)
class Outcome:
    """What a person gets from `manage.py audit`."""

    code: int
    error: str
    """The lines of the failure; empty when all went well."""
    warnings: str
    """What else was written to standard error; the progress is left out."""
    printed: str
    document: dict[str, Any]
    """What `--json` wrote; empty when nothing was."""

    @property
    def run(self) -> AuditRun:
        return AuditRun.objects.get(pk=self.document["run"]["id"])

    @property
    def state(self) -> str:
        return str(self.document["run"]["state"])

    def rows(self, platform: str | None = None) -> dict[str, dict[str, Any]]:
        """The groups by id."""
        groups = self.document["groups"]
        return {row["id"]: row for row in groups if platform in (None, row["platform"])}

    def calls(self, platform: str) -> dict[str, int]:
        return dict(self.document["run"]["api_calls"].get(platform, {}))

    def blind_spots(self) -> list[tuple[str, str]]:
        """(subject, reason) of everything that could not be seen."""
        return [(spot["subject"], spot["reason"]) for spot in self.run.blind_spots]


class Office:
    """A company on sandbox servers that the product is pointed at, its policy loaded."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.company = sandbox.company
        self.slack = sandbox.slack
        self.telegram = sandbox.telegram
        self.environment = sandbox.environment()
        self.load_policy()

    def load_policy(self) -> None:
        """Make the product's policy what the company's says now."""
        policy = json.dumps(self.company.policy).encode()
        remembered.put_back(policy, lambda: policy_load.load(policy, reason="test"), of=["members"])

    def audit(self, *arguments: str) -> Outcome:
        """`manage.py audit --json FILE …`, in this process."""
        return audit(*arguments)

    def audit_first(self, *arguments: str) -> None:
        """The same, of an office that many tests audit before they begin: what it finds is put back."""
        company = pickle.dumps(self.company).replace(self.company.slack.base_url.encode(), b"")
        remembered.put_back((company, *arguments), lambda: self.audit(*arguments), of=AUDITED)

    def slack_id(self, key: str) -> str:
        return self.company.staff[key].slack_account.id

    def telegram_id(self, key: str) -> int:
        return self.company.staff[key].telegram_account.id

    def channel(
        self, accept: Callable[[GroupTruth, SlackChannel], bool] = lambda truth, channel: True
    ) -> SlackChannel:
        """A channel in scope, the first that `accept` takes."""
        return next(
            channel
            for channel_id, channel in self.company.slack.channels.items()
            if (truth := self.company.truth_now().groups.get(("slack", channel_id))) is not None
            and accept(truth, channel)
        )

    def chat(
        self, accept: Callable[[GroupTruth, TelegramChat], bool] = lambda truth, chat: True
    ) -> TelegramChat:
        """A Telegram group in scope, the first that `accept` takes."""
        return next(
            chat
            for chat_id, chat in self.company.telegram.chats.items()
            if (truth := self.company.truth_now().groups.get(("telegram", str(chat_id)))) is not None
            and accept(truth, chat)
        )


def die_in(office: Office, run: AuditRun, where: str, folder: Path, *platform: str) -> None:
    """Run the audit, or that part of it, in a process of its own that is killed where the function `where` is
    called."""
    env = environment(
        DATABASE_URL=test_database_url(),
        VAR_DIR=str(folder),
        MEDIA_ROOT=str(folder / "media"),
        **office.environment,
    )
    command = [sys.executable, "-m", "tests.audits_process", str(run.pk), where, *platform]
    with running(command, env=env, log=folder / "log") as process:
        assert process.wait(60) == -9, (folder / "log").read_text()


def audit(*arguments: str) -> Outcome:
    """`manage.py audit --json FILE …`, in this process; call it through `Office.audit`."""
    out, err = StringIO(), StringIO()
    code, error = 0, ""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.json"
        try:
            call_command("audit", f"--json={path}", *arguments, stdout=out, stderr=err)
        except CommandError as refusal:
            code, error = refusal.returncode, str(refusal)
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    warnings = "".join(line for line in err.getvalue().splitlines(keepends=True) if " %  " not in line)
    return Outcome(code, error, warnings, out.getvalue(), document)


def findings(state: str = "open", *, kind: str | None = None) -> set[FindingId]:
    """The stored findings in that state."""
    chosen = Finding.objects.filter(state=state, **({} if kind is None else {"kind": kind}))
    return set(chosen.values_list("platform", "group_external_id", "kind", "subject"))


def changes(outcome: Outcome) -> list[tuple[str, str, str, str, str]]:
    """What a run changed: (change, reason, group id, kind, subject)."""
    lines = FindingChange.objects.filter(run_id=outcome.document["run"]["id"])
    return list(
        lines.values_list(
            "change", "reason", "finding__group_external_id", "finding__kind", "finding__subject"
        )
    )


def channel_without_bo(office: Office) -> SlackChannel:
    """A customer's private channel where Bo is missing, and nobody else, and nothing else is wrong."""
    channel = office.channel(
        lambda truth, channel: truth.category == "customer" and channel.is_private and not truth.excluded
    )
    truth = office.company.truth_now().groups["slack", channel.id]
    everybody = truth.required_missing | truth.optional_missing
    channel.members |= dict.fromkeys(office.slack_id(key) for key in everybody)
    channel.members.pop(office.slack_id("bo"))
    channel.name = "acme-bitsafe"
    return channel


def missing_bo(channel: SlackChannel) -> FindingId:
    return "slack", channel.id, "missing_required", "bo"


def sorted_lists(row: dict[str, Any]) -> dict[str, Any]:
    """A group of the document, fit to be compared: its lists are in no order that matters."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in row.items()}


@dataclass(frozen=True)
class Meanwhile:
    """An effect for a Slack call: something happens, and then the ordinary answer is given."""

    happens: Callable[[], object]

    def respond(self, request: Request, perform: Perform) -> Response:
        self.happens()
        return perform(request)


# Fixtures of the files that take them: `office = pytest.fixture(tiny_office)`


def tiny_office(start_sandbox: Callable[..., Sandbox]) -> Office:
    """Before its first audit."""
    return Office(start_sandbox(build_company(TINY)))


def shared_office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """The same, in a database that other threads and processes see."""
    return tiny_office(start_sandbox)


def no_patience(settings: Settings) -> None:
    """No pause is waited for: what does not work at once has failed."""
    settings.AUDIT_PATIENCE_SECONDS = 0


def clock_put_forward(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`pass_days(n)`: from now on it is n days later than it really is."""
    real_now = timezone.now

    def set_clock(days: int) -> None:
        monkeypatch.setattr(timezone, "now", lambda: real_now() + timedelta(days=days))

    return set_clock


def said(outcome: Outcome) -> str:
    """The one line of a failed audit."""
    assert outcome.error and "\n" not in outcome.error and "Traceback" not in outcome.error
    return outcome.error
