"""The admin's look in a real browser: phone and desk, drawers, cards, times, and bars that move."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from audits.models import AuditRun, RunState, Trigger
from members.models import Category, Employee, Exclusion, Group
from members.platforms.types import AdminStatus, GroupKind, Platform, Privacy
from members.policy import FindingKind

pytestmark = pytest.mark.django_db(transaction=True)

PHONE: ViewportSize = {"width": 390, "height": 844}
SEEN = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)

Opener = Callable[[str], object]


@pytest.fixture
def rows() -> None:
    for number in range(60):
        Employee.objects.create(
            key=f"ada{number}",
            name=f"Ada Example with a name that is far too long for a narrow column {number}",
            slack_username=f"ada{number}",
            telegram_username=f"adaexample{number}",
        )
        Group.objects.create(
            platform=Platform.TELEGRAM,
            external_id=str(number),
            name=f"Example customer {number} and a title that nobody ever shortened, with all its partners",
            kind=GroupKind.SUPERGROUP,
            privacy=Privacy.PRIVATE,
            in_scope=True,
            first_seen_at=SEEN,
            last_seen_at=SEEN,
        )


def sign_in(context: BrowserContext, live_server: LiveServer) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])


@pytest.fixture
def show(page: Page, live_server: LiveServer) -> Opener:
    """Opens a path of the admin as a signed-in owner."""
    sign_in(page.context, live_server)
    return lambda path: page.goto(f"{live_server.url}{path}")


def test_on_a_phone_rows_are_cards_that_name_their_columns(page: Page, show: Opener, rows: None) -> None:
    page.set_viewport_size(PHONE)
    show("/admin/members/employee/")
    cell = page.locator("#result_list tbody tr").first.locator("td.field-title")

    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Title"'
    assert cell.evaluate("cell => getComputedStyle(cell.parentElement).display") == "block"


def test_on_a_phone_the_navigation_is_a_drawer(page: Page, show: Opener) -> None:
    page.set_viewport_size(PHONE)
    show("/admin/")
    navigation = page.get_by_role("navigation", name="Main navigation")
    expect(navigation).to_be_hidden()

    page.get_by_role("button", name="Open navigation").click()
    expect(navigation).to_be_visible()
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()


def test_a_folded_navigation_stays_folded(page: Page, show: Opener) -> None:
    show("/admin/")
    navigation = page.get_by_role("navigation", name="Main navigation")
    fold = page.get_by_role("button", name="Show or hide navigation")
    expect(navigation).to_be_visible()

    fold.click()
    show("/admin/members/team/")
    expect(navigation).to_be_hidden()
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(navigation).to_be_visible()


def test_without_a_script_navigation_and_filters_are_within_reach(
    browser: Browser, live_server: LiveServer, rows: None
) -> None:
    context = browser.new_context(java_script_enabled=False)
    sign_in(context, live_server)
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/members/group/")

    expect(page.get_by_role("navigation", name="Main navigation")).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    page.locator("#filters").get_by_role("link", name="Telegram").click()
    expect(page.locator("a.chip")).to_have_text(["Platform: Telegram"])
    context.close()


def test_the_filter_panel_stays_open_while_one_filters(page: Page, show: Opener, rows: None) -> None:
    show("/admin/members/group/")
    panel = page.locator("#filters")
    expect(panel).to_be_hidden()

    page.get_by_role("button", name="Filters").click()
    panel.get_by_role("link", name="Telegram").click()
    expect(panel).to_be_visible()
    panel.get_by_role("button", name="Close filters").click()
    expect(panel).to_be_hidden()
    page.reload()
    expect(panel).to_be_hidden()


def test_escape_closes_the_filter_panel_and_the_focus_goes_back(page: Page, show: Opener, rows: None) -> None:
    show("/admin/members/group/")
    opener = page.get_by_role("button", name="Filters")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#filters")).to_be_visible()

    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("#filters")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_action_bar_stays_in_sight_while_something_is_selected(
    page: Page, show: Opener, rows: None
) -> None:
    show("/admin/members/employee/")
    bar = page.locator(".actions")
    page.mouse.wheel(0, 1500)
    expect(bar).not_to_be_in_viewport()

    page.locator("input.action-select").nth(25).check()
    expect(bar).to_be_in_viewport()
    expect(bar).to_contain_text("1 of")


def test_a_long_title_takes_few_lines(page: Page, show: Opener, rows: None) -> None:
    show("/admin/members/group/")
    link = page.locator("#result_list tbody th a").first

    lines = link.evaluate("link => link.offsetHeight / parseFloat(getComputedStyle(link).lineHeight)")
    assert round(lines) <= 3
    heads = page.locator("#result_list thead th").evaluate_all("all => all.map(head => head.offsetHeight)")
    assert max(heads) < 60, "column titles do not wrap"


def test_wide_lists_fit_a_usual_screen(page: Page, show: Opener, rows: None) -> None:
    customers = Category.objects.create(key="customer", name="BD Customer")
    Group.objects.update(category=customers, admin_status=AdminStatus.ADMIN_CAN_RENAME, total_members=1000)
    Exclusion.objects.create(
        platform=Platform.TELEGRAM,
        group_external_id="1",
        employee=Employee.objects.first(),
        kind=FindingKind.DEPARTED_MEMBER_PRESENT,
        reason="The customer asked for it, and nobody knows how long it will be needed.",
        expires=date(2026, 1, 31),
        granted_by="owner@example.com",
    )
    page.set_viewport_size({"width": 1440, "height": 900})
    for model in ("group", "exclusion", "employee"):
        show(f"/admin/members/{model}/")
        hidden = page.locator("#changelist-form .results").evaluate(
            "box => box.scrollWidth - box.clientWidth"
        )
        assert hidden <= 0, model


def test_on_a_phone_the_search_box_leaves_room_to_write(page: Page, show: Opener, rows: None) -> None:
    page.set_viewport_size(PHONE)
    show("/admin/members/group/?q=example")

    box = page.locator("#searchbar").bounding_box()
    assert box is not None
    assert box["width"] > 200, "the number of results stands below it"


def test_times_are_shown_in_the_readers_zone_with_utc_on_hover(
    browser: Browser, live_server: LiveServer, rows: None
) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo")
    sign_in(context, live_server)
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/members/group/")
    page.locator("#result_list tbody th a").first.click()
    time = page.locator("time[data-local]").first

    expect(time).to_contain_text("07:30")
    expect(time).to_have_attribute("title", "1 Jul 2026, 22:30 UTC")
    context.close()


def test_the_theme_switch_turns_the_page_dark_and_back(page: Page, show: Opener) -> None:
    show("/admin/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)

    page.locator(".theme-toggle").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.locator(".theme-toggle").click()
    assert page.evaluate(ground) == light


# --- Progress ---


@pytest.fixture
def running() -> AuditRun:
    return AuditRun.objects.create(
        platforms=["slack"], trigger=Trigger.PERSON, state=RunState.RUNNING, progress_percent=5
    )


def answers(page: Page, *bodies: dict[str, object] | int) -> None:
    """Answer the bar's questions with these documents (or HTTP errors) in turn, the last one for good."""
    left = list(bodies)

    def answer(route: Route) -> None:
        body = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(body, int):
            route.fulfill(status=body)
        else:
            route.fulfill(body=json.dumps(body), content_type="application/json")

    page.route("**/progress/", answer)


