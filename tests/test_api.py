"""The API: who may read, what they read, and that it is what the OpenAPI document says."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pytest_django import DjangoAssertNumQueries, Settings
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from audits.models import AuditRun, Finding, FindingChange
from groupadmin.api.models import ApiToken
from groupadmin.api.tokens import make_token
from groupadmin.logging import redact
from members.customers.models import Customer
from members.models import Group
from members.operations.models import ActivityEvent
from tests.audit_rows import slack_run

pytestmark = pytest.mark.django_db

LISTS = ("findings", "groups", "runs")


@pytest.fixture
def token(admin_user: User) -> str:
    until = timezone.now() + timedelta(days=1)
    return make_token(name="spreadsheet", expires_at=until, actor=admin_user)[1]


@pytest.fixture
def client(token: str) -> Client:
    """Sends the token, and nothing else."""
    return Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)


def get(client: Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def problem(answer: Any) -> tuple[int, str]:
    """Every refusal is one line of the same form."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = json.loads(answer.content)
    assert set(said) == {"type", "title", "status", "detail"}
    assert said["status"] == answer.status_code
    assert "\n" not in answer.content.decode()
    return answer.status_code, said["detail"]


def company() -> AuditRun:
    """Three groups, in two of which Bob is missing; one of those belongs to Acme."""
    run = slack_run("acme-bitsafe", "birch-bitsafe", "=cmd-bitsafe", bob_in=1)
    acme = Customer.objects.create(crm_id="A-1", name="Acme")
    Group.objects.filter(name="birch-bitsafe").update(customer=acme)
    return run


def ids(answer: Any) -> list[int]:
    return [row["id"] for row in answer["data"]]


# --- What it answers --------------------------------------------------------------------------


