"""Tables in and out of the admin: CSV and XLSX, a preview first, and all of a file or nothing of it."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from groupadmin.tasks import forget_uploads
from members import tables
from members.models import (
    Category,
    Employee,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import GroupKind, Platform, Privacy
from members.policy import FindingKind, Level, Match, ScopeKind
from members.spreadsheet import csv_safe, printable
from members.table_files import UPLOAD_LIFETIME, escaped, unescaped

XLSX, CSV = "0", "1"
NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)

Table = Sequence[Sequence[Any]]


def as_csv(table: Table) -> bytes:
    stream = StringIO()
    csv.writer(stream).writerows(table)
    return stream.getvalue().encode()


def as_xlsx(table: Table) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in table:
        sheet.append(list(row))
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def cells(content: bytes) -> list[Any]:
    """Every cell of a workbook's first sheet."""
    (sheet,) = openpyxl.load_workbook(BytesIO(content)).worksheets
    return [cell for row in sheet.iter_rows() for cell in row]


def page(model: type[Model], name: str) -> str:
    return reverse(f"admin:members_{model._meta.model_name}_{name}")


def upload(client: Client, model: type[Model], content: bytes, format: str = CSV) -> Any:
    """The preview of an upload."""
    file = SimpleUploadedFile("table", content)
    response = client.post(page(model, "import"), {"format": format, "import_file": file, "resource": ""})
    assert response.status_code == 200
    return response


def confirm(client: Client, model: type[Model], preview: Any) -> str:
    """Confirm a preview; what the next page says."""
    form = preview.context["confirm_form"]
    response = client.post(page(model, "process_import"), form.initial, follow=True)
    assert response.status_code == 200
    return " ".join(str(message) for message in response.context["messages"])


def load(client: Client, model: type[Model], table: Table, *, xlsx: bool = False) -> str:
    content, format = (as_xlsx(table), XLSX) if xlsx else (as_csv(table), CSV)
    return confirm(client, model, upload(client, model, content, format))


def refusal(client: Client, model: type[Model], table: Table) -> tuple[int | None, str]:
    """Row and reason of the first thing that is wrong with a table; nothing of it can be confirmed."""
    response = upload(client, model, as_csv(table))
    assert "confirm_form" not in response.context
    result = response.context["result"]
    if result.base_errors:
        return None, str(result.base_errors[0].error)
    if result.row_errors():
        number, errors = result.row_errors()[0]
        return number, str(errors[0].error)
    invalid = result.invalid_rows[0]
    return invalid.number, " ".join(invalid.error.messages)


def export(client: Client, model: type[Model], format: str = CSV, query: str = "") -> bytes:
    form = client.get(page(model, "export")).context["form"]
    fields = {name: "on" for name, field in form.fields.items() if hasattr(field, "is_selectable_field")}
    response = client.post(page(model, "export") + query, {"format": format, "resource": "0", **fields})
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]
    return response.content


def exported(client: Client, model: type[Model], query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(export(client, model, CSV, query).decode("utf-8-sig"))))


def make_group(number: int = 1, **values: Any) -> Group:
    defaults: dict[str, Any] = {
        "platform": Platform.SLACK,
        "external_id": f"C{number}",
        "name": f"acme-{number}",
        "kind": GroupKind.CHANNEL,
        "privacy": Privacy.PRIVATE,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
    }
    return Group.objects.create(**{**defaults, **values})


EMPLOYEES = [
    ["key", "name", "status", "teams", "slack_username", "telegram_user_id"],
    ["ada", "Ada Example", "active", "core", "ada", "4200000001"],
    ["bob", "Bob Example", "Under review", "core, bd", "@bob", ""],
]


