"""Pages of a resource. A cursor is the last number of the page before, so new rows shift nothing."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse

from groupadmin.api.fields import Resource
from groupadmin.api.problems import bad_request

DEFAULT_LIMIT, MOST = 100, 1000
ALWAYS = ("cursor", "format", "limit")
"""The parameters that every list takes."""


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[dict[str, Any]]
    cursor: str | None
    """Where the next page begins; None on the last one."""


def read_page(resource: Resource, query: QueryDict, base: str) -> Page:
    """One page. `base` is the address of the admin, without a slash. Raises Problem for a wrong parameter."""
    rows = _narrowed(resource, query)
    return _page(resource, rows, _after(query), _limit(query), base)


def read_all(resource: Resource, query: QueryDict, base: str) -> Iterator[dict[str, Any]]:
    """Every row from the cursor on, however many; as many as `limit` says where it is given.

    Raises Problem at once, not when it is read.
    """
    rows, after = _narrowed(resource, query), _after(query)
    left = _limit(query) if "limit" in query else None
    return _pages(resource, rows, after, left, base)


def read_one(resource: Resource, pk: int, base: str) -> dict[str, Any] | None:
    """One row by its number, or None."""
    page = _page(resource, resource.rows().filter(pk=pk), 0, 1, base)
    return page.rows[0] if page.rows else None


def _pages(
    resource: Resource, rows: QuerySet[Any], after: int, left: int | None, base: str
) -> Iterator[dict[str, Any]]:
    while left is None or left > 0:
        page = _page(resource, rows, after, MOST if left is None else left, base)
        yield from page.rows
        if page.cursor is None or left is not None:
            return
        after = page.rows[-1]["id"]


def _page(resource: Resource, rows: QuerySet[Any], after: int, limit: int, base: str) -> Page:
    found = list(rows.filter(pk__gt=after).order_by("pk")[: limit + 1])
    shown = found[:limit]
    if shown:
        resource.prepare(shown)
    return Page(
        [_answer(resource, row, base) for row in shown],
        _cursor(shown[-1].pk) if len(found) > limit else None,
    )


def _answer(resource: Resource, row: Any, base: str) -> dict[str, Any]:
    values = {field.name: field.value(row) for field in resource.fields}
    return values | {"url": base + reverse(resource.page, args=[row.pk])}


def _narrowed(resource: Resource, query: QueryDict) -> QuerySet[Any]:
    filters = {each.name: each for each in resource.filters}
    rows = resource.rows()
    for name, texts in query.lists():
        if name in filters:
            rows = filters[name].narrow(rows, texts)
        elif name not in ALWAYS:
            raise bad_request(f"There is no parameter “{name}”. There are: {', '.join((*filters, *ALWAYS))}.")
        elif len(texts) > 1:
            raise bad_request(f"{name}: say it once.")
    return rows


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise bad_request(f"limit: a number from 1 to {MOST}.")
    return int(text)


def _cursor(pk: int) -> str:
    return urlsafe_b64encode(str(pk).encode()).decode().rstrip("=")


def _after(query: Mapping[str, str]) -> int:
    text = query.get("cursor", "")
    if not text:
        return 0
    try:
        number = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (Error, ValueError):
        number = ""
    if not (number.isdigit() and len(number) < 19):
        raise bad_request("cursor: take it from the page before, or leave it out.")
    return int(number)
