"""Signing in to Telegram in a real browser, on a phone, with the keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.sign_in_world import CODE, telegram_server
from tests.telegram_clients import EVES_PHONE, PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_a_new_account_to_a_signed_in_one(
    page: Page, live_server: LiveServer, settings: Settings, tmp_path: Path
) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page.set_viewport_size({"width": 390, "height": 844})

    with telegram_server(settings, tmp_path):
        page.goto(live_server.url + reverse("admin:telegram_ops_telegramaccount_add"))
        page.get_by_label("Phone").fill(EVES_PHONE)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Send the code").click()
        page.get_by_role("button", name="Send it again").click()
        expect(page.get_by_text("Telegram sent the code in a text message.")).to_be_visible()

        expect(page.get_by_role("textbox", name="Code")).to_be_focused()
        page.keyboard.type(CODE)
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox", name="Two-step password")).to_be_focused()
        expect(page.get_by_role("textbox", name="Two-step password")).to_have_accessible_description(
            "Hint: a horse"
        )
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Main is signed in as Eve Invented")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
