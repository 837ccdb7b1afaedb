"""Who may do what: every page, action and download, for every role; and the roles themselves.

`tests.rights` says which role it takes at least, and names every page and every action there is: a new one
without a line there fails here.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from groupadmin.api.tokens import make_token
from groupadmin.roles import ABILITIES, AUDITOR, OPERATOR, OWNER, ROLES, give_roles, permissions_of
from members.models import Team
from members.operations.models import ActivityEvent, Operation
from telegram_ops import removal_plans
from tests.addresses import address, pages
from tests.one_of_each import KnownPeople, ask_quickly, world
from tests.processes import ROOT
from tests.rights import OPEN_TO_ALL, PEOPLE, actions, levels

pytestmark = pytest.mark.django_db

# --- The matrix -------------------------------------------------------------------------------


def outcome(response: HttpResponse) -> str:
    """What became of a request, for the one who made it."""
    if response.status_code in (403, 404):
        return "refused"
    if response.status_code == 405:
        return "–"
    if response.status_code not in (200, 302):
        return f"{response.status_code}"
    response.getvalue()  # a download's file is closed at its end
    return "signs in" if response.get("Location", "").startswith("/admin/login/") else "let in"


def expected(level: str, person: str) -> str:
    if person == "anonymous":  # also where the page takes no such method
        return "signs in"
    if level == "–":
        return "–"
    return "let in" if level in PEOPLE and PEOPLE.index(person) >= PEOPLE.index(level) else "refused"


def clients() -> dict[str, Client]:
    found = {"anonymous": Client(raise_request_exception=False)}
    for name in PEOPLE:
        user = User.objects.create_user(name, is_staff=True)
        user.groups.set(Group.objects.filter(name__iexact=name))
        found[name] = Client(raise_request_exception=False)
        found[name].force_login(user)
    return found


@pytest.fixture
def one_of_each(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    settings.MEDIA_ROOT, settings.TELEGRAM_GATED_CHAT_ID = tmp_path, 1
    ask_quickly(settings)
    monkeypatch.setattr(admin.site, "each_context", lambda request: {})  # the navigation of each page
    Group.objects.all().delete()
    Group.objects.create(name="Night watch")  # the first: those that come with the product cannot be deleted
    give_roles()
    world()
    yield
    logging.disable(logging.NOTSET)
    KnownPeople.people.clear()


def test_the_tables_name_every_page_and_no_other() -> None:
    said, there = set(levels()), set(pages()) - OPEN_TO_ALL

    assert (sorted(there - said), sorted(said - there)) == ([], [])


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_is_for_whom_the_tables_say(one_of_each: None, method: str) -> None:
    people, wrong = clients(), []
    cookies = {name: dict(client.cookies) for name, client in people.items()}
    said, there = levels(), pages()
    for name in sorted(said.keys() & there):
        url = address(name, there[name])
        level = said[name][method == "post"]
        for person, client in people.items():
            with transaction.atomic():
                seen = outcome(getattr(client, method)(url))
                transaction.set_rollback(True)
            client.cookies.clear()
            client.cookies.update(cookies[person])
            if seen != expected(level, person):
                wrong.append(f"{name} {person}: {seen}")

    assert "\n".join(wrong) == ""


def test_every_action_is_for_whom_the_table_says() -> None:
    give_roles()
    found, before = set(), {rows: set[str]() for rows in admin.site._registry}
    for role in ROLES:
        request = RequestFactory().get("/admin/")
        request.user = somebody(role)
        for rows, page in admin.site._registry.items():
            names = set(page.get_actions(request))
            found |= {(rows._meta.label_lower, name, role.lower()) for name in names - before[rows]}
            before[rows] |= names

    assert found == actions()


# --- The roles --------------------------------------------------------------------------------


def somebody(role: str) -> User:
    user = User.objects.create_user(f"{role.lower()}@example.com", is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def last_event() -> tuple[str, str, str]:
    event = ActivityEvent.objects.latest("id")
    return event.action, event.subject, event.detail


def test_roles_are_filled_up_and_nothing_is_taken_from_them() -> None:
    give_roles()
    auditor = Group.objects.get(name=AUDITOR)
    added = Permission.objects.get(codename="run_audit")
    auditor.permissions.add(added)
    auditor.permissions.remove(Permission.objects.get(codename="view_team"))
    Group.objects.get(name=OWNER).delete()

    give_roles()

    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert auditor.permissions.filter(pk=added.pk).exists(), "what somebody added stays"
    assert auditor.permissions.filter(codename="view_team").exists()


def test_the_table_forgets_no_right_of_our_own_and_names_none_that_is_not_there() -> None:
    known = {
        f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")
    }
    owner = permissions_of(OWNER, known)

    special = {
        f"{model._meta.app_label}.{name}"
        for model in apps.get_models()
        for name, _ in model._meta.permissions
    }
    assert special <= owner
    assert permissions_of(AUDITOR, known) < permissions_of(OPERATOR, known) < owner
    patterns = [pattern for ability in ABILITIES for pattern in ability.permissions]
    assert [pattern for pattern in patterns if not fnmatch.filter(known, pattern)] == []


def test_the_guide_says_what_the_table_says() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text()

    for ability in ABILITIES:
        marks = " | ".join("yes" if ability.belongs_to(role) else "" for role in ROLES)
        line = f"| {ability.words} | {marks} |".replace("  ", " ")
        assert line in guide.replace("  ", " "), line


def test_an_operator_plans_a_removal_and_an_owner_confirms_it() -> None:
    give_roles()
    operator, owner = client_of(somebody(OPERATOR)), client_of(somebody(OWNER))
    row = Operation.objects.create(
        kind=removal_plans.KIND,
        plan_hash="x",
        count=1,
        trigger="person",
        planned_by="o",
        expires_at="2999-01-01T00:00Z",
    )
    page = reverse("admin:operations_operation_change", args=[row.pk])
    confirm = reverse("admin:operations_operation_confirm", args=[row.pk])

    assert "only when an owner says so" in operator.get(page).content.decode()
    assert operator.post(confirm).status_code == 403
    assert owner.post(confirm).status_code == 302


def test_whoever_may_only_read_brings_no_old_version_back() -> None:
    give_roles()
    team = Team.objects.create(key="core", name="Core team")
    first = team.history.latest()
    team.name = "The core"
    team.save()
    old = reverse("admin:members_team_simple_history", args=[team.pk, first.pk])

    auditor = client_of(somebody(AUDITOR))
    assert auditor.get(old).status_code == 200
    assert auditor.post(old).status_code == 403
    team.refresh_from_db()
    assert team.name == "The core"


# --- People and their roles -------------------------------------------------------------------


def test_an_owner_gives_roles_in_plain_words_and_on_record() -> None:
    give_roles()
    owner, bob = client_of(somebody(OWNER)), User.objects.create_user("bob", is_staff=True)
    page = reverse("admin:auth_user_change", args=[bob.pk])
    drawn = owner.get(page).content.decode()
    assert "Operator: audits, plans" in drawn
    assert ABILITIES[0].words in drawn
    assert "is_superuser" not in drawn

    role = Group.objects.get(name=OPERATOR).pk
    given = {"username": "bob", "groups": [role], "is_active": "on", "is_superuser": "on"}
    owner.post(page, given)
    bob.refresh_from_db()
    assert (bob.is_superuser, list(bob.groups.values_list("name", flat=True))) == (False, [OPERATOR])
    assert last_event() == ("user.changed", "bob", "is Operator now")

    for name, days in (("CRM", 1), ("old", -1)):
        make_token(name=name, expires_at=timezone.now() + timedelta(days=days), actor=bob)
    left = owner.post(page, {"username": "bob"}, follow=True).content.decode()
    assert "made API tokens that still open it: CRM. Revoke" in left
    assert last_event()[2] == "may not sign in any more; is not Operator any more"
    owner.post(page, {"username": "rob", "email": "rob@example.com"})
    assert last_event() == ("user.changed", "rob", "was called bob; has another e-mail address")
    owner.post(reverse("admin:auth_user_add"), {"username": "cy", "usable_password": "false"})
    assert last_event()[:2] == ("user.added", "cy")
    assert User.objects.get(username="cy").is_staff


def test_nobody_lifts_themselves_or_touches_who_may_do_everything() -> None:
    give_roles()
    user, root = somebody(OWNER), User.objects.create_superuser("root")
    owner = client_of(user)

    owner.post(reverse("admin:auth_user_change", args=[user.pk]), {"username": "me", "groups": []})
    user.refresh_from_db()
    assert (user.username, user.is_active, user.groups.count()) == ("me", True, 1)
    for name in ("change", "password_change"):
        assert owner.post(reverse(f"admin:auth_user_{name}", args=[root.pk]), {}).status_code == 403, name
    shown = client_of(somebody(AUDITOR)).get(reverse("admin:auth_user_change", args=[user.pk]))
    assert "md5$" not in shown.content.decode(), "a hash is nobody's to read"


def test_a_role_of_ones_own_is_made_changed_and_deleted_on_record_and_ours_stay() -> None:
    give_roles()
    owner = client_of(somebody(OWNER))
    right = Permission.objects.get(codename="run_audit")
    owner.post(reverse("admin:auth_group_add"), {"name": "Night watch", "permissions": [right.pk]})
    assert last_event() == ("role.added", "Night watch", "given: Can start and cancel audits")
    role = Group.objects.get(name="Night watch")
    owner.post(reverse("admin:auth_group_change", args=[role.pk]), {"name": "Night watch"})
    assert last_event() == ("role.changed", "Night watch", "taken: Can start and cancel audits")
    owner.post(reverse("admin:auth_group_delete", args=[role.pk]), {"post": "yes"})
    assert last_event()[:2] == ("role.deleted", "Night watch")

    ours = Group.objects.get(name=AUDITOR)
    assert owner.post(reverse("admin:auth_group_delete", args=[ours.pk]), {"post": "yes"}).status_code == 403
    owner.post(reverse("admin:auth_group_change", args=[ours.pk]), {"name": "Readers"})
    assert Group.objects.filter(name=AUDITOR).exists()
