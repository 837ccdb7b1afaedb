"""Every command that the documentation shows is carried out, page after page, in one invented company.

What cannot be, on every machine that runs the tests, stands in `NOT_RUN`, each line with its reason.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from groupadmin.api.tokens import make_token
from groupadmin.sandbox.company import Community, add_community, build_company
from groupadmin.sandbox.company.community import CHAT_ID
from groupadmin.sandbox.runner import Sandbox
from members.management.base import ExitCode
from members.operations.models import Operation
from tests.audit_world import TINY, Office
from tests.processes import ROOT
from tests.test_docs import (
    DOCUMENTS,
    FIRST_DAY,
    INSTALL,
    OPERATING,
    POLICY,
    README,
    REPORTS,
    RUNBOOKS,
    check_containers,
    commands_in,
    fenced,
)
from whitelist import services
from whitelist.burning import Cause

MANAGE = ".venv/bin/python manage.py "
READING_ORDER = [README, FIRST_DAY, INSTALL, POLICY, OPERATING, REPORTS, RUNBOOKS]


def commands_of(text: str) -> list[str]:
    return [line for block in fenced(text, "bash") for line in commands_in(block)]


BACKUP = INSTALL.read_text().partition("\n## Backup\n")[2]
NOT_RUN = {
    ". var/demo/demo.env": "the demo writes that file; the company below stands for it",
    "git pull": "where the code comes from is somebody else's",
    "docker compose up --build --detach": "needs Docker; `test_deployment` looks at what it starts",
    "docker compose --profile community --profile live up --detach --scale worker=3": "the same",
    "docker compose run --rm web python manage.py createsuperuser": "the same; it is run without Docker",
    "docker compose run --rm web python manage.py check --deploy": "the same; `test_checks` runs the command",
    **dict.fromkeys(commands_of(BACKUP), "`test_backup` follows them"),
    f"{MANAGE}bot": "`test_whitelist_runbook` starts it, and ends it as systemd does",
    f"{MANAGE}sandbox --size 60 --write-policy policy.json --env-file sandbox.env": "`test_sandbox_runner`",
}
MEASURES = "-m tests.bench "
"""Whatever has this in it takes minutes and is not run; the parts that it names exist."""

FOLLOWED_ELSEWHERE = {"whitelist.md": "test_whitelist_runbook"}
"""Pages that a test of their own follows."""

PARTLY_DONE = {f"{MANAGE}add_missing --yes"}
"""Some people let nobody add them to Telegram groups, in this company as in others: not all of it is done."""


def shown() -> list[str]:
    """Every line of every block once, the pages in the order in which a person reads them."""
    rest = [page for page in DOCUMENTS if page not in READING_ORDER and page.name not in FOLLOWED_ELSEWHERE]
    lines = (line for page in (*READING_ORDER, *rest) for line in commands_of(page.read_text()))
    return list(dict.fromkeys(lines))


class Desk:
    """Somebody at a terminal, with the files that the pages speak of, and this company's names for theirs."""

    def __init__(self, office: Office, community: Community) -> None:
        self.office, self.community = office, community
        self.printed: dict[str, str] = {}
        self.names = {
            "dave": "fay",
            "@some_username": "@bosample",
            "acme-bitsafe": office.company.slack.channels["G0000000009"].name,
            "C012AB3CD": "C0000000005",
            "telegram:1600945862": "telegram:1600118785",
            "Acme <> BitSafe": "BitSafe (CBTC) x Lagoon Example",
        } | last_quarter()
        Path("policy.json").write_text(json.dumps(office.company.policy))
        Path("subscribers.csv").write_text(community.subscribers)
        Path("groups.txt").write_text("1600047514\n")
        Path("names.json").write_text('{"birch-example-bitsafe": "birch-bitsafe"}')
        Path("var").mkdir()
        shutil.copy(ROOT / ".env.example", ".env.example")

    def run(self, line: str) -> int:
        """Do it; the exit code."""
        words = [self.in_this_company(word) for word in shlex.split(line)]
        match words:
            case [".venv/bin/python", "manage.py", "slack_events" | "telegram_events" as name]:
                return self.call(line, name, out=UntilItListens())
            case [".venv/bin/python", "manage.py", "createsuperuser"]:
                return self.call(line, "createsuperuser", "--noinput")
            case [".venv/bin/python", "manage.py", "kicks", "on", "--confirm", *_]:
                told = self.printed[f"{MANAGE}kicks on"]
                shown_now = re.search(r"--confirm (\w+) --count (\d+)", told)
                assert shown_now is not None, told
                return self.call(line, *words[2:5], shown_now[1], *words[6:])
            case [".venv/bin/python", "manage.py", *arguments]:
                return self.call(line, *arguments)
            case ["python3" | ".venv/bin/python", "-c", code]:
                return subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode
            case ["cp" | "chmod", *_]:
                return subprocess.run(words).returncode
            case ["curl", "-H", header, address]:
                return ask(header, address)
        raise AssertionError(f"Nobody knows how to run {line}")

    def call(self, line: str, *arguments: str, out: StringIO | None = None) -> int:
        out, err, code = out or StringIO(), StringIO(), 0
        try:
            call_command(*arguments, stdout=out, stderr=err)
        except CommandError as refusal:
            code = refusal.returncode
            err.write(str(refusal))
        self.printed[line] = out.getvalue() + err.getvalue()
        return code

    def in_this_company(self, word: str) -> str:
        known = "|".join(map(re.escape, self.names))
        return re.sub(known, lambda found: self.names[found[0]], word)

    def before(self, line: str) -> None:
        """What has happened in the meantime, where the page tells of it."""
        self.names.pop("12", None)
        match line.removeprefix(MANAGE).split():
            case ["add_missing", "--invite-links", _, "--yes"]:
                turned_away = Operation.objects.filter(steps__outcome="privacy_restricted").latest("pk")
                self.names["12"] = str(turned_away.pk)
            case ["kicks", "status"]:
                services.burn(telegram_ids=self.community.unprotected, cause=Cause.MANUAL, actor="olivia")


