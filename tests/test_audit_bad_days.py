"""An audit on a bad day: a clear line, its exit code, what was learnt is kept, nothing unseen is resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from audits.models import AuditRun
from groupadmin.sandbox.company.staff import ACCOUNT
from groupadmin.sandbox.slack.faults import (
    Drop,
    HttpStatus,
    NotJson,
    RateLimited,
    RepeatCursor,
    SlackError,
    Truncated,
)
from members.models import Group, ScopeLine
from tests.audit_world import TINY, Office, changes, findings, no_patience, said, tiny_office

pytestmark = pytest.mark.django_db

SLACK, TELEGRAM = "--platform=slack", "--platform=telegram"
HOUR = 3600
FOR_EVER: dict[str, Any] = {"times": None}


office = pytest.fixture(tiny_office)
impatient = pytest.fixture(no_patience)


def test_a_scope_line_that_takes_for_ever_fails_the_audit_with_its_name(office: Office) -> None:
    next(iter(office.company.slack.channels.values())).name = "a" * 79 + "-"
    ScopeLine.objects.create(platform="slack", kind="exclude", match="regex", pattern="(a|aa)+$")
    outcome = office.audit(SLACK)
    assert (outcome.code, outcome.state) == (1, "failed")
    assert "The regular expression “(a|aa)+$” takes too long" in said(outcome)
    assert "Correct it under Policy › Scope lines. Nothing was recorded." in said(outcome)


class TestSlackIsNotSetUp:
    def test_no_token(self, office: Office, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = ""
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "set SLACK_USER_TOKEN" in said(outcome)

    def test_a_token_that_nobody_knows(self, office: Office, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = "xoxp-somebody-elses"
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "the token is not valid: check SLACK_USER_TOKEN" in said(outcome)

    @pytest.mark.parametrize("scope", ["channels:read", "groups:read", "users:read"])
    def test_a_scope_is_missing(self, office: Office, scope: str) -> None:
        token = office.company.slack.tokens[office.company.slack_token]
        token.scopes -= {scope}
        outcome = office.audit(SLACK)
        assert outcome.code == 4
        assert scope in said(outcome)

    def test_an_address_that_is_none(self, office: Office, settings: Settings) -> None:
        settings.SLACK_API_URL = "slack"
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "SLACK_API_URL" in said(outcome)


class TestOnePlatformOfTwo:
    def test_what_works_is_done_and_what_does_not_is_said(self, office: Office, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = ""
        outcome = office.audit()
        assert (outcome.code, outcome.state) == (3, "partial")
        assert "set SLACK_USER_TOKEN" in said(outcome)
        assert len(outcome.rows("telegram")) == TINY.telegram_shared
        assert outcome.rows("slack") == {}

    def test_neither_is_set_up(self, office: Office, settings: Settings) -> None:
        settings.SLACK_USER_TOKEN = settings.TELEGRAM_SESSION = ""
        outcome = office.audit()
        assert (outcome.code, outcome.state) == (4, "failed")
        slack, telegram = outcome.error.splitlines()
        assert "set SLACK_USER_TOKEN" in slack and "Nobody is signed in to Telegram" in telegram
        assert "set " not in outcome.printed, "said once"


@pytest.mark.usefixtures("impatient")
class TestAServerIsDown:
    def test_slacks(self, office: Office) -> None:
        office.slack.stop()
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (1, "failed")
        assert "cannot be reached" in said(outcome)

    def test_telegrams(self, office: Office) -> None:
        office.telegram.stop()
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (1, "failed")
        assert "cannot be reached" in said(outcome)

    def test_one_of_two(self, office: Office) -> None:
        office.slack.stop()
        outcome = office.audit()
        assert (outcome.code, outcome.state) == (3, "partial")
        assert "Slack" in said(outcome)


@dataclass(frozen=True)
class BadAnswer:
    """One fault of one method, and what is said of it."""

    method: str
    effect: Any
    says: str
    options: dict[str, Any] = field(default_factory=dict)


class TestSlackHasTrouble:
    @pytest.mark.parametrize(
        "bad",
        [
            BadAnswer("users.conversations", RateLimited(1), "", {"times": 8}),
            BadAnswer("conversations.list", HttpStatus(502), ""),
            BadAnswer("users.list", Truncated(), ""),
            BadAnswer("users.conversations", Drop(), ""),
            BadAnswer("auth.test", NotJson(), ""),
        ],
        ids=lambda bad: type(bad.effect).__name__,
    )
    def test_that_passes_costs_time_and_nothing_else(self, office: Office, bad: BadAnswer) -> None:
        office.slack.script.add(bad.method, bad.effect, **bad.options)
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (0, "complete")
        assert outcome.document["run"]["waited_seconds"] > 0
        assert {row["verdict"] for row in outcome.rows().values()} <= {"complete", "incomplete", "exempt"}

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        "bad",
        [
            BadAnswer("conversations.list", HttpStatus(500), "answered HTTP 500"),
            BadAnswer("auth.test", NotJson(), "sent an answer that is not Slack's"),
            BadAnswer("conversations.list", Drop(0), "broke the connection off"),
        ],
        ids=lambda bad: type(bad.effect).__name__,
    )
    def test_that_lasts_from_the_start(self, office: Office, bad: BadAnswer) -> None:
        office.audit_first(SLACK)
        before = findings()
        office.slack.script.add(bad.method, bad.effect, times=None)
        outcome = office.audit(SLACK)
        assert (outcome.code, outcome.state) == (1, "failed")
        assert bad.says in said(outcome)
        assert (outcome.rows(), changes(outcome), findings()) == ({}, [], before)

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        "bad",
        [
            BadAnswer("users.list", HttpStatus(500), "answered HTTP 500"),
            BadAnswer("users.list", Truncated(), "sent an answer that is not Slack's"),
            BadAnswer("users.conversations", RateLimited(HOUR), "wait 3600 seconds"),
            BadAnswer("users.conversations", Drop(), "broke off", {"skip": 3}),
            BadAnswer("users.conversations", RepeatCursor(), "pages in a circle"),
            BadAnswer("users.list", RepeatCursor(), "pages in a circle"),
            BadAnswer("conversations.list", RepeatCursor(), "pages in a circle"),
            BadAnswer("users.conversations", SlackError("token_revoked"), "token was revoked", {"skip": 3}),
        ],
        ids=lambda bad: f"{bad.method} {type(bad.effect).__name__}",
    )
    def test_that_comes_in_the_middle_of_the_run(self, office: Office, bad: BadAnswer) -> None:
        office.audit_first(SLACK)
        fix_everything(office)
        was_open = findings()
        office.slack.empty_pages = False
        office.slack.script.add(bad.method, bad.effect, **FOR_EVER, **bad.options)

        outcome = office.audit(SLACK)

        assert outcome.state == "partial"
        assert outcome.code == (4 if "token" in bad.says else 3)
        assert bad.says in said(outcome)
        assert len(outcome.rows()) == TINY.slack_in_scope, "known groups are listed"
        unread = {key for row in outcome.rows().values() for key in row["unresolved"]}
        assert unread, "somebody could not be read"
        assert not [line for line in changes(outcome) if line[0] == "resolved" and line[4] in unread]
        assert {finding for finding in was_open if finding[3] in unread} <= findings()

    @pytest.mark.usefixtures("impatient")
    def test_what_was_read_before_is_kept(self, office: Office) -> None:
        all_calls = office.audit(SLACK).calls("slack")["users.conversations"]
        fix_everything(office)
        office.slack.script.add("users.conversations", HttpStatus(500), skip=all_calls - 1, **FOR_EVER)

        outcome = office.audit(SLACK)

        assert outcome.state == "partial"
        fixed = {line[4] for line in changes(outcome) if line[:2] == ("resolved", "fixed")}
        read = {key for row in outcome.rows().values() for key in row["required_present"]}
        assert fixed
        assert fixed <= read


def fix_everything(office: Office) -> None:
    """Everybody joins every channel: an audit that saw it would resolve all that is missing."""
    for channel in office.company.slack.channels.values():
        for member in office.company.staff.values():
            if member.status == "active" and member.key != ACCOUNT:
                channel.members.setdefault(member.slack_account.id)


class TestOurOwnTrouble:
    def test_reports_that_cannot_be_stored_do_not_spoil_the_audit(
        self, office: Office, settings: Settings, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        settings.MEDIA_ROOT = tmp_path / "file" / "media"

        outcome = office.audit(SLACK)

        assert (outcome.code, outcome.state) == (0, "complete")
        assert outcome.warnings == "The report files could not be written: Not a directory.\n"

    def test_a_database_that_fails_keeps_all_or_nothing(self, office: Office) -> None:
        """It refuses to take the groups' rows, which are written after the groups."""

        def refuse(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if sql.startswith("INSERT INTO") and "audits_groupresult" in sql:
                raise OperationalError("database or disk is full")
            return execute(sql, *rest)

        with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
            office.audit(SLACK)

        run = AuditRun.objects.get()
        assert (run.state, run.message) == ("failed", "The database failed; nothing was recorded.")
        assert not Group.objects.exists() and findings() == set()

    def test_an_error_that_nobody_expected_ends_the_run(self, office: Office, settings: Settings) -> None:
        settings.AUDIT_PATIENCE_SECONDS = "as long as it takes"
        office.slack.script.add("users.list", RateLimited(1))

        with pytest.raises(TypeError):
            office.audit(SLACK)

        run = AuditRun.objects.get()
        assert (run.state, run.finished) == ("failed", True)
        assert run.message == "Unexpected error (TypeError); the log has the details."