def test_every_answer_is_as_the_document_says(client: Client) -> None:
    company()
    document = Client().get("/api/v1/openapi.json").json()
    validate(document)
    registry: Any = Registry().with_resource("doc:", DRAFT202012.create_resource(document))
    ways = {path: tell["get"] for path, tell in document["paths"].items()}
    assert set(ways) == {f"/api/v1/{name}/{rest}" for name in LISTS for rest in ("", "{id}/")}

    def check(way: str, status: str, body: Any) -> None:
        said = ways[way]["responses"][status]
        where = (
            f"doc:{said['$ref']}" if "$ref" in said else f"doc:#/paths/{_pointer(way)}/get/responses/{status}"
        )
        kind = "application~1json" if status == "200" else "application~1problem+json"
        schema = {"$ref": f"{where}/content/{kind}/schema"}
        Draft202012Validator(
            schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(body)

    for name in LISTS:
        way = f"/api/v1/{name}/"
        page = get(client, f"{name}/", limit=1)
        check(way, "200", page)
        (row,) = page["data"]
        alone = get(client, f"{name}/{row['id']}/")
        check(f"{way}{{id}}/", "200", alone)
        assert alone == row
        assert row["url"].startswith("http://testserver/admin/")
        check(way, "400", client.get(way, {"limit": "0"}).json())
        check(way, "401", Client().get(way).json())
        check(f"{way}{{id}}/", "404", client.get(f"{way}999999/").json())
        for parameter in ways[way]["parameters"]:
            schema = parameter["schema"]
            values: dict[str, Any] = {
                "cursor": "",
                "limit": 5,
                "format": "json",
                "updated_since": "2026-01-01",
            }
            value = values.get(parameter["name"], schema.get("items", {}).get("enum", ["true"])[0])
            assert client.get(way, {parameter["name"]: value}).status_code == 200, parameter


def _pointer(path: str) -> str:
    return path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def test_findings_groups_and_runs_tell_what_the_audit_found(client: Client) -> None:
    run = company()
    finding = next(row for row in get(client, "findings/")["data"] if row["group_name"] == "birch-bitsafe")
    group = next(row for row in get(client, "groups/")["data"] if row["name"] == "birch-bitsafe")
    (told,) = get(client, "runs/")["data"]

    assert (finding["kind"], finding["state"], finding["employee"], finding["customer"]) == (
        "missing_required",
        "open",
        "bob",
        "A-1",
    )
    assert finding["first_seen_at"].endswith("Z")
    assert (group["verdict"], group["completeness"], group["required_missing"]) == (
        "incomplete",
        "1/2",
        ["bob"],
    )
    assert (group["customer_name"], group["open_findings"]) == ("Acme", 1)
    assert group["audited_at"] == told["finished_at"]
    assert (told["id"], told["groups"], told["complete"], told["coverage"]) == (run.pk, 3, 1, 0.3333)


def test_filters_narrow_and_nonsense_is_named(client: Client) -> None:
    company()
    missing = Finding.objects.order_by("pk").values_list("pk", flat=True)
    assert ids(get(client, "findings/", state="open")) == list(missing)
    assert ids(get(client, "findings/", state=["resolved", "excluded"])) == []
    assert ids(get(client, "findings/", state=["resolved", "open"], kind="missing_required")) == list(missing)
    assert [row["customer"] for row in get(client, "findings/", customer="A-1")["data"]] == ["A-1"]
    assert [row["customer"] for row in get(client, "groups/", customer="")["data"]] == [None, None]
    assert len(ids(get(client, "groups/", verdict="incomplete", in_scope="true"))) == 2
    assert [ids(get(client, "runs/", platform=each)) != [] for each in ("slack", "telegram")] == [True, False]

    later = timezone.now() + timedelta(days=1)
    FindingChange.objects.filter(finding=missing[0]).update(at=later)
    since = (later - timedelta(hours=1)).isoformat()
    assert ids(get(client, "findings/", updated_since=since)) == [missing[0]]
    assert (
        ids(get(client, "groups/", updated_since=since))
        == ids(get(client, "runs/", updated_since=since))
        == []
    )
    Group.objects.get(name="birch-bitsafe").save()  # somebody edits it
    assert len(ids(get(client, "groups/", updated_since=(later - timedelta(days=2)).isoformat()))) >= 1

    for query, said in (
        ("state=lost", "state: “lost” is none of open, excluded, resolved."),
        ("stat=open", "There is no parameter “stat”."),
        ("updated_since=2026-01-01T00:00:00", "write a day or a moment in UTC"),
        ("updated_since=2026-99-01", "write a day or a moment in UTC"),
        ("updated_since=9999-12-31T23:59:59-12:00", "write a day or a moment in UTC"),
        ("employee=%00", "employee: leave the character NUL out."),
        ("state=open&" * 101, "state: at most 100 values at a time."),
        ("state=open&" * 1001, "too many parameters"),
        ("limit=1001", "a number from 1 to 1000"),
        ("limit=1&limit=2", "say it once"),
        ("cursor=%F0%9F%9A%80", "take it from the page before"),
        ("cursor=LTE", "take it from the page before"),
        ("format=xml", "json or csv"),
    ):
        status, detail = problem(client.get(f"/api/v1/findings/?{query}"))
        assert status == 400 and said in detail, (query, detail)


def test_pages_follow_one_another_and_repeat_nothing(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    company()
    everything = ids(get(client, "groups/"))
    first = client.get("/api/v1/groups/", {"limit": "2", "platform": "slack"})
    page = first.json()
    assert first.headers["Link"] == f'<{page["next"]}>; rel="next"'
    last = client.get(page["next"]).json()
    assert ids(page) + ids(last) == everything
    assert last["next"] is None
    with django_assert_max_num_queries(14):
        client.get("/api/v1/groups/")


def test_a_spreadsheet_reads_the_same_as_csv(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    company()
    monkeypatch.setattr("groupadmin.api.reading.MOST", 2)  # more than one portion
    named, asked = (
        client.get("/api/v1/groups/?format=csv"),
        client.get("/api/v1/groups/", headers={"Accept": "text/csv"}),
    )
    text = named.getvalue().decode()
    assert asked.getvalue().decode() == text
    assert named.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text)))
    answered = get(client, "groups/", limit=2)
    assert [row["name"] for row in rows] == ["acme-bitsafe", "birch-bitsafe", "'=cmd-bitsafe"]
    assert list(rows[0]) == list(answered["data"][0])
    assert (rows[1]["required_missing"], rows[1]["archived"], rows[0]["customer"]) == ("bob", "false", "")
    few = client.get("/api/v1/groups/?format=csv&limit=1").getvalue().decode()
    assert len(few.splitlines()) == 2
    assert problem(client.get("/api/v1/groups/", headers={"Accept": "image/png"}))[0] == 406


