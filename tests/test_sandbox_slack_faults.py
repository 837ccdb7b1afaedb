"""The sandbox's Slack on a bad day: rate limits, scripted faults and its own bugs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RateLimitErrorRetryHandler

from groupadmin.sandbox.slack import SlackSandbox, SlackToken, faults
from groupadmin.sandbox.slack.limits import Rate, RateLimiter
from tests.slack_world import ACME, ADA, BOB, BOBS_TOKEN, GENERAL, OLD, client, ids, refusal, tiny_world


@pytest.fixture
def sandbox() -> Iterator[SlackSandbox]:
    with SlackSandbox(tiny_world()) as server:
        yield server
    assert server.bugs == []


class TestRateLimits:
    def test_a_method_over_its_tier_answers_429(self, sandbox: SlackSandbox) -> None:
        sandbox.speed = 1
        for _ in range(20):
            client(sandbox).conversations_list()
        with pytest.raises(SlackApiError) as caught:
            client(sandbox, BOBS_TOKEN).conversations_list()  # the limit is the workspace's
        response = caught.value.response
        assert response.status_code == 429
        assert response.data == {"ok": False, "error": "ratelimited"}
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        client(sandbox).users_list()  # and the method's
        assert sandbox.calls.counts() == {"conversations.list": 21, "users.list": 1}
        assert sandbox.throttled.counts() == {"conversations.list": 1}

    def test_without_a_speed_nothing_is_limited(self, sandbox: SlackSandbox) -> None:
        for _ in range(21):
            client(sandbox).conversations_list()

    def test_waiting_as_told_is_enough(self, sandbox: SlackSandbox) -> None:
        sandbox.speed = 600
        patient = client(sandbox)
        patient.retry_handlers = [RateLimitErrorRetryHandler(max_retry_count=1)]
        for _ in range(20):
            client(sandbox).users_list()
        assert patient.users_list()["ok"]

    def test_messages_are_limited_per_channel(self, sandbox: SlackSandbox) -> None:
        sandbox.speed = 1
        client(sandbox).chat_postMessage(channel=ACME, text="one")
        client(sandbox).chat_postMessage(channel=GENERAL, text="two")
        with pytest.raises(SlackApiError, match="ratelimited"):
            client(sandbox).chat_postMessage(channel=ACME, text="three")

    def test_the_window_slides_and_a_refused_call_costs_nothing(self) -> None:
        now = 0.0
        limiter = RateLimiter(clock=lambda: now)

        def call(at: float, speed: float = 1.0) -> int | None:
            nonlocal now
            now = at
            return limiter.retry_after(("T", "users.list"), Rate(2), speed=speed)

        assert [call(0), call(30), call(30.5), call(45)] == [None, None, 30, 15]
        assert [call(60), call(61), call(90)] == [None, 29, None]
        assert [call(90.5, speed=60), call(90.9, speed=60), call(91, speed=60)] == [None, 1, None]


class TestFaults:
    def test_a_fault_meets_the_calls_it_is_meant_for(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add(
            "conversations.info", faults.SlackError("fatal_error"), when=lambda call: call["channel"] == ACME
        )
        assert client(sandbox).conversations_info(channel=GENERAL)["ok"]
        assert refusal(sandbox, "conversations.info", channel=ACME)["error"] == "fatal_error"
        assert client(sandbox).conversations_info(channel=ACME)["ok"]

    def test_an_http_error(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("*", faults.HttpStatus(503, "busy"))
        assert self.raw(sandbox) == (503, b"busy")

    def test_an_error_of_slack_with_more_to_say(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("*", faults.SlackError("missing_scope", {"needed": "users:read"}))
        assert refusal(sandbox, "users.list")["needed"] == "users:read"

    def test_an_error_may_hide_that_the_write_was_done(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("conversations.kick", faults.SlackError("fatal_error", performed=True))
        assert refusal(sandbox, "conversations.kick", channel=ACME, user=BOB)["error"] == "fatal_error"
        assert BOB not in sandbox.world.channels[ACME].members

    def test_a_rate_limit_out_of_the_blue(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("auth.test", faults.RateLimited(7))
        with pytest.raises(SlackApiError) as caught:
            client(sandbox).auth_test()
        assert caught.value.response.headers["Retry-After"] == "7"

    def test_json_that_stops_in_the_middle(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("auth.test", faults.Truncated())
        status, content = self.raw(sandbox)
        assert status == 200
        with pytest.raises(ValueError, match="line 1"):
            json.loads(content)

    def test_a_web_page_instead_of_json(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("auth.test", faults.NotJson())
        assert self.raw(sandbox)[1].startswith(b"<!doctype html>")

    def test_a_connection_cut_half_way_after_the_write(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("conversations.kick", faults.Drop())
        with pytest.raises(http.client.IncompleteRead):
            self.raw(sandbox, f"conversations.kick?channel={ACME}&user={BOB}&")
        assert BOB not in sandbox.world.channels[ACME].members

    def test_a_connection_cut_before_the_write(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("conversations.kick", faults.Drop(share=0, performed=False))
        with pytest.raises(http.client.RemoteDisconnected):
            self.raw(sandbox, f"conversations.kick?channel={ACME}&user={BOB}&")
        assert BOB in sandbox.world.channels[ACME].members

    def test_a_cursor_that_never_ends(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("conversations.list", faults.RepeatCursor(), times=None)
        cursor = ""
        for _ in range(3):
            page: Any = client(sandbox).conversations_list(limit=2, cursor=cursor)
            assert ids(page["channels"]) == [GENERAL, OLD]
            assert cursor in ("", page["response_metadata"]["next_cursor"])
            cursor = page["response_metadata"]["next_cursor"]

    def test_an_answer_that_takes_its_time(self, sandbox: SlackSandbox) -> None:
        sandbox.script.add("auth.test", faults.Delay(0.3))
        impatient = client(sandbox)
        impatient.timeout = 0.05  # type: ignore[assignment]  # urllib takes fractions
        with pytest.raises(TimeoutError):
            impatient.auth_test()
        assert client(sandbox).auth_test()["user_id"] == ADA

    @staticmethod
    def raw(sandbox: SlackSandbox, path: str = "auth.test?") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
        try:
            connection.request("GET", f"/api/{path}token=xoxp-ada")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def test_a_bug_of_the_sandbox_is_visible() -> None:
    world = tiny_world()
    world.tokens["xoxp-broken"] = SlackToken("U-not-in-the-world", frozenset())
    with SlackSandbox(world) as sandbox:
        body = refusal(sandbox, "auth.test", "xoxp-broken")
        assert body["error"] == "sandbox_bug"
        assert "U-not-in-the-world" in body["detail"]
        assert "KeyError" in sandbox.bugs[0]
