"""Whatever stands in an address: a page, a redirect or a refusal, and never a failure of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests.addresses import address, pages
from tests.one_of_each import KnownPeople, ask_quickly, world
from tests.rights import levels
from tests.test_api import client as api  # noqa: F401  # a fixture
from tests.test_api import problem, token  # noqa: F401

pytestmark = pytest.mark.django_db

HUGE = 10**30
ODD = {
    models.DateTimeField: (
        "__year=0",
        "__year=99999999999999999999",
        "__gte=0001-01-01T00:00:00%2B14:00",
        "=x",
    ),
    models.IntegerField: (f"={HUGE}", f"__in=-{HUGE},1", "__exact=²", "__gte=NaN"),
    models.ForeignKey: (f"={HUGE}", "=a%00b", "__isnull=maybe", f"__id__in={HUGE}"),
    models.CharField: ("__range=x", "__regex=(a%2B)%2B%24(", "__exact=a%00b", "__nonsense=1"),
    models.BooleanField: ("__exact=maybe", "__range=1"),
    models.JSONField: ("__exact=a%00b", "__contains=%7B"),
}
"""What no filter ever sends, for one field of each kind."""
ANYWHERE = ("unknown=1", "q=a%00b", "q=%22%5C", f"p={HUGE}", "p=-1", "o=99.-x", "all=x", "e=1", "_facets=x")
TAKEN = "?state=x&since=9999-12-31&until=0001-01-01&q=%00&message=x&group=%00&a=x&b=²&page=-1&p=x&term=%00"


@pytest.fixture
def quickly(settings: Settings) -> Iterator[None]:
    """One row of everything, and pages without looks."""
    ask_quickly(settings)
    world()
    yield
    logging.disable(logging.NOTSET)
    KnownPeople.people.clear()


def oddities(model: type[models.Model]) -> list[str]:
    found = list(ANYWHERE)
    for kind, questions in ODD.items():
        field = next((each for each in model._meta.fields if type(each) is kind), None)
        found += [f"{field.name}{question}" for question in questions] if field else []
    return found


def test_no_filter_of_a_list_is_too_odd(admin_client: Client, quickly: None) -> None:
    failed = []
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for question in oddities(model):
            status = admin_client.get(f"{url}?{question}").status_code
            failed += [f"{url}?{question}: {status}"] if status not in (200, 302, 400) else []

    assert failed == []


def test_no_number_in_an_address_is_too_large(admin_client: Client, quickly: None) -> None:
    there, failed = pages(), []
    for name, (look, _) in levels().items():
        converters = there[name].pattern.converters
        numbers = [key for key in converters if key in ("pk", "object_id", "id", "run_id", "version_id")]
        if look in ("–", "nobody") or not numbers:
            continue
        for odd in (2**63, HUGE, 0):
            url = reverse(f"admin:{name}", kwargs=_odd(there[name], odd))
            status = admin_client.get(url).status_code
            failed += [f"{url}: {status}"] if status not in (302, 404) else []

    assert failed == []


def _odd(pattern: Any, number: int) -> dict[str, Any]:
    known = {"format": "json", "app_label": "members", "content_type_id": 1}
    return {key: known.get(key, number) for key in pattern.pattern.converters}


def test_no_question_to_a_page_is_too_odd(admin_client: Client, quickly: None) -> None:
    there, failed = pages(), []
    for name, (look, _) in levels().items():
        if look in ("–", "nobody") or name.endswith(("_changelist", "_delete", "_history", "_change")):
            continue
        url = address(name, there[name]).partition("?")[0] + TAKEN
        status = admin_client.get(url).status_code
        failed += [f"{url}: {status}"] if status >= 500 else []

    assert failed == []


def test_a_new_form_is_filled_with_what_it_can_take(admin_client: Client) -> None:
    world()
    add = reverse("admin:members_employee_add")

    for user in ("0001-01-01", "a\0b", str(HUGE), "1,2"):
        assert admin_client.get(f"{add}?{urlencode({'user': user, 'name': 'Ada'})}").status_code == 200
    assert 'value="Ada"' in admin_client.get(f"{add}?name=Ada").content.decode()


def test_the_api_names_what_it_cannot_take(api: Client) -> None:  # noqa: F811
    for question in (
        "findings/?employee=a%00b",
        "findings/?updated_since=0001-01-01T00:00:00%2B14:00",
        "findings/?cursor=%C3%A9",
        "findings/?cursor=LTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "findings/?limit=²",
        "groups/?customer=%00",
        "runs/?updated_since=9999-12-31T23:59:59-14:00",
    ):
        assert problem(api.get(f"/api/v1/{question}"))[0] == 400, question
    assert problem(api.get(f"/api/v1/groups/{HUGE}/"))[0] == 404
