"""Exports: in the formats of the platforms and of people, whole, repeatable, and harmless."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings
from telethon.tl import types as tl
from tg_parser.infrastructure.readers.telegram_json import TelegramJSONReader

from audits.history.exporting import ExportWish, estimate
from audits.history.formats import Format
from audits.history.models import Message
from audits.history.renderers.base import Chapter, Person, Said
from audits.history.renderers.html import Html
from audits.history.renderers.telegram_json import TelegramJson
from audits.history.sinks import PART, FolderSink, whole_file
from groupadmin.sandbox.telegram.messages import Action, TelegramFile, TextEntity
from members.models import Group
from members.operations.models import ActivityEvent
from members.platforms.history import MessageKind
from members.platforms.telegram_messages import Names, parse_message
from members.platforms.types import GroupKind, Platform
from tests.history_rows import at as begin
from tests.history_rows import say, talk
from tests.history_world import CHAT, at, group, said, sent, slack, sync, telegram, texts, ts
from tests.slack_world import ADA, BOB, DEE, GENERAL

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = "<script>alert(1)</script> \u202egnp.exe\u202c \x07 \0 😀 &amp; “quotes” ../../etc/passwd"
"""With NUL, which SQLite keeps and PostgreSQL refuses."""


def export(tmp_path: Path, *words: str, **options: Any) -> list[Path]:
    """The paths that the command prints."""
    out = StringIO()
    call_command("export_history", *words, out=tmp_path, stdout=out, stderr=StringIO(), **options)
    return [Path(line) for line in out.getvalue().splitlines()]


def test_slacks_zip_is_read_by_slacks_readers_with_every_reply(settings: Settings, tmp_path: Path) -> None:
    messages = [said(1, ADA), said(2, text=f"*bold* <@{BOB}> <@{DEE}> & more"), said(5)]
    messages += [said(number, ADA, text=f"reply {number}", thread_ts=ts(2)) for number in (3, 4, 2000)]
    with slack(settings, messages):
        group(Platform.SLACK)
        (path,) = export(tmp_path, "general", format="slack-zip")
    pages = tmp_path / "pages"
    viewer = Path(sys.executable).with_name("slack-export-viewer")
    subprocess.run(
        [viewer, "-z", path, "--html-only", "-o", pages, "--no-browser"], check=True, capture_output=True
    )
    shown = (pages / "index.html").read_text() if (pages / "index.html").exists() else pages.read_text()
    for text in ("message 1", "message 5", "reply 3", "reply 4", "reply 2000"):
        assert text in shown
    with zipfile.ZipFile(path) as archive:
        days = [name for name in archive.namelist() if name.startswith("general/")]
        root = next(line for line in json.loads(archive.read(days[0])) if line["ts"] == ts(2))
        people = {person["id"]: person["real_name"] for person in json.loads(archive.read("users.json"))}
    assert days == ["general/2023-11-14.json", "general/2023-11-15.json"]
    assert [reply["ts"] for reply in root["replies"]] == [ts(3), ts(4), ts(2000)]
    assert root["reply_count"] == 3
    assert "@Dee Guest" in shown or "@dee" in shown, shown[-3000:]
    assert people == {ADA: "Ada", BOB: "Bob Sample", DEE: "Dee Guest"}, "who wrote, and who is spoken of"


def test_telegram_desktops_json(settings: Settings, tmp_path: Path) -> None:
    bold = [TextEntity("bold", 0, 3), TextEntity("text_url", 4, 4, "https://example.com")]
    messages = [
        sent(1, action=Action("rename", title="New name"), text=""),
        sent(2, text="say this", entities=bold, reply_to=1),
        sent(3, edited=1_700_009_999),
    ]
    with telegram(settings, tmp_path, messages):
        group(Platform.TELEGRAM)
        (path,) = export(tmp_path, str(CHAT), format="telegram-json")
    document = json.loads(path.read_text())
    assert path.name == "result.json"
    assert (document["type"], document["id"]) == ("private_supergroup", CHAT)
    service, marked, edited = document["messages"]
    assert (service["type"], service["action"], service["title"]) == (
        "service",
        "edit_group_title",
        "New name",
    )
    assert marked["text"] == [
        {"type": "bold", "text": "say"},
        " ",
        {"type": "text_link", "text": "this", "href": "https://example.com"},
    ]
    assert (marked["from"], marked["from_id"], marked["reply_to_message_id"]) == ("Bob Sample", "user102", 1)
    assert marked["date_unixtime"] == "1700000120"
    assert edited["edited_unixtime"] == "1700009999"


def test_telegram_desktops_json_is_read_by_somebody_elses_reader(settings: Settings, tmp_path: Path) -> None:
    """A forum with what a reader can stumble over."""
    plan = TelegramFile(1, b"plan", "voice", name="../../<pl\0an>.ogg", mime_type="audio/ogg")
    messages = [
        sent(1, text=HOSTILE),
        sent(2, action=Action("open_topic", title="Plans \u202e<b>"), text=""),
        sent(3, topic=2, text="in the topic"),
        sent(4, topic=2, reply_to=3, file=plan, text="", entities=[TextEntity("bold", 0, 99)]),
        sent(5, action=Action("rename_topic", title="Plans"), topic=2, text=""),
        sent(6, action=Action("add", users=(101, 102)), text=""),
    ]
    with telegram(settings, tmp_path, messages, forum=True):
        group(Platform.TELEGRAM)
        (path,) = export(tmp_path, str(CHAT), format="telegram-json", media=True)
        (lines,) = export(tmp_path, str(CHAT), format="jsonl", no_sync=True)
    reader = TelegramJSONReader()
    assert reader.validate(path) == []
    chat = reader.read(path)
    assert (chat.id, len(chat.messages), chat.messages[0].text) == (CHAT, 6, HOSTILE.replace("\0", "\ufffd"))
    assert "Plans \u202e<b>" in {topic.title for topic in chat.topics.values()}
    third, fourth = chat.messages[2:4]
    assert (third.topic_id, third.author_id, third.author_name) == (2, "user102", "Bob Sample")
    assert fourth.reply_to is not None and fourth.reply_to.message_id == 3
    (attached,) = fourth.attachments
    assert attached.file_path is not None
    assert (path.parent / attached.file_path).read_bytes() == b"plan"
    topics = [json.loads(line).get("topic") for line in lines.read_text().splitlines()]
    assert topics == [None, *["Plans"] * 4, None], "the last name that a topic had"


def test_what_is_neither_text_nor_file_is_told_too(tmp_path: Path) -> None:
    """A poll with votes, forwarded by way of a bot, and a place: as Telegram Desktop has it, and in words."""
    names = Names()
    names.learn([tl.User(id=7, first_name="Zoe", username="zoe"), tl.User(id=8, username="quizbot")], [])
    question, yes, no = (tl.TextWithEntities(text, []) for text in ("Ship it?", "Yes", "No \0"))
    poll = tl.Poll(1, question, [tl.PollAnswer(yes, b"y"), tl.PollAnswer(no, b"n")], hash=0, closed=True)
    results = tl.PollResults(results=[tl.PollAnswerVoters(b"y", voters=3, chosen=True)], total_voters=3)
    place = tl.MessageMediaGeo(tl.GeoPoint(long=float("nan"), lat=52.5, access_hash=5))
    thumb = tl.MessageReactions([tl.ReactionCount(tl.ReactionEmoji("👍"), 2)])
    group, now = tl.PeerChannel(9), datetime(2026, 1, 1, tzinfo=UTC)
    told = [
        tl.Message(
            id=1, peer_id=group, from_id=tl.PeerUser(7), date=now, message="", reactions=thumb, via_bot_id=8,
            media=tl.MessageMediaPoll(poll, results),
            fwd_from=tl.MessageFwdHeader(now, from_id=tl.PeerUser(7)),
        ),
        tl.Message(id=2, peer_id=group, from_id=tl.PeerUser(7), date=now, message="here", media=place),
    ]  # fmt: skip
    parsed = [message for each in told if (message := parse_message(each, names)) is not None]
    assert [message.text for message in parsed] == [
        "Poll: Ship it?\n• Yes\n• No \ufffd",
        "here\nLocation: 52.500000, nan",
    ]
    assert [sender.name for sender in parsed[0].mentions] == ["Zoe"]
    said = [
        Said(each.number, each.sent_at, each.kind, each.text, "7", "Zoe", raw_json=json.dumps(each.raw))
        for each in parsed
    ]
    bot = Person("8", "", "quizbot", is_bot=True)
    chapter = Chapter(
        Platform.TELEGRAM, "9", "Group", GroupKind.SUPERGROUP, is_private=True, messages=said,
        people=[Person("7", "Zoe", "zoe", is_bot=False)], find_people=lambda ids: [bot] if "8" in ids else [],
    )  # fmt: skip
    TelegramJson().render([chapter], FolderSink(tmp_path))
    first, second = json.loads((tmp_path / "result.json").read_text())["messages"]
    assert first["poll"] == {
        "question": "Ship it?", "closed": True, "total_voters": 3,
        "answers": [{"text": "Yes", "voters": 3, "chosen": True},
                    {"text": "No \ufffd", "voters": 0, "chosen": False}],
    }  # fmt: skip
    assert (first["text"], first["forwarded_from"], first["via_bot"]) == ("", "Zoe", "@quizbot")
    assert first["reactions"] == [{"type": "emoji", "count": 2, "emoji": "👍"}]
    assert (second["text"], second["location_information"]) == ("here", {"latitude": 52.5, "longitude": None})


def test_an_answer_leads_to_the_page_of_what_it_answers(tmp_path: Path) -> None:
    said = [
        Said(number, at(number), MessageKind.MESSAGE, "hello", reply_to={1500: 7, 2001: 1700}.get(number))
        for number in range(5, 2010)
    ]
    chapter = Chapter(Platform.TELEGRAM, "9", "Group", GroupKind.SUPERGROUP, is_private=True, messages=said)
    Html().render([chapter], FolderSink(tmp_path))
    pages = [(tmp_path / "Group" / f"messages{page}.html").read_text() for page in ("", 2, 3)]
    assert 'href="messages.html#m-7"' in pages[1] and 'id="m-7"' in pages[0]
    assert 'href="messages2.html#m-1700"' in pages[1] and 'id="m-1700"' in pages[1]


def test_the_size_is_estimated_with_as_many_queries_for_many_groups(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        conversation = talk(f"group {number}")
        for minute in range(number):
            say(conversation, minute, "x" * 500)
    wish = ExportWish(list(Group.objects.all()), Format.TEXT)
    with django_assert_num_queries(9):
        whole = estimate(wish)
    with django_assert_num_queries(9):
        part = estimate(replace(wish, since=begin(2), until=begin(4)))
    assert (whole.messages, part.messages) == (sum(range(12)), 9 + 8)
    assert 500 < whole.bytes / whole.messages < 600


@pytest.mark.parametrize("format", ["html", "text", "jsonl", "slack-zip"])
def test_the_same_messages_make_the_same_bytes(settings: Settings, tmp_path: Path, format: str) -> None:
    with slack(settings, [said(number) for number in range(50)]):
        sync(group(Platform.SLACK))
    (once,) = export(tmp_path / "one", GENERAL, format=format, no_sync=True)
    (again,) = export(tmp_path / "two", GENERAL, format=format, no_sync=True)
    assert once.read_bytes() == again.read_bytes()


def test_what_people_write_harms_no_reader(settings: Settings, tmp_path: Path) -> None:
    with slack(settings, [said(1, text=HOSTILE), said(2, user="U404")]):
        channel = group(Platform.SLACK)
        Group.objects.filter(pk=channel.pk).update(name="../../<b>evil\x07\u202e/con")
        (page,) = export(tmp_path, GENERAL, format="html")
        (text,) = export(tmp_path, GENERAL, format="text")
    assert page.resolve().is_relative_to(tmp_path.resolve())
    assert "<script" not in page.read_text() and "\u202e" not in page.read_text()
    assert "\x07" not in text.read_text() and "😀" in text.read_text()


def test_answers_stand_below_their_beginning(settings: Settings, tmp_path: Path) -> None:
    messages = [said(1), said(2), said(3, thread_ts=ts(1), text="first\nsecond line")]
    with slack(settings, messages):
        group(Platform.SLACK)
        (path,) = export(tmp_path, GENERAL, format="text")
    lines = path.read_text().splitlines()
    assert lines[-4:] == [
        "[2023-11-14 22:14:20] Bob Sample: message 1",
        "    [2023-11-14 22:16:20] Bob Sample: first",
        "        second line",
        "[2023-11-14 22:15:20] Bob Sample: message 2",
    ]


def test_dates_cut_out_what_is_wanted_and_fetch_no_more(settings: Settings, tmp_path: Path) -> None:
    messages = [said(number) for number in range(0, 60 * 24 * 4, 60)]
    with slack(settings, messages) as sandbox:
        channel = group(Platform.SLACK)
        (path,) = export(tmp_path, GENERAL, "--since=2023-11-16", "--until=2023-11-16", format="jsonl")
        assert sandbox.calls.counts()["conversations.history"] == 1
    days = {json.loads(line)["sent_at"][:10] for line in path.read_text().splitlines()}
    assert days == {"2023-11-16"}
    assert len(texts(channel)) < len(messages)
    assert ActivityEvent.objects.filter(action="export.written").count() == 1


@pytest.mark.parametrize(
    ("word", "format", "complaint"),
    [
        ("nowhere", "text", "No group is called 'nowhere'"),
        (GENERAL, "telegram-json", "Desktop .JSON.” is for Telegram only"),
    ],
)
def test_a_mistake_is_one_line(word: str, format: str, complaint: str, tmp_path: Path) -> None:
    group(Platform.SLACK)
    with pytest.raises(CommandError, match=complaint) as caught:
        export(tmp_path, word, format=format)
    assert caught.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_goes_with_the_next_one_and_what_is_being_written_stays(
    settings: Settings, tmp_path: Path
) -> None:
    with slack(settings, [said(1)]):
        sync(group(Platform.SLACK))
    left = [tmp_path / f".general.0{PART}", tmp_path / f".general.1{PART}"]
    left[0].write_bytes(b"half")
    (left[1] / "half").mkdir(parents=True)
    for each in left:
        os.utime(each, (0, 0))
    with whole_file(tmp_path / "other.zip") as writing:
        os.utime(writing, (0, 0))
        export(tmp_path, GENERAL, format="text", no_sync=True)
        assert writing.exists()

    assert {path.name for path in tmp_path.iterdir()} == {"other.zip", "general.txt"}


def test_a_file_is_there_whole_or_not_at_all(settings: Settings, tmp_path: Path) -> None:
    with slack(settings, [*(said(number) for number in range(5)), said(6, thread_ts=ts(3))]):
        sync(group(Platform.SLACK))
    Message.objects.filter(text="message 3").update(raw="no object")
    with pytest.raises(TypeError):
        export(tmp_path, GENERAL, format="slack-zip", no_sync=True)
    assert list(tmp_path.iterdir()) == []
