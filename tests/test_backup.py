"""A backup made while work goes on, and brought back into an empty place, by the lines of docs/install.md."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from tests.databases import put_database, put_migrated_database
from tests.processes import ROOT, environment, eventually, manage, running, test_database_url
from tests.test_docs import INSTALL, commands_in

SESSION = "1invented-session"
WORK = """
import os
from datetime import UTC, date, datetime
from django.core.files.base import ContentFile
from audits.evidence.packs import request_pack
from audits.evidence.period import Period
from audits.models import AuditRun, RunReport, RunState, Trigger
from members.operations import activity
from members.operations.activity import Event
from telegram_ops.models import SignedInSession, TelegramAccount
account = TelegramAccount.objects.create(label="Main")
SignedInSession.objects.create(account=account, session=os.environ["SESSION"])
done = {"state": RunState.COMPLETE, "trigger": Trigger.COMMAND, "finished_at": datetime.now(UTC)}
run = AuditRun.objects.create(platforms=["slack"], **done)
RunReport(run=run, format="json").file.save("run.json", ContentFile(b'{"run": 1}'))
request_pack(period=Period(date(2026, 1, 1), date(2026, 3, 31)), asked_by="ada")
for number in range(1_000_000):
    activity.record(events=[Event(actor="ada", action="operation.planned")], at=datetime.now(UTC))
    print(number, flush=True)
"""
LOOK = """
from django.contrib.auth.models import User
from django.test import Client
from audits.evidence.models import EvidencePack
from audits.evidence.packs import run_pack
from audits.models import RunReport
from telegram_ops.models import SignedInSession
print(SignedInSession.objects.get().session, RunReport.objects.get().file.read())
waiting = EvidencePack.objects.get()
print(waiting.state)
run_pack(waiting.pk)
waiting.refresh_from_db()
print(waiting.state, waiting.file.size > 0)
client = Client()
client.force_login(User.objects.create_superuser("owner"))
for page in ("", "operations/activityevent/", "audits/auditrun/", "evidence/evidencepack/"):
    print(page, client.get(f"/admin/{page}").status_code)
"""


def documented(*, sqlite: bool) -> tuple[list[str], list[str]]:
    """The lines that make a backup, and those that bring it back."""
    text = INSTALL.read_text().partition("\n## Backup\n")[2]
    kept, back, kept_elsewhere, back_elsewhere = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    chosen = (kept, back) if sqlite else (kept_elsewhere, back_elsewhere)
    return list(commands_in(chosen[0])), list(commands_in(chosen[1]))


@dataclass(frozen=True)
class Place:
    """A folder with an installation in it, as the commands expect one."""

    folder: Path
    database_url: str
    keys: str

    def __post_init__(self) -> None:
        (self.folder / "var" / "media").mkdir(parents=True)
        (self.folder / ".venv").symlink_to(sys.prefix)
        (self.folder / "manage.py").symlink_to(ROOT / "manage.py")

    def env(self, **settings: str) -> dict[str, str]:
        return environment(
            VAR_DIR=str(self.folder / "var"),
            DATABASE_URL=self.database_url,
            FIELD_ENCRYPTION_KEYS=self.keys,
            SECRET_KEY="tests only",
            REQUIRE_SECOND_FACTOR="False",
            ALLOWED_HOSTS="testserver",
            **settings,
        )

    def follow(self, lines: list[str]) -> str:
        """Run them as a shell would; what they print."""
        told = ""
        for line in lines:
            shell = ["sh", "-c", line]
            done = subprocess.run(
                shell, cwd=self.folder, env=self.env(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (line, done.stderr)
            told += done.stdout + done.stderr
        return told

    def shell(self, code: str) -> str:
        done = manage("shell", "--verbosity=0", "--command", code, env=self.env())
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def two_places(folder: Path, keys: str, template: str) -> Iterator[tuple[Place, Place]]:
    """One with tables, and one whose database is empty."""
    with ExitStack() as stack:
        places = []
        for name in ("here", "there"):
            if connection.vendor == "sqlite":
                url = f"sqlite:///{folder / name / 'var' / 'groupadmin.sqlite3'}"
            else:
                database = f"{connection.settings_dict['NAME']}_{name}"
                put = stack.enter_context(put_database(database))
                put(like=template if name == "here" else "template0")
                url = f"{test_database_url().rpartition('/')[0]}/{database}"
            places.append(Place(folder / name, url, keys))
        here, there = places
        if connection.vendor == "sqlite":
            put_migrated_database(here.folder / "var" / "groupadmin.sqlite3")
        yield here, there


@pytest.mark.long
def test_what_is_brought_back_is_whole_and_goes_on(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    template = "" if connection.vendor == "sqlite" else request.getfixturevalue("fresh_database")
    key = Fernet.generate_key().decode()
    back_up, bring_back = documented(sqlite=connection.vendor == "sqlite")
    with two_places(tmp_path, key, template) as (here, there):
        log = tmp_path / "work.log"
        working = [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", WORK]
        with running(working, env=here.env(SESSION=SESSION), log=log) as process:
            eventually(lambda: "\n20\n" in log.read_text() or process.poll() is not None)
            here.follow(back_up)
            assert process.poll() is None, log.read_text()
            done_meanwhile = int(log.read_text().split()[-1])
        for each in ("backup.sqlite3", "groupadmin.dump", "media.tar"):
            if (here.folder / each).exists():
                (here.folder / each).rename(there.folder / each)

        told = there.follow(bring_back)
        assert "no issues" in told
        events = re.search(r"([\d,]+) events?", told)
        assert events is not None, told
        seen = there.shell(LOOK).splitlines()
        wrong = manage("check", "--database=default", env=there.env() | {"FIELD_ENCRYPTION_KEYS": other()})

    assert seen[0] == f"{SESSION} " + repr(b'{"run": 1}')
    assert seen[1:3] == ["queued", "done True"]
    assert [line.split()[-1] for line in seen[3:]] == ["200"] * 4
    assert 20 <= int(events[1].replace(",", "")) <= done_meanwhile + 100
    assert "FIELD_ENCRYPTION_KEYS lacks the key that encrypted the stored sign-in" in wrong.stderr


def other() -> str:
    return Fernet.generate_key().decode()
