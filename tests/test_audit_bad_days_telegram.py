"""An audit on a day when Telegram makes trouble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pytest_django import Settings

from groupadmin.sandbox.telegram.effects import Drop as CutLine
from groupadmin.sandbox.telegram.effects import RpcFault
from members.models import Group
from tests.audit_world import Office, changes, findings, no_patience, said, tiny_office

pytestmark = pytest.mark.django_db

SLACK, TELEGRAM = "--platform=slack", "--platform=telegram"
HOUR = 3600
FOR_EVER: dict[str, Any] = {"times": None}


office = pytest.fixture(tiny_office)
impatient = pytest.fixture(no_patience)


class TestTelegramIsNotSetUp:
    @pytest.mark.parametrize("name", ["TELEGRAM_API_ID", "TELEGRAM_API_HASH"])
    def test_a_setting_is_missing(self, office: Office, settings: Settings, name: str) -> None:
        setattr(settings, name, "")
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert f"set {name}" in said(outcome)

    def test_nobody_is_signed_in(self, office: Office, settings: Settings) -> None:
        settings.TELEGRAM_SESSION = ""
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "Nobody is signed in to Telegram" in said(outcome)

    def test_a_session_that_is_none(self, office: Office, settings: Settings) -> None:
        settings.TELEGRAM_SESSION = "not a session"
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "TELEGRAM_SESSION" in said(outcome)

    def test_a_session_that_was_ended(self, office: Office) -> None:
        office.telegram.sign_out(office.company.telegram_account_id)
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (4, "failed")
        assert "sign in again" in said(outcome)


class TestTelegramHasTrouble:
    def test_a_short_wait_is_waited(self, office: Office) -> None:
        office.telegram.script.add("GetCommonChats", RpcFault("FLOOD_WAIT_1"))
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (0, "complete")
        assert outcome.document["run"]["waited_seconds"] >= 1

    def test_a_long_wait_before_people_are_read_leaves_them_unread(self, office: Office) -> None:
        office.audit_first(TELEGRAM)
        before = findings()
        for key in ("bo", "di", "eve"):
            join_everywhere(office, key)
        office.telegram.script.add("GetCommonChats", RpcFault("FLOOD_WAIT_3600"), skip=2, **FOR_EVER)

        outcome = office.audit(TELEGRAM)

        assert (outcome.code, outcome.state) == (3, "partial")
        assert "pause of 3600 seconds" in said(outcome)
        unread = {key for row in outcome.rows().values() for key in row["unresolved"]}
        assert unread
        assert {finding for finding in before if finding[3] in unread} <= findings()

    def test_a_long_wait_leaves_history_settings_for_the_next_run(self, office: Office) -> None:
        office.telegram.script.add("GetFullChannel", RpcFault("FLOOD_WAIT_3600"), skip=5, **FOR_EVER)
        first = office.audit(TELEGRAM)
        office.telegram.script.clear()
        second = office.audit(TELEGRAM)

        assert (first.code, first.state, first.error) == (0, "complete", "")
        histories = [row["history"] for row in first.rows().values() if row["history"] != "n/a"]
        assert len(histories) - 5 == histories.count("unknown") > 0
        (reason,) = [reason for subject, reason in first.blind_spots() if subject == "History settings"]
        assert reason.startswith(f"{second.calls('telegram')['GetFullChannel']} of ")
        assert "left for the next run" in reason and "3600 seconds" in reason
        assert "unknown" not in {row["history"] for row in second.rows().values()}

    def test_a_history_that_was_not_read_proves_nothing(self, office: Office) -> None:
        hidden = office.chat(lambda truth, chat: chat.kind == "supergroup")
        hidden.hidden_prehistory = True
        office.audit_first(TELEGRAM)
        finding = ("telegram", str(hidden.id), "hidden_history", "")
        assert finding in findings()
        Group.objects.update(history_visibility="unknown", history_read_at=None)
        office.telegram.script.add("GetFullChannel", RpcFault("FLOOD_WAIT_3600"), **FOR_EVER)

        office.audit(TELEGRAM)

        assert finding in findings()

    def test_a_line_that_is_cut_once_is_replaced(self, office: Office) -> None:
        office.telegram.script.add("GetCommonChats", CutLine(), skip=3)
        outcome = office.audit(TELEGRAM)
        assert (outcome.code, outcome.state) == (0, "complete")

    def test_a_line_that_is_cut_again_and_again(self, office: Office) -> None:
        office.audit_first(TELEGRAM)
        before = findings()
        office.telegram.script.add("GetCommonChats", CutLine(), skip=3, **FOR_EVER)

        outcome = office.audit(TELEGRAM)

        assert (outcome.code, outcome.state) == (3, "partial")
        assert "Telegram cannot be reached" in said(outcome)
        assert (changes(outcome), findings()) == ([], before)

    def test_a_session_that_is_ended_in_the_middle(self, office: Office) -> None:
        office.audit_first(TELEGRAM)
        before = findings()
        office.telegram.script.add("GetCommonChats", RpcFault("AUTH_KEY_UNREGISTERED"), skip=3, **FOR_EVER)

        outcome = office.audit(TELEGRAM)

        assert (outcome.code, outcome.state) == (4, "partial")
        assert "sign in again" in said(outcome)
        assert (changes(outcome), findings()) == ([], before)

    def test_a_group_that_vanishes_during_the_run(self, office: Office) -> None:
        chat = office.chat(
            lambda truth, chat: chat.kind == "supergroup" and truth.required_missing != frozenset()
        )
        vanish(office, chat.id)

        outcome = office.audit(TELEGRAM)

        assert (outcome.code, outcome.state) == (0, "complete")
        assert outcome.rows()[str(chat.id)]["verdict"] == "not_visible"
        assert [finding for finding in findings() if finding[1] == str(chat.id)] == [
            ("telegram", str(chat.id), "not_visible", "")
        ]
        assert chat.title in dict(outcome.blind_spots())

    def test_a_group_that_is_nobodys_business_may_vanish_unnoticed(self, office: Office) -> None:
        """It is large and not shared with the anchor: only looked into because it may hide its members."""
        world = office.company.telegram
        anchor, account = office.telegram_id("cy"), office.company.telegram_account_id
        chat = next(
            chat
            for chat in world.chats.values()
            if anchor not in chat.members and account in chat.members and chat.kind == "supergroup"
        )
        chat.creator, chat.admins = None, {}
        chat.members |= dict.fromkeys(list(world.users)[-110:], 1_700_000_000)
        world.reindex()
        asked = vanish(office, chat.id)

        outcome = office.audit(TELEGRAM)

        assert asked == [chat.id], "it was looked into"
        assert str(chat.id) not in outcome.rows()
        assert findings(kind="not_visible") == set()


def vanish(office: Office, chat_id: int) -> list[int]:
    """The group is gone as soon as somebody looks into it; the list returned tells whether somebody did."""
    asked: list[int] = []

    def is_it(arguments: Mapping[str, Any]) -> bool:
        if arguments["channel"].channel_id != chat_id:
            return False
        asked.append(chat_id)
        return True

    office.telegram.script.add("GetFullChannel", RpcFault("CHANNEL_PRIVATE"), when=is_it)
    return asked


def join_everywhere(office: Office, key: str) -> None:
    for chat in office.company.telegram.chats.values():
        chat.members.setdefault(office.telegram_id(key), 1_700_000_000)
    office.company.telegram.reindex()
