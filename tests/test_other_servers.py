"""Servers that are neither the platforms themselves nor our sandbox: what they may do differently."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from telethon.tl import functions
from telethon.tl import types as tl

from groupadmin.sandbox.telegram import dispatch
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from members.platforms.configs import SlackConfig
from members.platforms.errors import Refused, Unreachable
from members.platforms.slack import Retry, SlackReader
from members.platforms.telegram import TelegramReader
from members.platforms.types import (
    AdminStatus,
    GroupKind,
    Platform,
    PlatformGroup,
    PlatformUser,
    Privacy,
    Wanted,
)
from tests.sandboxes import telegram_of
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    DEE,
    add_group,
    add_groups,
    company,
    everything,
    find,
    group_named,
    ids_of,
    reader,
)

TOKEN = "xoxp-another"
ANN = PlatformUser(Platform.SLACK, "U1")
CHANNELS = [{"id": f"C{number}", "name": f"café-{number}", "is_private": True} for number in range(150)]
USERS = [{"id": "U1", "name": "ann", "team_id": "T1"}, {"id": "U2", "name": "ben", "team_id": "T1"}]


def channel(channel_id: str) -> PlatformGroup:
    return PlatformGroup(Platform.SLACK, channel_id, channel_id, GroupKind.CHANNEL, Privacy.PRIVATE)


@dataclass
class OtherSlack:
    """As little of a Web API as an audit needs, in the manner that its fields say."""

    verbs: tuple[str, ...] = ("GET", "POST")
    wrong_verb: int = 405
    reads: tuple[str, ...] = ("query", "form")
    content_type: str | None = "application/json"
    largest_page: int = 1000
    channels: list[dict[str, Any]] = field(default_factory=lambda: CHANNELS)
    team_id: str = "T1"
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(verb, method) of every request."""
    url: str = ""

    def answer(self, method: str, arguments: dict[str, str]) -> dict[str, Any]:
        if method == "auth.test":
            return {"ok": True, "user_id": "U1", "user": "ann", "team_id": self.team_id}
        limit, start = int(arguments.get("limit", 100)), int(arguments.get("cursor", "0"))
        if limit > self.largest_page:
            return {"ok": False, "error": "invalid_limit"}
        key, entries = ("members", USERS) if method == "users.list" else ("channels", self.channels)
        page: dict[str, Any] = {"ok": True, key: entries[start : start + limit]}
        if start + limit < len(entries):
            page["response_metadata"] = {"next_cursor": str(start + limit)}
        return page


class Handler(BaseHTTPRequestHandler):
    slack: OtherSlack

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        method = url.path.rpartition("/")[2]
        self.slack.calls.append((self.command, method))
        if self.command not in self.slack.verbs:
            self._send(self.slack.wrong_verb, "text/html", b"<h1>No</h1>")
            return
        arguments = dict(parse_qsl(url.query)) if "query" in self.slack.reads else {}
        arguments |= dict(parse_qsl(body)) if "form" in self.slack.reads else {}
        signed_in = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        answer = self.slack.answer(method, arguments) if signed_in else {"ok": False, "error": "not_authed"}
        content = json.dumps(answer, ensure_ascii=False).encode()
        self._send(200, self.slack.content_type, content)

    do_POST = do_GET

    def _send(self, status: int, content_type: str | None, content: bytes) -> None:
        self.send_response(status)
        if content_type is not None:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def slack() -> Iterator[OtherSlack]:
    other = OtherSlack()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"slack": other})) as server:
        other.url = f"http://127.0.0.1:{server.server_port}/api/"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield other
        server.shutdown()
        thread.join()


@pytest.fixture
async def web(slack: OtherSlack) -> AsyncIterator[SlackReader]:
    async with SlackReader(SlackConfig(TOKEN, slack.url)) as connected:
        yield connected


