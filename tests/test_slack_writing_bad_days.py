"""Writing to Slack on a bad day: nothing is done twice, and nothing is said that is not known. Over HTTP."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.slack.faults import (
    Delay,
    Drop,
    Effect,
    HttpStatus,
    NotJson,
    RateLimited,
    SlackError,
    Truncated,
)
from members.platforms.base import CallMeter, why_waiting
from members.platforms.errors import AccountTrouble, PlatformError, Refused, TryLater, Unreachable
from members.platforms.outcomes import Outcome
from members.platforms.slack_writer import SlackWriter
from members.platforms.writing import InDoubt
from tests.sandboxes import empty_slack
from tests.slack_writing import (
    ADA,
    BOB,
    GUEST,
    INVITE,
    JOIN,
    KICK,
    NEW,
    NEWER,
    NEWEST,
    POST,
    PRIVATE,
    PUBLIC,
    RENAME,
    SCOPES,
    TOKEN,
    Limited,
    Silent,
    TinySlack,
    WithoutForce,
    channel,
    clean,
    effects,
    outcomes,
    people,
    person,
    workspace,
    writer,
)

HOUR = 3600

Writing = Callable[[SlackWriter], Awaitable[Any]]
WRITES: dict[str, Writing] = {
    INVITE: lambda slack: slack.invite(channel(), people(NEW)),
    JOIN: lambda slack: slack.invite(channel(PUBLIC), people(NEW)),
    KICK: lambda slack: slack.remove(channel(), person(BOB)),
    RENAME: lambda slack: slack.rename(channel(), "new-name"),
    POST: lambda slack: slack.post(PRIVATE, "hello"),
}
every_write = pytest.mark.parametrize("method", WRITES)


server = pytest.fixture(empty_slack, scope="module")
sandbox = pytest.fixture(clean)


async def error_of(api_url: str, writing: Writing, **options: Any) -> PlatformError:
    async with writer(api_url, **options) as slack:
        with pytest.raises(PlatformError) as raised:
            await writing(slack)
    return raised.value


# In doubt


@every_write
@pytest.mark.parametrize(
    "effect",
    [
        HttpStatus(500, performed=True),
        HttpStatus(503),
        HttpStatus(408),
        SlackError("fatal_error", performed=True),
        SlackError("internal_error"),
        SlackError("service_unavailable"),
        Truncated(),
        NotJson(),
        Drop(share=0),
        Drop(share=0, performed=False),
        Drop(share=0.5),
    ],
    ids=repr,
)
async def test_a_call_whose_answer_is_lost_is_in_doubt_and_not_repeated(
    sandbox: SlackSandbox, method: str, effect: Effect
) -> None:
    sandbox.script.add(method, effect, times=None)

    error = await error_of(sandbox.api_url, WRITES[method])

    assert isinstance(error, InDoubt)
    assert method in str(error) and "look before it is repeated" in str(error)
    assert sandbox.calls.counts()[method] == 1


async def test_a_lost_answer_does_not_mean_that_nothing_was_done(sandbox: SlackSandbox) -> None:
    sandbox.script.add(INVITE, Drop(share=0))
    async with writer(sandbox.api_url) as slack:
        with pytest.raises(InDoubt):
            await slack.invite(channel(), people(NEW))
        assert await slack.is_member(channel(), person(NEW))


async def test_silence_is_doubt(sandbox: SlackSandbox) -> None:
    sandbox.script.add(KICK, Delay(0.5))
    error = await error_of(sandbox.api_url, WRITES[KICK], timeout=0.1)
    assert isinstance(error, InDoubt)
    assert "did not answer within 0.1 seconds" in str(error)
    assert sandbox.calls.counts()[KICK] == 1


@pytest.mark.parametrize(
    "body", [{"ok": False}, {"ok": False, "error": 7}, {"ok": None, "error": " "}, {"ok": "true"}]
)
async def test_an_answer_that_says_nothing_is_no_success(body: dict[str, object]) -> None:
    slack = TinySlack(conversations_kick=lambda form: body)
    async with slack.serving() as url:
        assert isinstance(await error_of(url, WRITES[KICK]), InDoubt)
    assert slack.counts() == {KICK: 1}


@pytest.mark.parametrize("effect", [HttpStatus(500), SlackError("token_revoked")])
async def test_what_was_known_before_the_doubt_is_kept(sandbox: SlackSandbox, effect: Effect) -> None:
    """Slack named the guest, and left open whether the others came; the list that would tell is not to be
    had: also when the account is in trouble by now, they may have been added."""
    sandbox.script.add(INVITE, WithoutForce(tells=True), times=None)
    sandbox.script.add("conversations.members", effect, times=None)

    error = await error_of(sandbox.api_url, lambda slack: slack.invite(channel(), people(GUEST, NEW)))

    assert isinstance(error, InDoubt)
    assert "did not tell who was added" in str(error)
    assert outcomes(error.settled) == {GUEST: Outcome.USER_RESTRICTED}
    assert sandbox.calls.counts()[INVITE] == 1


async def test_a_limit_half_way_keeps_what_was_done(sandbox: SlackSandbox) -> None:
    """Asked one by one: the first is settled, and with the second Slack wants an hour's rest."""
    sandbox.script.add(INVITE, WithoutForce(tells=False), times=2)
    sandbox.script.add(INVITE, RateLimited(HOUR))

    error = await error_of(sandbox.api_url, lambda slack: slack.invite(channel(), people(NEW, GUEST, NEWER)))

    assert isinstance(error, TryLater) and not isinstance(error, InDoubt)
    assert outcomes(error.settled) == {NEW: Outcome.DONE}
    assert effects(sandbox) == [(INVITE, PRIVATE, NEW)]


