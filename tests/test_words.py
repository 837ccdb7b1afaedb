"""One word for one thing, also on the pages that Django writes."""

from __future__ import annotations

import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

CATALOG = Path(settings.LOCALE_PATHS[0]) / "en" / "LC_MESSAGES" / "django.po"


def test_the_compiled_words_are_those_that_were_written() -> None:
    written = dict(
        re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', CATALOG.read_text().replace('\\"', '"'), re.MULTILINE)
    )
    with CATALOG.with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)

    assert written
    assert {word: compiled.gettext(word) for word in written} == written


def test_people_sign_in_and_out(client: Client, admin_client: Client) -> None:
    client.logout()
    form = client.get(reverse("admin:login")).content.decode()
    inside = admin_client.get(reverse("admin:index")).content.decode()

    assert 'value="Sign in"' in form
    assert "<title>Sign in" in form
    assert "Sign out" in inside
    assert not re.search(r">[^<]*\\b[Ll]og (in|out)\\b", form + inside)


@pytest.mark.django_db
def test_a_set_of_permissions_is_a_role_and_never_a_group(admin_client: Client, admin_user: User) -> None:
    user = admin_client.get(reverse("admin:auth_user_change", args=[admin_user.pk])).content.decode()
    role = admin_client.get(reverse("admin:auth_group_add")).content.decode()

    assert "Roles:" in user
    assert "Groups:" not in user
    assert "<h1>Add role</h1>" in role


def test_every_page_leads_back_to_the_overview(admin_client: Client) -> None:
    breadcrumbs = admin_client.get(reverse("admin:members_team_changelist")).content.decode()

    assert re.search(r'<div class="breadcrumbs">\s*<a href="/admin/">Overview</a>', breadcrumbs)
