"""What browsers are told to refuse, and that no page of ours needs what they refuse."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from members.models import Employee
from tests.addresses import routes
from tests.one_of_each import one_of, world

STATIC = "/static/groupadmin/shell.js"


@pytest.mark.django_db
def test_every_answer_carries_the_headers(admin_client: Client, settings: Settings) -> None:
    for path in ("/admin/", "/admin/login/", "/admin/nowhere/", "/nowhere", STATIC):
        answer = admin_client.get(path)
        answer.getvalue()  # a file is closed at its end
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))

        assert policy == {
            "default-src": "'self'",
            "img-src": "'self' data:",
            "object-src": "'none'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
    assert admin_client.get("/admin/").headers["X-Frame-Options"] == "DENY"
    assert "no-store" in admin_client.get("/admin/").headers["Cache-Control"]
    settings.SECURE_SSL_REDIRECT = True  # then a wrong host is refused before all else
    refused = Client().get("/admin/", headers={"Host": "elsewhere.example"})
    assert (refused.status_code, "Content-Security-Policy" in refused.headers) == (400, True)


@pytest.mark.django_db
def test_stored_files_have_no_address_of_their_own(admin_client: Client) -> None:
    world()

    assert not any(route.startswith("media") for route, _ in routes())
    assert admin_client.get("/media/audits/2026/01/evidence.json").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_scripts_of_the_pages_break_no_rule(page: Page, live_server: LiveServer) -> None:
    """What scripts build by themselves: dates, two lists side by side, choices to search, bars, a QR code.

    Whether the pages themselves do is among what `test_every_page_browser` looks at.
    """
    one_of(Employee)
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    violations: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            violations.append(f"{page.url}: {message.text}")

    page.on("console", listen)
    for path in ("", "members/employee/", "whitelist/subscription/add/", "second-factor/set-up/", "find/"):
        page.goto(f"{live_server.url}/admin/{path}")
    page.goto(f"{live_server.url}/admin/members/membershiprule/add/")
    page.locator(".select2-selection").first.click()
    page.goto(f"{live_server.url}/admin/auth/group/add/")
    page.locator(".selector-available").wait_for()
    assert violations == []

    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.wait_for_timeout(1)  # messages of the browser arrive between two calls
    assert len(violations) == 1, "the listener hears what is done on purpose"
