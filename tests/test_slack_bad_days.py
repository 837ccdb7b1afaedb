"""Slack on a bad day: rate limits, outages, broken answers, accounts in trouble. All over HTTP."""

from __future__ import annotations

import asyncio
import re
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.slack.faults import (
    Delay,
    Drop,
    HttpStatus,
    NotJson,
    Perform,
    RateLimited,
    SlackError,
    Truncated,
)
from groupadmin.sandbox.slack.wire import JSON_TYPE, Request, Response
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.errors import AccountTrouble, NotConfigured, PlatformError, Refused, TryLater
from members.platforms.slack import Retry, SlackReader
from members.platforms.types import Platform, PlatformUser
from tests.sandboxes import empty_slack

TOKEN = "xoxp-ada"
ADA = PlatformUser(Platform.SLACK, "U0ADA")
QUICK = Retry(attempts=3, base_seconds=0.001, rate_limit_waits=3)
HOUR = 3600


@dataclass(frozen=True)
class Raw:
    """An effect: any answer at all, byte for byte."""

    content: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)

    def respond(self, request: Request, perform: Perform) -> Response:
        return Response(
            self.content, status=self.status, content_type=self.content_type, headers=self.headers
        )


def limited(retry_after: str) -> Raw:
    """HTTP 429 with any Retry-After; a fraction of a second keeps the tests quick."""
    return Raw(b'{"ok":false,"error":"ratelimited"}', status=429, headers={"Retry-After": retry_after})


server = pytest.fixture(empty_slack, scope="module")


@pytest.fixture
def sandbox(server: SlackSandbox) -> Iterator[SlackSandbox]:
    """Ada alone in one public channel."""
    scopes = frozenset({"channels:read", "groups:read", "users:read"})
    server.world = SlackWorld(tokens={TOKEN: SlackToken("U0ADA", scopes)})
    server.world.add_user(SlackUser("U0ADA", "ada", "Ada Example"))
    server.world.add_channel(SlackChannel("C0GENERAL", "general", "U0ADA", members={"U0ADA": None}))
    server.speed = server.page_cap = None
    server.script.clear()
    server.calls.clear()
    yield server
    assert server.bugs == []


def reader(sandbox: SlackSandbox, **options: Any) -> SlackReader:
    return SlackReader(SlackConfig(TOKEN, sandbox.api_url), **{"retry": QUICK} | options)


async def group_ids(slack: SlackReader) -> set[str]:
    return {group.id async for page in slack.groups() for group in page}


async def groups_of_ada(slack: SlackReader) -> set[str]:
    return {group.id async for page in slack.groups_of(ADA) for group in page}


async def error_of(sandbox: SlackSandbox, **options: Any) -> PlatformError:
    """What listing the groups raises."""
    async with reader(sandbox, **options) as slack:
        with pytest.raises(PlatformError) as raised:
            await group_ids(slack)
    return raised.value


# Rate limits


async def test_a_limited_call_waits_as_told_and_goes_on(sandbox: SlackSandbox) -> None:
    waits: list[str] = []
    meter = CallMeter(on_wait=lambda method, seconds, error: waits.append(method))
    sandbox.script.add("conversations.list", limited("0.05"), times=2)

    async with reader(sandbox, meter=meter) as slack:
        assert await group_ids(slack) == {"C0GENERAL"}

    cost = meter.snapshot()
    assert waits == ["conversations.list"] * 2
    assert cost.calls == {"auth.test": 1, "conversations.list": 3}
    assert 0 < cost.waited_seconds <= 0.1


async def test_a_wait_beyond_our_patience_is_handed_to_the_caller(sandbox: SlackSandbox) -> None:
    sandbox.script.add("conversations.list", RateLimited(HOUR))

    error = await error_of(sandbox, meter=CallMeter(patience=60))

    assert isinstance(error, TryLater)
    assert error.code == "ratelimited"
    assert error.seconds == pytest.approx(HOUR, abs=60)
    assert re.search(r"wait \d+ seconds before the next conversations\.list", str(error))
    assert sandbox.calls.counts()["conversations.list"] == 1


