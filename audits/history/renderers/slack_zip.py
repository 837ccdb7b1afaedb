"""Slack's own export: what a workspace's owner would download, and what its readers expect.

A folder a channel, a file a day, and lists of channels and people beside them (slack.com help article
220556107). Slack dates the files in California's time. The Web API never sends a thread's `replies`,
without which readers lose the thread: they are built here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from audits.history.renderers.base import Chapter, Person, Said, SaidFile, Sink
from audits.history.renderers.media import MediaWriter, file_name
from audits.history.renderers.names import safe_name, with_names
from members.platforms.slack_messages import ts_of
from members.platforms.types import Platform

_CALIFORNIA = ZoneInfo("America/Los_Angeles")
_MENTION = re.compile(r"<@([A-Z0-9]{2,20})[|>]", re.ASCII)
_encode = json.JSONEncoder(ensure_ascii=True, indent=None, separators=(",", ":")).encode


class SlackZip:
    """One export for all channels."""

    threaded = False
    needs_replies = True
    needs_raw = True
    platforms = frozenset({Platform.SLACK})

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        public: list[Any] = []
        private: list[Any] = []
        people: dict[str, Person] = {}
        media = MediaWriter(sink)
        for folder, chapter in with_names(chapters):
            (private if chapter.is_private else public).append(_channel(chapter, folder))
            people |= {person.id: person for person in chapter.people}
            mentioned: set[str] = set()
            for day, messages in groupby(chapter.messages, key=_day):
                with sink.file(f"{folder}/{day}.json") as out:
                    out.write(b"[")
                    for number, said in enumerate(messages):
                        out.write(b",\n" if number else b"\n")
                        out.write(_message(said).encode())
                        mentioned.update(_MENTION.findall(said.raw_json))
                    out.write(b"\n]\n")
            others = chapter.find_people(mentioned - people.keys())
            people |= {person.id: person for person in others}
            media.write(chapter, _path_of)
        lists: dict[str, list[Any]] = {
            "channels": public,
            "groups": private,
            "dms": [],
            "mpims": [],
            "users": [_user(person) for _, person in sorted(people.items())],
            "integration_logs": [],
        }
        for name, entries in lists.items():
            with sink.file(f"{name}.json") as out:
                out.write(json.dumps(entries, indent=1).encode())


def _day(said: Said) -> str:
    return said.sent_at.astimezone(_CALIFORNIA).date().isoformat()


def _path_of(file: SaidFile) -> str:
    """Where readers of Slack exports look for files: slackdump writes them so, and Mattermost reads them."""
    return f"__uploads/{safe_name(file.id, fallback='file')}/{file_name(file)}"


def _channel(chapter: Chapter, folder: str) -> dict[str, Any]:
    """Readers look for the folder under the channel's name."""
    people = sorted(person.id for person in chapter.people)
    return {
        "id": chapter.id,
        "name": folder,
        "created": int(chapter.first_at.timestamp()) if chapter.first_at else 0,
        "creator": "",
        "is_archived": chapter.is_archived,
        "is_general": False,
        "members": people,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "pins": [],
    }


def _user(person: Person) -> dict[str, Any]:
    name = person.name or person.id
    return {
        "id": person.id,
        "name": person.username or person.id.lower(),
        "deleted": False,
        "is_bot": person.is_bot,
        "real_name": name,
        "profile": {"real_name": name, "display_name": name, "image_72": "", "avatar_hash": ""},
    }


def _message(said: Said) -> str:
    """What Slack sent, in JSON, with the thread made whole. Only what begins one has to be read for that."""
    if not said.replies:
        return said.raw_json if said.deleted_at is None else _encode(said.raw | _deleted(said))
    message = said.raw
    users = list(dict.fromkeys(user for user, _ in said.replies))
    message |= {
        "thread_ts": message["ts"],
        "reply_count": len(said.replies),
        "reply_users": users,
        "reply_users_count": len(users),
        "latest_reply": ts_of(said.replies[-1][1]),
        "replies": [{"user": user, "ts": ts_of(number)} for user, number in said.replies],
    }
    return _encode(message | _deleted(said))


def _deleted(said: Said) -> dict[str, str]:
    """A key of our own: Slack's export does not know messages that were deleted."""
    return {} if said.deleted_at is None else {"deleted_at": said.deleted_at.isoformat()}
