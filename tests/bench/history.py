"""What keeping and exporting conversations costs: beside a bare loop over the API, and at a large size."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from audits.history.engagement import count_all
from audits.history.exporting import ExportWish, export_into
from audits.history.formats import Format
from audits.history.models import Conversation, Message, Sender, SyncJob
from audits.history.sync import request_sync, run_sync
from members.models import Group
from members.platforms.types import GroupKind, Platform, Privacy
from tests.bench.history_servers import PEOPLE, SLACK_CHANNEL, START, TELEGRAM_CHAT, serving, slack_raw
from tests.bench.workplace import HOME, load_policy, run_child, table

THREADS, IN_THREADS = 8_000, 3


def history() -> None:
    """Sync, render, and what both take at a million messages."""
    _sync()
    _render()
    _memory()


# Fetching


def _sync() -> None:
    rows: list[tuple[object, ...]] = []
    for platform, count in ((Platform.SLACK, 20_000), (Platform.TELEGRAM, 20_000)):
        with serving(platform, count, HOME) as settings:
            bare = _seconds(lambda: _bare[platform](settings))  # noqa: B023  # called at once
            with override_settings(**settings, HISTORY_RETENTION_DAYS=0):
                load_policy({})
                group = channel_or_chat(platform)
                ours = _seconds(lambda: _synced(group))  # noqa: B023
                again = _seconds(lambda: _synced(group))  # noqa: B023
        rows.append((platform.label, f"{count:,}", bare, ours, ours / bare, again))
    columns = ("platform", "messages", "bare loop, s", "sync, s", "of the bare loop", "next sync, s")
    table("Fetching a conversation, 60/40 ms a call", columns, rows)


def _synced(group: Group) -> SyncJob:
    job = request_sync(groups=[group], asked_by="bench")
    while not job.finished:
        job = run_sync(job.pk)
    assert job.state == "done", job.message
    return job


def _bare_slack(settings: dict[str, Any]) -> None:
    from slack_sdk import WebClient

    client = WebClient(settings["SLACK_USER_TOKEN"], settings["SLACK_API_URL"])
    roots, cursor = [], ""
    while True:
        page: Any = client.conversations_history(channel=SLACK_CHANNEL, limit=999, cursor=cursor)
        roots += [each["ts"] for each in page["messages"] if each.get("reply_count")]
        cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
        if not cursor:
            break
    for ts in roots:
        client.conversations_replies(channel=SLACK_CHANNEL, ts=ts, limit=999)


def _bare_telegram(settings: dict[str, Any]) -> None:
    from members.platforms.configs import TelegramConfig, parse_server
    from members.platforms.telegram_client import make_client

    config = TelegramConfig(
        1,
        "invented",
        settings["TELEGRAM_SESSION"],
        parse_server(settings["TELEGRAM_SERVER"]),
        Path(settings["TELEGRAM_SERVER_KEY"]).read_text(),
    )

    async def read() -> None:
        client = make_client(config)
        await client.connect()
        (dialog,) = [each async for each in client.iter_dialogs()]
        async for _ in client.iter_messages(dialog.entity, wait_time=0):
            pass
        await client.disconnect()

    asyncio.run(read())


_bare = {Platform.SLACK: _bare_slack, Platform.TELEGRAM: _bare_telegram}


# Rendering


def _render() -> None:
    """100,000 messages with 8,000 threads, each format twice: the same bytes."""
    load_policy({})
    _fill(channel_or_chat(Platform.SLACK), 100_000)
    rows: list[tuple[object, ...]] = []
    for format in (Format.TEXT, Format.JSONL, Format.SLACK_ZIP, Format.HTML):
        seconds, digests = [], set()
        for _ in range(2):
            folder = HOME / "rendered"
            wish = ExportWish(list(Group.objects.all()), format)
            seconds.append(_seconds(lambda: export_into(wish, folder)))  # noqa: B023  # called at once
            digests.add(digest_of(folder))
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
            shutil.rmtree(folder)
        assert len(digests) == 1, f"{format}: not the same bytes"
        rows.append((format, size, min(seconds), f"{100_000 / min(seconds):,.0f}"))
    table("Rendering 100,000 messages with 8,000 threads", ("format", "MB", "seconds", "messages/s"), rows)


def _memory() -> None:
    """The command as a process of its own, at a million messages."""
    load_policy({})
    group = channel_or_chat(Platform.SLACK)
    filling = _seconds(lambda: _fill(group, 1_000_000))
    counting = _seconds(count_all)
    rows: list[tuple[object, ...]] = [
        ("start of Django alone", *_child("shell", "--verbosity=0", "-c", "pass"))
    ]
    for format in (Format.TEXT, Format.JSONL, Format.SLACK_ZIP, Format.HTML):
        out = HOME / "large"
        name = f"slack:{SLACK_CHANNEL}"
        child = _child("export_history", name, f"--format={format}", "--no-sync", f"--out={out}")
        rows.append((f"export_history --format {format}", *child))
        shutil.rmtree(out)
    table("1,000,000 messages", ("process", "seconds", "peak MB"), rows)
    print(f"\nStored in {filling:.0f} s on {connection.vendor}; all weeks counted in {counting:.1f} s.")


def _child(*words: str) -> tuple[float, float]:
    child = run_child({}, *words)
    return child.seconds, child.peak_mb


def _fill(group: Group, count: int) -> None:
    """Messages as a sync would have kept them."""
    conversation = Conversation.objects.create(group=group)
    senders = Sender.objects.bulk_create(
        Sender(platform=Platform.SLACK, external_id=f"U{number}", name=f"Person {number} Example")
        for number in range(PEOPLE)
    )
    apart = (count - THREADS * IN_THREADS) // THREADS
    for at in range(0, count, 5000):
        Message.objects.bulk_create(
            (_row(conversation, senders, number, apart) for number in range(at, min(at + 5000, count))),
            batch_size=500,
        )
    first = datetime.fromtimestamp(START, UTC)
    Conversation.objects.filter(pk=conversation.pk).update(
        message_count=count,
        first_message_at=first,
        last_message_at=first + timedelta(seconds=count),
        uncounted_from=first,
    )


def _row(conversation: Conversation, senders: list[Sender], number: int, apart: int) -> Message:
    """Every so often a message begins a thread, and the next ones answer in it."""
    place = number % (apart + IN_THREADS)
    root = number - place
    threaded = place <= IN_THREADS and root // (apart + IN_THREADS) < THREADS
    fields: dict[str, Any] = {"thread_ts": f"{START + root}.000100"} if threaded else {}
    if threaded and not place:
        fields |= {"reply_count": IN_THREADS, "latest_reply": f"{START + root + IN_THREADS}.000100"}
    raw = slack_raw(number, **fields)
    micros = 1_000_000
    return Message(
        conversation=conversation,
        number=(START + number) * micros + 100,
        sent_at=datetime.fromtimestamp(START + number, UTC) + timedelta(microseconds=100),
        sender=senders[number % PEOPLE],
        text=raw["text"],
        thread=(START + root) * micros + 100 if threaded else None,
        reply_count=fields.get("reply_count", 0),
        raw=raw,
    )


def channel_or_chat(platform: Platform) -> Group:
    """The group that the servers have messages of, as an audit would have kept it."""
    now = timezone.now()
    slack = platform is Platform.SLACK
    return Group.objects.create(
        platform=platform,
        external_id=SLACK_CHANNEL if slack else str(TELEGRAM_CHAT),
        name="bench",
        kind=GroupKind.CHANNEL if slack else GroupKind.SUPERGROUP,
        privacy=Privacy.PUBLIC,
        first_seen_at=now,
        last_seen_at=now,
    )


def digest_of(folder: Path) -> str:
    """The same for folders that hold the same bytes under the same names."""
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return json.dumps(found, sort_keys=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
