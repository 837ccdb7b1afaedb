"""The gated community in the admin: who may do what, what is asked before, and what large lists cost."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from members.operations.models import ActivityEvent, Operation
from whitelist import community, flags, services
from whitelist.burning import Cause
from whitelist.community import Member
from whitelist.decision import SubscriptionStatus
from whitelist.models import Subscription, WhitelistEntry
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
CHAT = 4200
ADA, BOB, CAROL, DAN = 7001, 7002, 7003, 7004
LISTS = ("whitelistentry", "subscriber", "subscription", "communitymember", "featureflag", "seedingjob")


def page(model: str, name: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:whitelist_{model}_{name}", args=args)


@pytest.fixture(autouse=True)
def gated(settings: Settings) -> None:
    """Ada pays, Bob is expired and whitelisted, Carol is expired, Dan is whitelisted and no subscriber."""
    settings.TELEGRAM_GATED_CHAT_ID = CHAT
    over = NOW - 9 * DAY
    rows = [
        SubscriberRow(ADA, SubscriptionStatus.ACTIVE, NOW + DAY, None, "adaexample", "Ada"),
        SubscriberRow(BOB, SubscriptionStatus.EXPIRED, over, over, "bobexample", "Bob"),
        SubscriberRow(CAROL, SubscriptionStatus.EXPIRED, over, over, "carolexample", "Carol"),
    ]
    load_subscribers(rows=rows, actor="test", source="test", now=NOW)
    services.grant(telegram_ids=[BOB, DAN], actor="olivia", source="seeding", at=NOW - DAY)
    members = [*map(Member, (ADA, BOB, CAROL)), Member(DAN, "danexample", "Dan Example")]
    community.reconcile(chat_id=CHAT, members=members, expected=4, at=NOW - DAY)


def staff(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("olivia", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


def listed(client: Client, model: str, query: str = "") -> list[int]:
    response = client.get(page(model) + query)
    assert response.status_code == 200, response.get("Location")
    return sorted(response.context["cl"].queryset.values_list("pk", flat=True))


def choose(client: Client, action: str, *ids: int, **more: str) -> Any:
    data = {"action": action, "_selected_action": [str(number) for number in ids], **more}
    return client.post(page("whitelistentry"), data, follow=True)


def told(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


class TestLists:
    @pytest.mark.parametrize("model", LISTS)
    def test_it_is_for_those_who_may_look(self, client: Client, model: str) -> None:
        assert client.get(page(model)).status_code == 302
        assert staff(client).get(page(model)).status_code == 403
        User.objects.get().user_permissions.set(Permission.objects.filter(codename=f"view_{model}"))
        assert client.get(page(model)).status_code == 200

    def test_what_is_missing_is_named_before_anybody_presses_a_button(
        self, admin_client: Client, settings: Settings
    ) -> None:
        settings.TELEGRAM_GATED_CHAT_ID, settings.TELEGRAM_SESSION = 0, ""
        settings.TELEGRAM_BOT_TOKEN = ""
        pages = [*map(page, LISTS), reverse("admin:community_report"), reverse("admin:community_person")]
        for url in pages:
            shown = text(admin_client, url)
            assert "Next: Name the community: TELEGRAM_GATED_CHAT_ID" in shown, url
            assert "Sign in to Telegram" in shown and "TELEGRAM_BOT_TOKEN" in shown, url
            for button in ("Read the members…", "Turn kicks on…", "Plan a sweep…"):
                assert f"{button}</button>" not in shown, "it could only fail"

        settings.TELEGRAM_GATED_CHAT_ID = CHAT
        assert "Next: Sign in to Telegram" in text(admin_client, page("seedingjob"))
        settings.TELEGRAM_SESSION, settings.TELEGRAM_BOT_TOKEN = "a session", "7:token"
        shown = text(admin_client, page("seedingjob"))
        assert "Read the members…</button>" in shown
        assert "Next:" not in shown, "they were read, and there are subscribers"

    def test_the_whitelist_is_found_by_state_id_and_name(self, admin_client: Client) -> None:
        services.burn(telegram_ids=[BOB], cause=Cause.LEFT, actor="the bot")
        assert listed(admin_client, "whitelistentry", "?state=active") == [DAN]
        assert listed(admin_client, "whitelistentry", "?state=burned") == [BOB]
        assert listed(admin_client, "whitelistentry", f"?q={DAN}") == [DAN]
        assert listed(admin_client, "whitelistentry", "?q=@BobEx") == [BOB]
        assert listed(admin_client, "whitelistentry", "?q=dan+exam") == [DAN]
        assert listed(admin_client, "whitelistentry", "?q=99999999999999999999") == []
        content = text(admin_client, page("whitelistentry"))
        assert "Dan Example (@danexample)" in content
        assert "Left" in content

    def test_subscribers_stand_beside_what_would_become_of_them(self, admin_client: Client) -> None:
        content = text(admin_client, page("subscriber"))
        for verdict in ("the subscription has not expired", "they are whitelisted", "nothing protects them"):
            assert verdict in content
        assert listed(admin_client, "subscriber", "?at_risk=yes") == [CAROL]
        assert "kicks are off" in text(admin_client, page("subscriber", "change", CAROL))

    @pytest.mark.parametrize("model", LISTS)
    def test_a_longer_list_costs_no_more_queries(self, admin_client: Client, model: str) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                text(admin_client, page(model))
            return len(queries)

        cost()
        before = cost()
        crowd = range(9001, 9041)
        rows = [SubscriberRow(who, SubscriptionStatus.ACTIVE, NOW + DAY) for who in crowd]
        load_subscribers(rows=rows, actor="test", source="test", now=NOW)
        services.grant(telegram_ids=crowd, actor="test")
        community.reconcile(chat_id=CHAT, members=[Member(who) for who in crowd], expected=99, at=NOW)
        assert cost() == before


class TestGranting:
    def test_granting_by_hand_is_granting(self, client: Client) -> None:
        staff(client, "view_whitelistentry", "add_whitelistentry")
        client.post(page("whitelistentry", "add"), {"telegram_id": CAROL, "note": "VIP"})

        entry = WhitelistEntry.objects.get(pk=CAROL)
        assert (entry.granted_by, entry.note, entry.source) == ("olivia", "VIP", "manual")
        event = ActivityEvent.objects.latest("pk")
        assert (event.actor, event.action, event.subject) == ("olivia", "whitelist.granted", str(CAROL))
        assert client.post(page("whitelistentry", "change", CAROL), {"note": ""}).status_code == 403

    def test_who_was_burned_is_not_protected_again_by_accident(self, admin_client: Client) -> None:
        services.burn(telegram_ids=[BOB], cause=Cause.LEFT, actor="the bot")
        for who, answer in ((BOB, "was burned"), (DAN, "protected already"), (-5, "positive number")):
            response = admin_client.post(page("whitelistentry", "add"), {"telegram_id": who, "note": ""})
            assert answer in response.content.decode()
        assert not services.is_whitelisted(BOB)


class TestBurning:
    def test_it_shows_who_and_what_follows_before_anything_is_done(self, admin_client: Client) -> None:
        preview = choose(admin_client, "burn", BOB, DAN)

        content = preview.content.decode()
        assert "2 people" in content
        assert "Dan Example" in content
        assert "1 of them has an expired subscription" in content
        assert services.is_whitelisted(BOB)

        answer = choose(
            admin_client, "burn", BOB, DAN, plan=preview.context["plan"], reason="Spring cleaning"
        )
        assert "2 burned." in told(answer)
        assert not WhitelistEntry.objects.filter(revoked_at=None).exists()
        entry = WhitelistEntry.objects.get(pk=BOB)
        assert (entry.revoke_cause, entry.revoke_reason) == (Cause.MANUAL, "Spring cleaning")

    def test_what_changed_since_is_shown_again(self, admin_client: Client) -> None:
        plan = choose(admin_client, "burn", BOB, DAN, select_across="1").context["plan"]
        services.grant(telegram_ids=[CAROL], actor="omar")
        again = choose(admin_client, "burn", BOB, DAN, plan=plan, reason="", select_across="1")
        assert "has changed since it was shown" in told(again)
        assert services.is_whitelisted(BOB)

    def test_it_needs_its_own_right(self, client: Client) -> None:
        staff(client, "view_whitelistentry", "add_whitelistentry")
        choose(client, "burn", BOB)
        plan = "anything"
        choose(client, "burn", BOB, plan=plan, reason="")
        assert services.is_whitelisted(BOB)

    def test_the_burned_can_be_protected_again_on_purpose(self, admin_client: Client) -> None:
        services.burn(telegram_ids=[BOB], cause=Cause.LEFT, actor="the bot")
        assert "All of the selected entries are protected" in told(choose(admin_client, "revive", DAN))
        plan = choose(admin_client, "revive", BOB, DAN).context["plan"]
        choose(admin_client, "revive", BOB, DAN, plan=plan, reason="Restored after accident")
        entry = WhitelistEntry.objects.get(pk=BOB)
        assert (entry.active, entry.note) == (True, "Restored after accident")


class TestTheSwitch:
    OFF = "/admin/whitelist/featureflag/kicks-off/"

    def test_off_is_one_step_for_whoever_may(self, client: Client) -> None:
        flags.turn_kicks_on(actor="omar")
        staff(client, "view_featureflag")
        assert "Turn kicks off now" not in text(client, page("featureflag"))
        assert client.post(self.OFF).status_code == 403
        assert flags.kick_enabled()

        User.objects.get().user_permissions.add(Permission.objects.get(codename="stop_kicks"))
        assert client.get(self.OFF).status_code == 405
        assert "Turn kicks off now" in text(client, page("featureflag"))
        assert "Kicks are off." in told(client.post(self.OFF, follow=True))
        assert not flags.kick_enabled()
        assert "Turn kicks on" not in text(client, page("featureflag")), "that takes more"

    def test_on_takes_two_steps(self, client: Client) -> None:
        staff(client, "view_featureflag")
        for step in ("preflight", "kicks_on"):
            assert client.post(page("featureflag", step)).status_code == 403
        User.objects.get().user_permissions.add(Permission.objects.get(codename="switch_kicks"))
        assert client.get(page("featureflag", "preflight")).status_code == 405

        shown = client.post(page("featureflag", "preflight"))
        assert "A sweep would kick 1 person" in shown.content.decode()
        assert "carolexample" in shown.content.decode()
        report = shown.context["report"]
        answer = {"plan_hash": report.plan_hash, "count": 7, "hours": ""}
        assert "Look at a new one" in told(client.post(page("featureflag", "kicks_on"), answer, follow=True))
        assert not flags.kick_enabled()
        answer |= {"count": report.count, "hours": "4"}
        assert "Kicks are on." in told(client.post(page("featureflag", "kicks_on"), answer, follow=True))
        assert flags.kick_enabled()

    def test_a_sweep_is_planned_on_a_button_and_asked_about_on_its_own_page(self, client: Client) -> None:
        staff(client, "view_featureflag", "view_operation")
        assert client.post(page("featureflag", "sweep")).status_code == 403
        User.objects.get().user_permissions.add(Permission.objects.get(codename="run_operation"))
        assert "Plan a sweep…" in text(client, page("featureflag"))
        plan = client.post(page("featureflag", "sweep"), follow=True).content.decode()
        assert "Carol" in plan and "Kicks are off: this would only write down" in plan
        assert Operation.objects.get().state == "planned"
        services.grant(telegram_ids=[CAROL], actor="omar")
        assert "would kick nobody" in told(client.post(page("featureflag", "sweep"), follow=True))

    def test_nothing_on_its_page_edits_it(self, admin_client: Client) -> None:
        assert admin_client.get(page("featureflag", "add")).status_code == 403
        assert admin_client.post(page("featureflag", "change", "kick_enabled"), {}).status_code == 403
        assert admin_client.post(page("featureflag", "delete", "kick_enabled")).status_code == 403


class TestAPerson:
    PAGE = "/admin/person/"

    def test_the_decision_is_explained_step_by_step(self, client: Client) -> None:
        assert staff(client).get(self.PAGE).status_code == 403
        User.objects.get().user_permissions.add(Permission.objects.get(codename="view_subscriber"))
        carol = text(client, f"{self.PAGE}?q=@CarolExample")
        assert "They stay, because kicks are off." in " ".join(carol.split())
        assert carol.count("<li") - carol.count('<li class="') >= 5
        for answer in ("It has expired.", "They are not whitelisted.", "They are an ordinary member."):
            assert answer in carol
        assert "Subscription: changed" in carol, "what was recorded of her"
        flags.turn_kicks_on(actor="omar")
        assert "The next sweep kicks them" in text(client, f"{self.PAGE}?q={CAROL}")
        assert "Keeps them" in text(client, f"{self.PAGE}?q={BOB}")
        assert "No subscription is known" in text(client, f"{self.PAGE}?q=99")
        assert "Nobody whom we know" in text(client, f"{self.PAGE}?q=nobody")

    def test_it_agrees_with_the_decision(self, admin_client: Client) -> None:
        for who in (ADA, BOB, CAROL, DAN):
            context = admin_client.get(f"{self.PAGE}?q={who}").context
            (decisive,) = [step for step in context["steps"] if step.decides] or [None]
            assert context["verdict"].kick == (decisive is None)
            assert decisive is None or decisive.keeps is context["verdict"].reason


class TestTheReport:
    PAGE = "/admin/community/"

    def test_numbers_and_charts_with_their_texts(self, client: Client) -> None:
        assert staff(client).get(self.PAGE).status_code == 403
        User.objects.get().user_permissions.add(Permission.objects.get(codename="view_subscriber"))
        services.burn(telegram_ids=[DAN], cause=Cause.LEFT, actor="the bot")
        community.reconcile(chat_id=CHAT, members=[Member(ADA)], expected=9, at=NOW)
        page = text(client, self.PAGE)
        assert "<title>Members at each reading</title><desc>From 4 to 1" in page
        assert "Burned in each week" in page and "Left the community" in page
        assert "Subscriptions, by state" in page

    def test_its_cost_does_not_grow(self, admin_client: Client) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                text(admin_client, self.PAGE)
            return len(queries)

        before = cost()
        crowd = range(9001, 9041)
        rows = [SubscriberRow(who, SubscriptionStatus.ACTIVE, NOW + DAY) for who in crowd]
        load_subscribers(rows=rows, actor="test", source="test", now=NOW)
        services.grant(telegram_ids=crowd, actor="test")
        community.reconcile(chat_id=CHAT, members=[Member(who) for who in crowd], expected=99, at=NOW)
        assert cost() <= before


class TestTables:
    """Rows go out and come back unchanged, and what an import changes is written down."""

    def export(self, client: Client, model: str) -> list[dict[str, str]]:
        form = client.get(page(model, "export")).context["form"]
        columns = {name: "on" for name, field in form.fields.items() if hasattr(field, "is_selectable_field")}
        response = client.post(page(model, "export"), {"format": "1", "resource": "0", **columns})
        return list(csv.DictReader(StringIO(response.content.decode("utf-8-sig"))))

    def load(self, client: Client, model: str, rows: list[dict[str, Any]]) -> str:
        stream = StringIO()
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        file = SimpleUploadedFile("table.csv", stream.getvalue().encode())
        preview = client.post(page(model, "import"), {"format": "1", "import_file": file, "resource": ""})
        assert "confirm_form" in preview.context, preview.context["result"].first_problem()
        form = preview.context["confirm_form"].initial
        return told(client.post(page(model, "process_import"), form, follow=True))

    @pytest.mark.parametrize("model", ["subscriber", "subscription", "whitelistentry"])
    def test_a_round_trip_changes_nothing(self, admin_client: Client, model: str) -> None:
        services.burn(telegram_ids=[BOB], cause=Cause.LEFT, actor="the bot")
        before = self.export(admin_client, model)
        events = ActivityEvent.objects.count()

        answer = self.load(admin_client, model, before)

        assert f"0 new, 0 updated, 0 deleted and {len(before)} skipped" in answer
        assert self.export(admin_client, model) == before
        assert ActivityEvent.objects.count() == events

    def test_a_renewal_by_table(self, admin_client: Client) -> None:
        row = {"telegram_id": CAROL, "status": "Active", "expires_at": "2099-01-31T18:00+02:00"}
        self.load(admin_client, "subscription", [row | {"grace_until": ""}])

        subscription = Subscription.objects.get(pk=CAROL)
        assert (subscription.status, subscription.grace_until) == ("active", None)
        assert subscription.expires_at == datetime(2099, 1, 31, 16, tzinfo=UTC)
        event = ActivityEvent.objects.latest("pk")
        assert (event.actor, event.action, event.subject) == ("admin", "subscription.changed", str(CAROL))
        assert "→ active, ends 31 Jan 2099, 16:00 UTC" in event.detail

    def test_protection_by_table(self, admin_client: Client) -> None:
        assert "1 new" in self.load(admin_client, "whitelistentry", [{"telegram_id": CAROL, "note": "VIP"}])
        entry = WhitelistEntry.objects.get(pk=CAROL)
        assert (entry.active, entry.source, entry.granted_by) == (True, "import", "admin")


def test_a_subscription_changed_by_hand_is_written_down(admin_client: Client) -> None:
    url = page("subscription", "change", CAROL)
    assert "<h2>Carol (@carolexample)</h2>" in text(admin_client, url), "a page is called as its row is"
    dates = {"expires_at_0": "2099-01-31", "expires_at_1": "18:00", "grace_until_0": "", "grace_until_1": ""}
    assert admin_client.post(url, {"status": "active", **dates}).status_code == 302

    assert Subscription.objects.get(pk=CAROL).status == "active"
    event = ActivityEvent.objects.latest("pk")
    assert (event.actor, event.subject) == ("admin", str(CAROL))
    assert event.detail.endswith("→ active, ends 31 Jan 2099, 18:00 UTC (by hand)")
