"""Which pages there are: every list of the admin with a filter, a search, a later page and another order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.constants import LOOKUP_SEP
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

OTHERS = {
    "overview": "/admin/",
    "trends": "/admin/trends/",
    "trend of a group": "/admin/trends/group/{group}/",
    "trend of an employee": "/admin/trends/employee/{employee}/",
    "messages: a search": "/admin/messages/?q=bababa",
    "the community's report": "/admin/community/",
}
CHANGE_PAGES = (
    "audits.auditrun",
    "audits.finding",
    "audits.groupresult",
    "members.group",
    "members.employee",
    "operations.operation",
    "history.conversation",
    "whitelist.subscriber",
)


@dataclass(frozen=True, slots=True)
class Look:
    """A page as one person alone gets it."""

    page: str
    way: str
    url: str
    queries: int
    sql_ms: float
    ms: float
    slowest: str
    """The query that took longest."""


def walk() -> list[Look]:
    """Every page, as an owner; what Django prepares once per process was prepared on the way to it."""
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    client.get("/admin/")
    return [look for page, way, url in _pages(client) for look in [_look(client, page, way, url)]]


def _pages(client: Client) -> Iterator[tuple[str, str, str]]:
    """(page, way, address); the lists tell themselves what can be chosen in them."""
    rows: dict[str, Any] = {}
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        response: Any = client.get(url)
        assert response.status_code == 200, f"{url}: {response.status_code}"
        changelist = response.context_data["cl"]
        name = str(model._meta.verbose_name_plural)
        for way, query in _ways(changelist):
            yield name, way, url + query
        first = next(iter(changelist.result_list), None)
        if first is not None:
            rows[model._meta.label_lower] = first
    for label in CHANGE_PAGES:
        row = rows[label]
        name = f"admin:{label.replace('.', '_')}_change"
        yield f"one {row._meta.verbose_name}", "", reverse(name, args=[row.pk])
    known = {"group": rows["members.group"].pk, "employee": rows["members.employee"].pk}
    for name, address in OTHERS.items():
        yield name, "", address.format(**known)


def _ways(changelist: Any) -> Iterator[tuple[str, str]]:
    """The list as it comes, and one address for each thing that people do with it."""
    yield "first page", ""
    for spec in changelist.filter_specs:
        choices = [choice for choice in spec.choices(changelist) if not choice["selected"]]
        if choices:
            yield f"filter: {spec.title}", choices[-1]["query_string"]
    if changelist.search_fields:
        yield "search", "?" + urlencode({SEARCH_VAR: _word_of(changelist)})
    if changelist.multi_page:
        pages = changelist.paginator.num_pages
        yield "later page", changelist.get_query_string({PAGE_VAR: min(pages, 20)})
        yield "last page", changelist.get_query_string({PAGE_VAR: pages})
    for number, column in enumerate(changelist.list_display):
        if changelist.get_ordering_field(column):
            yield f"by {column}", changelist.get_query_string({ORDER_VAR: str(number)})
    if getattr(changelist, "tabs", ()):
        yield "all tabs", changelist.whole.url


def _word_of(changelist: Any) -> str:
    """Something that the first row is found by."""
    row = next(iter(changelist.result_list), None)
    for path in changelist.search_fields:
        value = row
        for name in path.strip("^=@").split(LOOKUP_SEP):
            value = getattr(value, name, None)
        if value:
            return max(str(value).split(), key=len)
    return "example"


def _look(client: Client, page: str, way: str, url: str) -> Look:
    started = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    took = 1000 * (time.perf_counter() - started)
    assert response.status_code == 200, f"{url}: {response.status_code}"
    # How long ago somebody was seen is kept with their sign-in now and then, on whatever page.
    spent = [
        (float(query["time"]) * 1000, query["sql"])
        for query in queries.captured_queries
        if "django_session" not in query["sql"] and query["sql"] not in ("BEGIN", "COMMIT")
    ]
    return Look(page, way, url, len(spent), sum(ms for ms, _ in spent), took, max(spent)[1])