def last_quarter() -> dict[str, str]:
    """For the days of the pages such that are over, whatever today is."""
    until = timezone.now().date() - timedelta(days=1)
    days = {"2026-07-01": until - timedelta(days=91), "2026-09-30": until}
    return {theirs: str(ours) for theirs, ours in days.items()}


class UntilItListens(StringIO):
    """Presses Ctrl-C when the command says that it listens, which is how it ends well."""

    def write(self, text: str) -> int:
        if "istens" in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def ask(header: str, address: str) -> int:
    """What `curl` would ask; 0 when it is answered."""
    expires = timezone.now() + timedelta(days=1)
    owner = User.objects.get(username="olga")
    _, token = make_token(name="CRM", expires_at=expires, actor=owner)
    name, _, value = header.replace("gadm_…", token).partition(": ")
    path = address.removeprefix("https://groups.example.com")
    answer = Client().get(path, headers={name: value})
    return 0 if answer.status_code == 200 else answer.status_code


@pytest.fixture
def desk(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_sandbox: Callable[..., Sandbox],
    transactional_db: None,
) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name, value in {"USERNAME": "olga", "PASSWORD": "Long-enough-1", "EMAIL": "olga@example.com"}.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)
    company = build_company(TINY, privacy=True)
    community = add_community(company, timezone.now())
    office = Office(start_sandbox(company))
    settings.TELEGRAM_GATED_CHAT_ID, settings.SWEEP_PAUSE_SECONDS = community.chat_id, 0.0
    return Desk(office, community)


@pytest.mark.long
def test_every_command_does_what_its_page_is_about(desk: Desk) -> None:
    went_wrong = {}
    for line in shown():
        if line in NOT_RUN or line.startswith("make ") or MEASURES in line:
            continue
        desk.before(line)
        code = desk.run(line)
        if code != (ExitCode.PARTLY_DONE if line in PARTLY_DONE else ExitCode.DONE):
            went_wrong[line] = (code, desk.printed.get(line))
        for option, name in pairwise(shlex.split(line)):
            if option in ("--xlsx", "--csv", "--json", "--out"):
                assert Path(desk.in_this_company(name)).exists(), line

    assert went_wrong == {}
    assert not set(desk.community.unprotected) & desk.office.company.telegram.chats[CHAT_ID].members.keys()


def test_the_key_that_the_containers_get_is_one() -> None:
    """Made by a Python that has nothing installed."""
    (line,) = (line for line in shown() if "b64encode" in line)
    assert line in (ROOT / ".env.example").read_text()
    _, option, code = shlex.split(line)

    made = subprocess.run([sys.executable, "-IS", option, code], capture_output=True, text=True, check=True)

    key = Fernet(made.stdout.strip())
    assert key.decrypt(key.encrypt(b"kept")) == b"kept"


def test_make_knows_its_targets() -> None:
    lines = [line.split()[1:] for line in shown() if line.startswith("make ")]
    words = sorted({word for line in lines for word in line})

    command = ["/usr/bin/env", "make", "-n", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_no_exemption_is_left_over() -> None:
    lines = shown()

    assert [line for line in (*NOT_RUN, *PARTLY_DONE) if line not in lines] == []
    assert FOLLOWED_ELSEWHERE.keys() <= {page.name for page in DOCUMENTS}
    for reason in (*NOT_RUN.values(), *FOLLOWED_ELSEWHERE.values()):
        for name in re.findall(r"test_\w+", reason):
            assert (ROOT / "tests" / f"{name}.py").is_file(), name


def test_containers_and_measurements_that_are_named_exist() -> None:
    measurements = (ROOT / "tests" / "bench" / "__main__.py").read_text()
    for line in shown():
        if line.startswith("docker "):
            check_containers(shlex.split(line))
        for name in re.findall(rf"{MEASURES}(\w+)", line):
            assert f'"{name}":' in measurements, name
