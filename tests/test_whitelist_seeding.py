"""Seeding through the Telegram account: everybody, bulk, idempotent; what is missing or burned is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramUser
from members.management.base import ExitCode
from members.operations import lease
from members.platforms.types import Platform
from telegram_ops.models import TelegramAccount
from tests.command_line import Told, run
from tests.sandboxes import point_at
from tests.telegram_reading import ADA, BOB, CY, DEE, ROBO, add_group, company
from whitelist import community, services, tasks
from whitelist.burning import Cause, MembershipChanged
from whitelist.community import Member
from whitelist.models import CommunityMember, CommunityReading, SeedingJob, WhitelistEntry
from whitelist.reading import Roster
from whitelist.seeding import seed as plain_seed
from whitelist.seeding_jobs import SeedingRefused, confirm_seeding, request_preview, run_seeding

pytestmark = pytest.mark.django_db(transaction=True)

CHAT = 4242
NAMES = ("Nora", "Omar", "Petra", "Quinn", "Rosa", "Ибрагим")


@contextmanager
def gated(settings: Settings, folder: Path, **fields: Any) -> Iterator[TelegramChat]:
    """The community alone."""
    with gated_sandbox(settings, folder, **fields) as sandbox:
        yield sandbox.world.chats[CHAT]


@contextmanager
def gated_sandbox(
    settings: Settings, folder: Path, *, crowd: int = 0, **fields: Any
) -> Iterator[TelegramSandbox]:
    """Ada owns the community and does the reading; Bob is an admin, Robo a bot; `crowd` are its customers."""
    world = company()
    strangers = range(50_000, 50_000 + crowd)
    for number, user_id in enumerate(strangers):
        name = f"{NAMES[number % len(NAMES)]}"
        world.add_user(TelegramUser(user_id, name, f"Customer{number}", [f"customer_{number}"]))
    chat = add_group(world, CHAT, ADA, BOB, CY, DEE, ROBO, *strangers, creator=ADA, **fields)
    chat.admins = {BOB: AdminRights()}
    with TelegramSandbox(world) as sandbox:
        point_at(sandbox, settings, folder, session=sandbox.mint_session(ADA))
        settings.TELEGRAM_GATED_CHAT_ID = -1_000_000_000_000 - CHAT
        yield sandbox
        assert sandbox.bugs == []


def seed(*args: str) -> Told:
    return run("seed_whitelist", *args)


def active() -> set[int]:
    return set(WhitelistEntry.objects.filter(revoked_at=None).values_list("pk", flat=True))


def test_everybody_who_is_there_is_protected_once(settings: Settings, tmp_path: Path) -> None:
    TelegramAccount.objects.create(label="Cy's", phone="+15550000103", user_id=CY)
    with gated(settings, tmp_path, crowd=1181):
        dry = seed()
        assert dry.document["new"] == dry.document["members"] == dry.document["expected"] == 1186
        assert not WhitelistEntry.objects.exists(), "a dry run changes nothing"
        assert not CommunityMember.objects.exists()

        done = seed("--yes")
        assert (done.code, done.document["new"], done.document["missing"]) == (0, 1186, 0)
        again = seed("--yes").document
        assert (again["new"], again["already"]) == (0, 1186)

    assert len(active()) == 1186
    entry = WhitelistEntry.objects.get(pk=CY)
    assert (entry.source, entry.active) == ("seeding", True)
    members = {row.telegram_id: row for row in CommunityMember.objects.filter(pk__gt=0)}
    assert (members[ADA].role, members[ADA].is_our_account) == ("owner", True)
    assert members[CY].is_our_account, "one of ours, also while another one reads"
    assert (members[BOB].role, members[BOB].username) == ("admin", "bobsample")
    assert members[ROBO].is_bot
    assert CommunityReading.objects.filter(whole=True).count() == 2


def test_who_was_burned_is_skipped_unless_told_otherwise(settings: Settings, tmp_path: Path) -> None:
    with gated(settings, tmp_path):
        seed("--yes")
        services.burn(telegram_ids=[BOB, CY], cause=Cause.LEFT, actor="the bot")
        skipped = seed("--yes")
        assert skipped.document["burned"] == 2
        assert "Skipped 2 whose entry was burned (--revive)." in skipped.printed
        assert {BOB, CY} & active() == set()
        assert seed("--revive").document["revived"] == 2
        assert seed("--yes", "--revive").document["revived"] == 2
        assert {BOB, CY} <= active()


def test_what_telegram_counts_and_does_not_show_is_told(settings: Settings, tmp_path: Path) -> None:
    with gated(settings, tmp_path, crowd=40) as chat:
        seed("--yes")
        services.burn(telegram_ids=[BOB], cause=Cause.LEFT, actor="the bot")
        chat.listed_members = 3
        told = seed("--yes")
        assert told.code == ExitCode.PARTLY_DONE
        assert told.document["missing"] > 0
        assert "are missing and not protected" in told.complaint
        assert len(active()) == 44, "an incomplete list burns nobody"


def test_a_list_that_ends_early_is_completed_by_searching(settings: Settings, tmp_path: Path) -> None:
    with gated(settings, tmp_path, crowd=60) as chat:
        chat.listed_members = 20  # of every answer, as Telegram's 10,000
        assert seed().document["missing"] == 0


def test_the_nightly_reading_burns_who_left_and_nobody_else(settings: Settings, tmp_path: Path) -> None:
    with gated(settings, tmp_path, crowd=3) as chat:
        seed("--yes")
        chat.members.pop(50_000)  # left
        chat.members.pop(50_001)  # banned by an admin
        chat.banned.add(50_001)

        tasks.reconcile_members()

        assert 50_000 not in active()
        assert 50_001 in active()
        assert not {50_000, 50_001} & community.present_ids(CHAT)
        assert CommunityReading.objects.latest().burned == 1


def test_who_leaves_while_the_members_are_read_is_not_protected_however_late_it_is_told() -> None:
    leaver, late, at = 50_000, 50_001, timezone.now()
    roster = Roster(CHAT, at, members={who: Member(who) for who in (CY, leaver, late)}, expected=3)
    meanwhile = at + timedelta(seconds=1)
    community.note_joined(chat_id=CHAT, member=Member(leaver), at=at - timedelta(days=1))
    community.note_left(chat_id=CHAT, telegram_ids=[leaver], at=meanwhile)

    done = plain_seed(roster, actor="olivia")

    assert (done.new, active()) == (2, {CY, late})
    left = MembershipChanged(late, late, was_present=True, is_present=False)
    assert services.apply_event(left, actor="the bot", at=meanwhile)
    assert active() == {CY}


def test_it_says_what_is_in_the_way(settings: Settings, tmp_path: Path) -> None:
    with gated(settings, tmp_path):
        settings.TELEGRAM_GATED_CHAT_ID = 4243
        assert "is not in the gated community 4243" in seed().complaint
        settings.TELEGRAM_GATED_CHAT_ID = None
        unset = seed()
        assert (unset.code, unset.complaint) == (
            ExitCode.NOT_CONFIGURED,
            "There is no gated community: set TELEGRAM_GATED_CHAT_ID",
        )
        tasks.reconcile_members()  # nothing to do, and no failure
    assert lease.take_account(Platform.TELEGRAM, owner="anybody") is not None, "the account was let go"


def test_the_button_shows_first_and_protects_after(
    settings: Settings, tmp_path: Path, admin_client: Client
) -> None:
    with gated(settings, tmp_path, crowd=7) as chat:
        admin_client.post("/admin/whitelist/seedingjob/preview/")
        preview = SeedingJob.objects.get()
        run_seeding(preview.pk)
        page = f"/admin/whitelist/seedingjob/{preview.pk}/"
        shown = admin_client.get(f"{page}change/").content.decode()
        assert "Nobody has been protected by this" in shown and "Protect 12" in shown
        assert not WhitelistEntry.objects.exists()

        chat.members.pop(50_000)  # left since
        for _ in range(2):
            answer = admin_client.post(f"{page}confirm/", follow=True)
        assert "cannot be confirmed any more" in answer.content.decode(), "once"
        run_seeding(SeedingJob.objects.get(confirms=preview).pk)
    done = SeedingJob.objects.get(confirms=preview)
    assert (done.state, done.numbers["new"]) == ("done", 11)
    assert 50_000 not in active() and len(active()) == 11
    assert WhitelistEntry.objects.get(pk=CY).granted_by == "admin"


def test_the_button_says_what_is_in_the_way_and_needs_the_right(
    settings: Settings, tmp_path: Path, client: Client
) -> None:
    with gated(settings, tmp_path):
        settings.TELEGRAM_GATED_CHAT_ID = 4243
        failed = run_seeding(request_preview(actor="olivia").pk)
        assert (failed.state, failed.message[:40]) == ("failed", "The Telegram account is not in the gated")
        with pytest.raises(SeedingRefused):
            confirm_seeding(preview_id=failed.pk, actor="olivia")
    client.force_login(User.objects.create_user("vera", is_staff=True))
    assert client.post("/admin/whitelist/seedingjob/preview/").status_code == 403