def job(**values: object) -> dict[str, object]:
    defaults = {"state": "running", "label": "Reading", "done": 0, "total": None, "percent": None}
    return {**defaults, "eta_seconds": None, "finished": False, "url": None, **values}


def test_a_bar_moves_survives_a_failed_question_and_leads_to_the_result(
    page: Page, show: Opener, running: AuditRun
) -> None:
    answers(
        page,
        500,
        job(label="Reading members", done=40, total=80, eta_seconds=125),
        job(label="Done", percent=100, finished=True, state="complete", url="/admin/audits/auditrun/"),
    )
    show("/admin/")
    bar = page.get_by_role("progressbar")
    expect(page.locator(".progress-count")).to_have_text("5 %")

    expect(page.get_by_text("40 of 80")).to_be_visible(timeout=10_000)
    expect(page.get_by_text(re.compile(r"about 2.min.\d.s to go"))).to_be_visible()
    expect(bar).to_have_attribute("aria-label", "Reading members")
    expect(page.get_by_role("link", name="See the result")).to_be_visible(timeout=10_000)


def test_the_time_to_go_never_grows_and_goes_when_nobody_can_tell(
    page: Page, show: Opener, running: AuditRun
) -> None:
    answers(
        page,
        job(label="Quick", eta_seconds=30),
        job(label="Slower than thought", eta_seconds=300),
        job(label="Held up"),
        job(label="Under way again", eta_seconds=90),
    )
    show("/admin/")
    label, left = page.locator(".progress-label"), page.locator(".progress-eta")
    expect(left).to_have_text(re.compile(r"about \d+.s to go"), timeout=10_000)
    expect(label).to_have_text("Slower than thought", timeout=10_000)
    expect(left).to_have_text(re.compile(r"about [12]\d.s to go"))
    expect(label).to_have_text("Held up", timeout=10_000)
    expect(left).to_have_text("")
    expect(left).to_have_text(re.compile(r"about 1.min.\d+.s to go"), timeout=10_000)


def test_a_bar_whose_work_has_no_page_of_its_own_loads_the_page_anew(
    page: Page, show: Opener, running: AuditRun
) -> None:
    answers(page, job(percent=100, finished=True, state="complete"))
    show("/admin/")
    expect(page.get_by_role("progressbar")).to_be_visible()

    AuditRun.objects.update(state=RunState.COMPLETE)
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=10_000)


def test_a_bar_tells_a_reader_who_was_signed_out(page: Page, show: Opener, running: AuditRun) -> None:
    answers(page, 403)
    show("/admin/")

    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=10_000)