# Nothing was done, for certain


@every_write
async def test_a_server_that_cannot_be_reached_did_nothing(method: str) -> None:
    server = SlackSandbox(workspace()).start()
    server.stop()

    error = await error_of(server.api_url, WRITES[method])

    assert isinstance(error, Unreachable) and not isinstance(error, InDoubt)
    assert "cannot be reached" in str(error)
    assert server.calls.total == 0


async def test_a_server_that_comes_back_is_tried_again() -> None:
    server = SlackSandbox(workspace()).start()
    server.stop()

    told: list[str] = []

    def come_back(method: str, seconds: float, error: TryLater) -> None:
        told.append(why_waiting(method, seconds, error))
        server.start()

    meter = CallMeter(on_wait=come_back)
    try:
        async with writer(server.api_url, meter=meter) as slack:
            assert (await slack.remove(channel(), person(BOB))).outcome is Outcome.DONE
    finally:
        server.stop()
    assert effects(server) == [(KICK, PRIVATE, BOB)]
    assert meter.snapshot().calls == {KICK: 2}
    assert told == ["cannot be reached: next try in 1 s"], "nobody has asked for that pause"


async def test_a_write_never_travels_on_a_connection_that_lay_idle() -> None:
    """Such a connection may be dead, and a write that dies on it would be in doubt for nothing."""
    used: set[object] = set()

    def once_per_connection(form: dict[str, str]) -> web.Response | dict[str, Any]:
        transport = slack.requests[-1].transport
        if transport in used and transport is not None:
            transport.abort()
        used.add(transport)
        return {}

    slack = TinySlack(
        auth_test=lambda form: {"user_id": ADA, "team_id": "T1"},
        conversations_kick=once_per_connection,
    )
    async with slack.serving() as url, writer(url) as adapter:
        await adapter.account()
        used.update(request.transport for request in slack.requests)
        for _ in range(3):
            assert (await adapter.remove(channel(), person(BOB))).outcome is Outcome.DONE
    assert slack.counts() == {"auth.test": 1, KICK: 3}
    assert len(used) == 4


# Rate limits: Slack did nothing, and says when it will


@every_write
async def test_a_limited_write_waits_as_told_and_is_done_once(sandbox: SlackSandbox, method: str) -> None:
    waits: list[tuple[str, float]] = []
    meter = CallMeter(on_wait=lambda method, seconds, error: waits.append((method, seconds)))
    sandbox.script.add(method, Limited("0.05"), times=2)

    async with writer(sandbox.api_url, meter=meter) as slack:
        await WRITES[method](slack)

    assert [each for each, seconds in waits] == [method] * 2
    assert [each for each, target, subject in effects(sandbox)].count(method) == 1


@every_write
async def test_a_wait_beyond_our_patience_is_the_callers_and_no_doubt(
    sandbox: SlackSandbox, method: str
) -> None:
    sandbox.script.add(method, RateLimited(HOUR))
    error = await error_of(sandbox.api_url, WRITES[method], meter=CallMeter(patience=60))
    assert isinstance(error, TryLater) and not isinstance(error, InDoubt)
    assert error.code == "ratelimited" and error.seconds == pytest.approx(HOUR, abs=60)
    assert sandbox.calls.counts()[method] == 1


