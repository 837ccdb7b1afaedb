"""The runbook, followed from its first command to its last on the sandbox, in the order of the page."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from groupadmin.sandbox.telegram.world import AdminRights
from tests.command_line import Told, run
from tests.processes import ROOT, eventually, product_environment, running
from tests.telegram_reading import BOB, ROBO
from tests.test_docs import blocks
from tests.test_whitelist_seeding import CHAT, gated_sandbox
from whitelist import flags, services
from whitelist.burning import Cause

RUNBOOK = ROOT / "docs" / "whitelist.md"
TOKEN, LEAVERS = f"{ROBO}:INVENTED", (50_000, 50_001)


@pytest.mark.django_db(transaction=True)
def test_it_can_be_followed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings.SWEEP_PAUSE_SECONDS = 0.0
    settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_BOT_OWNERS = TOKEN, [BOB]
    rows = [f"{who},,,expired,2026-01-31," for who in range(50_000, 50_060)]
    Path("subscribers.csv").write_text(
        "\n".join(["telegram_id,username,first_name,status,expires_at,grace_until", *rows])
    )
    told: dict[str, Told] = {}
    with gated_sandbox(settings, tmp_path, crowd=60) as sandbox:
        chat = sandbox.world.chats[CHAT]
        chat.admins[ROBO], sandbox.world.bot_tokens[TOKEN] = AdminRights(), ROBO
        for line in commands():
            words = shlex.split(line)
            if words == ["bot"]:
                be_the_bot(tmp_path / "bot.log")
            elif words != ["migrate"]:  # the database of the tests is migrated
                told[line] = run(*as_shown(words, told))
            if line == "seed_whitelist --yes":
                services.burn(telegram_ids=LEAVERS, cause=Cause.MANUAL, actor="olivia")
        assert not set(LEAVERS) & chat.members.keys(), "the last sweep kicked them"
        assert len(chat.members) == 63, "and nobody else"
    assert "Kicks are off." in told["kicks status"].printed
    assert (told["kicks dryrun"].document["count"], told["kicks sweep --yes"].code) == (2, 0)

    with connection.cursor() as cursor:
        for statement in statements():
            cursor.execute(statement)
    assert not flags.kick_enabled(), "with nothing but the database"


def commands() -> list[str]:
    lines = "\n".join(blocks(RUNBOOK, "bash")).splitlines()
    return [line.removeprefix(".venv/bin/python manage.py ") for line in lines if line]


def statements() -> list[str]:
    update = re.findall(r"`(UPDATE [^`]+)`", RUNBOOK.read_text())
    return [*update, *(each for each in "".join(blocks(RUNBOOK, "sql")).split(";") if each.strip())]


def as_shown(words: list[str], told: dict[str, Told]) -> list[str]:
    """The command with the hash and the count that were really shown."""
    if "--confirm" not in words:
        return words
    shown = re.search(r"--confirm (\w+) --count (\d+)", told["kicks on"].printed)
    assert shown is not None
    return ["kicks", "on", "--confirm", shown[1], "--count", shown[2], "--hours", "24"]


def be_the_bot(log: Path) -> None:
    """Start it as the page says, see that it listens, and end it as systemd does."""
    command = [sys.executable, str(ROOT / "manage.py"), "bot"]
    with running(command, env=product_environment(TELEGRAM_BOT_OWNERS=str(BOB)), log=log) as process:
        eventually(lambda: "@robo_bot listens." in log.read_text() or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
