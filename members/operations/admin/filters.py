"""Filters of the list of operations: by what its columns say, not by how they are stored."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from members.operations import kinds
from members.operations.models import Operation
from members.operations.states import OperationState
from members.operations.words import STATE_WORDS
from members.platforms.types import Platform


class StateFilter(admin.SimpleListFilter):
    """By state as the page tells it: a plan past its time is expired."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(state), label) for state, label in STATE_WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        overdue = Q(state=OperationState.PLANNED, expires_at__lte=timezone.now())
        match self.value():
            case None:
                return queryset
            case OperationState.PLANNED:
                return queryset.filter(Q(state=OperationState.PLANNED) & ~overdue)
            case OperationState.EXPIRED:
                return queryset.filter(Q(state=OperationState.EXPIRED) | overdue)
            case state:
                return queryset.filter(state=state)


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(kinds.labels().items(), key=lambda item: item[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        return queryset if self.value() is None else queryset.filter(kind=self.value())


class PlatformFilter(admin.SimpleListFilter):
    title = "platform"
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(platform), platform.label) for platform in Platform]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Operation]) -> QuerySet[Operation]:
        return queryset.filter(platforms__icontains=value) if (value := self.value()) else queryset