@pytest.mark.parametrize("header", ["", "soon", "-1"])
async def test_without_a_readable_retry_after_it_is_ten_seconds(sandbox: SlackSandbox, header: str) -> None:
    sandbox.script.add("conversations.list", limited(header))

    error = await error_of(sandbox, meter=CallMeter(patience=0))

    assert isinstance(error, TryLater)
    assert error.seconds == pytest.approx(10, abs=5)


async def test_the_word_alone_is_a_rate_limit_too(sandbox: SlackSandbox) -> None:
    sandbox.script.add("conversations.list", SlackError("ratelimited"))

    error = await error_of(sandbox, meter=CallMeter(patience=0))

    assert isinstance(error, TryLater)
    assert error.code == "ratelimited"


async def test_a_storm_of_limits_is_given_up(sandbox: SlackSandbox) -> None:
    sandbox.script.add("conversations.list", limited("0.001"), times=None)

    error = await error_of(sandbox)

    assert isinstance(error, TryLater)
    assert error.code == "ratelimited"
    assert sandbox.calls.counts()["conversations.list"] == QUICK.rate_limit_waits + 1


async def test_a_limited_method_rests_and_the_others_go_on(sandbox: SlackSandbox) -> None:
    waits: list[str] = []
    meter = CallMeter(patience=2 * HOUR, on_wait=lambda method, seconds, error: waits.append(method))
    sandbox.script.add("users.conversations", RateLimited(HOUR), times=None)

    async with reader(sandbox, meter=meter, concurrency=3) as slack:
        resting = [asyncio.create_task(groups_of_ada(slack)) for _ in range(9)]
        while not waits:
            await asyncio.sleep(0.005)
        assert await group_ids(slack) == {"C0GENERAL"}
        for task in resting:
            task.cancel()
        outcomes = await asyncio.gather(*resting, return_exceptions=True)

    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert sandbox.calls.counts()["users.conversations"] <= 3, "only those already under way"


async def test_calls_that_rest_together_count_one_wait(sandbox: SlackSandbox) -> None:
    waits: list[str] = []
    meter = CallMeter(patience=2 * HOUR, on_wait=lambda method, seconds, error: waits.append(method))
    sandbox.script.add("users.conversations", RateLimited(HOUR), times=None)

    async with reader(sandbox, meter=meter, concurrency=3) as slack:
        resting = [asyncio.create_task(groups_of_ada(slack)) for _ in range(3)]
        while sandbox.calls.counts().get("users.conversations", 0) < 3 or not waits:
            await asyncio.sleep(0.005)
        await group_ids(slack)
        for task in resting:
            task.cancel()
        await asyncio.gather(*resting, return_exceptions=True)

    assert waits == ["users.conversations"]
    assert meter.snapshot().waited_seconds <= HOUR


async def test_after_the_rest_everybody_goes_on(sandbox: SlackSandbox) -> None:
    sandbox.script.add("users.conversations", limited("0.05"), times=4)

    async with reader(sandbox, concurrency=4) as slack:
        answers = await asyncio.gather(*(groups_of_ada(slack) for _ in range(12)))

    assert answers == [{"C0GENERAL"}] * 12
    assert sandbox.calls.counts()["users.conversations"] == 12 + 4


async def test_a_real_tier_is_kept_with_overlapping_calls(sandbox: SlackSandbox) -> None:
    sandbox.speed = 60.0  # 50 calls a second
    concurrency = 8

    async with reader(sandbox, concurrency=concurrency) as slack:
        answers = await asyncio.gather(*(groups_of_ada(slack) for _ in range(60)))

    assert answers == [{"C0GENERAL"}] * 60
    assert sandbox.calls.counts()["users.conversations"] <= 60 + concurrency


# Outages and broken answers

