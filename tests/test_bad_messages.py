"""Whatever the platforms say of messages is kept, shown and exported, or left out: it breaks nothing.

More examples: pytest tests/test_bad_messages.py --hypothesis-profile=long
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from telethon.tl import types as tl

from audits.history.exporting import ExportWish, export_into
from audits.history.formats import Format
from audits.history.models import Conversation, Message
from audits.history.store import store_heard, store_page
from audits.history.transcript import Where, load_transcript
from members.platforms import history
from members.platforms.slack_live import parse_items
from members.platforms.slack_messages import mentioned, parse_messages, ts_of
from members.platforms.slack_parse import EventKind
from members.platforms.telegram_messages import Names, parse_message
from members.platforms.types import Platform
from tests.history_rows import talk
from tests.tl_objects import objects, subclasses, values

TEXTS = st.sampled_from(
    [
        "",
        "x",
        "a\0b",
        "\ud83d",
        "<@U0ADA> & <!here>",
        "<@|>",
        "<<>>",
        "../../etc/passwd",
        "\u202e",
        "x" * 5000,
    ]
)
NUMBERS = st.sampled_from([0, -1, 1.5, 2**31, 2**63, 10**400, float("inf"), float("nan")])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
STAMPS = st.integers(0, 4).map(lambda number: ts_of(1_700_000_000_000_000 + number)) | st.sampled_from(
    ["99999999999.999999", "0.000000", "1.1", "9e9", ""]
)
SAID = st.fixed_dictionaries(
    {"ts": STAMPS | ANYTHING},
    optional={
        "text": TEXTS | ANYTHING,
        "subtype": st.sampled_from(["tombstone", "bot_message", "channel_join"]) | ANYTHING,
        "user": st.sampled_from(["U0ADA", "U" * 500]) | ANYTHING,
        "bot_id": TEXTS | ANYTHING,
        "username": TEXTS | ANYTHING,
        "thread_ts": STAMPS | ANYTHING,
        "latest_reply": STAMPS | ANYTHING,
        "reply_count": NUMBERS | ANYTHING,
        "edited": st.fixed_dictionaries({"ts": STAMPS | ANYTHING}) | ANYTHING,
        "user_profile": st.fixed_dictionaries({"display_name": TEXTS, "name": TEXTS}) | ANYTHING,
        "attachments": st.lists(st.fixed_dictionaries({"fallback": TEXTS | ANYTHING})) | ANYTHING,
        "blocks": st.lists(st.fixed_dictionaries({"text": ANYTHING})) | ANYTHING,
        "files": st.lists(
            st.fixed_dictionaries(
                {"id": TEXTS | ANYTHING},
                optional=dict.fromkeys(("name", "title", "mimetype", "size", "subtype"), TEXTS | ANYTHING),
            ),
            max_size=3,
        )
        | ANYTHING,
        "anything": ANYTHING,
    },
)

SLOW = settings(max_examples=settings().max_examples // 5)
"""For what writes to the database and to disk."""


def nobody(user_id: str) -> None:
    return None


def keep(platform: Platform, messages: Sequence[history.Message]) -> None:
    """Store them twice, look at them, and write them in every format that is for the platform."""
    Conversation.objects.all().delete()
    conversation = talk("<b>acme/..\\", platform, message_count=0)
    if platform is Platform.TELEGRAM:
        conversation.group.external_id = "1234567890"
        conversation.group.save()
    try:
        store_page(conversation=conversation, messages=messages)
        for message in messages:
            store_heard(conversation=conversation, message=message, deleted=[message.number])
        conversation.refresh_from_db()
        assert Message.objects.count() == len({(each.origin, each.number) for each in messages})
        load_transcript(conversation, Where())
        for format in Format:
            if platform in format.renderer().platforms:
                export(ExportWish([conversation.group], format, media=True))
    finally:
        conversation.group.delete()


def export(wish: ExportWish) -> None:
    """It is JSON where it says so, and nothing lies beside its folder."""
    with TemporaryDirectory() as place:
        folder = Path(place) / "exports"
        export_into(wish, folder)
        assert list(Path(place).iterdir()) == [folder]
        for path in folder.rglob("*"):
            if path.suffix in (".json", ".jsonl"):
                lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
                assert all(json.loads(line) is not None for line in lines)


@pytest.mark.django_db
@SLOW
@given(st.lists(SAID | ANYTHING, max_size=4))
def test_whatever_slack_says(entries: list[Any]) -> None:
    mentioned(entries)
    keep(Platform.SLACK, parse_messages(entries, nobody))


@pytest.mark.django_db
def test_what_is_nested_deeper_than_anybody_reads_is_kept_without_its_depth() -> None:
    deep = json.loads("[" * 900 + "]" * 900)
    (message,) = parse_messages([{"ts": "1700000000.000001", "text": "hello", "blocks": deep}], nobody)

    assert message.raw == {"ts": "1700000000.000001", "text": "hello"}
    keep(Platform.SLACK, [message])


@example({"event": {"type": "message", "channel": "C0GENERAL", "subtype": []}})
@given(
    st.fixed_dictionaries(
        {
            "event": st.fixed_dictionaries(
                {"type": st.sampled_from([*map(str, EventKind), "message"]) | ANYTHING},
                optional={
                    "channel": st.sampled_from(["C0GENERAL", "C" * 99])
                    | st.fixed_dictionaries({"id": TEXTS | ANYTHING, "name": TEXTS | ANYTHING})
                    | ANYTHING,
                    "user": TEXTS | ANYTHING,
                    "subtype": st.sampled_from(["message_changed", "message_deleted"]) | ANYTHING,
                    "message": SAID | ANYTHING,
                    "deleted_ts": STAMPS | ANYTHING,
                    "ts": STAMPS,
                },
            )
            | ANYTHING,
            "event_id": ANYTHING,
        }
    )
)
def test_whatever_slacks_events_tell(payload: dict[str, Any]) -> None:
    for item in parse_items(payload, nobody):
        assert item.platform is Platform.SLACK
        assert 2 <= len(item.group_id) <= 32


@st.composite
def of_telegram(draw: st.DrawFn) -> Any:
    """A message or a service line with one of everything that Telethon knows."""
    about = draw(st.sampled_from([*subclasses("MessageAction"), *subclasses("MessageMedia")]))
    content = draw(objects(about))
    if issubclass(about, tuple(subclasses("MessageAction"))):
        return tl.MessageService(**draw(fields_of(tl.MessageService)) | {"action": content})
    return tl.Message(**draw(fields_of(tl.Message)) | {"media": content})


_FIELDS = {"id", "peer_id", "date", "message", "from_id", "fwd_from", "via_bot_id", "reply_to", "entities"}
_FIELDS |= {"edit_date", "edit_hide", "post_author", "views", "grouped_id"}


def fields_of(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: value for name, value in values(kind).items() if name in _FIELDS})


@pytest.mark.django_db
@SLOW
@given(st.lists(of_telegram(), max_size=3), st.lists(objects(tl.User)), st.lists(objects(tl.Channel)))
def test_whatever_telegram_says(told: list[Any], users: list[Any], chats: list[Any]) -> None:
    names = Names()
    names.learn(users, chats)
    parsed = [parse_message(each, names, origin="") for each in told]
    keep(Platform.TELEGRAM, [message for message in parsed if message is not None])
