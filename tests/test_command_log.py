"""Every run of a command leaves a file: what it printed, what was logged, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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


def test_each_run_has_its_own(env: dict[str, str], logs: Path) -> None:
    """Also a run that logs nothing, and a second one within the same second."""
    assert manage("dumppolicy", env=env).returncode == 0
    assert manage("dumppolicy", env=env).returncode == 0

    assert [log.name.partition("_")[0] for log in logs.iterdir()] == ["dumppolicy", "dumppolicy"]


def test_what_did_not_run_leaves_none(env: dict[str, str], logs: Path) -> None:
    assert manage("audit", "--help", env=env).returncode == 0
    assert manage("audit", "--platform=discord", env=env).returncode == 2
    assert manage("serve", "--port=99999", env=env).returncode == 2

    assert not logs.exists()


class Stumbles(PlainCommand):
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        raise LookupError("nobody thought of this")


@pytest.fixture
def root_handlers() -> Iterator[None]:
    """A command sends what is logged to its file for the rest of the process; here it shall not."""
    root = logging.getLogger()
    before = root.handlers
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = before


@pytest.mark.usefixtures("root_handlers", "db")
def test_the_line_about_a_crash_leads_to_the_traceback(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAR_DIR = tmp_path

    with pytest.raises(SystemExit) as stopped:
        Stumbles().run_from_argv(["manage.py", "stumbles"])

    (log,) = (tmp_path / "logs").iterdir()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == (
        f"Unexpected error: LookupError: nobody thought of this. The log has the details: {log}\n"
    )
    assert "Traceback" in log.read_text()
