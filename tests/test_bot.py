"""The bot over the real wire: owners command it, strangers hear nothing, joins and leaves burn."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection, connections
from pytest_django import Settings

from groupadmin.sandbox.telegram.effects import Drop, RpcFault
from groupadmin.sandbox.telegram.messages import TelegramMessage
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramUser
from members.notices.kinds import NoticeKind
from members.notices.models import Message
from members.notices.services import write
from members.operations.models import ActivityEvent, Lease
from members.platforms.errors import AccountTrouble
from tests.processes import eventually, free_port, product_environment, running
from tests.telegram_reading import ADA, BOB, CY, ROBO
from tests.test_whitelist_seeding import CHAT, gated_sandbox, seed
from whitelist import community, flags, services
from whitelist.bot import BotBusy, run_bot
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus
from whitelist.models import Bot, CommunityReading, WhitelistEntry
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = f"{ROBO}:INVENTED"
EVE, FIRST, SECOND = 201, 50_000, 50_001
OVER = datetime.now(UTC) - timedelta(days=30)


@pytest.fixture
def sandbox(settings: Settings, tmp_path: Path) -> Iterator[TelegramSandbox]:
    """A seeded community of which the bot is an admin; Bob owns the bot, and Eve is a stranger to it."""
    with gated_sandbox(settings, tmp_path, crowd=20) as sandbox:
        sandbox.world.chats[CHAT].admins[ROBO] = AdminRights()
        sandbox.world.add_user(TelegramUser(EVE, "Eve", "Invented"))
        sandbox.world.bot_tokens[TOKEN] = ROBO
        settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_BOT_OWNERS = TOKEN, [BOB]
        seed("--yes")
        yield sandbox


@dataclass
class Running:
    """The bot in a thread, as its command runs it in a process."""

    sandbox: TelegramSandbox
    told: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def write(self, text: str, *, sender: int = BOB) -> int:
        return self.sandbox.send_private(sender, ROBO, text)

    def ask(self, text: str) -> str:
        """Write as the owner; the answer."""
        before = len(said(self.sandbox))
        self.write(text)
        return eventually(lambda: said(self.sandbox)[before:])[0]

    @property
    def listens(self) -> bool:
        return any("listens" in text for text in self.told)


@contextmanager
def bot(sandbox: TelegramSandbox) -> Iterator[Running]:
    stop, running = Event(), Running(sandbox)

    def be() -> None:
        try:
            run_bot(stopping=stop.is_set, tell=running.told.append)
        except BaseException as error:
            running.error = error
        finally:
            connections.close_all()

    thread = Thread(target=be)
    thread.start()
    try:
        eventually(lambda: running.listens or running.error)
        yield running
    finally:
        stop.set()
        thread.join()
    assert running.error is None


def said(sandbox: TelegramSandbox, to: int = BOB) -> list[str]:
    messages: list[TelegramMessage] = []
    if found := sandbox.world.conversations.get((min(to, ROBO), max(to, ROBO))):
        messages = list(found.messages)
    return [message.text for message in messages if message.sender == ROBO and message.text]


def burned(telegram_id: int) -> str:
    entry = WhitelistEntry.objects.get(pk=telegram_id)
    return "" if entry.active else entry.revoke_cause


def expired(*people: int) -> None:
    rows = [SubscriberRow(who, SubscriptionStatus.EXPIRED, OVER, OVER) for who in people]
    load_subscribers(rows=rows, actor="test", source="test", now=datetime.now(UTC))


def test_every_command_does_what_its_page_does(sandbox: TelegramSandbox) -> None:
    expired(FIRST, SECOND)
    with bot(sandbox) as robo:
        assert "/wl_add <id> [note]: protect somebody" in robo.ask("/help")
        assert "25 members, 0 subscribed, 25 whitelisted, 0 at risk." in robo.ask("/kicks_status")

        assert "is not protected any more" in robo.ask(f"/wl_remove {FIRST} No longer a VIP")
        event = ActivityEvent.objects.latest("pk")
        assert (event.actor, event.action, event.subject) == ("telegram:102", "whitelist.burned", str(FIRST))
        assert event.detail == "removed by hand: No longer a VIP"
        status = robo.ask(f"/wl_status@robo_bot {FIRST}")
        assert "would be kept because kicks are off" in status
        assert "3. Whitelist: they are not whitelisted" in status
        assert f"• {FIRST} Nora Customer0" in robo.ask("/dryrun_expired")
        assert "Burned (removed by hand): 1" in robo.ask("/wl_stats")
        assert "Kept (they are whitelisted): 1" in robo.ask("/wl_report")
        assert "is protected again" in robo.ask(f"/wl_add {FIRST} Restored after accident")
        assert WhitelistEntry.objects.get(pk=FIRST).note == "Restored after accident"
        assert "An id is a positive number" in robo.ask("/wl_add @customer_0")


def test_kicks_go_on_in_two_steps_and_off_in_one(sandbox: TelegramSandbox) -> None:
    expired(FIRST)
    with bot(sandbox) as robo:
        assert "Write /kicks_on first" in robo.ask("/kicks_on_confirm")
        assert "A sweep would kick 0 people" in robo.ask("/kicks_on 3")
        services.burn(telegram_ids=[FIRST], cause=Cause.MANUAL, actor="olivia")
        assert "would do something else by now" in robo.ask("/kicks_on_confirm")
        assert not flags.kick_enabled()

        shown = robo.ask("/kicks_on 3")
        assert "A sweep would kick 1 person" in shown
        assert "The number at risk is 1, not 2." in robo.ask("/kicks_on_confirm 2")
        assert "Write /kicks_on first" in robo.ask("/kicks_on_confirm"), "one try for each look"
        robo.ask("/kicks_on 3")
        assert "Kicks are on until" in robo.ask("/kicks_on_confirm")
        assert flags.kick_enabled() and flags.switch().changed_by == "telegram:102"
        assert "Kicks are off." in robo.ask("/kicks_off")
        assert not flags.kick_enabled()


def test_a_confirmation_that_was_written_before_the_dry_run_was_shown_counts_for_nothing(
    sandbox: TelegramSandbox,
) -> None:
    expired(FIRST)
    with bot(sandbox):
        pass
    sandbox.send_private(BOB, ROBO, "/kicks_on")
    sandbox.send_private(BOB, ROBO, "/kicks_on_confirm")
    with bot(sandbox):
        answers = eventually(lambda: said(sandbox)[1:] and said(sandbox))
    assert "A sweep would kick 0 people" in answers[0]
    assert "Write /kicks_on first" in answers[1]
    assert not flags.kick_enabled()


def test_strangers_hear_nothing_and_are_written_down_once(sandbox: TelegramSandbox) -> None:
    flags.turn_kicks_on(actor="olivia")
    with bot(sandbox) as robo:
        for text in ("/kicks_off", "/wl_add 201 me", "Hello?"):
            robo.write(text, sender=EVE)
        sandbox.post(CHAT, BOB, "/kicks_off")  # not in private
        assert robo.ask("/kicks_status").startswith("Kicks are ON")
    assert said(sandbox, to=EVE) == []
    attempts = ActivityEvent.objects.filter(action="bot.refused")
    assert [event.detail for event in attempts] == ["Eve Invented wrote /kicks_off, and is no owner"]
    assert attempts.get().subject == str(EVE)


def test_requests_and_leaves_burn_and_what_others_do_does_not(sandbox: TelegramSandbox) -> None:
    with bot(sandbox):
        sandbox.join_request(CHAT, FIRST)
        sandbox.leave(CHAT, SECOND)
        sandbox.ban(CHAT, CY, by=ADA)  # what a kick looks like
        sandbox.unban(CHAT, CY, by=ADA)
        sandbox.join(CHAT, EVE, by=ADA)
        eventually(lambda: EVE in community.present_ids(CHAT))
    assert (burned(FIRST), burned(SECOND), burned(CY)) == ("join_request", "left", "")
    assert not {SECOND, CY} & community.present_ids(CHAT)
    assert ActivityEvent.objects.filter(action="whitelist.burned", actor="the bot").count() == 2


def test_it_learns_after_a_restart_what_it_missed_and_repeats_nothing(sandbox: TelegramSandbox) -> None:
    with bot(sandbox) as robo:
        robo.ask(f"/wl_remove {CY}")
    sandbox.limit_differences(slice=3)
    sandbox.leave(CHAT, FIRST)
    for _ in range(4):
        sandbox.send_private(BOB, ROBO, f"/wl_add {CY} again")
    services.burn(telegram_ids=[SECOND], cause=Cause.MANUAL, actor="olivia")
    with bot(sandbox):
        eventually(lambda: burned(FIRST) and len(said(sandbox)) == 5)
    assert burned(CY) == ""
    signed_in = sandbox.calls.counts()["ImportBotAuthorization"]
    with bot(sandbox) as robo:
        robo.ask("/help")
    assert len(said(sandbox)) == 6, "nothing is answered twice"
    assert signed_in == sandbox.calls.counts()["ImportBotAuthorization"] == 1, "the session was kept"
    with connection.cursor() as cursor:
        cursor.execute("SELECT session FROM whitelist_bot")
        assert cursor.fetchone()[0].startswith("gAAAA"), "encrypted"


def test_where_telegram_does_not_tell_any_more_it_looks_who_is_there(sandbox: TelegramSandbox) -> None:
    with bot(sandbox):
        pass
    readings = CommunityReading.objects.count()
    sandbox.limit_differences(longest=1)
    sandbox.leave(CHAT, FIRST)
    sandbox.leave(CHAT, SECOND)
    with bot(sandbox):
        eventually(lambda: CommunityReading.objects.count() > readings)
        eventually(lambda: burned(FIRST))
    assert burned(FIRST) == burned(SECOND) == "left_unseen"


def test_bad_lines_and_bad_days_are_survived(sandbox: TelegramSandbox) -> None:
    with bot(sandbox) as robo:
        sandbox.drop_connections()
        assert "Kicks are off." in robo.ask("/kicks_status")
        sandbox.script.add("SendMessage", Drop())
        assert "Kicks are off." in robo.ask("/kicks_status"), "what was not said is said later"
        sandbox.script.add("SendMessage", Drop(done=True))
        robo.ask("/kicks_status")
        sandbox.script.add("GetDifference", RpcFault("FLOOD_WAIT_1"))
        robo.ask("/help")
        sandbox.sign_out(ROBO)
        sandbox.drop_connections()
        assert "/kicks_off" in robo.ask("/help"), "it signs in again"
        assert len(said(sandbox)) == 5, "and nothing is said twice"


def test_owners_are_told_what_nobody_asked_for(sandbox: TelegramSandbox) -> None:
    with bot(sandbox) as robo:
        robo.ask("/help")  # a bot cannot speak first
        write(kind=NoticeKind.SWEEP_REFUSED, text="A sweep was refused.")
        assert "A sweep was refused." in eventually(lambda: said(sandbox)[1:])[0]
        eventually(lambda: Message.objects.filter(channel="bot", state="sent").exists())


def test_there_is_one_of_it(sandbox: TelegramSandbox) -> None:
    with bot(sandbox), pytest.raises(BotBusy, match="Another process is the bot already"):
        run_bot(stopping=lambda: False)
    assert Lease.objects.get(connection=f"telegram:bot{ROBO}").owner == ""


def test_it_runs_beside_the_web_server_and_is_still_the_only_one(
    sandbox: TelegramSandbox, tmp_path: Path
) -> None:
    log = tmp_path / "serve.log"
    env = product_environment(TELEGRAM_BOT_OWNERS=str(BOB), LIVE_EVENTS="False")
    command = [sys.executable, "manage.py", "serve", "--port", str(free_port())]
    with running(command, env=env, log=log) as process:
        eventually(lambda: Bot.objects.exclude(heard_at=None).exists() or process.poll() is not None)
        sandbox.send_private(BOB, ROBO, "/kicks_status")
        assert "Kicks are off." in eventually(lambda: said(sandbox))[0], log.read_text()
        with pytest.raises(BotBusy):
            run_bot(stopping=lambda: False)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    assert Lease.objects.get(connection=f"telegram:bot{ROBO}").owner == ""


def test_it_says_what_keeps_it_from_working(sandbox: TelegramSandbox, settings: Settings) -> None:
    sandbox.world.chats[CHAT].admins[ROBO] = AdminRights(invite_users=False)
    with bot(sandbox) as robo:
        assert "give it the right to invite users" in " ".join(eventually(lambda: robo.told[1:]))
    assert "invite users" in Bot.objects.get().trouble
    for token, problem in (
        ("", "There is no bot"),
        ("INVENTED", "looks like 123456789"),
        ("7:WRONG", "does not accept TELEGRAM_BOT_TOKEN"),
    ):
        settings.TELEGRAM_BOT_TOKEN = token
        with pytest.raises(AccountTrouble, match=problem):
            run_bot(stopping=lambda: False)
