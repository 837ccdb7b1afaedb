"""The API's addresses: a token, a question, an answer."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers, set_response_etag
from django.views.decorators.csrf import csrf_exempt

from groupadmin.api.fields import Resource
from groupadmin.api.openapi import document
from groupadmin.api.problems import Problem, bad_request
from groupadmin.api.reading import read_all, read_one, read_page
from groupadmin.api.tokens import admit
from members.spreadsheet import csv_safe

JSON, CSV = "application/json", "text/csv"
_FORMATS = {"json": JSON, "csv": CSV}

logger = logging.getLogger(__name__)
View = Callable[..., HttpResponseBase]


def answered(view: View) -> View:
    """Every answer of the API: whatever goes wrong is one line of JSON, and nothing is kept on the way."""

    @csrf_exempt  # there is no cookie that somebody could abuse, and nothing that a request could change
    @wraps(view)
    def safely(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            if request.method not in ("GET", "HEAD"):
                detail = "The API only reads: use GET."
                raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "GET, HEAD"})
            response = view(request, **kwargs)
        except Problem as problem:
            response = problem.response()
        except TooManyFieldsSent:
            response = bad_request("These are too many parameters.").response()
        except Exception:
            logger.exception("The API could not answer %s", request.path)
            detail = "Something went wrong on our side; the log has it. Try again later."
            response = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response()
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ("Accept", "Authorization"))
        return response

    return safely


def with_token(view: View) -> View:
    """Only for who sends a token in the header. Cookies count for nothing here."""

    @wraps(view)
    def admitted(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        admit(request.headers.get("Authorization", ""), timezone.now())
        return view(request, **kwargs)

    return answered(admitted)


@with_token
def list_view(request: HttpRequest, resource: Resource) -> HttpResponseBase:
    """A page of rows as JSON, or all of them as CSV."""
    if _wanted(request) == CSV:
        return _csv(resource, read_all(resource, request.GET, _base(request)))
    page = read_page(resource, request.GET, _base(request))
    onwards = _next(request, page.cursor)
    response = _json(request, {"data": page.rows, "next": onwards})
    if onwards is not None:
        response.headers["Link"] = f'<{onwards}>; rel="next"'
    return response


@with_token
def detail_view(request: HttpRequest, resource: Resource, pk: int) -> HttpResponseBase:
    """One row as JSON."""
    row = read_one(resource, pk, _base(request)) if pk < 2**63 else None
    if row is None:
        detail = f"There is no {resource.singular.lower()} with the number {pk}."
        raise Problem(HTTPStatus.NOT_FOUND, detail)
    return _json(request, row)


@answered
def document_view(request: HttpRequest) -> HttpResponseBase:
    """What the API can do, as OpenAPI 3.1. It tells of nobody, so it needs no token."""
    return _json(request, document(request.build_absolute_uri("/").rstrip("/")))


@answered
def nowhere_view(request: HttpRequest, **_: Any) -> HttpResponseBase:
    raise Problem(HTTPStatus.NOT_FOUND, "There is nothing here; /api/v1/openapi.json tells what there is.")


def _wanted(request: HttpRequest) -> str:
    """What the address asks for, else the Accept header. Raises Problem for what we have not."""
    if (named := request.GET.get("format")) is not None:
        if named not in _FORMATS:
            raise Problem(HTTPStatus.BAD_REQUEST, "format: json or csv.")
        return _FORMATS[named]
    preferred = request.get_preferred_type([JSON, CSV])
    if preferred is None:
        raise Problem(HTTPStatus.NOT_ACCEPTABLE, f"There is {JSON} and {CSV}.")
    return str(preferred)


def _base(request: HttpRequest) -> str:
    """The address of the admin, for people."""
    return settings.SITE_URL.rstrip("/") or request.build_absolute_uri("/").rstrip("/")


def _next(request: HttpRequest, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = request.GET.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def _json(request: HttpRequest, content: Any) -> HttpResponse:
    """With an ETag of what it says: who has it already is told so."""
    response = JsonResponse(content, json_dumps_params={"ensure_ascii": False})
    set_response_etag(response)
    conditional: HttpResponse | None = get_conditional_response(
        request, etag=response.headers["ETag"], response=response
    )
    return response if conditional is None else conditional


def _csv(resource: Resource, rows: Iterable[dict[str, Any]]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _lines(resource, rows),
        content_type=f"{CSV}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{resource.name}.csv"'},
    )


class _Echo:
    """What csv writes into: hands every line straight back."""

    def write(self, line: str) -> str:
        return line


def _lines(resource: Resource, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow([*(field.name for field in resource.fields), "url"])
    for row in rows:
        yield writer.writerow([_cell(value) for value in row.values()])


def _cell(value: Any) -> Any:
    """Texts that no spreadsheet program runs; lists with commas; true and false as in JSON."""
    match value:
        case bool():
            return json.dumps(value)
        case list():
            return csv_safe(", ".join(map(str, value)))
        case str():
            return csv_safe(value)
    return value
