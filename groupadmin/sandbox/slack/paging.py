"""Slack's cursor pagination (docs.slack.dev/apis/web-api/pagination).

A cursor remembers the last item given, not a position: what appears or vanishes between two pages
neither repeats nor hides anything else. To clients it is opaque.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    items: list[T]
    next_cursor: str
    """Empty on the last page."""

    @property
    def metadata(self) -> dict[str, Any]:
        return {"response_metadata": {"next_cursor": self.next_cursor}}


def page_limit(call: Call, *, default: int, maximum: int) -> int:
    """The argument `limit`, where 0 stands for the default. Raises `invalid_limit`."""
    text = call.text("limit")
    if not text:
        return default
    if not text.isdecimal() or int(text) > maximum:
        raise Failure("invalid_limit")
    return int(text) or default


def paginate(
    call: Call,
    items: Sequence[T],
    *,
    limit: int,
    identity: Callable[[T], str],
    rank: Callable[[str], Any] = str,
) -> Page[T]:
    """The page of `items` that the argument `cursor` asks for.

    `items` must be in ascending order of `rank(identity(item))`. The sandbox's `page_cap` makes pages
    shorter than asked for, and `empty_pages` puts an empty page with a live cursor before every
    other: Slack does both now and then. Raises `invalid_cursor`.
    """
    cursor = _Cursor.parse(call.text("cursor"), call.method)
    if call.empty_pages and not cursor.after_empty_page:
        return Page([], _Cursor(call.method, cursor.last, after_empty_page=True).text)
    start = 0
    if cursor.last:
        start = bisect_right(items, rank(cursor.last), key=lambda item: rank(identity(item)))
    end = start + min(limit, call.page_cap or limit)
    chunk = list(items[start:end])
    if end >= len(items):
        return Page(chunk, "")
    return Page(chunk, _Cursor(call.method, identity(chunk[-1])).text)


@dataclass(frozen=True)
class _Cursor:
    method: str
    last: str = ""
    after_empty_page: bool = False

    @property
    def text(self) -> str:
        mark = "empty" if self.after_empty_page else "page"
        return base64.urlsafe_b64encode(f"{self.method}:{mark}:{self.last}".encode()).decode()

    @classmethod
    def parse(cls, text: str, method: str) -> _Cursor:
        if not text:
            return cls(method)
        try:
            of_method, mark, last = base64.urlsafe_b64decode(text.encode()).decode().split(":", 2)
        except (binascii.Error, ValueError) as error:
            raise Failure("invalid_cursor") from error
        if of_method != method or mark not in ("empty", "page"):
            raise Failure("invalid_cursor")
        return cls(method, last, after_empty_page=mark == "empty")
