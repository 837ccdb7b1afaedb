"""Every page of the admin, as people with a screen reader, a dark screen or a phone meet it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, ViewportSize
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from members.models import Employee, Group
from tests.addresses import address, pages
from tests.one_of_each import world
from tests.rights import levels

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}

LONG = "Example customer and a title that nobody ever shortened, with all its partners"

PARTS = 4
"""So that as many workers can share the pages."""
NO_PAGES = ("_pdf", "_report", "_download", "_xlsx", "_progress", "autocomplete")
"""Downloads, and what only scripts ask for."""
ALIKE = ("_delete", "_history", "_simple_history", "_export", "_import")
"""One template draws these for every model: one of each says it all."""

VIOLATIONS = """async () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
    const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const rules = {"empty-table-header": {enabled: false}}; // Django's tables of related rows have some
    const {violations} = await axe.run({runOnly, rules, resultTypes: ["violations"], preload: false});
    return violations.flatMap(({id, impact, nodes}) => nodes.map(
        ({target, any}) => `${id} (${impact}): ${target} ${any[0]?.message ?? ""}`));
}"""


def addresses() -> Iterator[tuple[str, str]]:
    """Each page that somebody can look at, by its name."""
    yield "login", "/admin/login/"
    said, there, kinds = levels(), pages(), set[str]()
    for name in sorted(said.keys() & there, reverse=True):
        if said[name][0] in ("nobody", "–") or name.endswith(NO_PAGES):
            continue
        stem, _, last = name.rpartition("_")
        if last == "add" and said[f"{stem}_change"][1] != "nobody":
            continue  # the same form as the one to change a row, with less around it
        kind = next((kind for kind in ALIKE if name.endswith(kind)), _template(name))
        if kind not in kinds:
            kinds.add(kind)
            yield name, address(name, there[name])


def _template(name: str) -> str:
    """What draws the page; its own name where all are looked at, which takes a minute longer."""
    stem, _, last = name.rpartition("_")
    if not settings.EMBEDDED or last not in ("changelist", "change"):
        return name
    for model, of in admin.site._registry.items():
        if f"{model._meta.app_label}_{model._meta.model_name}" == stem:
            return f"{last} {of.change_list_template if last == 'changelist' else of.change_form_template}"
    return name


@pytest.fixture
def one_of_each(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT, settings.TELEGRAM_GATED_CHAT_ID = tmp_path, 1
    world()
    Group.objects.update(name=LONG)
    Employee.objects.update(name=LONG)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_page_keeps_anybody_out(page: Page, live_server: LiveServer, one_of_each: None, part: int) -> None:
    """axe-core finds nothing on any page, none is wider than a phone, and none asks for what it may not have.

    Light and dark in turn: all pages are made of the same pieces.
    """
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page.context.add_init_script(AXE_SCRIPT)
    errors: list[str] = []  # a file that is not there, code that the Content-Security-Policy refuses
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    themes: Iterator[Literal["light", "dark"]] = cycle(("light", "dark"))
    wrong: list[str] = []
    for name, url in islice(addresses(), part, None, PARTS):
        page.set_viewport_size(DESK)
        page.emulate_media(color_scheme=next(themes), reduced_motion="reduce")
        response = page.goto(live_server.url + url)
        assert response is not None
        assert response.status == 200, name
        found = page.evaluate(VIOLATIONS)
        page.set_viewport_size(PHONE)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            found.append(f"{width} pixels wide on a phone")
        wrong += [f"{name}: {each}" for each in (*found, *errors)]
        errors.clear()

    assert "\n".join(wrong) == ""
    assert [url for url in asked if not url.startswith(live_server.url)] == []
