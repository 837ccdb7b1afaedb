"""The API told to programs: OpenAPI 3.1, made of the same tables as the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groupadmin.api.fields import MOST_VALUES, NUMBER, TEXT, Field, Filter, Resource, nullable, word
from groupadmin.api.problems import CONTENT_TYPE
from groupadmin.api.reading import DEFAULT_LIMIT, MOST
from groupadmin.api.resources import RESOURCES

ABOUT = (
    "Reads findings, groups and audit runs. Every call needs a token: `Authorization: Bearer …`. Lists come "
    "in pages; follow `next`. As CSV a list comes whole. A filter may be given several times: any of its "
    "values will do. Moments are UTC."
)
_PROBLEMS = {
    "400": "A parameter is wrong.",
    "401": "No token, or one that opens nothing.",
    "404": "There is no such thing.",
    "406": "Neither JSON nor CSV is acceptable.",
    "429": "Too many calls in one minute; `Retry-After` tells when to go on.",
}


def document(server: str) -> dict[str, Any]:
    """The whole document; `server` is the address under which the API is reached."""
    paths: dict[str, Any] = {}
    for resource in RESOURCES:
        paths[f"/api/v1/{resource.name}/"] = {"get": _list(resource)}
        paths[f"/api/v1/{resource.name}/{{id}}/"] = {"get": _detail(resource)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Group Admin", "version": "1", "description": ABOUT},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **{resource.singular: _row(resource) for resource in RESOURCES},
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": TEXT,
                        "title": TEXT,
                        "status": NUMBER,
                        "detail": {**TEXT, "description": "One line: what is wrong, and what to do."},
                    },
                },
            },
            "responses": {
                status: {
                    "description": about,
                    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, about in _PROBLEMS.items()
            },
        },
    }


def _list(resource: Resource) -> dict[str, Any]:
    rows = {"type": "array", "items": _ref(resource)}
    page = {
        "type": "object",
        "required": ["data", "next"],
        "additionalProperties": False,
        "properties": {
            "data": rows,
            "next": {
                **nullable(TEXT),
                "format": "uri",
                "description": "Address of the next page; null on the last one.",
            },
        },
    }
    return {
        "operationId": f"list{resource.singular}s",
        "summary": f"List {resource.name}",
        "description": resource.about,
        "parameters": [*map(_parameter, resource.filters), *_paging()],
        "responses": {
            "200": {
                "description": "A page as JSON, or everything as CSV with the same columns.",
                "content": {"application/json": {"schema": page}, "text/csv": {"schema": TEXT}},
            },
            "304": {"description": "The same as the `ETag` in `If-None-Match`."},
            **_problems("400", "401", "406", "429"),
        },
    }


def _detail(resource: Resource) -> dict[str, Any]:
    return {
        "operationId": f"get{resource.singular}",
        "summary": f"One of the {resource.name}",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": NUMBER}],
        "responses": {
            "200": {
                "description": resource.about,
                "content": {"application/json": {"schema": _ref(resource)}},
            },
            "304": {"description": "The same as the `ETag` in `If-None-Match`."},
            **_problems("401", "404", "429"),
        },
    }


def _row(resource: Resource) -> dict[str, Any]:
    link = Field("url", {**TEXT, "format": "uri"}, str, "Its page in the admin.")
    fields = (*resource.fields, link)
    return {
        "type": "object",
        "description": resource.about,
        "required": [field.name for field in fields],
        "additionalProperties": False,
        "properties": {
            field.name: {**field.schema, **({"description": field.about} if field.about else {})}
            for field in fields
        },
    }


def _parameter(each: Filter) -> dict[str, Any]:
    return {
        "name": each.name,
        "in": "query",
        "description": each.about,
        "schema": {"type": "array", "items": each.schema, "maxItems": MOST_VALUES},
    }


def _paging() -> Iterator[dict[str, Any]]:
    limit = {**NUMBER, "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}
    for name, schema, about in (
        ("limit", limit, "How many rows a page has."),
        ("cursor", TEXT, "Where the page begins: part of `next`."),
        ("format", word(("json", "csv")), "Instead of the Accept header."),
    ):
        yield {"name": name, "in": "query", "description": about, "schema": schema}


def _problems(*statuses: str) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _ref(resource: Resource) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{resource.singular}"}
