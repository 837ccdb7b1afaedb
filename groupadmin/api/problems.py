"""What an answer says when it is not what was asked for: RFC 9457, one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that is not answered; `detail` tells whoever asked what to do."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers

    def response(self) -> HttpResponse:
        body = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        text = json.dumps(body, ensure_ascii=False)
        return HttpResponse(
            text, content_type=CONTENT_TYPE, status=self.status.value, headers=dict(self.headers)
        )


def bad_request(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, detail)
