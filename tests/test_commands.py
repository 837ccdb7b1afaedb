"""What all commands share: where they write, which database they take, how they answer Ctrl-C."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from pytest import CaptureFixture, MonkeyPatch

import manage as command_line
from members.management.base import output_file, write_whole
from members.management.progress import ProgressLine
from tests.databases import put_migrated_database
from tests.processes import ROOT, environment, manage, test_database_url

COMMANDS = [["audit"], ["dumppolicy"], ["loadpolicy", "/dev/null"], ["serve"]]
ALL_OF_THEM = f"""
from django.core.management import execute_from_command_line
for words in {COMMANDS}:
    try:
        execute_from_command_line(["manage.py", *words])
    except SystemExit as end:
        print(end.code)
"""


# --- The database ------------------------------------------------------------------------------


def test_a_database_without_tables_is_told_in_one_line(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", ALL_OF_THEM],
        cwd=ROOT, env=environment(VAR_DIR=str(tmp_path)), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert refused.stdout.split() == ["4"] * len(COMMANDS)
    told = "The database is not set up: run manage.py migrate."
    assert refused.stderr.splitlines() == [told] * len(COMMANDS)


def test_so_is_one_of_an_earlier_release(tmp_path: Path) -> None:
    place = tmp_path / "old.sqlite3"
    put_migrated_database(place)
    with closing(sqlite3.connect(place)) as database, database:
        database.execute("DELETE FROM django_migrations WHERE app IN ('audits', 'members', 'operations')")

    refused = manage("dumppolicy", env=environment(VAR_DIR=str(tmp_path), DATABASE_URL=f"sqlite:///{place}"))

    assert refused.returncode == 4
    assert refused.stderr.splitlines() == ["The database is not up to date: run manage.py migrate."]


def test_a_database_that_does_not_answer_is_told_in_one_line(tmp_path: Path) -> None:
    env = environment(VAR_DIR=str(tmp_path), DATABASE_URL="postgres://user:hunter2@127.0.0.1:1/name")

    refused = manage("dumppolicy", env=env)

    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("The database refused: ") and line.endswith("and DATABASE_URL.")
    assert "hunter2" not in line


# --- Files -------------------------------------------------------------------------------------


def test_a_file_may_be_new_or_replaced_or_in_the_present_folder(tmp_path: Path) -> None:
    (tmp_path / "old").touch()

    for text in (str(tmp_path / "new"), str(tmp_path / "old"), "new", "/dev/null"):
        assert output_file(text) == Path(text)


@pytest.mark.parametrize(
    "place",
    ["", "folder", "missing/file", "file/below", "a" * 250, "a" * 300, "a" * 300 + "/file"],
    ids=["nothing", "folder", "missing", "below a file", "long", "too long", "below too long"],
)
def test_a_place_that_cannot_hold_a_file_is_a_usage_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(CommandError, match=r"Cannot write .*\.$") as refused:
        output_file(str(tmp_path / place))

    assert refused.value.returncode == 2


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    refused = manage("dumppolicy", "--json", str(tmp_path), env=environment(VAR_DIR=str(tmp_path)))

    assert (refused.returncode, refused.stderr) == (2, f"Cannot write {tmp_path}: it is a folder.\n")


def test_a_link_stays_a_link_to_the_new_content(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)

    write_whole(link, lambda path: path.write_text("new"))

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CommandError, match="No space left") as refused:
        write_whole(path, fail)

    assert refused.value.returncode == 1
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.django_db(transaction=True)
def test_standard_output_can_be_named_as_a_file(tmp_path: Path) -> None:
    env = environment(DATABASE_URL=test_database_url(), VAR_DIR=str(tmp_path))

    printed = manage("dumppolicy", "/dev/stdout", env=env)

    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith('{\n  "employees": []')


# --- The terminal ------------------------------------------------------------------------------


def test_ctrl_c_while_the_project_is_loaded_is_one_line(
    monkeypatch: MonkeyPatch, capsys: CaptureFixture[str]
) -> None:
    def interrupted(argv: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("django.core.management.execute_from_command_line", interrupted)

    with pytest.raises(SystemExit) as stopped:
        command_line.main()

    assert (stopped.value.code, capsys.readouterr().err) == (130, "Interrupted.\n")


PRINTS_ALL_IT_READS = """
from django.core.management import get_commands
from manage import main
from members.management.base import PlainCommand

class PrintsAllItReads(PlainCommand):
    def handle(self, *args, **options):
        from django.contrib.auth.models import Permission
        permissions = Permission.objects.iterator(chunk_size=1)
        for permission in permissions:
            self.stdout.write(100 * str(permission))

get_commands()["prints_all_it_reads"] = PrintsAllItReads()
main()
"""
"""While rows are still to be read, its reader goes."""


@pytest.mark.parametrize(
    "words", [("-c", PRINTS_ALL_IT_READS, "prints_all_it_reads"), ("manage.py", "version")]
)
def test_when_the_reader_has_enough_nobody_hears_of_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As `manage.py … | head` has it. What is printed last is noticed only while Python ends."""
    place = tmp_path / "db.sqlite3"
    put_migrated_database(place)
    env = environment(VAR_DIR=str(tmp_path), DATABASE_URL=f"sqlite:///{place}", PYTHONUNBUFFERED="")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as pipe:
        ended = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=env, stdout=pipe, stderr=subprocess.PIPE, check=False
        )

    assert (ended.stderr.decode(), ended.returncode) == ("", 141)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_promises_no_time(monkeypatch: MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with ProgressLine(BaseCommand()) as line:
        line.show("Slack: reading memberships 1 of 20", 3)

    *_, drawn, _end = terminal.getvalue().split("\r")[:-1]
    assert drawn.lstrip().startswith("3 % |")
    assert "| 00:00  Slack: reading memberships 1 of 20" in drawn


def test_a_pipe_gets_a_line_for_every_tenth() -> None:
    pipe = StringIO()

    with ProgressLine(BaseCommand(stderr=pipe)) as line:
        for percent in (0, 4, 9, 10, 11, 35):
            line.show("Slack", percent)

    assert pipe.getvalue() == "  0 %  Slack\n 10 %  Slack\n 35 %  Slack\n"
