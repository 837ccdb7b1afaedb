"""Whatever a file holds: it is read, or refused in one line with nothing of it kept.

More examples: pytest tests/test_bad_files.py --hypothesis-profile=long
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from audits.evidence.verifying import NotWhole, verify_pack
from groupadmin.models import Schedule
from groupadmin.schedules import AUDIT_TASK, EXPORT_TASK, SYNC_TASK, purpose
from members import policy_store, table_files
from members.models import Employee, Exclusion, Team
from telegram_ops.rename_selections import MappingTrouble, read_mapping
from tests.command_line import Told, run
from tests.history_rows import talk
from whitelist.bot_commands import Misunderstood, Verb, parse
from whitelist.moments import parse_moment
from whitelist.subscriber_file import SubscriberFileError, read_subscribers

SLOW = settings(max_examples=settings().max_examples // 2)
"""For what goes through the database."""

TEXTS = st.sampled_from(
    ["", " ", "ada", "core", "slack", "a\0b", "\ud83d", "x" * 400, "(a+)+$", "2026-13-01", "²"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, -1, 1.5, 2**63, 10**30]) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
POLICY: dict[str, Any] = {
    "employees": [
        {
            "key": "ada",
            "name": "Ada Example",
            "teams": ["core"],
            "slack_username": "ada",
            "telegram_user_id": 7,
        }
    ],
    "teams": [{"key": "core", "name": "Core team"}],
    "categories": [
        {"key": "customer", "name": "Customer", "full_team": True, "default": True, "patterns": ["x"]}
    ],
    "rules": [{"platform": "slack", "team": "core", "level": "required", "category": "customer"}],
    "scope": [{"platform": "slack", "kind": "include", "match": "regex", "pattern": "acme"}],
    "naming": [{"pattern": "Old", "replacement": "New"}],
    "exclusions": [
        {"platform": "slack", "group": "C1", "employee": "ada", "reason": "asked", "expires": "2099-01-31"}
    ],
}


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A policy with something else in one place, or bytes that never were one."""
    policy = deepcopy(POLICY)
    section = draw(st.sampled_from(sorted(policy)))
    entry = policy[section][0]
    where = draw(st.sampled_from([policy, entry]))
    key = section if where is policy else draw(st.sampled_from([*sorted(entry), "else"]))
    where[key] = draw(ANYTHING)
    return draw(st.just(json.dumps(policy).encode()) | st.binary(max_size=40) | st.just(b"[" * 100_000))


def written(content: bytes, read: Callable[[Path], Any]) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        return read(path)


def assert_one_line(complaint: str) -> None:
    assert complaint
    assert len(complaint.splitlines()) == 1, complaint
    assert complaint.isprintable(), complaint


@pytest.mark.django_db
@SLOW
@given(spoiled())
def test_a_policy_is_loaded_whole_or_not_at_all(content: bytes) -> None:
    written(json.dumps(POLICY).encode(), lambda path: run("loadpolicy", str(path)))
    before = policy_store.read()
    told = written(content, lambda path: run("loadpolicy", str(path)))

    assert told.code in (0, 2)
    if told.code:
        assert_one_line(told.complaint)
        assert policy_store.read() == before
    for model in (Exclusion, Employee, Team):
        model.objects.all().delete()


@given(
    st.dictionaries(TEXTS, ANYTHING, max_size=3).map(lambda value: json.dumps(value).encode()) | st.binary()
)
def test_a_mapping_of_names_is_read_or_refused(content: bytes) -> None:
    try:
        assert all(key and new for key, new in read_mapping(content).items())
    except MappingTrouble as trouble:
        assert_one_line(str(trouble))


CELLS = st.sampled_from(
    ["", "7", "0", "-1", "9" * 30, "²", "active", "grace", "expired", "@ada", "a\0b", "x" * 70, '"', "'"]
    + ["2099-01-31", "9999-12-31", "0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00", "2027-13-01", "=1+1"]
)
LINES = st.lists(CELLS, min_size=6, max_size=6) | st.lists(CELLS, max_size=7)


@given(st.lists(LINES, max_size=4), st.booleans())
def test_a_file_of_subscribers_is_read_or_refused(rows: list[list[str]], headed: bool) -> None:
    header = "telegram_id,username,first_name,status,expires_at,grace_until\n" if headed else ""
    try:
        for row in read_subscribers(header + "\n".join(map(",".join, rows))):
            assert 0 < row.telegram_id < 2**63
            assert "\0" not in f"{row.username}{row.first_name}"
    except SubscriberFileError as error:
        assert_one_line(str(error))


@given(st.datetimes() | st.dates() | st.text(max_size=30) | CELLS)
def test_a_moment_is_one_or_none(value: Any) -> None:
    try:
        moment = parse_moment(value)
        assert moment is None or isinstance(moment, datetime)
    except ValueError as error:
        assert "is no time like" in str(error)


