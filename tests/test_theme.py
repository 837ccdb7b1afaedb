"""The admin's look: one frame for every page, usable without JavaScript, ready for a strict CSP, readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audits.models import AuditRun, RunState, Trigger
from members.models import Employee, Team

pytestmark = pytest.mark.django_db

CSS_LIMIT = 35_000
"""Bytes of a stylesheet before compression: the theme has to stay small beside the pages it dresses."""

EVENT_HANDLER = re.compile(r"on[a-z]+")


class Page(HTMLParser):
    """What the tests ask of a page: its elements in order, and the text of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def inline_code(self) -> Iterator[str]:
        """Whatever a Content-Security-Policy without 'unsafe-inline' would refuse."""
        for tag, attributes in self.elements:
            if tag == "style" or (
                tag == "script" and "src" not in attributes and "json" not in attributes.get("type", "")
            ):
                yield f"<{tag}>"
            for name in attributes:
                if name == "style" or EVENT_HANDLER.fullmatch(name):
                    yield f"<{tag} {name}=…>"

    def addresses(self) -> Iterator[str]:
        """What the browser fetches to show the page."""
        for tag, attributes in self.elements:
            if tag in ("script", "img", "link", "use", "iframe"):
                yield attributes.get("src") or attributes.get("href") or ""


@pytest.fixture
def ada() -> Employee:
    return Employee.objects.create(pk=1, key="ada", name="Ada Example", email="ada@example.com")


def page_of(client: Client, path: str) -> Page:
    return Page(client.get(path).content.decode())


PAGES = {
    "sign-in": "/admin/login/",
    "list, filtered": "/admin/members/employee/?status__exact=active",
    "audit": "/admin/audits/auditrun/1/change/",
    "popup": "/admin/members/team/add/?_popup=1",
    "nowhere": "/nowhere/",
}


# --- The frame ---


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_safe(client: Client, ada: Employee, django_user_model: Any, name: str) -> None:
    """One of each frame; `test_every_page_browser` opens them all where there is a browser."""
    AuditRun.objects.create(pk=1, platforms=["slack"], trigger=Trigger.PERSON, state=RunState.RUNNING)
    if name != "sign-in":
        client.force_login(django_user_model.objects.create_superuser("owner"))
    page = page_of(client, PAGES[name])

    assert (len(page.all("main")), len(page.all("h1"))) == (1, 1)
    assert page.all("html")[0]["lang"]
    assert any("width=device-width" in meta.get("content", "") for meta in page.all("meta"))
    navigations = [nav.get("aria-label") or nav.get("aria-labelledby") for nav in page.all("nav")]
    assert all(navigations) or navigations == []
    assert len(set(navigations)) == len(navigations), "they can be told apart"
    icons = [each for _, each in page.elements if "icon-button" in each.get("class", "")]
    assert all(icon.get("aria-label") for icon in icons), "an icon says nothing to a screen reader"
    assert list(page.inline_code()) == []
    fetched = set(page.addresses())
    assert [address for address in fetched if re.match(r"(https?:)?//|data:", address)] == []
    own = {address.partition("#")[0] for address in fetched if "/groupadmin/" in address}
    assert own
    assert [file for file in own if finders.find(file.removeprefix("/static/")) is None] == []


def test_the_first_link_skips_to_the_page_itself(admin_client: Client) -> None:
    page = page_of(admin_client, "/admin/members/employee/")

    assert page.all("a")[0]["href"] == f"#{page.all('main')[0]['id']}"


# --- Safe and self-sufficient ---


def test_our_stylesheets_and_scripts_fetch_nothing_and_stay_small() -> None:
    for path in static_files("*.css", "*.js"):
        text = path.read_text()
        assert not re.search(r"@import|url\(|https?://", text), path.name
        assert len(text.encode()) < CSS_LIMIT, path.name


def static_files(*patterns: str) -> list[Path]:
    folder = finders.find("groupadmin/theme.css")
    assert folder is not None
    return [path for pattern in patterns for path in Path(folder).parent.glob(pattern)]


def test_every_icon_that_templates_name_is_drawn() -> None:
    sprite = finders.find("groupadmin/icons.svg")
    assert sprite is not None
    drawn = set(re.findall(r'id="([a-z]+)"', Path(sprite).read_text()))
    templates = Path(__file__).parent.parent / "templates"
    named = {
        name
        for path in templates.rglob("*.html")
        for name in re.findall(r'{% icon "([a-z]+)"', path.read_text())
    }

    assert named
    assert named <= drawn


# --- Without JavaScript ---


def test_navigation_filters_and_account_open_without_a_script(admin_client: Client, ada: Employee) -> None:
    page = page_of(admin_client, "/admin/members/employee/")
    opened = {button["popovertarget"] for button in page.all("button") if "popovertarget" in button}
    panels = {attributes["id"] for _, attributes in page.elements if "popover" in attributes}

    assert opened == panels == {"site-nav", "filters", "user-menu"}