@pytest.mark.django_db
class TestImport:
    @pytest.fixture(autouse=True)
    def teams(self) -> None:
        Team.objects.create(key="core", name="Core")
        Team.objects.create(key="bd", name="BD")

    def test_nothing_is_stored_before_the_preview_is_confirmed(self, admin_client: Client) -> None:
        preview = upload(admin_client, Employee, as_csv(EMPLOYEES))
        assert "Ada Example" in preview.content.decode()
        assert not Employee.objects.exists()
        assert "2 new" in confirm(admin_client, Employee, preview)
        assert Employee.objects.count() == 2

    @pytest.mark.parametrize("xlsx", [False, True], ids=["csv", "xlsx"])
    def test_rows_are_read_as_people_write_them(self, admin_client: Client, xlsx: bool) -> None:
        load(admin_client, Employee, EMPLOYEES, xlsx=xlsx)
        bob = Employee.objects.get(key="bob")
        assert (bob.status, bob.slack_username, bob.slack_user_id) == ("under_review", "bob", None)
        assert {team.key for team in bob.teams.all()} == {"core", "bd"}
        assert Employee.objects.get(key="ada").telegram_user_id == 4200000001

    def test_rows_known_by_their_key_are_updated_or_skipped(self, admin_client: Client) -> None:
        load(admin_client, Employee, EMPLOYEES)
        changed = ["bob", "Bobby", "active", "bd", "bob", ""]
        done = load(admin_client, Employee, [EMPLOYEES[0], EMPLOYEES[1], changed])
        assert "0 new, 1 updated, 0 deleted and 1 skipped" in done
        bob = Employee.objects.get(key="bob")
        assert (bob.name, [team.key for team in bob.teams.all()]) == ("Bobby", ["bd"])

    def test_columns_that_are_left_out_stay_as_they_are(self, admin_client: Client) -> None:
        load(admin_client, Employee, EMPLOYEES)
        load(admin_client, Employee, [["key", "title"], ["ada", "CEO"]])
        ada = Employee.objects.get(key="ada")
        assert (ada.title, ada.name, ada.slack_username) == ("CEO", "Ada Example", "ada")

    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("status", "retired", "“retired” is none of: active, optional, under_review, offboarded."),
            ("teams", "core, cor", "There is no team with the key “cor”."),
            ("telegram_user_id", "12x", "“12x” is not a whole number."),
            ("telegram_user_id", "-5", "“-5” is not a whole number."),
            ("telegram_user_id", "4200000001", "Telegram user id already exists"),
            ("name", "", "cannot be"),
            ("key", "", "cannot be"),
            ("key", "ada", "about the same as row 2"),
            ("email", "nobody", "valid email"),
        ],
    )
    def test_a_wrong_row_is_named_and_nothing_is_imported(
        self, admin_client: Client, column: str, value: str, reason: str
    ) -> None:
        values = {"key": "eve", "name": "Eve", "status": "active", column: value}
        table = [
            [*EMPLOYEES[0], "email"],
            [*EMPLOYEES[1], ""],
            [*EMPLOYEES[2], ""],
            [values.get(name, "") for name in (*EMPLOYEES[0], "email")],
        ]
        row, told = refusal(admin_client, Employee, table)
        assert row == 4  # as a spreadsheet program counts: the header is row 1
        assert reason in told
        assert not Employee.objects.exists()

    @pytest.mark.parametrize(
        ("table", "reason"),
        [
            (
                [["key", "nmae"], ["ada", "Ada"]],
                "Unknown column “nmae”. Columns are: Key, Name, Title,",
            ),
            ([["key", "name", "name"], ["ada", "Ada", "Ada"]], "The column “name” stands twice"),
            ([["name"], ["Ada"]], "The column “Key” is missing"),
        ],
    )
    def test_a_table_for_something_else_is_refused(
        self, admin_client: Client, table: Table, reason: str
    ) -> None:
        row, told = refusal(admin_client, Employee, table)
        assert row is None
        assert told.startswith(reason)

    def test_too_many_rows_are_refused(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "MAX_ROWS", 1)
        assert refusal(admin_client, Employee, EMPLOYEES)[1].startswith("At most 1 rows at a time")

    @pytest.mark.parametrize(
        ("content", "format", "told"),
        [
            (as_csv([["key", "name"], ["ada", "Ada"], ["bob", "Bob", "?"]]), CSV, "Row 3 has 3 cells;"),
            ("key,name\nada,Ädä\n".encode("latin-1"), CSV, "This is no CSV file in UTF-8."),
            (b"key,name\nada,Ada\n", XLSX, "This is no table of the format that you chose."),
            (b"\x89PNG\r\n\x1a\n", CSV, "This is no CSV file in UTF-8."),
        ],
        ids=["a row with more cells than the header", "not UTF-8", "not a workbook", "a picture"],
    )
    def test_a_file_that_is_no_table_is_refused_in_words(
        self, admin_client: Client, content: bytes, format: str, told: str
    ) -> None:
        response = upload(admin_client, Employee, content, format)
        (error,) = response.context["form"].errors["import_file"]
        assert error.startswith(told)
        assert "They may be:</" not in response.content.decode()
        assert "<code>Key, Name, Title," in response.content.decode()

    def test_everything_that_is_wrong_with_a_row_is_told_at_once(self, admin_client: Client) -> None:
        table = [
            ["Key", "Name", "Status", "Teams", "Telegram user ID"],
            ["eve", "Eve", "retired", "cor", "12x"],
        ]
        (problem,) = upload(admin_client, Employee, as_csv(table)).context["result"].problems()
        assert problem.row == 2
        assert dict(problem.messages) == {
            "Status": "“retired” is none of: active, optional, under_review, offboarded.",
            "Teams": "There is no team with the key “cor”.",
            "Telegram user ID": "“12x” is not a whole number.",
        }
        assert problem.values == ("eve", "Eve", "retired", "cor", "12x")

    @pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolons", "tabs"])
    def test_a_table_of_a_country_whose_numbers_have_commas(
        self, admin_client: Client, delimiter: str
    ) -> None:
        text = "\n".join(delimiter.join(map(str, row)) for row in EMPLOYEES)
        confirm(admin_client, Employee, upload(admin_client, Employee, text.encode()))
        assert {team.key for team in Employee.objects.get(key="bob").teams.all()} == {"core", "bd"}

    def test_what_no_longer_fits_when_it_is_confirmed_imports_nothing(self, admin_client: Client) -> None:
        preview = upload(admin_client, Employee, as_csv(EMPLOYEES))
        Team.objects.get(key="bd").delete()
        told = confirm(admin_client, Employee, preview)
        assert told == "Nothing was imported. Row 3: There is no team with the key “bd”."
        assert not Employee.objects.exists()

    def test_an_upload_can_be_confirmed_once(self, admin_client: Client) -> None:
        preview = upload(admin_client, Employee, as_csv(EMPLOYEES))
        confirm(admin_client, Employee, preview)
        assert "Upload it again" in confirm(admin_client, Employee, preview)

    def test_only_uploads_are_opened_on_confirmation(self, admin_client: Client, tmp_path: Path) -> None:
        preview = upload(admin_client, Employee, as_csv(EMPLOYEES))
        preview.context["confirm_form"].initial["import_file_name"] = "passwd"
        assert "Upload it again" in confirm(admin_client, Employee, preview)

    def test_uploads_that_nobody_confirmed_go_away(
        self, admin_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        upload(admin_client, Employee, as_csv(EMPLOYEES))
        (forgotten,) = tmp_path.iterdir()
        others = tmp_path / "somebody else's"
        others.touch()
        past = (datetime.now(UTC) - UPLOAD_LIFETIME).timestamp() - 1
        for path in (forgotten, others):
            os.utime(path, (past, past))

        upload(admin_client, Employee, as_csv(EMPLOYEES))
        assert not forgotten.exists()
        assert len(list(tmp_path.iterdir())) == 2

        forget_uploads()
        assert len(list(tmp_path.iterdir())) == 2, "one still waits for its confirmation"

    def test_the_buttons_say_what_they_do(self, admin_client: Client) -> None:
        importing = admin_client.get(page(Employee, "import")).content.decode()
        exporting = admin_client.get(page(Employee, "export")).content.decode()
        assert 'value="Preview the import"' in importing
        assert 'value="Export"' in exporting
        for content, heading in ((importing, "Import employees"), (exporting, "Export employees")):
            assert f"<h1>{heading}</h1>" in content
            assert re.findall(r"<option.*>(.*)</option>", content) == ["xlsx", "csv"]

    def test_the_history_tells_who_imported_which_file(self, admin_client: Client, admin_user: User) -> None:
        load(admin_client, Employee, EMPLOYEES)
        first = Employee.history.filter(key="ada").earliest()
        assert (first.history_user, first.history_change_reason) == (admin_user, "import of table")


@pytest.mark.django_db
class TestEachModel:
    """Rows are known by natural keys; related rows are named by theirs."""

    @pytest.fixture(autouse=True)
    def related(self) -> None:
        Team.objects.create(key="core", name="Core")
        Employee.objects.create(key="ada", name="Ada Example")
        Category.objects.create(key="intro", name="Intro")

    def test_categories(self, admin_client: Client) -> None:
        table = [
            ["key", "name", "position", "full_team", "default", "patterns"],
            ["intro", "Intro", "3", "no", "no", "intro\n meet "],
            ["customer", "BD Customer", "1", "Yes", "TRUE", ""],
        ]
        load(admin_client, Category, table)
        intro = Category.objects.get(key="intro")
        assert (intro.patterns, intro.full_team, intro.position) == (["intro", " meet "], False, 3)
        assert Category.objects.get(default=True).key == "customer"

    def test_a_second_default_category_is_refused(self, admin_client: Client) -> None:
        table = [["key", "name", "default"], ["a", "A", "yes"], ["b", "B", "yes"]]
        assert refusal(admin_client, Category, table) == (3, "Another category is the default already.")

    def test_yes_and_no_are_not_guessed(self, admin_client: Client) -> None:
        assert refusal(admin_client, Category, [["key", "full_team"], ["intro", "maybe"]]) == (
            2,
            "Say yes or no.",
        )

    def test_rules(self, admin_client: Client) -> None:
        table: list[list[Any]] = [
            ["platform", "category", "team", "employee", "level"],
            ["Slack", "", "core", "", "required"],
            ["telegram", "intro", "", "ada", "optional"],
        ]
        assert "2 new" in load(admin_client, MembershipRule, table)
        assert "2 skipped" in load(admin_client, MembershipRule, table)
        table[1][-1] = "optional"
        assert "1 new" in load(admin_client, MembershipRule, table), "the level is part of what a rule says"

    @pytest.mark.parametrize(
        ("team", "employee", "reason"),
        [
            ("core", "ada", "Choose either a team or an employee."),
            ("", "", "Choose either a team or an employee."),
            ("cor", "", "There is no team with the key “cor”."),
        ],
    )
    def test_a_wrong_rule(self, admin_client: Client, team: str, employee: str, reason: str) -> None:
        table = [
            ["platform", "category", "team", "employee", "level"],
            ["slack", "", team, employee, "required"],
        ]
        assert refusal(admin_client, MembershipRule, table) == (2, reason)

    def test_scope_lines_keep_spaces_that_mean_something(self, admin_client: Client) -> None:
        table = [
            ["platform", "kind", "match", "pattern", "employee"],
            ["telegram", "exclude", "contains", " - archived", ""],
            ["telegram", "shared_with", "contains", "", "ada"],
        ]
        load(admin_client, ScopeLine, table)
        assert ScopeLine.objects.get(kind=ScopeKind.EXCLUDE).pattern == " - archived"
        assert ScopeLine.objects.get(kind=ScopeKind.SHARED_WITH).employee.key == "ada"  # type: ignore[union-attr]

    def test_a_scope_line_without_its_pattern(self, admin_client: Client) -> None:
        table = [["platform", "kind", "match", "pattern", "employee"], ["slack", "include", "regex", "(", ""]]
        row, reason = refusal(admin_client, ScopeLine, table)
        assert (row, reason[:25]) == (2, "Not a regular expression:")

    @pytest.mark.parametrize("xlsx", [False, True], ids=["csv", "xlsx"])
    def test_exclusions_remember_who_imported_them(self, admin_client: Client, xlsx: bool) -> None:
        table: list[list[Any]] = [
            ["platform", "group", "employee", "kind", "reason", "expires"],
            ["slack", "C1", "ada", "", "asked for it", date(2099, 1, 31)],
            ["telegram", 77, "", "hidden_history", "their wish", ""],
        ]
        load(admin_client, Exclusion, table, xlsx=xlsx)
        first = Exclusion.objects.get(group_external_id="C1")
        assert (first.expires, first.granted_by) == (date(2099, 1, 31), "admin")
        assert Exclusion.objects.get(group_external_id="77").kind == FindingKind.HIDDEN_HISTORY
        assert "2 skipped" in load(admin_client, Exclusion, table, xlsx=xlsx)

    def test_a_wrong_date(self, admin_client: Client) -> None:
        table = [
            ["platform", "group", "employee", "kind", "reason", "expires"],
            ["slack", "C1", "ada", "", "asked", "31.1.2027"],
        ]
        assert refusal(admin_client, Exclusion, table) == (2, "“31.1.2027” is not a date like 2027-01-31.")

    def test_of_groups_only_pins_are_imported(self, admin_client: Client) -> None:
        make_group(1), make_group(2, category=Category.objects.get(), category_pinned=True)
        table = [
            ["platform", "external_id", "pinned_category", "name"],
            ["slack", "C1", "intro", "renamed"],
            ["slack", "C2", "", ""],
        ]
        assert "2 updated" in load(admin_client, Group, table)
        pins = Group.objects.order_by("external_id").values_list("name", "category__key", "category_pinned")
        assert list(pins) == [("acme-1", "intro", True), ("acme-2", "intro", False)]

    def test_a_group_that_no_audit_saw_is_refused(self, admin_client: Client) -> None:
        table = [["platform", "external_id", "pinned_category"], ["slack", "C9", "intro"]]
        row, reason = refusal(admin_client, Group, table)
        assert (row, reason[:30]) == (2, "No audit has seen such a group")


def fill() -> None:
    """A row of every model."""
    team = Team.objects.create(key="core", name="Core, the team")
    ada = Employee.objects.create(key="ada", name="Ada “A” Example", telegram_user_id=4200000001)
    ada.teams.add(team)
    intro = Category.objects.create(key="intro", name="Intro", patterns=["a,b", " c"], default=True)
    make_group(1, name="=1+1", category=intro, category_pinned=True)
    make_group(2, name="\x07bell", category=intro)
    for level in Level:
        MembershipRule.objects.create(platform=Platform.SLACK, team=team, level=level)
    MembershipRule.objects.create(
        platform=Platform.TELEGRAM, employee=ada, category=intro, level=Level.OPTIONAL
    )
    ScopeLine.objects.create(platform=Platform.SLACK, match=Match.CONTAINS, pattern=" - archived")
    ScopeLine.objects.create(platform=Platform.TELEGRAM, kind=ScopeKind.SHARED_WITH, employee=ada)
    NamingRule.objects.create(pattern="=iBTC", replacement="'BitSafe")
    Exclusion.objects.create(
        platform=Platform.SLACK,
        group_external_id="C1",
        employee=ada,
        reason="+1 from them",
        expires=date(2099, 1, 31),
    )


MODELS = (Team, Employee, Category, Group, MembershipRule, ScopeLine, NamingRule, Exclusion)


@pytest.mark.django_db
class TestExport:
    @pytest.mark.parametrize("format", [CSV, XLSX], ids=["csv", "xlsx"])
    @pytest.mark.parametrize("model", MODELS)
    def test_what_is_exported_comes_back_unchanged(
        self, admin_client: Client, model: type[Model], format: str
    ) -> None:
        fill()
        count = model._default_manager.count()
        preview = upload(admin_client, model, export(admin_client, model, format), format)
        assert f"{count} skipped" in confirm(admin_client, model, preview)

    def test_columns_are_headed_for_people(self, admin_client: Client) -> None:
        fill()
        (row, *_) = exported(admin_client, Group)
        assert {"External ID", "History visibility", "First seen (UTC)"} <= row.keys()
        assert "First seen (UTC)" in admin_client.get(page(Group, "export")).content.decode()

    def test_a_name_that_looks_like_a_formula_is_only_text(self, admin_client: Client) -> None:
        fill()
        assert {row["Name"] for row in exported(admin_client, Group)} == {"'=1+1", "bell"}
        kinds = {cell.value: cell.data_type for cell in cells(export(admin_client, Group, XLSX))}
        assert kinds["'=1+1"] == "s"

    def test_xlsx_keeps_numbers_and_dates(self, admin_client: Client) -> None:
        fill()
        assert 4200000001 in [cell.value for cell in cells(export(admin_client, Employee, XLSX))]
        dates = [cell.value for cell in cells(export(admin_client, Exclusion, XLSX)) if cell.is_date]
        assert datetime(2099, 1, 31) in dates  # noqa: DTZ001  # XLSX knows no time zones

    def test_filters_and_search_of_the_list_hold(self, admin_client: Client) -> None:
        fill()
        assert [row["External ID"] for row in exported(admin_client, Group, "?q=bell")] == ["C2"]
        pinned = exported(admin_client, Group, "?category_pinned__exact=1")
        assert [row["External ID"] for row in pinned] == ["C1"]

    def test_it_costs_the_same_for_few_rows_and_for_many(
        self, admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        fill()
        export(admin_client, Employee)
        with django_assert_max_num_queries(40) as few:
            export(admin_client, Employee)
        for number in range(30):
            row = Employee.objects.create(key=f"e{number}", name="E")
            row.teams.add(Team.objects.get())
        with django_assert_max_num_queries(len(few)):
            export(admin_client, Employee)

    def test_more_rows_than_a_page_can_carry_are_refused(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill()
        monkeypatch.setattr("members.admin.base.MAX_ROWS", 1)
        response = admin_client.post(
            page(Group, "export"), {"format": CSV, "resource": "0", "groupresource_name": "on"}
        )
        assert "Set a filter first" in str(list(response.context["messages"])[0])


@pytest.mark.django_db
class TestPermission:
    @pytest.fixture
    def sign_in(self, client: Client) -> Callable[..., Client]:
        def sign_in(*permissions: str) -> Client:
            user = User.objects.create_user("somebody", is_staff=True)
            user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
            client.force_login(user)
            return client

        return sign_in

    def test_who_may_see_may_export_and_not_import(self, sign_in: Callable[..., Client]) -> None:
        fill()
        client = sign_in("view_employee")
        assert exported(client, Employee)
        assert client.get(page(Employee, "import")).status_code == 403
        assert client.post(page(Employee, "process_import")).status_code == 403

    def test_who_may_not_see_may_not_export(self, sign_in: Callable[..., Client]) -> None:
        assert sign_in("view_team").get(page(Employee, "export")).status_code == 403

    def test_importing_takes_the_right_to_add_and_to_change(self, sign_in: Callable[..., Client]) -> None:
        client = sign_in("view_employee", "change_employee")
        assert client.get(page(Employee, "import")).status_code == 403

    def test_pins_take_the_right_to_change_groups(self, sign_in: Callable[..., Client]) -> None:
        assert sign_in("view_group", "change_group").get(page(Group, "import")).status_code == 200


@given(st.text() | st.from_regex(r"'{0,2}[ \t]?[=+@\uff1d-].{0,3}"))
def test_a_cell_is_never_a_formula_and_comes_back_as_it_was(text: str) -> None:
    text = printable(text)
    cell = escaped(text)
    assert csv_safe(cell) == cell
    assert unescaped(cell) == text
