"""Every run of a command leaves a file: what it printed, what was logged, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import execute_from_command_line
from pytest_django import Settings

from members.management.base import PlainCommand
from tests.processes import environment, manage, test_database_url


@pytest.fixture
def env(transactional_db: None, tmp_path: Path) -> dict[str, str]:
    return environment(DATABASE_URL=test_database_url(), VAR_DIR=str(tmp_path))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_it_holds_what_was_printed_and_what_was_logged(env: dict[str, str], logs: Path) -> None:
    done = manage("audit", "--platform=slack", "--force-color", env=env)

    (log,) = logs.iterdir()
    assert log.name.startswith("audit_")
    text = log.read_text()
    assert all(line in text for line in done.stdout.splitlines()), "standard output"
    assert "Slack is not configured: set SLACK_USER_TOKEN" in text, "standard error"
    assert "audit.started" in text and "audit.finished" in text, "events"
    assert "\x1b" not in text
    assert "audit.started" not in done.stdout + done.stderr, "the terminal shows the outcome alone"


class Stumbles(PlainCommand):
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        raise LookupError("nobody thought of this")


@pytest.fixture
def here(settings: Settings, tmp_path: Path, transactional_db: None) -> None:
    """Commands run in this process, and keep their logs in the test's folder."""
    settings.VAR_DIR = tmp_path


def test_each_run_has_its_own(env: dict[str, str], logs: Path) -> None:
    """Also a run that logs nothing, and a second one within the same second."""
    assert manage("dumppolicy", env=env).returncode == 0
    assert manage("dumppolicy", env=env).returncode == 0

    assert [log.name.partition("_")[0] for log in logs.iterdir()] == ["dumppolicy", "dumppolicy"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", ["audit --help", "audit --platform=discord", "serve --port=99999"])
def test_what_did_not_run_leaves_none(logs: Path, words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", *words.split()])

    assert ended.value.code == (0 if "--help" in words else 2)
    assert not logs.exists()


@pytest.mark.usefixtures("here")
def test_the_line_about_a_crash_leads_to_the_traceback(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        Stumbles().run_from_argv(["manage.py", "stumbles"])

    (log,) = logs.iterdir()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == (
        f"Unexpected error: LookupError: nobody thought of this. The log has the details: {log}\n"
    )
    assert "Traceback" in log.read_text()
