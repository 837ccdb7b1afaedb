"""Sandbox servers with one long conversation, in a process of their own: they must not take our time."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.telegram.messages import TelegramMessage
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser, TelegramWorld

START = 1_600_000_000
PEOPLE = 40
IN_THREAD = 3
"""Answers in a thread."""
SLACK_CHANNEL, TELEGRAM_CHAT = "C1", 2001
_SCOPES = frozenset({"users:read", "channels:read", "channels:history", "groups:read", "groups:history"})
_SAID = "we shipped the fix to staging this morning, could you have a look & tell us what you see? 😀"
_WORDS = _SAID.split()
_PATIENCE = 120.0


@contextmanager
def serving(
    platform: str, count: int, folder: Path, *, thread_every: int = 500, latency: float | None = None
) -> Iterator[dict[str, Any]]:
    """A server with `count` messages, and on Slack threads; yields the settings that lead there."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    if platform == "slack":
        arguments = (theirs, count, thread_every, 0.060 if latency is None else latency)
        process = context.Process(target=_serve_slack, args=arguments, daemon=True)
    else:
        process = context.Process(target=_serve_telegram, args=(theirs, count, folder), daemon=True)
    process.start()
    try:
        if not ours.poll(_PATIENCE):
            raise RuntimeError(f"the sandbox's {platform} did not start")
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def text_of(number: int) -> str:
    return f"{number}: " + " ".join(_WORDS[: 5 + number % len(_WORDS)])


def slack_raw(number: int, *, micro: int = 100, **fields: Any) -> dict[str, Any]:
    """As much as Slack sends of an ordinary message."""
    text = text_of(number)
    block = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {
        "type": "message",
        "user": f"U{number % PEOPLE}",
        "text": text,
        "ts": f"{START + number}.{micro:06d}",
        "team": "T0SANDBOX",
        "client_msg_id": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        "blocks": [{"type": "rich_text", "block_id": f"b{number}", "elements": [block]}],
        **fields,
    }


def _serve_slack(pipe: Connection, count: int, thread_every: int, latency: float) -> None:
    """A thread of three answers begins at every so many messages."""
    world = SlackWorld(tokens={"xoxp-bench": SlackToken("U0", _SCOPES)})
    for number in range(PEOPLE):
        world.add_user(SlackUser(f"U{number}", f"user{number}", f"Person {number} Example"))
    channel = world.add_channel(SlackChannel(SLACK_CHANNEL, "bench", "U0", {"U0": None}))
    channel.messages = [slack_raw(number) for number in range(count)]
    channel.messages += [
        slack_raw(root + reply, micro=200, thread_ts=f"{START + root}.000100")
        for root in range(0, count, thread_every)
        for reply in range(1, 1 + IN_THREAD)
    ]
    server = SlackSandbox(world, latency=latency).start()
    pipe.send({"SLACK_USER_TOKEN": "xoxp-bench", "SLACK_API_URL": server.api_url})
    time.sleep(10_000)


def _serve_telegram(pipe: Connection, count: int, folder: Path) -> None:
    world = TelegramWorld()
    for number in range(PEOPLE):
        world.add_user(TelegramUser(100 + number, f"Person {number}", "Example"))
    members = dict.fromkeys(world.users, START)
    chat = world.add_chat(TelegramChat(TELEGRAM_CHAT, "supergroup", "Bench", None, members))
    chat.messages = [
        TelegramMessage(number + 1, START + number, 100 + number % PEOPLE, text_of(number))
        for number in range(count)
    ]
    server = TelegramSandbox(world, latency=0.040).start()
    key = folder / "key.pem"
    key.write_text(server.public_key_pem)
    pipe.send(
        {
            "TELEGRAM_SESSION": server.mint_session(100),
            "TELEGRAM_SERVER": server.server,
            "TELEGRAM_SERVER_KEY": str(key),
            "TELEGRAM_API_ID": 1,
            "TELEGRAM_API_HASH": "invented",
        }
    )
    time.sleep(10_000)
