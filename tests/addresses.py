"""Every address of the product, and where it leads in a world with one row of each model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.views.generic import RedirectView

from members.models import Employee, Group
from members.notices.models import Message
from members.operations.models import Operation, Trigger
from tests.one_of_each import LONG_AGO, one_of

NOWHERE = r"admin/(?P<url>.*)$"
"""The admin's last address answers whatever no other one does."""


def routes(within: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address of the product by its route, except those that only lead to another one."""
    for each in (within or get_resolver()).url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        elif getattr(each.callback, "view_class", None) is not RedirectView and route != NOWHERE:
            yield route, each


def pages() -> dict[str, URLPattern]:
    """Those of the admin, by their names."""
    return {each.name or route: each for route, each in routes() if route.startswith("admin/")}


def address(name: str, pattern: URLPattern) -> str:
    """Where the page of the admin that is called so lies."""
    if name == "autocomplete":
        return f"{reverse('admin:autocomplete')}?app_label=members&model_name=scopeline&field_name=employee"
    row: Any = one_of(_model_of(name))
    if name.endswith("_simple_history"):
        row.save()  # what came with the migrations has no versions yet
        return reverse(f"admin:{name}", args=[row.pk, row.history.latest().pk])
    if name in ("telegram_ops_ownershiprequest_messages", "telegram_ops_ownershiprequest_sent"):
        row = Operation.objects.create(
            kind="request_ownership",
            plan_hash="x",
            count=0,
            trigger=Trigger.PERSON,
            planned_by="ada",
            expires_at=LONG_AGO,
        )
    known: dict[str, Any] = {"format": "json", "app_label": "members", "content_type_id": 1}
    wanted = ["app_label"] if name == "app_list" else pattern.pattern.converters
    return reverse(f"admin:{name}", kwargs={key: known.get(key, row.pk) for key in wanted})


def _model_of(name: str) -> type[Model]:
    """The model that a page is about; any, where it is about none."""
    known = {f"{model._meta.app_label}_{model._meta.model_name}_": model for model in admin.site._registry}
    others = {"employee_trend": Employee, "group_trend": Group, "notices_notice_again": Message}
    about = others.get(name)
    return about or next((model for prefix, model in known.items() if name.startswith(prefix)), Employee)
