"""The admin pages of people, groups and policy: what staff see, edit and cannot break."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from members import services
from members.models import (
    Category,
    Employee,
    EmployeeHandle,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import EmployeeStatus, FindingKind, ScopeKind

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


def make_group(number: int = 1, **values: Any) -> Group:
    defaults: dict[str, Any] = {
        "platform": Platform.TELEGRAM,
        "external_id": str(1000 + number),
        "name": f"Example customer {number}",
        "kind": GroupKind.SUPERGROUP,
        "privacy": Privacy.PRIVATE,
        "history_visibility": History.HIDDEN,
        "admin_status": AdminStatus.MEMBER,
        "in_scope": True,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
    }
    return Group.objects.create(**{**defaults, **values})


def saved(client: Client, page: str, **values: Any) -> str:
    """Post a form that must be accepted; what the next page says."""
    response = client.post(page, values, follow=True)
    form = response.context.get("adminform")
    assert response.redirect_chain, form and form.form.errors
    return " ".join(str(message) for message in response.context["messages"])


def errors(client: Client, page: str, **values: Any) -> dict[str, list[str]]:
    """Post a form that must be refused; what is wrong with it."""
    response = client.post(page, values)
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def make_rows(numbers: range) -> None:
    """A row of every model for each number, all of them related to one another."""
    for number in numbers:
        team = Team.objects.create(key=f"team{number}", name=f"Team {number}")
        employee = Employee.objects.create(
            key=f"ada{number}", name=f"Ada Example {number}", slack_username=f"ada{number}"
        )
        employee.teams.add(team)
        EmployeeHandle.objects.create(
            employee=employee, platform=Platform.SLACK, username="old", first_seen_at=NOW, last_seen_at=NOW
        )
        category = Category.objects.create(key=f"cat{number}", name=f"Category {number}", patterns=["x", "y"])
        group = make_group(number, category=category, category_pinned=True)
        MembershipRule.objects.create(platform=Platform.SLACK, category=category, team=team)
        ScopeLine.objects.create(platform=Platform.TELEGRAM, kind=ScopeKind.SHARED_WITH, employee=employee)
        NamingRule.objects.create(pattern=f"customer {number}", replacement="client")
        Exclusion.objects.create(
            platform=group.platform,
            group_external_id=group.external_id,
            employee=employee,
            reason="asked for it",
            expires=date(2099, 1, 31),
        )


MODELS = ("team", "employee", "category", "group", "membershiprule", "scopeline", "namingrule", "exclusion")


def url(page: str, model: str, *args: Any) -> str:
    return reverse(f"admin:members_{model}_{page}", args=args)


@pytest.fixture
def staff(client: Client) -> Callable[..., Client]:
    """A signed-in member of staff with these permissions ("view_employee")."""

    def sign_in(*permissions: str) -> Client:
        user = User.objects.create_user("auditor", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return sign_in


def page_text(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_for_3_rows_and_for_30(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, model: str
) -> None:
    make_rows(range(3))
    admin_client.get(url("changelist", model))  # content types are cached from here on
    with django_assert_max_num_queries(60) as few:
        page_text(admin_client.get(url("changelist", model)))
    make_rows(range(3, 30))
    with django_assert_max_num_queries(len(few)):
        page = page_text(admin_client.get(url("changelist", model)))
    assert len(re.findall(r'<th class="field-', page)) == 30


@pytest.mark.parametrize("model", MODELS)
def test_every_page_opens_and_no_look_changes_anything(admin_client: Client, model: str) -> None:
    make_rows(range(2))
    stored = {name: list(_model(name).objects.order_by("pk").values()) for name in MODELS}
    pk = _model(model).objects.first().pk
    pages = [
        url("changelist", model),
        url("changelist", model) + "?q=ada",
        url("change", model, pk),
        url("history", model, pk),
        url("import", model),
        url("export", model),
    ]
    if model != "group":
        pages.append(url("delete", model, pk))
    for page in pages:
        assert admin_client.get(page).status_code == 200, page
    assert {name: list(_model(name).objects.order_by("pk").values()) for name in MODELS} == stored


def _model(name: str) -> Any:
    models = (Team, Employee, Category, Group, MembershipRule, ScopeLine, NamingRule, Exclusion)
    return next(model for model in models if model._meta.model_name == name)


def acting(client: Client, model: str, action: str, rows: list[Any]) -> str:
    """Run an action of a list on some rows; what the page says then."""
    values = {"action": action, "_selected_action": [row.pk for row in rows]}
    response = client.post(url("changelist", model), values, follow=True)
    return " ".join(str(message) for message in response.context["messages"])


def found(client: Client, model: str, query: str) -> set[str]:
    """The rows that a list shows for a query."""
    response = client.get(url("changelist", model) + query)
    return {str(row) for row in response.context["cl"].result_list}


class TestEmployees:
    FORM = {"name": "Ada Example", "key": "ada", "title": "", "email": "", "status": "active"}
    NO_HANDLES = {"handles-TOTAL_FORMS": 0, "handles-INITIAL_FORMS": 0}

    @pytest.fixture
    def ada(self) -> Employee:
        ada = Employee.objects.create(
            key="ada",
            name="Ada Example",
            slack_username="ada",
            slack_user_id="U1",
            telegram_user_id=4200000001,
        )
        EmployeeHandle.objects.create(
            employee=ada, platform=Platform.SLACK, username="former", first_seen_at=NOW, last_seen_at=NOW
        )
        return ada

    def test_the_list_tells_whose_account_is_known(self, admin_client: Client, ada: Employee) -> None:
        Employee.objects.create(key="bob", name="Bob Example", slack_username="bob")
        page = page_text(admin_client.get(url("changelist", "employee")))
        assert "@ada" in page
        assert "4200000001" in page
        assert page.count("Not matched yet") == 1

    @pytest.mark.parametrize("words", ["ada", "Example", "U1", "4200000001", "former"])
    def test_people_are_found_by_anything_known_of_them(
        self, admin_client: Client, ada: Employee, words: str
    ) -> None:
        Employee.objects.create(key="bob", name="Bob")
        assert found(admin_client, "employee", f"?q={words}") == {"Ada Example"}

    def test_people_without_a_known_account_can_be_filtered(
        self, admin_client: Client, ada: Employee
    ) -> None:
        Employee.objects.create(key="bob", name="Bob")
        assert found(admin_client, "employee", "?slack_user_id__isempty=1") == {"Bob"}

    def test_usernames_are_stored_without_the_at_sign(self, admin_client: Client) -> None:
        saved(
            admin_client,
            url("add", "employee"),
            **self.FORM,
            slack_username="@ada",
            telegram_username=" @Ada_E ",
        )
        ada = Employee.objects.get()
        assert (ada.slack_username, ada.telegram_username) == ("ada", "Ada_E")
        assert ada.slack_user_id is None

    def test_a_key_without_spaces_and_commas(self, admin_client: Client) -> None:
        found = errors(admin_client, url("add", "employee"), **{**self.FORM, "key": "ada, bob"})
        assert list(found) == ["key"]

    def test_a_key_stays_as_it_was_chosen(self, admin_client: Client, ada: Employee) -> None:
        page = url("change", "employee", ada.pk)
        assert "It cannot be changed later: policy files and reports refer to it." in page_text(
            admin_client.get(page)
        )
        saved(admin_client, page, **{**self.FORM, **self.NO_HANDLES, "key": "eve", "title": "CTO"})
        ada.refresh_from_db()
        assert (ada.key, ada.title) == ("ada", "CTO")

    def test_former_usernames_are_shown_and_cannot_be_edited(
        self, admin_client: Client, ada: Employee
    ) -> None:
        page = page_text(admin_client.get(url("change", "employee", ada.pk)))
        assert "former" in page
        assert 'name="handles-0-username"' not in page

    def test_changing_a_username_beside_a_known_id_says_that_the_id_decides(
        self, admin_client: Client, ada: Employee
    ) -> None:
        accounts = {"slack_username": "other", "slack_user_id": "U1", "telegram_user_id": "4200000001"}
        page = url("change", "employee", ada.pk)
        told = saved(admin_client, page, **self.FORM, **accounts, **self.NO_HANDLES)
        assert "The Slack id U1 still decides who Ada Example is there." in told
        assert "Telegram id" not in told

    def test_marking_people_as_offboarded_is_in_their_history_with_their_teams(
        self, admin_client: Client, admin_user: User, ada: Employee
    ) -> None:
        ada.teams.add(Team.objects.create(key="core", name="Core"))
        assert "1 changed" in acting(admin_client, "employee", "mark_offboarded", [ada])
        last = ada.history.latest()
        assert (last.status, last.history_user) == (EmployeeStatus.OFFBOARDED, admin_user)
        assert [item.team.key for item in last.teams.all()] == ["core"]
        assert "Nothing changed" in acting(admin_client, "employee", "mark_offboarded", [ada])
        told = page_text(admin_client.get(url("history", "employee", ada.pk)))
        assert "Status:</strong> Active → Offboarded" in told
        assert "Teams:</strong> – → Core" in told

    def test_an_earlier_version_can_be_brought_back(self, admin_client: Client, ada: Employee) -> None:
        ada.title = "CEO"
        ada.save()
        first = ada.history.earliest()
        page = reverse("admin:members_employee_simple_history", args=[ada.pk, first.history_id])
        assert admin_client.get(page).status_code == 200
        saved(admin_client, page, **self.FORM, slack_username="ada", **self.NO_HANDLES)
        ada.refresh_from_db()
        assert ada.title == ""


class TestTeams:
    def test_a_team_shows_its_people(self, admin_client: Client) -> None:
        make_rows(range(1))
        assert "Ada Example 0" in page_text(admin_client.get(url("change", "team", Team.objects.get().pk)))


class TestCategories:
    FORM = {"name": "Internal", "key": "internal", "position": 1}

    def test_patterns_are_edited_one_a_line_and_keep_their_spaces(self, admin_client: Client) -> None:
        saved(admin_client, url("add", "category"), **self.FORM, patterns="Company\r\n - x \r\n\r\n")
        category = Category.objects.get()
        assert category.patterns == ["Company", " - x "]
        assert "Company\n - x " in page_text(admin_client.get(url("change", "category", category.pk)))

    def test_saving_without_a_change_is_none(self, admin_client: Client) -> None:
        category = Category.objects.create(**self.FORM, patterns=["Company"], full_team=False)
        saved(admin_client, url("change", "category", category.pk), **self.FORM, patterns="Company")
        category.refresh_from_db()
        assert category.patterns == ["Company"]

    def test_there_is_one_default(self, admin_client: Client) -> None:
        Category.objects.create(key="customer", name="BD Customer", default=True)
        found = errors(admin_client, url("add", "category"), **self.FORM, default="on")
        assert found == {"__all__": ["Another category is the default already."]}

    def test_what_a_deletion_means_is_said_before_it_is_done(self, admin_client: Client) -> None:
        category = Category.objects.create(**self.FORM, default=True)
        groups = [make_group(number, category=category) for number in range(3)]
        services.pin_categories(groups=Group.objects.filter(pk=groups[0].pk))
        page = url("delete", "category", category.pk)

        text = page_text(admin_client.get(page))
        assert "It is the default." in text
        assert "Groups in it: 3." in text
        assert "Groups pinned to it by hand: 1." in text

        admin_client.post(page, {"post": "yes"})
        assert not Category.objects.exists()
        assert not Group.objects.filter(category_pinned=True).exists(), "the next audit could not sort it"

    def test_one_that_nothing_uses_goes_without_a_warning(self, admin_client: Client) -> None:
        category = Category.objects.create(**self.FORM)
        assert 'class="consequences"' not in page_text(
            admin_client.get(url("delete", "category", category.pk))
        )

    def test_they_are_deleted_one_by_one(self, admin_client: Client) -> None:
        category = Category.objects.create(**self.FORM, default=True)
        acting(admin_client, "category", "delete_selected", [category])
        assert Category.objects.exists()


class TestGroups:
    @pytest.fixture
    def intro(self) -> Category:
        return Category.objects.create(key="intro", name="Intro")

    def test_what_was_seen_cannot_be_edited(self, admin_client: Client, intro: Category) -> None:
        group = make_group()
        saved(
            admin_client, url("change", "group", group.pk), name="other", privacy="public", category=intro.pk
        )
        group.refresh_from_db()
        assert (group.name, group.privacy) == ("Example customer 1", Privacy.PRIVATE)
        assert admin_client.get(url("add", "group")).status_code == 403

    def test_a_group_cannot_be_deleted_and_its_page_says_what_to_do_instead(
        self, admin_client: Client
    ) -> None:
        group = make_group()
        page = page_text(admin_client.get(url("change", "group", group.pk)))
        assert "add a scope line that excludes its name" in page
        assert url("delete", "group", group.pk) not in page
        assert admin_client.post(url("delete", "group", group.pk), {"post": "yes"}).status_code == 403

    @pytest.mark.parametrize("way", ["form", "action"])
    def test_a_change_by_hand_is_told_apart_from_what_audits_changed(
        self, admin_client: Client, admin_user: User, intro: Category, way: str
    ) -> None:
        """Audits write groups without history."""
        group = make_group(category=intro)
        group.history.all().delete()
        for pinned in (True, False):
            Group.objects.filter(pk=group.pk).update(name=f"Renamed before {pinned}")
            if way == "form":
                tick = {"category_pinned": "on"} if pinned else {}
                saved(admin_client, url("change", "group", group.pk), category=intro.pk, **tick)
            else:
                acting(admin_client, "group", "pin_category" if pinned else "unpin_category", [group])

        records = list(group.history.order_by("history_id"))
        by_hand = [record for record in records if record.history_user == admin_user]
        deltas = [record.diff_against(record.prev_record).changed_fields for record in by_hand]
        assert deltas == [["category_pinned"], ["category_pinned"]]
        assert [record.history_change_reason for record in records if record not in by_hand] == [
            "as audits saw it",
            "as audits saw it",
        ]
        assert page_text(admin_client.get(url("history", "group", group.pk))).count("as audits saw it") == 2

    def test_a_category_chosen_by_hand_is_pinned(self, admin_client: Client, intro: Category) -> None:
        group = make_group()
        told = saved(admin_client, url("change", "group", group.pk), category=intro.pk)
        group.refresh_from_db()
        assert (group.category, group.category_pinned) == (intro, True)
        assert "pinned" in told

    def test_and_the_pin_can_be_taken_away(self, admin_client: Client, intro: Category) -> None:
        group = make_group(category=intro, category_pinned=True)
        saved(admin_client, url("change", "group", group.pk), category=intro.pk)
        group.refresh_from_db()
        assert not group.category_pinned

    def test_many_are_pinned_and_unpinned_at_once(
        self, admin_client: Client, admin_user: User, intro: Category
    ) -> None:
        groups = [make_group(1, category=intro), make_group(2, category=intro), make_group(3)]
        assert "Categories pinned: 2." in acting(admin_client, "group", "pin_category", groups)
        assert Group.objects.filter(category_pinned=True).count() == 2
        assert groups[0].history.latest().history_user == admin_user
        assert "Categories unpinned: 2." in acting(admin_client, "group", "unpin_category", groups)
        assert not Group.objects.filter(category_pinned=True).exists()

    def test_they_are_pinned_in_the_order_of_their_keys(self, intro: Category) -> None:
        """Whatever the list is ordered by: writers that take rows in one order cannot lock each other out."""
        groups = [make_group(number, category=intro) for number in range(3)]
        services.pin_categories(groups=Group.objects.order_by("-pk"))
        written = Group.history.filter(category_pinned=True).order_by("history_id")
        assert [row.id for row in written] == [group.pk for group in groups]

    def test_the_list_shows_what_asks_for_attention(self, admin_client: Client, intro: Category) -> None:
        make_group(privacy=Privacy.PUBLIC, category=intro, category_pinned=True)
        page = page_text(admin_client.get(url("changelist", "group")))
        for badge in ("badge-bad", "badge-warn", "Pinned"):
            assert badge in page

    def test_filters_tell_how_many_each_choice_has(self, admin_client: Client) -> None:
        make_group(1)
        make_group(2, platform=Platform.SLACK)
        page = page_text(admin_client.get(url("changelist", "group")))
        assert "Slack (1)" in page
        assert found(admin_client, "group", "?platform=slack") == {"Example customer 2"}


class TestRulesAndScope:
    def test_a_rule_is_for_a_team_or_an_employee(self, admin_client: Client) -> None:
        make_rows(range(1))
        both = {"team": Team.objects.get().pk, "employee": Employee.objects.get().pk}
        for values in ({}, both):
            found = errors(
                admin_client, url("add", "membershiprule"), platform="slack", level="required", **values
            )
            assert found == {"__all__": ["Choose either a team or an employee."]}

    def test_a_rule_stands_once(self, admin_client: Client) -> None:
        make_rows(range(1))
        team = Team.objects.get().pk
        rule = {"platform": "telegram", "team": team, "level": "required"}
        saved(admin_client, url("add", "membershiprule"), **rule)
        assert errors(admin_client, url("add", "membershiprule"), **rule) == {
            "__all__": ["This rule exists already."]
        }
        saved(admin_client, url("add", "membershiprule"), **{**rule, "level": "optional"})
        saved(admin_client, url("add", "membershiprule"), **{**rule, "category": Category.objects.get().pk})

    def test_spaces_in_a_scope_pattern_mean_something(self, admin_client: Client) -> None:
        values = {"platform": "slack", "kind": "exclude", "match": "contains", "pattern": " - archived"}
        saved(admin_client, url("add", "scopeline"), **values)
        assert ScopeLine.objects.get().pattern == " - archived"

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"kind": "include", "match": "regex", "pattern": "("}, "pattern"),
            ({"kind": "include", "match": "contains"}, "pattern"),
            ({"kind": "shared_with", "match": "contains"}, "employee"),
        ],
    )
    def test_a_scope_line_says_what_it_needs(
        self, admin_client: Client, values: dict[str, str], field: str
    ) -> None:
        assert list(errors(admin_client, url("add", "scopeline"), platform="slack", **values)) == [field]

    def test_a_naming_rule_shows_how_many_groups_still_have_the_old_name(self, admin_client: Client) -> None:
        make_group(1, name="Acme <> IBTC")
        make_group(2, name="ibtc, left", in_scope=False)
        NamingRule.objects.create(pattern="iBTC", replacement="BitSafe")
        (row,) = admin_client.get(url("changelist", "namingrule")).context["cl"].result_list
        assert row.group_count == 1


ASK = "/admin/audits/exclusionrequest/add/"


def grant(client: Client, **values: Any) -> None:
    """Ask for an exclusion, and grant it from the page that shows what it would hide."""
    asked = client.post(ASK, values)
    assert asked.status_code == 302, asked.context["errors"]
    assert (
        client.post(asked["Location"].replace("change", "decide"), {"decision": "grant"}).status_code == 302
    )


class TestExclusions:
    def values(self, **values: Any) -> dict[str, Any]:
        ada, _ = Employee.objects.get_or_create(key="ada", defaults={"name": "Ada Example"})
        given = {"platform": "telegram", "group_external_id": "1001", "employee": ada.pk, "reason": "asked"}
        return {**given, **values}

    def test_who_grants_one_is_remembered(self, admin_client: Client) -> None:
        make_group()
        grant(admin_client, **self.values())
        exclusion = Exclusion.objects.get()
        assert exclusion.granted_by == "admin"
        assert "by admin" in page_text(admin_client.get(url("change", "exclusion", exclusion.pk)))

    def test_changing_it_does_not_change_who_granted_it(self, admin_client: Client) -> None:
        saved_row = Exclusion.objects.create(
            platform=Platform.TELEGRAM,
            group_external_id="gone",
            employee=Employee.objects.create(key="ada", name="Ada Example"),
            granted_by="owner",
        )
        values = self.values(group_external_id="gone", reason="asked again")
        saved(admin_client, url("change", "exclusion", saved_row.pk), **values)
        saved_row.refresh_from_db()
        assert (saved_row.granted_by, saved_row.reason) == ("owner", "asked again")

    def test_the_group_can_be_named_and_its_name_is_shown(self, admin_client: Client) -> None:
        make_group(name="The customer with a name that is far longer than an id")
        named = self.values(group_external_id="the customer with a name that is far longer than an ID")
        grant(admin_client, **named)
        assert Exclusion.objects.get().group_external_id == "1001"
        assert "far longer" in page_text(admin_client.get(url("changelist", "exclusion")))
        assert found(admin_client, "exclusion", "?q=far+longer") == {
            "Ada Example in The customer with a name that is far longer than an id"
        }

    def test_a_group_that_is_not_known_or_not_clear_is_refused(self, admin_client: Client) -> None:
        make_group(1, name="Twin")
        make_group(2, name="twin")
        make_group(3, name="Elsewhere", platform=Platform.SLACK)
        for name in ("Twin", "Elsewhere"):
            found = errors(admin_client, ASK, **self.values(group_external_id=name))
            assert list(found) == ["group_external_id"]

    def test_one_about_nothing_is_refused(self, admin_client: Client) -> None:
        make_group()
        found = errors(admin_client, ASK, **self.values(employee=""))
        assert found == {"__all__": ["Choose a person, a kind of finding, or both."]}

    def test_they_can_be_filtered_by_whether_they_hold(self, admin_client: Client) -> None:
        today = datetime.now(UTC).date()
        ends = {"1": None, "2": today, "3": today + timedelta(days=200), "4": today - timedelta(days=1)}
        for group, expires in ends.items():
            Exclusion.objects.create(
                platform=Platform.SLACK,
                group_external_id=group,
                kind=FindingKind.HIDDEN_HISTORY,
                expires=expires,
            )

        def holding(value: str) -> str:
            shown = found(admin_client, "exclusion", f"?holds={value}")
            return "".join(sorted(text[-1] for text in shown))

        assert (holding("yes"), holding("soon"), holding("no")) == ("123", "2", "4")


class TestPermissions:
    @pytest.mark.parametrize("model", MODELS)
    def test_who_may_only_look_can_change_nothing(self, staff: Callable[..., Client], model: str) -> None:
        make_rows(range(1))
        row = _model(model).objects.get()
        client = staff(f"view_{model}")
        assert client.get(url("changelist", model)).status_code == 200
        assert client.get(url("change", model, row.pk)).status_code == 200
        for page in (url("change", model, row.pk), url("add", model), url("delete", model, row.pk)):
            assert client.post(page, {"name": "other"}).status_code == 403

    def test_actions_take_the_right_to_change(self, staff: Callable[..., Client]) -> None:
        make_rows(range(1))
        client = staff("view_employee", "view_group")
        acting(client, "employee", "mark_offboarded", [Employee.objects.get()])
        acting(client, "group", "unpin_category", [Group.objects.get()])
        assert Employee.objects.get().status == EmployeeStatus.ACTIVE
        assert Group.objects.get().category_pinned

    @pytest.mark.parametrize("model", MODELS)
    def test_who_has_no_right_sees_nothing(self, staff: Callable[..., Client], model: str) -> None:
        assert staff().get(url("changelist", model)).status_code == 403