def _with_file(command: list[str], path: Path) -> Told:
    return run(*command, str(path))


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"a\0b\n", b"x" * 300, b"acme\n" * 3])
def test_names_in_a_file_are_read_or_refused(content: bytes) -> None:
    talk("acme")
    for command in (
        ["add_member", "ada", "--groups"],
        ["rename_groups", "--naming-rules", "--groups"],
    ):
        told = written(content, partial(_with_file, command))
        assert told.code in (0, 2, 4)
        assert "Traceback" not in told.complaint


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["\udcff", "²", "9" * 40, "@", "x" * 5000, "slack:", "telegram:9" * 9])
def test_words_that_name_nobody_are_refused_in_one_line(word: str, tmp_path: Path) -> None:
    talk("acme")
    Employee.objects.create(key="ada", name="Ada Example")
    for command in (
        ["add_member", word, f"--groups={tmp_path / 'none'}"],
        ["add_member", word],
        ["add_missing", "--group", word],
        ["remove_member", word],
        ["find_user", word],
        ["export_history", word, "--format=text", "--no-sync", f"--out={tmp_path}"],
        ["export_history", "acme", "--format=text", "--no-sync", f"--since={word}", f"--out={tmp_path}"],
        ["kicks", "on", f"--confirm={word}", "--count=1"],
        ["evidence_pack", f"--since={word}", "--until=2026-01-01", f"--out={tmp_path}"],
        ["verify_evidence", f"{tmp_path}/{word[:50].replace(chr(0xDCFF), 'x')}"],
    ):
        told = run(command[0], *command[1:])
        assert told.code in (2, 4), (command, told)
        assert_one_line(told.complaint)


@pytest.mark.django_db
@SLOW
@given(
    st.sampled_from([AUDIT_TASK, SYNC_TASK, EXPORT_TASK]),
    *[ANYTHING.map(json.dumps) | st.sampled_from(["", "x", "[" * 100_000, '["kept"]', '[["slack"], true]'])]
    * 2,
)
def test_a_schedule_with_odd_arguments_is_shown_all_the_same(task: str, args: str, kwargs: str) -> None:
    assert purpose(Schedule(task=task, args=args, kwargs=kwargs))


@given(st.text() | st.lists(CELLS | st.sampled_from(Verb)).map(lambda words: "/" + " ".join(words)))
def test_whatever_is_written_to_the_bot_is_understood_or_not(text: str) -> None:
    try:
        assert parse(text).verb in Verb
    except Misunderstood as misunderstood:
        assert str(misunderstood)


# Tables


def workbook(*rows: list[Any], merged: str = "") -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    if merged:
        sheet.merge_cells(merged)
    book.save(out := io.BytesIO())
    return out.getvalue()


def bomb() -> bytes:
    """A workbook of a few hundred kilobytes that unpacks to a hundred megabytes."""
    good = workbook(["Key", "Name"], ["core", "Core team"])
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
        target.writestr("xl/media/image1.png", b"\0" * 100_000_000)
    return out.getvalue()


BAD_TABLES = {
    "is no ZIP file": (b"PK\x03\x04 nothing else", "xlsx"),
    "is empty": (b"", "csv"),
    "is Latin-1": ("Key,Name\ncore,Caf\xe9\n".encode("latin-1"), "csv"),
    "is UTF-16": ("Key,Name\ncore,Core\n".encode("utf-16"), "csv"),
    "has a huge cell": (b"Key,Name\ncore," + b"x" * 200_000 + b"\n", "csv"),
    "has a character that no database keeps": (b"Key,Name\ncore,a\0b\n", "csv"),
    "has such a key": (b"Key,Name\nco\0re,Core\n", "csv"),
    "has a row too wide": (b"Key,Name\ncore,Core,else\n", "csv"),
    "has no header": (workbook(), "xlsx"),
    "has merged cells": (workbook(["Key", "Name"], ["core", "Core"], ["x", "y"], merged="A2:A3"), "xlsx"),
    "has a formula": (workbook(["Key", "Name"], ["core", "=1/0"]), "xlsx"),
    "has dates for names": (
        workbook(["Key", datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)], ["core", "Core"]),
        "xlsx",
    ),
    "unpacks to too much": (bomb(), "xlsx"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_table_that(admin_client: Client, what: str) -> None:
    content, ending = BAD_TABLES[what]
    file = SimpleUploadedFile(f"table.{ending}", content)
    asked = {"format": "01"[ending == "csv"], "import_file": file, "resource": ""}
    page = admin_client.post(reverse("admin:members_team_import"), asked)

    assert page.status_code == 200
    assert "confirm_form" not in page.context
    said = page.content.decode()
    assert "Traceback" not in said
    assert 'class="errorlist' in said or "Row 2" in said or "column" in said or "Row 3" in said, said
    assert not Team.objects.exists()


@pytest.mark.django_db
def test_too_much_at_once_is_said_so(admin_client: Client, settings: Settings) -> None:
    admin_client.raise_request_exception = False
    settings.UPLOAD_MAX_MB = 0.001
    large = {"format": "1", "import_file": SimpleUploadedFile("t.csv", b"x" * 1_100_000), "resource": ""}
    fields = dict.fromkeys(map(str, range(1_001)), "x")
    for sent in (large, fields, {"text": "x" * 3_000_000}):
        settings.UPLOAD_MAX_MB = 0.001 if sent is large else 10
        answer = admin_client.post(reverse("admin:members_team_import"), sent)
        assert answer.status_code == 413
        assert "This is too much at once" in answer.content.decode()
    assert table_files.LARGEST_UNPACKED < 100 * table_files.MEGABYTE


# Evidence


@example(b"", 271, 1)
@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(0, 255))
def test_a_pack_that_somebody_changed_is_not_whole(noise: bytes, at: int, byte: int) -> None:
    """One byte of a ZIP file anywhere, and files that never were one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": "group-admin-evidence", "version": 1}))
        archive.writestr("activity.jsonl", noise)
    content = bytearray(out.getvalue())
    content[at % len(content)] = byte
    for each in (bytes(content), noise):
        with pytest.raises(NotWhole) as refused:
            verify_pack(io.BytesIO(each))
        assert_one_line(str(refused.value))