class TestSlack:
    async def test_that_reads_nothing_but_post_forms(self, slack: OtherSlack, web: SlackReader) -> None:
        slack.verbs, slack.reads = ("POST",), ("form",)
        assert len(await ids_of(web.groups())) == len(CHANNELS)

    @pytest.mark.parametrize("status", [405, 501])
    async def test_that_reads_nothing_but_get(self, slack: OtherSlack, web: SlackReader, status: int) -> None:
        slack.verbs, slack.reads, slack.wrong_verb = ("GET",), ("query",), status
        assert len(await ids_of(web.groups())) == len(CHANNELS)
        await everything(web.groups())
        assert slack.calls.count(("POST", "conversations.list")) == 1  # once told, it is not asked again

    async def test_that_takes_neither_is_reported(self, slack: OtherSlack, web: SlackReader) -> None:
        slack.verbs = ()
        with pytest.raises(Refused, match="HTTP 405"):
            await web.account()

    @pytest.mark.parametrize(
        "content_type", [None, "text/plain", "text/html; charset=utf-8", "application/json; charset=latin-1"]
    )
    async def test_that_labels_its_answers_wrongly(
        self, slack: OtherSlack, web: SlackReader, content_type: str | None
    ) -> None:
        slack.content_type = content_type
        groups = await everything(web.groups())
        assert groups[0].name == "café-0"

    @pytest.mark.parametrize("largest", [200, 100])
    async def test_that_grants_smaller_pages_only_is_asked_for_larger_ones_no_more(
        self, slack: OtherSlack, web: SlackReader, largest: int
    ) -> None:
        slack.largest_page = largest
        assert len(await ids_of(web.groups())) == len(CHANNELS)
        before = len(slack.calls)
        await everything(web.groups_of(ANN))
        assert len(slack.calls) - before == -(-len(CHANNELS) // largest)

    async def test_whose_token_names_another_workspace_than_its_people(
        self, slack: OtherSlack, web: SlackReader
    ) -> None:
        slack.team_id = "E1"
        assert [user.external for user in await web.users([])] == [False, False]

    async def test_that_mixes_direct_messages_into_its_lists(
        self, slack: OtherSlack, web: SlackReader
    ) -> None:
        slack.channels = [
            {"id": "D1", "user": "U2"},
            {"id": "G1", "name": "mpdm-ann--ben-1"},
            {"id": "C1", "name": "acme"},
            {"id": "G2", "name": "legacy", "is_group": True},
        ]
        groups = await everything(web.groups())
        assert [(group.id, group.privacy) for group in groups] == [
            ("C1", Privacy.PUBLIC),
            ("G2", Privacy.PRIVATE),
        ]

    async def test_that_falls_silent_is_not_waited_for_by_every_call_in_turn(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            config = SlackConfig(TOKEN, f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.2)
            impatient = Retry(attempts=2, base_seconds=0.001)
            async with SlackReader(config, concurrency=1, retry=impatient) as web:
                calls = [web.is_member(channel(f"C{number}"), ANN) for number in range(5)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unreachable}
        assert web.meter.snapshot().total <= 2 + 4  # a try each, and nobody's second after the first one's


world = pytest.fixture(company)
sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def telegram(sandbox: TelegramSandbox) -> AsyncIterator[TelegramReader]:
    async with reader(sandbox) as connected:
        yield connected


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, Callable[[Any, Any], Any]], None]:
    """Have every answer to `request_type` changed: `answers(request_type, change(request, answer))`."""

    def change_answers(request_type: type, change: Callable[[Any, Any], Any]) -> None:
        rule = dispatch._RULES[request_type]

        def changed(call: Any, request: Any) -> Any:
            return change(request, rule.handler(call, request))

        monkeypatch.setitem(dispatch._RULES, request_type, dispatch.Rule(changed, anonymous=False, bots=True))

    return change_answers


Answers = Callable[[type, Callable[[Any, Any], Any]], None]


class TestTelegram:
    async def test_that_counts_a_page_instead_of_the_list(
        self, world: TelegramWorld, telegram: TelegramReader, answers: Answers
    ) -> None:
        def count_page(request: Any, answer: Any) -> Any:
            if hasattr(answer, "count"):
                answer.count = len(getattr(answer, "dialogs", answer.chats))
            return answer

        answers(functions.messages.GetDialogsRequest, count_page)
        answers(functions.messages.GetCommonChatsRequest, count_page)
        add_groups(world, 250, ADA, BOB)
        assert len(set(await ids_of(telegram.groups()))) == 250
        assert len(set(await ids_of(telegram.groups_of(await find(telegram, "bobsample"))))) == 250

    async def test_that_shows_the_archive_as_one_line(
        self, world: TelegramWorld, telegram: TelegramReader, answers: Answers
    ) -> None:
        archived = world.archived[ADA] = {7}

        def fold(request: Any, answer: Any) -> Any:
            inside = request.folder_id == 1
            answer.dialogs = [line for line in answer.dialogs if (line.peer.channel_id in archived) == inside]
            if not inside:
                peer = tl.PeerChannel(7)
                answer.dialogs.append(tl.DialogFolder(tl.Folder(1, "Archive"), peer, 1, 0, 0, 0, 0))
            return answer

        answers(functions.messages.GetDialogsRequest, fold)
        add_groups(world, 3, ADA)
        add_group(world, 7, ADA)
        assert sorted(await ids_of(telegram.groups())) == ["1000", "1001", "1002", "7"]

    async def test_that_tells_only_the_minimum_of_a_shared_group(
        self, world: TelegramWorld, telegram: TelegramReader, answers: Answers
    ) -> None:
        def shorten(request: Any, answer: Any) -> Any:
            for chat in answer.chats:
                chat.min, chat.access_hash = True, 1
            return answer

        answers(functions.messages.GetCommonChatsRequest, shorten)
        add_group(world, 7, ADA, BOB)
        listed = await group_named(telegram, 7)
        (shared,) = await everything(telegram.groups_of(await find(telegram, "bobsample")))
        assert (shared.id, shared.admin_status) == ("7", AdminStatus.UNKNOWN)
        assert (await telegram.details(listed)).total_members == 2  # the good access hash was kept

    async def test_that_resolves_no_usernames(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add("ResolveUsername", RpcFault("METHOD_INVALID"), times=None)
        add_group(world, 7, ADA, BOB, CY, DEE)
        await everything(telegram.groups())
        wanted = [
            Wanted("ada", "Ada", username="@AdaExample"),
            Wanted("bob", "Bob", username="bobsample"),
            Wanted("nobody", "Nobody", username="nobody_here"),
        ]
        assert {user.id for user in await telegram.users(wanted)} == {str(ADA), str(BOB)}
        assert telegram.lookup_failures.keys() == {"nobody"}

    async def test_nobody_is_asked_for_our_own_username(self, telegram: TelegramReader) -> None:
        assert (await find(telegram, "AdaExample")).id == str(ADA)
        assert "ResolveUsername" not in telegram.meter.snapshot().calls