def test_a_control_that_needs_a_script_is_hidden_until_there_is_one(admin_client: Client) -> None:
    page = page_of(admin_client, "/admin/")
    (fold,) = [button for button in page.all("button") if "data-nav-fold" in button]

    assert "hidden" in fold


def test_logging_out_is_a_form(admin_client: Client) -> None:
    forms = page_of(admin_client, "/admin/").all("form")

    assert any(form["action"] == reverse("admin:logout") and form["method"] == "post" for form in forms)


# --- Lists ---


def test_a_list_is_headed_by_its_name(admin_client: Client) -> None:
    html = admin_client.get("/admin/members/exclusion/").content.decode()

    assert "<h1>Exclusions</h1>" in html
    assert "<title>Exclusions | Group Admin</title>" in html


def test_filters_in_force_are_named_and_can_be_taken_back_one_by_one(
    admin_client: Client, ada: Employee
) -> None:
    team = Team.objects.create(key="core", name="Core team")
    path = f"/admin/members/employee/?status__exact=active&teams__id__exact={team.pk}"

    html = admin_client.get(path).content.decode()
    chips = re.findall(r'<a class="chip" href="([^"]*)".*?<strong>(.*?)</strong>', html)

    assert sorted(value for _, value in chips) == ["Active", "Core team"]
    without = {value: url.replace("&amp;", "&") for url, value in chips}
    assert without["Active"] == f"?teams__id__exact={team.pk}"
    assert without["Core team"] == "?status__exact=active"


def test_a_list_without_filters_in_force_names_none(admin_client: Client, ada: Employee) -> None:
    assert b'class="chip"' not in admin_client.get("/admin/members/employee/").content


def test_naming_the_filters_asks_the_database_nothing(admin_client: Client, ada: Employee) -> None:
    """With counts beside every choice, the choices must not all be counted a second time."""

    def cost(query: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(f"/admin/members/employee/?{query}").status_code == 200
        return len(queries)

    # The filter in force counts its choices among all rows, the others theirs among those that it leaves.
    assert cost("status__exact=active&_facets=True") == cost("_facets=True") + 1


def test_an_empty_list_says_what_to_do_next(admin_client: Client) -> None:
    html = admin_client.get("/admin/members/employee/").content.decode()

    assert "There are no employees yet" in html
    assert 'class="button" href="/admin/members/employee/add/"' in html


def test_a_search_without_result_offers_the_whole_list(admin_client: Client, ada: Employee) -> None:
    html = admin_client.get("/admin/members/employee/?q=nobody").content.decode()

    assert "Nothing matches" in html
    assert 'class="button" href="?"' in html


# --- Files in ---


def test_the_preview_of_an_import_has_no_code_in_it(admin_client: Client) -> None:
    file = SimpleUploadedFile("people.csv", b"key,name\nada,Ada Example\n")
    response = admin_client.post("/admin/members/employee/import/", {"import_file": file, "format": "1"})
    page = Page(response.content.decode())

    assert response.context["result"].valid_rows()
    assert {tag for tag, _ in page.elements} >= {"ins"}, "theme.css colours what is new"
    assert list(page.inline_code()) == []


# --- History ---


def test_a_history_shows_times_in_the_readers_zone_and_nobody_as_a_dash(
    admin_client: Client, ada: Employee
) -> None:
    html = admin_client.get(f"/admin/members/employee/{ada.pk}/history/").content.decode()

    assert "data-local" in html
    assert "<td>None</td>" not in html


# --- Colours ---


def colours() -> dict[str, tuple[str, str]]:
    """The theme's colours by name: (light, dark)."""
    path = finders.find("groupadmin/theme.css")
    assert path is not None
    found = re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\);", Path(path).read_text())
    return {name: (light, dark) for name, light, dark in found} | {"white": ("#ffffff", "#ffffff")}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours, 1–21."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


GROUNDS = ("canvas", "surface", "raised", "nav-bg", "hover")
TONES = ("good", "warn", "bad", "info", "muted")
TEXTS = [
    *[(text, ground) for text in ("text", "quiet", "accent-fg") for ground in GROUNDS],
    *[(text, "accent-soft") for text in ("text", "accent-fg")],
    *[
        ("white", ground)
        for ground in ("accent-bg", "accent-hover", "delete-button-bg", "delete-button-hover-bg")
    ],
    *[(f"{tone}-fg", f"{tone}-bg") for tone in TONES],
    *[("bad-fg", ground) for ground in ("surface", "raised", "warn-bg")],
]
SHAPES = [
    ("edge", "surface"),
    ("accent-fg", "surface"),
    ("accent-fg", "muted-bg"),
    *[(f"{tone}-fill", "surface") for tone in TONES],
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"), [*[(*pair, 4.5) for pair in TEXTS], *[(*pair, 3.0) for pair in SHAPES]]
)
def test_text_and_shapes_stand_out_from_their_ground(ink: str, ground: str, least: float, theme: int) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for the edges of controls and the parts of charts."""
    palette = colours()

    assert contrast(palette[ink][theme], palette[ground][theme]) >= least