async def test_the_words_alone_are_a_limit_too(sandbox: SlackSandbox) -> None:
    for word in ("ratelimited", "rate_limited"):
        sandbox.script.add(POST, SlackError(word))
        error = await error_of(sandbox.api_url, WRITES[POST], meter=CallMeter(patience=1))
        assert isinstance(error, TryLater) and not isinstance(error, InDoubt)


async def test_many_writers_share_a_tier_and_each_is_done_once(sandbox: SlackSandbox) -> None:
    """Tier 3 lets 50 invitations a minute through; the minute lasts half a second here."""
    sandbox.speed = 120
    for number in range(60):
        sandbox.world.channels[f"C{number}"] = copied = workspace().channels[PRIVATE]
        copied.id = f"C{number}"
    async with writer(sandbox.api_url) as slack:
        await asyncio.gather(*(slack.invite(channel(f"C{n}"), people(NEW, NEWEST)) for n in range(60)))
    written = effects(sandbox)
    assert len(written) == len(set(written)) == 120
    assert sandbox.throttled.total > 0


# The account


@every_write
async def test_a_missing_scope_is_named_with_the_place_to_add_it(sandbox: SlackSandbox, method: str) -> None:
    sandbox.world.tokens[TOKEN].scopes = SCOPES - {"groups:write", "channels:write", "chat:write"}
    error = await error_of(sandbox.api_url, WRITES[method])
    assert isinstance(error, AccountTrouble)
    assert error.code == "missing_scope"
    assert "needs " in str(error) and ":write" in str(error).split("and has")[0]
    assert "api.slack.com/apps" in str(error) and "OAuth & Permissions" in str(error)
    assert "reinstall" in str(error)
    assert effects(sandbox) == []


@pytest.mark.parametrize("word", ["account_inactive", "invalid_auth", "not_authed", "token_revoked"])
async def test_a_token_that_is_worth_nothing(sandbox: SlackSandbox, word: str) -> None:
    sandbox.script.add("*", SlackError(word))
    error = await error_of(sandbox.api_url, WRITES[INVITE])
    assert isinstance(error, AccountTrouble) and error.code == word


async def test_trouble_half_way_keeps_what_was_done(sandbox: SlackSandbox) -> None:
    sandbox.script.add(INVITE, WithoutForce(tells=False), times=2)
    sandbox.script.add(INVITE, SlackError("token_revoked"))
    error = await error_of(sandbox.api_url, lambda slack: slack.invite(channel(), people(NEW, GUEST)))
    assert isinstance(error, AccountTrouble)
    assert outcomes(error.settled) == {NEW: Outcome.DONE}


async def test_a_stranger_on_the_way_who_refuses_is_named(sandbox: SlackSandbox) -> None:
    sandbox.script.add(KICK, HttpStatus(403))
    error = await error_of(sandbox.api_url, WRITES[KICK])
    assert isinstance(error, Refused)
    assert error.code == "http_403" and "proxy" in str(error)


@pytest.mark.parametrize("effect", [HttpStatus(500), Drop(share=0), SlackError("token_revoked"), NotJson()])
async def test_no_error_tells_the_token(sandbox: SlackSandbox, effect: Effect) -> None:
    sandbox.script.add(INVITE, effect)
    error = await error_of(sandbox.api_url, WRITES[INVITE])
    told = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert TOKEN not in told
    assert error.__cause__ is None and error.__suppress_context__


async def test_an_invitation_silently_done_is_not_sent_again_after_a_lost_answer(
    sandbox: SlackSandbox,
) -> None:
    """The whole path that a caller takes: doubt, a look, and only the rest once more."""
    sandbox.script.add(INVITE, Drop(share=0))
    sandbox.script.add(INVITE, Silent(), times=None)
    async with writer(sandbox.api_url) as slack:
        with pytest.raises(InDoubt):
            await slack.invite(channel(), people(NEW, NEWER))
        missing = [user for user in people(NEW, NEWER) if not await slack.is_member(channel(), user)]
        assert await slack.invite(channel(), missing) == {}
    assert effects(sandbox) == [(INVITE, PRIVATE, NEW), (INVITE, PRIVATE, NEWER)]
