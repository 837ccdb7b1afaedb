"""Messages to people, through the engine and the wire: what is sent, what is left out, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from groupadmin.sandbox.slack import SlackSandbox, SlackToken
from groupadmin.sandbox.slack.faults import Drop as SlackDrop
from groupadmin.sandbox.telegram.effects import Drop, Rewrite, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import connections, kinds, services
from members.operations.account_connection import AccountConnection
from members.operations.kinds import Kind
from members.operations.messages import GroupToJoin, Letter, MessageExecutor, message_step
from members.operations.models import Operation, Step
from members.operations.plan import Cap, Plan, PlannedStep, Target
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from tests.operations_world import (
    ACCOUNT,
    PLANNER,
    SCOPES,
    TOKEN,
    Desk,
    TelegramAccount,
    acquaintances,
    fresh,
    install,
    outcomes,
    person_id,
    states,
    step_of,
    use_account,
    workspace,
)
from tests.telegram_reading import ADA, add_group

ED, FAY = 301, 302
ACME, BETA, CORP = 7, 8, 9
NAMES = {ACME: "Acme", BETA: "Beta (test)", CORP: "Corp"}
TEXT = "Hello! Please join:\n{links}\n\nThank you."
WRITING = "test_writing"

words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
groups = st.lists(st.builds(GroupToJoin, st.uuids().map(str), words), max_size=4, unique_by=lambda g: g.id)


class TestALetter:
    @given(before=words, after=words, invite_to=groups, data=st.data())
    def test_is_known_again_whatever_links_it_went_out_with(
        self, before: str, after: str, invite_to: list[GroupToJoin], data: st.DataObject
    ) -> None:
        letter = Letter(f"{before} {{links}}\n{after}", tuple(invite_to))
        linked = data.draw(st.sets(st.sampled_from([g.id for g in invite_to]))) if invite_to else set()
        links = {group_id: f"https://t.me/+{number}aB-_" for number, group_id in enumerate(linked)}

        assert letter.is_said_by(letter.with_links(links))
        assert letter.is_said_by(f"  {letter.with_links(links)}\n")

    def test_is_no_other(self) -> None:
        letter = Letter(TEXT, (GroupToJoin("7", "Acme"),))
        other = Letter(TEXT, (GroupToJoin("8", "Beta"),))

        assert not letter.is_said_by(other.with_links({"8": "https://t.me/+x"}))
        assert not letter.is_said_by("Hello!")

    def test_without_a_place_for_links_ends_with_them(self) -> None:
        letter = Letter("Join {us}!", (GroupToJoin("7", "Acme"), GroupToJoin("8", "Beta")))

        assert letter.with_links({"7": "https://t.me/+x"}) == "Join {us}!\n\nAcme: https://t.me/+x"
        assert "Beta: (a link" in letter.preview()

    def test_that_invites_to_nothing_is_its_text(self) -> None:
        assert Letter("Keep {links} as it is").preview() == "Keep {links} as it is"


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Iterator[TelegramSandbox]:
    """Ada, whose account does the work, knows Ed and Fay, owns Acme and Beta, and is a member of Corp."""
    world = acquaintances(ED, FAY)
    for chat_id, creator in ((ACME, ADA), (BETA, ADA), (CORP, None)):
        add_group(world, chat_id, ADA, creator=creator, title=NAMES[chat_id])
    with TelegramSandbox(world) as server:
        use_account(monkeypatch, Platform.TELEGRAM, TelegramAccount(server))
        yield server
        assert server.bugs == []


@pytest.fixture
def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = install(Desk(), monkeypatch)
    kind = Kind(
        WRITING,
        "Messages",
        "sent",
        Outcome.ALREADY_THERE,
        cap=Cap,
        connect=lambda platform, connection: AccountConnection(
            connections.account_on(platform, connection), MessageExecutor
        ),
        plan_again=lambda parameters: Plan(WRITING, ()),
        unwanted=lambda steps: {},
    )
    monkeypatch.setitem(kinds._kinds, WRITING, kind)
    return desk


def to(user_id: int, *invite_to: int, text: str = TEXT, since: datetime | None = None) -> PlannedStep:
    target = Target(Platform.TELEGRAM, "", "", str(user_id), f"Person {user_id}", str(user_id))
    groups = [GroupToJoin(str(chat_id), NAMES.get(chat_id, "Gone")) for chat_id in invite_to]
    return message_step(target, text, since=since or timezone.now(), invite_to=groups)


def sent(desk: Desk, *steps: PlannedStep) -> Operation:
    return desk.run_to_end(desk.confirmed(steps, WRITING))


def inbox(telegram: TelegramSandbox, user_id: int) -> list[str]:
    return [message.text for message in telegram.world.converse(ADA, user_id).messages if message.text]


def links_of(telegram: TelegramSandbox, *chat_ids: int) -> list[str]:
    return [link for chat_id in chat_ids for link in telegram.world.chats[chat_id].invite_links]


class TestSending:
    def test_one_message_has_a_link_to_each_group(self, desk: Desk, telegram: TelegramSandbox) -> None:
        operation = sent(desk, to(ED, ACME, BETA), to(FAY, text="Just this."))

        acme, beta = links_of(telegram, ACME, BETA)
        assert inbox(telegram, ED) == [
            f"Hello! Please join:\nAcme: {acme}\nBeta (test): {beta}\n\nThank you."
        ]
        assert inbox(telegram, FAY) == ["Just this."]
        assert (operation.state, outcomes(operation)) == ("done", ["done", "done"])
        step = step_of(operation, 1)
        assert (step.message, step.after) == (
            "Links to: Acme, Beta (test)", {"invited_to": f"{ACME} {BETA}"},
        )  # fmt: skip

    def test_groups_without_a_link_are_named_and_the_others_sent(
        self, desk: Desk, telegram: TelegramSandbox
    ) -> None:
        telegram.world.chats[BETA].members[ED] = 1

        operation = sent(desk, to(ED, ACME, BETA, CORP, 999))

        (link,) = links_of(telegram, ACME, BETA, CORP)
        assert inbox(telegram, ED) == [f"Hello! Please join:\nAcme: {link}\n\nThank you."]
        message = step_of(operation, 1).message
        assert message.startswith("Links to: Acme. Left out: ")
        assert "Beta (test) (is in it already)" in message
        assert "Corp (The account lacks the admin right" in message
        assert "Gone (the account does not see it any more)" in message

    @pytest.mark.parametrize(
        ("chat_id", "outcome", "state"),
        [(CORP, "admin_rights_needed", "failed"), (BETA, "already_there", "done")],
    )
    def test_with_no_link_at_all_nothing_is_sent(
        self, desk: Desk, telegram: TelegramSandbox, chat_id: int, outcome: str, state: str
    ) -> None:
        telegram.world.chats[BETA].members[ED] = 1

        operation = sent(desk, to(ED, chat_id))

        assert (operation.state, outcomes(operation), inbox(telegram, ED)) == (state, [outcome], [])

    def test_to_whom_nobody_leads(self, desk: Desk, telegram: TelegramSandbox) -> None:
        assert outcomes(sent(desk, to(999, ACME))) == ["person_not_found"]


class TestRefusals:
    """The links of a message that did not go out are worthless."""

    def test_somebody_takes_no_messages(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.world.users[ED].unreachable = True

        operation = sent(desk, to(ED, ACME, BETA), to(FAY, ACME))

        assert outcomes(operation) == ["privacy_restricted", "done"]
        (link,) = links_of(telegram, ACME, BETA)
        assert link in inbox(telegram, FAY)[0]

    @pytest.mark.parametrize("method", ["SendMessage", "ExportChatInvite"])
    def test_telegram_limits_the_account(self, desk: Desk, telegram: TelegramSandbox, method: str) -> None:
        telegram.script.add(method, RpcFault("PEER_FLOOD"), skip=int(method == "ExportChatInvite"))

        operation = sent(desk, to(ED, ACME, BETA), to(FAY, ACME))

        assert outcomes(operation) == ["peer_flood", ""]
        assert "PEER_FLOOD" in operation.message
        assert states(operation) == ["failed", "not_tried"]
        assert (links_of(telegram, ACME, BETA), inbox(telegram, ED)) == ([], [])

    def test_a_long_wait_begins_anew(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.script.add("SendMessage", RpcFault("FLOOD_WAIT_3600"))

        waiting = desk.run(desk.confirmed([to(ED, ACME)], WRITING))
        assert (waiting.state, links_of(telegram, ACME)) == ("waiting", [])

        operation = desk.run_to_end(waiting)
        assert (operation.state, len(inbox(telegram, ED)), len(links_of(telegram, ACME))) == ("done", 1, 1)


class TestNeverTwice:
    @pytest.mark.parametrize(
        "fault",
        [Drop(done=True), RpcFault("RPC_CALL_FAIL", done=True), Drop()],
        ids=["cut after it", "trouble after it", "cut before it"],
    )
    def test_an_answer_is_lost(self, desk: Desk, telegram: TelegramSandbox, fault: Any) -> None:
        telegram.script.add("SendMessage", fault)

        operation = sent(desk, to(ED, ACME))

        assert (operation.state, outcomes(operation)) == ("done", ["done"])
        (text,) = inbox(telegram, ED)
        assert any(link in text for link in links_of(telegram, ACME)), "the link that was sent works"

    def test_a_message_that_was_on_its_way_when_we_looked(
        self, desk: Desk, telegram: TelegramSandbox
    ) -> None:
        """Reading does not show it yet; Telegram knows it by its number all the same."""
        telegram.script.add("SendMessage", Drop(done=True))
        telegram.script.add("GetHistory", Rewrite({"max_id": 1}), skip=1, times=2)

        operation = sent(desk, to(ED, ACME))

        assert (outcomes(operation), len(inbox(telegram, ED))) == (["done"], 1)
        assert telegram.calls.counts()["SendMessage"] == 2

    def test_a_link_of_which_nobody_knows(self, desk: Desk, telegram: TelegramSandbox) -> None:
        telegram.script.add("ExportChatInvite", Drop(done=True))

        operation = sent(desk, to(ED, ACME))

        assert (operation.state, len(inbox(telegram, ED))) == ("done", 1)

    def test_a_retry_sees_what_was_sent(self, desk: Desk, telegram: TelegramSandbox) -> None:
        operation = sent(desk, to(ED, ACME))
        Step.objects.update(state=StepState.FAILED, outcome=Outcome.UNREACHABLE)
        Operation.objects.update(state="failed")
        operation.refresh_from_db()

        again = desk.run(desk.confirm(services.retry_operation(operation=operation, actor=PLANNER)))

        assert (outcomes(again), len(inbox(telegram, ED))) == (["done"], 1)
        assert "sent before" in step_of(again, 1).message

    def test_what_was_said_long_ago_is_said_again(self, desk: Desk, telegram: TelegramSandbox) -> None:
        sent(desk, to(ED, ACME))
        for message in telegram.world.converse(ADA, ED).messages:
            message.date = int((datetime.now(UTC) - timedelta(days=9)).timestamp())

        sent(desk, to(ED, ACME))

        assert len(inbox(telegram, ED)) == 2

    def test_a_long_conversation_is_read_back_to_then(self, desk: Desk, telegram: TelegramSandbox) -> None:
        since = timezone.now()
        sent(desk, to(ED, ACME, since=since))
        for number in range(120):
            telegram.send_private(ADA, ED, str(number))

        step = to(ED, ACME, since=since)
        again = sent(desk, PlannedStep(step.verb, step.target, dict(step.arguments) | {"note": "another"}))

        assert "sent before" in step_of(again, 1).message


class TestOnSlack:
    @pytest.fixture
    def slack(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackSandbox]:
        with SlackSandbox(workspace(1, 1)) as server, fresh(server, monkeypatch):
            server.world.tokens[TOKEN] = SlackToken(ACCOUNT, SCOPES | {"chat:write", "im:write"})
            yield server

    def to(self, *invite_to: str) -> PlannedStep:
        target = Target(Platform.SLACK, "", "", "u0000", "Some Example", person_id(0))
        groups = [GroupToJoin(channel, "acme-0") for channel in invite_to]
        return message_step(target, "Hello.", since=timezone.now(), invite_to=groups)

    def test_there_are_no_invite_links(self, desk: Desk, slack: SlackSandbox) -> None:
        operation = sent(desk, self.to("C0000"))

        assert outcomes(operation) == ["refused"]
        assert "Slack has no invite links to a channel" in step_of(operation, 1).message
        assert slack.writes.all() == []

    def test_a_lost_answer_is_for_a_person_to_look_into(self, desk: Desk, slack: SlackSandbox) -> None:
        assert outcomes(sent(desk, self.to())) == ["done"]
        slack.writes.clear()
        slack.script.add("chat.postMessage", SlackDrop(0, performed=True))

        operation = sent(desk, self.to())

        assert outcomes(operation) == ["unreachable"]
        assert "look, then try again" in step_of(operation, 1).message
        assert [write.method for write in slack.writes.all()].count("chat.postMessage") == 1
