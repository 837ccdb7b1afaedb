"""Every field says what it is for, and every empty list what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import FieldError
from django.db.models import Model
from django.forms import BaseForm, Field
from django.http import HttpRequest
from django.test import RequestFactory
from import_export.forms import ImportExportFormBase

OURS = ("groupadmin.", "audits.", "members.", "telegram_ops.", "whitelist.")
LINES = ("FilterForm", "PairForm")
"""Choices in one line above what they narrow: their labels are all there is room for."""


def unexplained(fields: dict[str, Field]) -> Iterator[str]:
    return (name for name, field in fields.items() if not field.help_text and not field.widget.is_hidden)


def forms(above: type[BaseForm] = BaseForm) -> Iterator[type[BaseForm]]:
    for form in above.__subclasses__():
        yield form
        yield from forms(form)


def fields_of(page: Any, request: HttpRequest, row: Model | None) -> dict[str, Field]:
    """Of the form for a new row or this one; none where the page has a form of its own: it is found below."""
    try:
        fields: dict[str, Field] = page.get_form(request, row, change=row is not None).base_fields
    except FieldError:
        return {}
    return fields


@pytest.mark.django_db
def test_every_field_that_somebody_can_fill_in_is_explained() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("owner")
    found = set()
    for model, page in admin.site._registry.items():
        rows = [None] * page.has_add_permission(request) + [model()] * page.has_change_permission(request)
        for row in rows:
            label = model._meta.label
            found |= {f"{label}.{name}" for name in unexplained(fields_of(page, request, row))}
    for form in forms():
        if form.__module__.startswith(OURS) and not issubclass(form, ImportExportFormBase):
            fields = getattr(form, "base_fields", {})
            found |= {f"{form.__qualname__}.{name}" for name in unexplained(fields)}

    assert sorted(each for each in found if not each.startswith(LINES)) == []


def test_every_empty_list_says_what_to_do_next() -> None:
    hints = {
        model._meta.label: getattr(page, "empty_hint", "") for model, page in admin.site._registry.items()
    }

    assert [label for label, hint in hints.items() if not hint] == []
