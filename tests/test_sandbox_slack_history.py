"""The sandbox's Slack tells a channel's history: order, windows, pages and threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from groupadmin.sandbox.slack import SlackSandbox
from tests.slack_world import ADA, BOB, BOT_TOKEN, GENERAL, LOUNGE, client, refusal, tiny_world


def ts(number: int) -> str:
    return f"17000000{number:02}.000{number:03}"


def message(number: int, user: str = ADA, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": f"message {number}", "ts": ts(number), **fields}


@pytest.fixture
def sandbox() -> Iterator[SlackSandbox]:
    """#general: 1, 2 (a thread of 4, 5 and the broadcast 6), 3 and 7."""
    world = tiny_world()
    world.channels[GENERAL].messages = [
        message(1),
        message(2),
        message(3),
        message(4, BOB, thread_ts=ts(2)),
        message(5, thread_ts=ts(2)),
        message(6, BOB, thread_ts=ts(2), subtype="thread_broadcast"),
        message(7),
    ]
    with SlackSandbox(world) as server:
        yield server
    assert server.bugs == []


def history(sandbox: SlackSandbox, **arguments: Any) -> list[str]:
    answer = client(sandbox).conversations_history(channel=GENERAL, **arguments)
    return [each["ts"] for each in answer["messages"]]


def stamps(*numbers: int) -> list[str]:
    return [ts(number) for number in numbers]


def test_history_is_newest_first_without_replies(sandbox: SlackSandbox) -> None:
    assert history(sandbox) == stamps(7, 6, 3, 2, 1)


def test_a_parent_tells_about_its_thread(sandbox: SlackSandbox) -> None:
    messages = client(sandbox).conversations_history(channel=GENERAL)["messages"]
    parent, childless = messages[3], messages[4]
    assert parent["thread_ts"] == parent["ts"]
    assert (parent["reply_count"], parent["latest_reply"]) == (3, ts(6))
    assert (parent["reply_users"], parent["reply_users_count"]) == ([BOB, ADA], 2)
    assert "thread_ts" not in childless


def test_oldest_and_latest_bound_the_window(sandbox: SlackSandbox) -> None:
    assert history(sandbox, oldest=ts(2)) == stamps(7, 6, 3)
    assert history(sandbox, latest=ts(3)) == stamps(2, 1)
    assert history(sandbox, oldest=ts(2), latest=ts(6)) == stamps(3)
    assert history(sandbox, oldest=ts(2), latest=ts(6), inclusive=True) == stamps(6, 3, 2)
    assert history(sandbox, oldest="0", inclusive=True) == stamps(7, 6, 3, 2, 1)


def test_without_an_end_the_window_begins_at_its_start(sandbox: SlackSandbox) -> None:
    assert history(sandbox, oldest=ts(1), limit=2) == stamps(3, 2)
    assert history(sandbox, oldest=ts(1), latest=ts(9), limit=2) == stamps(7, 6)


def test_a_window_needs_times(sandbox: SlackSandbox) -> None:
    for end in ("oldest", "latest"):
        body = refusal(sandbox, "conversations.history", channel=GENERAL, **{end: "yesterday"})
        assert body["error"] == f"invalid_ts_{end}"


def test_history_comes_in_pages(sandbox: SlackSandbox) -> None:
    pages = [page.data for page in client(sandbox).conversations_history(channel=GENERAL, limit=2)]
    assert [[each["ts"] for each in page["messages"]] for page in pages] == [
        stamps(7, 6),
        stamps(3, 2),
        stamps(1),
    ]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert "response_metadata" not in pages[-1]


def test_a_message_that_arrives_between_two_pages_moves_nothing(sandbox: SlackSandbox) -> None:
    first = client(sandbox).conversations_history(channel=GENERAL, limit=2)
    sandbox.world.channels[GENERAL].messages.append(message(8))
    cursor = first["response_metadata"]["next_cursor"]
    assert history(sandbox, limit=2, cursor=cursor) == stamps(3, 2)


def test_user_tokens_read_public_channels_that_they_are_not_in_and_bots_do_not(sandbox: SlackSandbox) -> None:
    assert client(sandbox).conversations_history(channel=LOUNGE)["messages"] == []
    body = refusal(sandbox, "conversations.history", BOT_TOKEN, channel=LOUNGE)
    assert body["error"] == "not_in_channel"


@pytest.mark.parametrize("asked", [2, 5])
def test_a_thread_is_told_in_order_whichever_message_names_it(sandbox: SlackSandbox, asked: int) -> None:
    messages = client(sandbox).conversations_replies(channel=GENERAL, ts=ts(asked))["messages"]
    assert [each["ts"] for each in messages] == stamps(2, 4, 5, 6)
    assert messages[0]["reply_count"] == 3
    assert {each["parent_user_id"] for each in messages[1:]} == {ADA}


def test_the_parent_is_repeated_on_every_page(sandbox: SlackSandbox) -> None:
    pages = client(sandbox).conversations_replies(channel=GENERAL, ts=ts(2), limit=2)
    assert [[each["ts"] for each in page["messages"]] for page in pages] == [
        stamps(2, 4),
        stamps(2, 5),
        stamps(2, 6),
    ]


def test_new_replies_are_asked_for_with_oldest(sandbox: SlackSandbox) -> None:
    answer = client(sandbox).conversations_replies(channel=GENERAL, ts=ts(2), oldest=ts(5))
    assert [each["ts"] for each in answer["messages"]] == stamps(2, 6)


def test_a_message_without_replies_is_its_own_thread(sandbox: SlackSandbox) -> None:
    (only,) = client(sandbox).conversations_replies(channel=GENERAL, ts=ts(1))["messages"]
    assert "reply_count" not in only


@pytest.mark.parametrize("unknown", ["", "1.000000"])
def test_an_unknown_message_has_no_thread(sandbox: SlackSandbox, unknown: str) -> None:
    body = refusal(sandbox, "conversations.replies", channel=GENERAL, ts=unknown)
    assert body["error"] == "thread_not_found"


def test_a_posted_reply_joins_the_thread(sandbox: SlackSandbox) -> None:
    posted = client(sandbox).chat_postMessage(channel=GENERAL, text="me too", thread_ts=ts(3))
    assert history(sandbox) == stamps(7, 6, 3, 2, 1)
    thread = client(sandbox).conversations_replies(channel=GENERAL, ts=ts(3))["messages"]
    assert [each["ts"] for each in thread] == [ts(3), posted["ts"]]
