"""Which request or task a line of the log belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery.signals import task_postrun, task_prerun
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, bound_contextvars, unbind_contextvars

HEADER = "X-Request-ID"
_OURS = re.compile(r"[A-Za-z0-9_-]{8,64}")


def request_ids(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware: whatever is logged meanwhile carries `request_id`, and the answer tells it.

    It is the one that a proxy gave in X-Request-ID where that looks like one, so that its log and ours meet.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        request_id = given if _OURS.fullmatch(given) else uuid4().hex
        with bound_contextvars(request_id=request_id):
            response = get_response(request)
        response[HEADER] = request_id
        return response

    return answer


@task_prerun.connect(dispatch_uid="groupadmin.request_ids")
def _name_task(task_id: str, task: Any, **_: Any) -> None:
    bind_contextvars(task_id=task_id, task=task.name)


@task_postrun.connect(dispatch_uid="groupadmin.request_ids")
def _forget_task(**_: Any) -> None:
    unbind_contextvars("task_id", "task")
