"""What our account may do in each group, read by every audit; and the list of those where it cannot act."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from audits.models import Finding, PowerlessGroup
from audits.powerless import beyond_us
from groupadmin.sandbox.telegram.world import AdminRights
from members.dates import day_in_words
from members.models import Group
from telegram_ops.ownership_models import OwnershipRequest
from tests.audit_world import Office, shared_office
from tests.visitors import staff

LIST = "admin:audits_powerlessgroup_changelist"


office = pytest.fixture(shared_office)


def rights_in(group: Group) -> tuple[bool, bool, bool]:
    return group.may_rename, group.may_invite, group.may_remove


def test_every_audit_reads_what_our_account_may_do(office: Office) -> None:
    """Through the wire: what Telegram's and Slack's servers enforce is what is stored."""
    account, world = office.company.telegram_account_id, office.company.telegram
    chat = office.chat(lambda truth, chat: chat.kind == "supergroup" and chat.creator == account)
    chat.creator, chat.admins = None, {account: AdminRights(change_info=False, ban_users=False)}
    office.audit_first()

    seen = Group.objects.filter(platform="telegram", in_scope=True)
    for group in seen:
        here = world.chats[int(group.external_id)]
        rights = here.rights_of(account)
        assert rights_in(group) == (
            rights is not None and rights.change_info,
            rights.invite_users if rights is not None else here.members_may_invite,
            rights is not None and rights.ban_users,
        ), group.name
    assert (False, True, False) in {rights_in(group) for group in seen}
    for group in Group.objects.filter(platform="slack", in_scope=True):
        inside = office.slack_id("ada") in office.company.slack.channels[group.external_id].members
        assert (group.joined, rights_in(group)) == (inside, (inside, True, inside)), group.name

    chat.admins[account] = AdminRights()
    office.audit("--platform=telegram")
    assert rights_in(Group.objects.get(external_id=str(chat.id))) == (True, True, True)


def test_the_list_says_which_right_is_missing_what_waits_for_it_and_the_way_on(
    office: Office, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    office.audit()
    client = staff("rosa", "view_group", "view_finding", "run_operation", "view_ownershiprequest")
    with django_assert_max_num_queries(16):
        page = client.get(reverse(LIST))
    rows = list(PowerlessGroup.objects.all())
    lacking = Group.objects.filter(in_scope=True, archived=False).exclude(
        visible=True, may_rename=True, may_invite=True, may_remove=True
    )
    assert {row.pk for row in rows} == {group.pk for group in lacking}

    waiting_most = [row.blocked for row in page.context["cl"].result_list]
    assert waiting_most == sorted(waiting_most, reverse=True)
    assert sum(row.blocked for row in rows) == Finding.objects.filter(beyond_us(), state="open").count() > 0
    renaming = next(row for row in rows if row.platform == "telegram" and "a new name" in row.waiting)
    link = urlencode({"group__id__exact": renaming.pk, "kind__exact": "deprecated_name"})
    text = page.content.decode().replace("&amp;", "&")
    assert link in text
    ask = f"{reverse('admin:telegram_ops_ownershiprequest_ask')}?groups={renaming.external_id}"
    assert ask in text
    assert f'name="groups" value="{renaming.external_id}"' in client.get(ask).content.decode()

    group = Group.objects.get(pk=renaming.pk)
    OwnershipRequest.objects.create(
        group=group, user_id=7, user_name="Olga Example", requested_at=timezone.now(), requested_by="rosa"
    )
    (asked,) = PowerlessGroup.objects.filter(pk=group.pk)
    assert asked.way_on == f"Asked on {day_in_words(timezone.now())}: wait, or remind them"
    waiting = client.get(reverse(LIST), {"waiting": "yes", "may_rename__exact": "0", "platform": "telegram"})
    assert {row.pk for row in waiting.context["cl"].result_list} == {
        row.pk for row in rows if row.blocked and not row.may_rename and row.platform == "telegram"
    }

    export = reverse("admin:audits_powerlessgroup_export")
    columns = {f"powerlessresource_{name}": "on" for name in ("group", "lacking", "waiting", "way_on")}
    book = client.post(f"{export}?waiting=yes", {"format": "0", "resource": "0", **columns})
    sheet = load_workbook(BytesIO(book.content)).active
    assert sheet is not None
    table = {row[0]: row[1:] for row in sheet.iter_rows(min_row=2, values_only=True)}
    assert table[group.name] == (asked.lacking, asked.waiting, asked.way_on)
    assert len(table) == sum(row.blocked > 0 for row in rows)


def test_findings_that_wait_for_a_right_say_so(office: Office) -> None:
    office.audit()
    client = staff("rosa", "view_finding")
    page = reverse("admin:audits_finding_changelist")
    found = client.get(page, {"our_right": "lacking"})
    beyond = {finding.pk for finding in found.context["cl"].result_list}
    there = {each.pk for each in client.get(page, {"our_right": "there"}).context["cl"].result_list}
    mended_by_a_right = Finding.objects.filter(
        state="open", kind__in=["missing_required", "departed_member_present", "deprecated_name"]
    )

    assert beyond
    assert beyond | there == set(mended_by_a_right.values_list("pk", flat=True))
    assert not beyond & there
    assert "Our account may not rename there." in found.content.decode()


def test_it_is_for_whoever_may_see_groups_and_findings(admin_client: Client) -> None:
    assert staff("rosa", "view_group").get(reverse(LIST)).status_code == 403
    assert "Our account may add and remove people" in admin_client.get(reverse(LIST)).content.decode()