PASSING = {
    "HTTP 500": (HttpStatus(500), "server_error"),
    "HTTP 503": (HttpStatus(503, body="<h1>Unavailable</h1>"), "server_error"),
    "HTTP 408": (HttpStatus(408), "server_error"),
    "internal_error": (SlackError("internal_error"), "internal_error"),
    "fatal_error": (SlackError("fatal_error"), "fatal_error"),
    "service_unavailable": (SlackError("service_unavailable"), "service_unavailable"),
    "request_timeout": (SlackError("request_timeout"), "request_timeout"),
    "JSON cut short": (Truncated(), "bad_answer"),
    "cut half-way": (Drop(0.5), "bad_answer"),
    "cut at once": (Drop(0), "unreachable"),
    "a web page": (NotJson(), "bad_answer"),
    "plain text": (Raw(b"ok", content_type="text/plain"), "bad_answer"),
    "an archive": (Raw(b"\x1f\x8b", content_type="application/gzip"), "bad_answer"),
    "nothing": (Raw(b""), "bad_answer"),
    "a list": (Raw(b"[1]"), "bad_answer"),
    "null": (Raw(b"null"), "bad_answer"),
    "an object without ok": (Raw(b"{}"), "bad_answer"),
    "an error without a word": (Raw(b'{"ok":false}'), "bad_answer"),
    "bytes that are no text": (Raw(b'{"ok":"\xff"}'), "bad_answer"),
    "bottomless nesting": (Raw(b"[" * 100_000), "bad_answer"),
}


@pytest.mark.parametrize("case", PASSING)
async def test_what_passes_is_retried(sandbox: SlackSandbox, case: str) -> None:
    effect, _ = PASSING[case]
    sandbox.script.add("conversations.list", effect, times=QUICK.attempts - 1)

    async with reader(sandbox) as slack:
        assert await group_ids(slack) == {"C0GENERAL"}

    cost = slack.meter.snapshot()
    assert 1 < cost.calls["conversations.list"] <= QUICK.attempts
    assert cost.waited_seconds > 0


@pytest.mark.parametrize("case", PASSING)
async def test_what_does_not_pass_is_one_clear_line(sandbox: SlackSandbox, case: str) -> None:
    effect, code = PASSING[case]
    sandbox.script.add("conversations.list", effect, times=None)

    meter = CallMeter()

    error = await error_of(sandbox, meter=meter)

    assert isinstance(error, TryLater)
    assert error.code == code
    assert error.seconds > 0
    assert f"127.0.0.1:{sandbox.port}" in str(error)
    assert "\n" not in str(error)
    assert meter.snapshot().calls["conversations.list"] == QUICK.attempts