def test_who_has_it_already_is_told_so(client: Client) -> None:
    company()
    for path in ("/api/v1/openapi.json", "/api/v1/findings/"):
        seen = {"If-None-Match": client.get(path).headers["ETag"]}
        again = client.get(path, headers=seen)
        assert (again.status_code, again.content) == (304, b"")
    Finding.objects.update(detail="changed")
    assert client.get("/api/v1/findings/", headers=seen).status_code == 200


# --- Who may ask ------------------------------------------------------------------------------


def test_only_a_live_token_in_the_header_opens_anything(
    client: Client, token: str, admin_client: Client, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    row, path = ApiToken.objects.get(), "/api/v1/runs/"
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Vary"]) == (200, "Accept, Authorization")
    assert not answer.cookies

    assert Client().get(path, headers={"Authorization": f"bearer {token}"}).status_code == 200

    assert problem(admin_client.get(path))[0] == 401, "a signed-in browser is nobody here"
    assert problem(admin_client.get(path, {"token": token}))[0] == 401
    refused = {
        "": 'Bearer realm="Group Admin"',
        f"Basic {token}": 'Bearer realm="Group Admin"',
        f"Bearer {token}x": 'Bearer realm="Group Admin", error="invalid_token"',
        f"Bearer {row.digest}": 'Bearer realm="Group Admin", error="invalid_token"',
    }
    for header, challenge in refused.items():
        answer = Client().get(path, headers={"Authorization": header})
        assert problem(answer)[0] == 401
        assert answer.headers["WWW-Authenticate"] == challenge

    for method in ("post", "put", "patch", "delete"):
        answer = getattr(client, method)(path)
        assert (problem(answer)[0], answer.headers["Allow"]) == (405, "GET, HEAD")
    assert problem(client.get("/api/v2/"))[0] == 404
    assert token not in str(redact(f"sent {token}"))

    ApiToken.objects.update(expires_at=timezone.now())
    assert "expired" in problem(client.get(path))[1]


def test_too_many_calls_wait_for_the_next_minute(client: Client, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    ApiToken.objects.update(minute=timezone.now() - timedelta(hours=1), calls=99)
    answers = [client.get("/api/v1/runs/") for _ in range(6)]  # also where a minute ends in between

    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "go on in" in problem(refused)[1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    ApiToken.objects.update(minute=timezone.now() - timedelta(minutes=1))
    assert client.get("/api/v1/runs/").status_code == 200
    assert ApiToken.objects.get().last_used_at is not None


def test_what_breaks_on_our_side_is_one_line_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groupadmin.api.views.read_page", lambda *_: 1 / 0)

    status, detail = problem(client.get("/api/v1/runs/"))
    assert status == 500 and "division" not in detail


def test_an_owner_makes_a_token_which_is_shown_once_and_revokes_it(admin_client: Client) -> None:
    add = reverse("admin:groupadmin_apitoken_add")
    today = timezone.now().date()
    for wrong in (today - timedelta(days=1), today + timedelta(days=400)):
        assert admin_client.post(add, {"name": "CRM", "expires": wrong}).context["form"].errors

    made = admin_client.post(add, {"name": "CRM", "expires": today})
    text, row = made.context["text"], ApiToken.objects.get()
    assert text in made.content.decode() and "no-store" in made.headers["Cache-Control"]
    assert text not in str(vars(row)), "kept as no more than a hash"
    assert admin_client.post(add, {"name": "CRM", "expires": today}).context["form"].errors, "sent twice"
    reader = Client(headers={"Authorization": f"Bearer {text}"})
    assert reader.get("/api/v1/runs/").status_code == 200

    pages = [reverse("admin:groupadmin_apitoken_changelist"), f"/admin/groupadmin/apitoken/{row.pk}/change/"]
    assert all(
        row.digest not in (page := admin_client.get(url).content.decode()) and text not in page
        for url in pages
    )
    revoke = reverse("admin:groupadmin_apitoken_revoke", args=[row.pk])
    assert reader.get("/api/v1/runs/").status_code == 200, "asking is not doing"
    admin_client.get(revoke)
    admin_client.post(revoke)
    assert "revoked" in problem(reader.get("/api/v1/runs/"))[1]
    said = list(ActivityEvent.objects.order_by("id").values_list("action", "subject"))
    assert said == [("api_token.made", "CRM"), ("api_token.revoked", "CRM")]
