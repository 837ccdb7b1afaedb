"""What is said in a channel: conversations.history and .replies, chat.postMessage."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any

from groupadmin.sandbox.slack import events
from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.methods.files import with_files
from groupadmin.sandbox.slack.paging import page_limit, paginate
from groupadmin.sandbox.slack.scopes import HISTORY, POST
from groupadmin.sandbox.slack.serialise import bot_id
from groupadmin.sandbox.slack.world import SlackChannel

Message = dict[str, Any]
LISTED_REPLIERS = 5


def conversations_history(call: Call) -> dict[str, Any]:
    """The messages of the channel itself, newest first; replies only where they were broadcast.

    With `oldest` alone the first page is the one that is nearest to it, and the next ones follow it in
    time (github.com/slackhq/slack-api-docs/issues/4).
    """
    channel = _readable_channel(call)
    limit = page_limit(call, default=100, maximum=999)
    window = _Window(call)
    threads = _replies_by_parent(channel)
    forwards = bool(call.text("oldest")) and not call.text("latest")
    sign = 1 if forwards else -1
    page = paginate(
        call,
        sorted(
            (each for each in channel.messages if _is_in_channel(each) and window.holds(each)),
            key=_moment,
            reverse=not forwards,
        ),
        limit=limit,
        identity=itemgetter("ts"),
        rank=lambda ts: sign * Decimal(ts),
    )
    newest_first = reversed(page.items) if forwards else page.items
    answer: dict[str, Any] = {
        "messages": [_in_channel(call, channel, each, threads) for each in newest_first],
        "has_more": bool(page.next_cursor),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }
    answer |= {name: call.text(name) for name in ("oldest", "latest") if call.text(name)}
    return answer | (page.metadata if page.next_cursor else {})


def conversations_replies(call: Call) -> dict[str, Any]:
    """A thread, earliest first; the parent is repeated on every page (slackdump #128)."""
    channel = _readable_channel(call)
    limit = page_limit(call, default=1000, maximum=1000)
    window = _Window(call)
    parent, replies = _thread(channel, call.text("ts"))
    page = paginate(
        call,
        [each for each in replies if window.holds(each)],
        limit=max(limit - 1, 1),  # the parent takes one place
        identity=itemgetter("ts"),
        rank=Decimal,
    )
    answers = [
        with_files(call.world, each) | {"parent_user_id": parent.get("user", "")} for each in page.items
    ]
    answer: dict[str, Any] = {
        "messages": [with_files(call.world, _as_parent(parent, replies)), *answers],
        "has_more": bool(page.next_cursor),
    }
    return answer | (page.metadata if page.next_cursor else {})


def chat_post_message(call: Call) -> dict[str, Any]:
    channel = call.channel(POST, by_name=True)
    if channel.is_archived:
        raise Failure("is_archived")
    open_to_bots = not channel.is_private and "chat:write.public" in call.token.scopes
    if not (call.is_member(channel) or (call.token.is_bot and open_to_bots)):
        raise Failure("not_in_channel")
    message = _new_message(call, channel)
    channel.messages.append(message)
    call.changed.add(call.text("text"))
    call.events.append(events.said(channel, message))
    return {"channel": channel.id, "ts": message["ts"], "message": dict(message)}


def share(call: Call, channel: SlackChannel, file_ids: list[str]) -> None:
    """Files that were uploaded, as a message of the caller's."""
    channel.messages.append(
        {
            "type": "message",
            "user": call.caller.id,
            "text": call.text("initial_comment"),
            "files": [{"id": each} for each in file_ids],
            "upload": True,
            "ts": next_ts(channel),
        }
    )


def _readable_channel(call: Call) -> SlackChannel:
    """User tokens read any public channel, bots only those that they are in."""
    channel = call.channel(HISTORY)
    if call.token.is_bot and not call.is_member(channel):
        raise Failure("not_in_channel")
    return channel


class _Window:
    """The time between the arguments `oldest` and `latest`; the ends belong to it if `inclusive`."""

    def __init__(self, call: Call) -> None:
        self._oldest = _timestamp(call, "oldest")
        self._latest = _timestamp(call, "latest")
        self._inclusive = call.flag("inclusive")

    def holds(self, message: Message) -> bool:
        moment = _moment(message)
        if moment in (self._oldest, self._latest):
            return self._inclusive
        after_start = self._oldest is None or self._oldest < moment
        return after_start and (self._latest is None or moment < self._latest)


def _timestamp(call: Call, name: str) -> Decimal | None:
    text = call.text(name)
    if not text or text == "now":
        return None
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise Failure(f"invalid_ts_{name}") from error


def _moment(message: Message) -> Decimal:
    # A float would lose the last digit of the microseconds.
    return Decimal(message["ts"])


def _is_reply(message: Message) -> bool:
    return "thread_ts" in message and bool(message["thread_ts"] != message["ts"])


def _is_in_channel(message: Message) -> bool:
    return not _is_reply(message) or message.get("subtype") == "thread_broadcast"


def _in_channel(
    call: Call, channel: SlackChannel, message: Message, threads: Mapping[str, list[Message]]
) -> Message:
    """As conversations.history tells it: a reply that was sent to the channel too brings its thread along."""
    told = with_files(call.world, _as_parent(message, threads.get(message["ts"], [])))
    if not _is_reply(message):
        return told
    parent = next((each for each in channel.messages if each["ts"] == message["thread_ts"]), None)
    return told if parent is None else told | {"root": _as_parent(parent, threads[parent["ts"]])}


def _replies_by_parent(channel: SlackChannel) -> dict[str, list[Message]]:
    threads: defaultdict[str, list[Message]] = defaultdict(list)
    for message in channel.messages:
        if _is_reply(message):
            threads[message["thread_ts"]].append(message)
    return threads


def _thread(channel: SlackChannel, ts: str) -> tuple[Message, list[Message]]:
    """The parent and the replies of the thread to which the message `ts` belongs."""
    message = _with_ts(channel, ts)
    parent = _with_ts(channel, message.get("thread_ts", ts)) if message else None
    if parent is None:
        raise Failure("thread_not_found")
    replies = [each for each in channel.messages if each.get("thread_ts") == parent["ts"] and _is_reply(each)]
    return parent, sorted(replies, key=_moment)


def _with_ts(channel: SlackChannel, ts: str) -> Message | None:
    return next((each for each in channel.messages if each["ts"] == ts), None)


def _as_parent(message: Message, replies: Iterable[Message]) -> Message:
    """The message with what Slack tells about its replies; unchanged when it has none."""
    replies = list(replies)
    if not replies:
        return dict(message)
    users = list(dict.fromkeys(reply["user"] for reply in replies if "user" in reply))
    return message | {
        "thread_ts": message["ts"],
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "latest_reply": max(replies, key=_moment)["ts"],
        "reply_users": users[:LISTED_REPLIERS],
        "is_locked": False,
        "subscribed": False,
    }


def _new_message(call: Call, channel: SlackChannel) -> Message:
    text, markdown = call.text("text"), call.text("markdown_text")
    blocks = json_list(call.arguments.get("blocks"), "invalid_blocks_format")
    attachments = json_list(call.arguments.get("attachments"), "no_text")
    if markdown and (text or blocks):
        raise Failure("markdown_text_conflict")
    if not (text or markdown or blocks or attachments):
        raise Failure("no_text")
    message: Message = {
        "type": "message",
        "user": call.caller.id,
        "text": text or markdown,
        "ts": next_ts(channel),
        "team": call.world.team_id,
    }
    if call.token.is_bot:
        message["bot_id"] = bot_id(call.caller)
    message |= {"blocks": blocks} if blocks else {}
    message |= {"attachments": attachments} if attachments else {}
    return message | _thread_fields(call, channel)


def _thread_fields(call: Call, channel: SlackChannel) -> Message:
    thread_ts = call.text("thread_ts")
    if not thread_ts:
        return {}
    if not any(each["ts"] == thread_ts for each in channel.messages):
        raise Failure("cannot_reply_to_message")
    broadcast = {"subtype": "thread_broadcast"} if call.flag("reply_broadcast") else {}
    return {"thread_ts": thread_ts, **broadcast}


def next_ts(channel: SlackChannel) -> str:
    """The present, or a microsecond after the channel's last message: `ts` is unique in its channel."""
    ts = Decimal(f"{time.time():.6f}")
    if channel.messages:
        ts = max(ts, _moment(channel.messages[-1]) + Decimal("0.000001"))
    return f"{ts:.6f}"


def json_list(value: Any, error: str) -> list[Any]:
    """A structured argument, which arrives as a list (JSON body) or as JSON text (form)."""
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError as problem:
            raise Failure(error) from problem
    if value and not isinstance(value, list):
        raise Failure(error)
    return value or []