async def test_a_server_that_is_down(sandbox: SlackSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async with SlackReader(SlackConfig(TOKEN, f"http://127.0.0.1:{port}/api/"), retry=QUICK) as slack:
        with pytest.raises(TryLater, match=f"127.0.0.1:{port} cannot be reached") as raised:
            await slack.account()

    assert raised.value.code == "unreachable"


async def test_a_server_that_does_not_answer_in_time(sandbox: SlackSandbox) -> None:
    sandbox.script.add("auth.test", Delay(0.2))
    config = SlackConfig(TOKEN, sandbox.api_url, timeout=0.05)

    async with SlackReader(config, retry=Retry(attempts=1)) as slack:
        with pytest.raises(TryLater, match=r"did not answer within 0\.05 seconds") as raised:
            await slack.account()

    assert raised.value.code == "unreachable"


async def test_what_was_learnt_before_an_outage_is_kept(sandbox: SlackSandbox) -> None:
    sandbox.world.add_channel(SlackChannel("C0LOBBY", "lobby", "U0ADA"))
    sandbox.page_cap = 1
    sandbox.script.add("conversations.list", HttpStatus(500), times=None, skip=1)
    learnt: list[str] = []

    async with reader(sandbox) as slack:
        with pytest.raises(TryLater):
            async for page in slack.groups():
                learnt += [group.id for group in page]

    assert learnt == ["C0GENERAL"]


# What no repetition heals


async def test_an_answer_without_its_list_is_refused(sandbox: SlackSandbox) -> None:
    sandbox.script.add("conversations.list", Raw(b'{"ok":true}'))

    error = await error_of(sandbox)

    assert isinstance(error, Refused)
    assert error.code == "bad_answer"
    assert "channels" in str(error)


async def test_another_web_server_is_refused(sandbox: SlackSandbox) -> None:
    elsewhere = sandbox.api_url.replace("/api/", "/elsewhere/")

    async with SlackReader(SlackConfig(TOKEN, elsewhere), retry=QUICK) as slack:
        with pytest.raises(Refused, match="HTTP 404 .* check SLACK_API_URL") as raised:
            await slack.account()

    assert raised.value.code == "http_404"


async def test_a_missing_scope_is_named_with_the_place_to_add_it(sandbox: SlackSandbox) -> None:
    sandbox.world.tokens[TOKEN].scopes = frozenset({"channels:read", "users:read"})

    error = await error_of(sandbox)

    assert isinstance(error, AccountTrouble)
    assert error.code == "missing_scope"
    assert "needs groups:read and has channels:read,users:read" in str(error)
    assert "OAuth & Permissions" in str(error)
    assert sandbox.calls.counts()["conversations.list"] == 1


async def test_a_revoked_token(sandbox: SlackSandbox) -> None:
    sandbox.world.revoke(TOKEN)

    error = await error_of(sandbox)

    assert isinstance(error, AccountTrouble)
    assert error.code == "token_revoked"


async def test_a_token_that_slack_does_not_know(sandbox: SlackSandbox) -> None:
    sandbox.world.tokens.clear()

    error = await error_of(sandbox)

    assert isinstance(error, AccountTrouble)
    assert error.code == "invalid_auth"


async def test_a_deactivated_account(sandbox: SlackSandbox) -> None:
    sandbox.world.users["U0ADA"].deleted = True

    error = await error_of(sandbox)

    assert isinstance(error, AccountTrouble)
    assert error.code == "account_inactive"


@pytest.mark.parametrize(
    ("config", "code"),
    [
        (SlackConfig(""), "no_token"),
        (SlackConfig("  \n"), "no_token"),
        (SlackConfig("xoxp-ada\nxoxp-bob"), "bad_token"),
        (SlackConfig("xoxp-ädä"), "bad_token"),
        (SlackConfig(TOKEN, "slack.com/api/"), "bad_api_url"),
        (SlackConfig(TOKEN, "http://[/api/"), "bad_api_url"),
        (SlackConfig(TOKEN, "https://slack.com:99999/api/"), "bad_api_url"),
    ],
)
def test_what_cannot_work_is_said_before_any_call(config: SlackConfig, code: str) -> None:
    with pytest.raises(NotConfigured) as raised:
        SlackReader(config)

    assert raised.value.code == code


# Secrets, cancelling, surroundings


@pytest.mark.parametrize("case", [*PASSING, "missing scope"])
async def test_no_error_tells_the_token(sandbox: SlackSandbox, case: str) -> None:
    effect = PASSING[case][0] if case in PASSING else SlackError("missing_scope", {"needed": "x"})
    sandbox.script.add("conversations.list", effect, times=None)

    error = await error_of(sandbox)

    assert TOKEN not in "".join(traceback.format_exception(error)) + repr(error)


def test_a_config_does_not_show_its_token() -> None:
    assert TOKEN not in repr(SlackConfig(TOKEN))


@pytest.mark.parametrize("effect", [Delay(0.2), limited("60"), HttpStatus(500)])
async def test_a_call_can_be_cancelled_wherever_it_waits(sandbox: SlackSandbox, effect: Any) -> None:
    sandbox.script.add("auth.test", effect)

    async with reader(sandbox, retry=Retry(base_seconds=60, max_seconds=60)) as slack:
        task = asyncio.create_task(slack.account())
        while not sandbox.calls.total:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_who_is_cancelled_while_resting_does_not_hold_up_the_rest(sandbox: SlackSandbox) -> None:
    told = asyncio.Event()
    meter = CallMeter(on_wait=lambda method, seconds, error: told.set())
    sandbox.script.add("users.conversations", limited("0.1"))

    async with reader(sandbox, meter=meter) as slack:
        sleeper = asyncio.create_task(groups_of_ada(slack))
        await told.wait()
        other = asyncio.create_task(groups_of_ada(slack))
        sleeper.cancel()
        with suppress(asyncio.CancelledError):
            await sleeper
        assert await other == {"C0GENERAL"}


async def test_a_proxy_is_not_for_the_loopback(
    sandbox: SlackSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with reader(sandbox) as slack:
        assert (await slack.account()).id == "U0ADA"


async def test_outside_its_block_a_reader_does_not_work(sandbox: SlackSandbox) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await reader(sandbox).account()
