"""From a list of groups to a change and back, in a real browser: with a mouse, a keyboard, a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from members.operations import services
from members.operations.models import Operation, Step
from members.operations.services import Actor
from members.operations.states import OperationState, StepState
from members.platforms.outcomes import Outcome
from tests.adding_people import REMOVING, confirmed, kinds_known, planned
from tests.audit_world import TINY, Office
from tests.slack_writing import ARCHIVED, NEW, NEWER, PRIVATE

pytestmark = pytest.mark.django_db(transaction=True)

PHONE: ViewportSize = {"width": 390, "height": 844}
PATIENCE = 15_000
"""Milliseconds for a page that asks every second and a half."""

COLOUR = "button => getComputedStyle(button).backgroundColor"

Opener = Callable[[str], object]


@pytest.fixture
def show(page: Page, live_server: LiveServer) -> Opener:
    """Opens a path of the admin as a signed-in owner."""
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return lambda path: page.goto(f"{live_server.url}{path}")


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], settings: Settings) -> Office:
    """A company whose Slack was audited."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first("--platform=slack")
    return office


@pytest.fixture
def _kinds(monkeypatch: pytest.MonkeyPatch) -> object:
    with kinds_known(monkeypatch):
        yield


def page_of(operation: Operation) -> str:
    return reverse("admin:operations_operation_change", args=[operation.pk])


def test_select_preview_confirm_watch_download_undo(
    page: Page, show: Opener, office: Office, worker: None
) -> None:
    show("/admin/members/group/?platform__exact=slack&in_scope__exact=1")
    page.locator("#action-toggle").check()
    page.get_by_label("Action:").select_option(label="Add the missing members…")
    page.get_by_role("button", name="Go").click()

    plan = Operation.objects.get()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Operation {plan.pk}: Add missing members")
    expect(page.get_by_role("heading", name="Nothing has been done yet.")).to_be_visible()
    assert office.slack.writes.effects() == []
    add = page.get_by_role("button", name=f"Add {plan.count}")
    colour_of_adding = add.evaluate(COLOUR)
    add.click()

    expect(page.get_by_role("heading", name=f"{plan.count} of {plan.count} done")).to_be_visible(
        timeout=PATIENCE
    )
    assert len(office.slack.writes.effects()) == plan.count
    expect(page.get_by_role("heading", name=re.compile("Complete groups: .*→"))).to_be_visible(
        timeout=PATIENCE
    )
    expect(page.get_by_text(re.compile(r"Audit \d+ \(complete\)"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Report (Markdown)").click()
    assert download.value.suggested_filename.endswith(".md")

    page.get_by_role("button", name="Undo…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Remove people")
    undo = Operation.objects.latest("pk")
    if undo.over_cap:
        page.get_by_label(f"Type {undo.count} to allow it:").fill(str(undo.count))
    remove = page.get_by_role("button", name=f"Remove {undo.count}")
    assert remove.evaluate(COLOUR) != colour_of_adding
    remove.click()
    expect(page.get_by_role("heading", name=f"{undo.count} of {plan.count} done")).to_be_visible(
        timeout=PATIENCE
    )
    assert {write.method for write in office.slack.writes.effects()} == {
        "conversations.invite",
        "conversations.kick",
    }
    expect(page.get_by_role("link", name="Report (Markdown)")).to_be_visible(timeout=PATIENCE)


def test_a_whole_plan_with_the_keyboard_alone(page: Page, show: Opener, _kinds: None) -> None:
    operation = planned((PRIVATE, NEW), kind=REMOVING, verb="remove")
    show(page_of(operation))

    expect(page.get_by_role("heading", name="Nothing has been done yet.")).to_be_focused()
    button = page.get_by_role("button", name="Remove 1")
    for _ in range(6):
        page.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible()

    page.get_by_text("Stop…").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Stop it for good")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cancelled")).to_be_visible()


def test_a_run_is_watched_without_loading_the_page_anew(page: Page, show: Opener, _kinds: None) -> None:
    operation = confirmed((PRIVATE, NEW), (PRIVATE, NEWER), (ARCHIVED, NEW))
    Operation.objects.update(state=OperationState.RUNNING, started_at=timezone.now())
    show(page_of(operation))
    page.evaluate("window.stillHere = true")
    expect(page.get_by_text("0 of 3")).to_be_visible()

    now = timezone.now()
    first, second, _ = operation.steps.order_by("position")
    times = {"started_at": now - timedelta(seconds=20), "finished_at": now}
    Step.objects.filter(pk=first.pk).update(state=StepState.APPLIED, outcome=Outcome.DONE, **times)
    Step.objects.filter(pk=second.pk).update(
        state=StepState.FAILED, outcome=Outcome.USER_RESTRICTED, message="The person is a guest", **times
    )

    expect(page.get_by_text("2 of 3")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"^66\."))
    expect(page.get_by_text("The person is a guest")).to_be_visible()
    expect(page.get_by_text(re.compile(r"about \d+.s to go"))).to_be_visible()
    assert page.evaluate("window.stillHere")


def test_a_wait_counts_down_until_it_goes_on(page: Page, show: Opener, _kinds: None) -> None:
    operation = confirmed((PRIVATE, NEW))
    waits = "Slack asked to wait 90 s (conversations.invite)."
    Operation.objects.update(
        state=OperationState.WAITING, message=waits, resume_at=timezone.now() + timedelta(seconds=90)
    )
    show(page_of(operation))

    expect(page.get_by_text(waits)).to_be_visible()
    expect(page.locator(".progress-eta")).to_have_text(
        re.compile(r"about (1.min.)?\d+.s until it goes on"), timeout=PATIENCE
    )
    page.get_by_role("button", name="Go on now").click()
    expect(page.locator(".progress-eta")).to_have_text("", timeout=PATIENCE)


