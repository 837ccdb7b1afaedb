"""What a reader may see, and the addresses behind numbers."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db.models import Model
from django.urls import reverse
from django.utils.http import urlencode

Reader: TypeAlias = PermissionsMixin | AnonymousUser


def may_view(user: Reader, model: type[Model]) -> bool:
    return user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def page_url(row: Model) -> str:
    """The admin's page of one row."""
    return admin_url(type(row), "change", row.pk)


def admin_url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def list_url(model: type[Model], **filters: Any) -> str:
    """The admin's list of a model, filtered with exact lookups."""
    url = admin_url(model, "changelist")
    query = {
        f"{name}__exact": int(value) if isinstance(value, bool) else value for name, value in filters.items()
    }
    return f"{url}?{urlencode(query)}" if query else url