def test_whoever_is_about_to_stop_it_is_not_interrupted(page: Page, show: Opener, _kinds: None) -> None:
    show(page_of(confirmed((PRIVATE, NEW))))
    page.get_by_text("Stop…").click()

    Operation.objects.update(state=OperationState.RUNNING, started_at=timezone.now())
    expect(page.get_by_text("Reading how things are now", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("button", name="Stop it for good")).to_be_visible()

    page.get_by_text("Stop…").click()
    expect(page.get_by_role("heading", name="Running")).to_be_visible(timeout=PATIENCE)


def test_two_tabs_that_confirm_start_one_run(page: Page, show: Opener, _kinds: None) -> None:
    operation = planned((PRIVATE, NEW))
    other = page.context.new_page()
    show(page_of(operation))
    other.goto(page.url)

    for tab in (page, other):
        tab.get_by_role("button", name="Add 1").click()
        expect(tab.get_by_role("heading", name="Confirmed")).to_be_visible()
        expect(tab.locator(".messagelist")).to_have_count(0)
    other.close()


def test_a_plan_that_grew_old_in_front_of_its_reader(page: Page, show: Opener, _kinds: None) -> None:
    operation = planned((PRIVATE, NEW))
    show(page_of(operation))
    expect(page.get_by_text(re.compile(r"\(\d+ min left\)"))).to_be_visible()

    Operation.objects.update(expires_at=timezone.now())
    page.get_by_role("button", name="Add 1").click()
    expect(page.get_by_text("The plan is too old to be confirmed. Look at a new one.")).to_be_visible()
    page.get_by_role("button", name="Look at a new plan").click()
    expect(page.get_by_role("button", name="Add 1")).to_be_visible()


def _in_every_state() -> list[Operation]:
    """A plan, one under way, one that waits, one that ended, with long names everywhere."""
    long = "a-group-whose-name-nobody-ever-shortened-with-all-its-partners-in-it"
    pairs = [(f"{long}-{number}", f"Somebody{number} Example") for number in range(30)]
    plan = planned(
        *pairs, skipped={(long, "U1"): "The group is archived: somebody has to bring it back first."}
    )
    running, waiting, ended = (confirmed(*pairs) for _ in range(3))
    resume_at = timezone.now() + timedelta(minutes=5)
    Step.objects.exclude(operation=plan).update(
        state=StepState.FAILED, outcome=Outcome.ARCHIVED, message="The channel is archived. " * 5
    )
    for operation, fields in (
        (running, {"state": OperationState.RUNNING}),
        (waiting, {"state": OperationState.WAITING, "resume_at": resume_at}),
        (ended, {"state": OperationState.FAILED, "message": "Slack: the token lacks a scope. " * 5}),
    ):
        Operation.objects.filter(pk=operation.pk).update(**fields)
    return [plan, running, waiting, ended]


def test_no_page_is_wider_than_a_phone(page: Page, show: Opener, _kinds: None) -> None:
    page.set_viewport_size(PHONE)
    lists = [
        reverse(f"admin:operations_{name}_changelist") for name in ("operation", "step", "activityevent")
    ]
    for path in [*map(page_of, _in_every_state()), *lists]:
        show(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_on_a_phone_the_decision_is_within_reach_of_a_long_plan(
    page: Page, show: Opener, _kinds: None
) -> None:
    page.set_viewport_size(PHONE)
    show(page_of(planned(*((f"C{number}", f"U{number}") for number in range(150)))))

    expect(page.get_by_role("button", name="Add 150")).to_be_in_viewport()


CONTRASTS = """() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        for (; element; element = element.parentElement) {
            const [r, g, b, a = 1] = numbers(getComputedStyle(element).backgroundColor);
            if (a > 0.99) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const light = ([r, g, b]) => [r, g, b]
        .map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    return [...document.querySelectorAll("main *")]
        .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((element) => element.checkVisibility() && element.tagName !== "SCRIPT")
        .map((element) => {
            const [dark, bright] = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => a - b);
            return [(bright + 0.05) / (dark + 0.05), element.className || element.tagName, element.textContent.trim().slice(0, 40)];
        })
        .filter(([contrast]) => contrast < 4.5);
}"""  # noqa: E501
"""Every text on the page with too little contrast to what is behind it (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Page, show: Opener, _kinds: None, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for operation in _in_every_state():
        show(page_of(operation))
        assert page.evaluate(CONTRASTS) == [], operation.state


def test_what_is_above_the_cap_asks_for_the_number(
    page: Page, show: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kinds_known(monkeypatch):
        operation = planned((PRIVATE, NEW), (PRIVATE, NEWER))
        Operation.objects.update(over_cap="2 people are more than the 1 allowed at once.")
        show(page_of(operation))
        button = page.get_by_role("button", name="Add 2")

        button.click()
        expect(page.get_by_label("Type 2 to allow it:")).to_be_focused()  # the browser asks for it
        page.keyboard.type("2")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Confirmed")).to_be_visible()


def test_a_page_of_somebody_who_may_not_override_has_no_such_field(
    page: Page, live_server: LiveServer, _kinds: None
) -> None:
    operation = planned((PRIVATE, NEW))
    Operation.objects.update(over_cap="1 person is too many.")
    services.refuse_operation(operation=operation, actor=Actor("ada"))
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(f"{live_server.url}{page_of(operation)}")

    expect(page.get_by_role("heading", name="Refused as too large: nothing was done")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Add"))).to_have_count(0)
