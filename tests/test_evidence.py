"""Evidence for an audit period: what lies in a pack, that it can be proven anywhere, and who may have it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from audits.evidence import packs, purging
from audits.evidence.models import EvidencePack
from audits.evidence.packs import request_pack, run_pack
from audits.evidence.period import Period, WrongPeriod, quarters
from audits.evidence.record import PurgedMeanwhile
from audits.evidence.verifying import NotWhole, verify_pack
from audits.evidence.writing import Wish, write_pack
from audits.models import RunReport
from groupadmin.roles import AUDITOR, give_roles
from members import job_files
from members.models import Employee, Exclusion
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import ActivityEvent, Operation, OperationReport, Step
from tests.audit_rows import slack_run
from tests.command_line import run

pytestmark = pytest.mark.django_db

PERIOD = Period(date(2026, 4, 1), date(2026, 6, 30))
WITHIN, BEFORE, AFTER = (datetime(2026, month, 5, 9, tzinfo=UTC) for month in (5, 3, 7))
MADE = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def quarter(settings: Settings, tmp_path: Path) -> None:
    """An audit with its workbook, an exclusion, an operation with its report, and the record of it all."""
    settings.MEDIA_ROOT, settings.VAR_DIR = tmp_path / "media", tmp_path
    slack_run("old-bitsafe", at=BEFORE)
    report = RunReport(run=slack_run("acme-bitsafe", "=cmd-bitsafe", at=WITHIN), format="xlsx")
    report.file.save("acme.xlsx", ContentFile(b"a workbook"))
    bob = Employee.objects.get(key="bob")
    exclusion = Exclusion.objects.create(
        platform="slack", group_external_id="C1", employee=bob, reason="customer asked", granted_by="olga"
    )
    versions = Exclusion.history.filter(id=exclusion.pk)
    versions.update(history_date=BEFORE)
    exclusion.delete()
    Exclusion.history.filter(history_type="-").update(history_date=WITHIN)
    operation = Operation.objects.create(
        kind="add_missing",
        state="done",
        plan_hash="cafe",
        count=1,
        trigger="person",
        planned_by="ada",
        planned_at=WITHIN,
        confirmed_by="olga",
        expires_at=WITHIN,
        finished_at=WITHIN,
    )
    Step.objects.create(
        operation=operation,
        position=0,
        platform="slack",
        verb="add",
        group_id="C1",
        group_name="acme",
        state="done",
    )
    paper = OperationReport(operation=operation, format="md")
    paper.file.save("added.md", ContentFile("# Añadido".encode()))
    for at, action in ((BEFORE, "before"), (WITHIN, "one"), (WITHIN, "two\u2028 “ü”"), (AFTER, "after")):
        activity.record(events=[Event("ada", action)], at=at)


def written(period: Period = PERIOD, made_by: str = "vera", made_at: datetime = MADE) -> bytes:
    out = io.BytesIO()
    write_pack(Wish(period, made_by, made_at), out)
    return out.getvalue()


def table(pack: bytes, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        return list(csv.DictReader(io.StringIO(archive.read(name).decode())))


# --- What lies in it --------------------------------------------------------------------------


def test_it_tells_what_was_found_accepted_and_done_in_the_period() -> None:
    pack = written()

    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        names = archive.namelist()
        assert names[-1] == "manifest.json" and names[:-1] == sorted(names[:-1])
        (book,) = (name for name in names if name.startswith("audits/"))
        assert archive.read(book) == b"a workbook"
        (paper,) = (name for name in names if name.startswith("operations/"))
        assert archive.read(paper).decode() == "# Añadido"
        events = [json.loads(line) for line in archive.read("activity.jsonl").decode().split("\n") if line]
    assert [event["action"] for event in events] == ["one", "two\u2028 “ü”"]
    assert [row["Audit"] for row in table(pack, "runs.csv")] == [str(int(book.split("/")[1]))]
    findings = table(pack, "findings.csv")
    assert "'=cmd-bitsafe" in {row["Group"] for row in findings}, "no program runs a group's name"
    assert {row["State at the end of the period"] for row in findings} == {"open"}
    assert {row["Change"] for row in table(pack, "finding_changes.csv")} == {"opened"}
    assert [
        (row["What"], row["Person"], row["Reason"], row["Granted by"])
        for row in table(pack, "exclusions.csv")
    ] == [
        ("granted", "bob", "customer asked", "olga"),
        ("deleted", "bob", "customer asked", "olga"),
    ], "it held at the beginning, though it is gone by now"
    assert [row["Confirmed by"] for row in table(pack, "operations.csv")] == ["olga"]
    assert [row["State"] for row in table(pack, "steps.csv")] == ["done"]


def test_the_same_period_makes_the_same_bytes_but_for_who_and_when() -> None:
    assert written() == written()

    one, other = (
        zipfile.ZipFile(io.BytesIO(each))
        for each in (written(), written(made_by="wim", made_at=timezone.now()))
    )
    differing = [entry.filename for entry in one.infolist() if one.read(entry) != other.read(entry.filename)]
    assert differing == ["manifest.json"]


def test_packs_of_periods_that_follow_each_other_join() -> None:
    spring, summer = PERIOD, Period(date(2026, 7, 1), date(2026, 9, 30))
    quiet = Period(date(2026, 10, 1), date(2026, 10, 31))

    ends = [verify_pack(io.BytesIO(written(each))).manifest.activity for each in (spring, summer, quiet)]

    assert [end.events for end in ends] == [2, 1, 0]
    assert ends[0].hash_after == ends[1].hash_before
    assert ends[1].hash_after == ends[2].hash_before == ends[2].hash_after
    assert [end.events_before for end in ends] == [1, 3, 4]


def test_what_is_missing_is_said() -> None:
    report = RunReport.objects.get()
    report.file.storage.delete(str(report.file))

    notes = verify_pack(io.BytesIO(written(made_at=WITHIN))).manifest.notes

    too_early, *notes = notes
    assert too_early.startswith(
        "The period was not over when this was made: it goes on until 30 Jun 2026, and"
    )
    assert notes == [
        f"The workbook of audit {report.run_id} is not there any more.",
    ]


def test_a_purge_meanwhile_leaves_no_evidence_that_looks_whole(settings: Settings) -> None:
    """A pack that a command makes is no job which a purge would wait for."""
    settings.AUDIT_RETENTION_DAYS = 1

    def told(count: int) -> None:
        purging.purge(actor="schedule")

    with pytest.raises(PurgedMeanwhile):
        write_pack(Wish(PERIOD, "vera", MADE, told), io.BytesIO())
    notes = verify_pack(io.BytesIO(written())).manifest.notes
    assert notes == ["What happened at the beginning of the period was purged before: its time was over."]


def test_the_number_of_queries_does_not_grow_with_the_period(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    activity.record(events=[Event("ada", f"much.{n}") for n in range(50)], at=WITHIN)

    with django_assert_max_num_queries(30):
        written()


def test_periods() -> None:
    assert [name for name, _ in quarters(date(2026, 2, 28), 5)] == [
        "Q4 2025",
        "Q3 2025",
        "Q2 2025",
        "Q1 2025",
        "Q4 2024",
    ]
    assert quarters(date(2026, 7, 1), 1)[0][1] == PERIOD
    for wrong in (Period(PERIOD.until, PERIOD.since), Period(date(2999, 1, 1), date(2999, 1, 2))):
        with pytest.raises(WrongPeriod):
            wrong.check(MADE)


# --- Proving it without the database ----------------------------------------------------------


def rewritten(
    pack: bytes,
    change: Callable[[str, bytes], bytes | None] = lambda name, data: data,
    *,
    added: Mapping[str, bytes] = MappingProxyType({}),
) -> bytes:
    """The pack with files changed, left out (None) or added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(pack)) as archive,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in archive.namelist():
            if (data := change(name, archive.read(name))) is not None:
                copy.writestr(name, data)
        for name, data in added.items():
            copy.writestr(name, data)
    return out.getvalue()


def only(wanted: str, change: Callable[[bytes], bytes | None]) -> Callable[[str, bytes], bytes | None]:
    return lambda name, data: change(data) if name == wanted else data


def forged(pack: bytes, change: Callable[[list[dict[str, object]]], object]) -> bytes:
    """Whoever changes events and makes the manifest fit them again."""
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        lines = [json.loads(line) for line in archive.read("activity.jsonl").decode().split("\n") if line]
        manifest = json.loads(archive.read("manifest.json"))
    change(lines)
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    (entry,) = (file for file in manifest["files"] if file["name"] == "activity.jsonl")
    entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    texts = {"activity.jsonl": data, "manifest.json": json.dumps(manifest).encode()}
    return rewritten(pack, lambda name, old: texts.get(name, old))


def bomb(pack: bytes) -> bytes:
    return rewritten(pack, added={"zeros": bytes(60_000_000)})


def hidden_entry() -> bytes:
    """A file as it lies in a ZIP, for programs that do not ask the directory at its end."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("activity.jsonl", "forged")
    return out.getvalue().partition(b"PK\1\2")[0]


WAYS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "changed": (
        lambda pack: rewritten(pack, only("findings.csv", lambda data: data + b"x")),
        "a file was changed: 'findings.csv'",
    ),
    "left out": (
        lambda pack: rewritten(pack, only("steps.csv", lambda data: None)),
        "a file is missing: 'steps.csv'",
    ),
    "put in": (lambda pack: rewritten(pack, added={"more.csv": b""}), "a file was put in: 'more.csv'"),
    "leads out": (
        lambda pack: rewritten(pack, added={"../../etc/cron\u202e": b""}),
        "leads elsewhere: '../../etc/cron\\u202e'",
    ),
    "absolute": (lambda pack: rewritten(pack, added={"/etc/passwd": b""}), "leads elsewhere"),
    "of Windows": (lambda pack: rewritten(pack, added={"C:\\x": b""}), "leads elsewhere"),
    "bomb": (bomb, "it would unpack to"),
    "no manifest": (
        lambda pack: rewritten(pack, only("manifest.json", lambda data: None)),
        "it has no manifest.json",
    ),
    "another manifest": (
        lambda pack: rewritten(pack, only("manifest.json", lambda data: b"[]")),
        "not that of a pack",
    ),
    "spoiled manifest": (
        lambda pack: rewritten(
            pack, only("manifest.json", lambda data: data.replace(b'"bytes": ', b'"bytes": -'))
        ),
        "manifest.json is spoiled: bytes",
    ),
    "cut off": (lambda pack: pack[: len(pack) // 2], "it is no whole ZIP file"),
    "flipped": (lambda pack: pack[:200] + bytes([pack[200] ^ 1]) + pack[201:], "it is no whole ZIP file"),
    "no ZIP": (lambda pack: b"hello", "it is no whole ZIP file"),
    "another event": (
        lambda pack: forged(pack, lambda lines: lines[0].update(actor="mal")),
        "the activity record is broken at line 1: it was changed",
    ),
    "an event less": (
        lambda pack: forged(pack, lambda lines: lines.pop(0)),
        "broken at line 1: an event before it is missing",
    ),
    "an end less": (
        lambda pack: forged(pack, lambda lines: lines.pop()),
        "has 1 of the 2 events",
    ),
    "more said of an event": (
        lambda pack: forged(pack, lambda lines: lines[0].update(note="approved")),
        "broken at line 1: it is no event",
    ),
    "in front": (lambda pack: hidden_entry() + pack, "something was put in between its files"),
    "behind": (lambda pack: pack + hidden_entry(), "something was put in beside its files"),
    "a link": (lambda pack: pack.replace(b"\0\0\xa4\x01", b"\0\0\xff\xa1"), "packed in another way"),
}


def test_what_was_tampered_with_is_told_in_one_line(tmp_path: Path) -> None:
    path, pack = tmp_path / "pack.zip", written()
    for way, (tamper, problem) in WAYS.items():
        path.write_bytes(tamper(pack))

        told = run("verify_evidence", str(path))

        assert (told.code, told.printed) == (1, ""), way
        assert told.complaint.startswith("The evidence is not whole: "), way
        assert problem in told.complaint and len(told.complaint.splitlines()) == 1, way
        assert told.document["whole"] is False, way


def test_commands_make_and_verify_a_pack_which_needs_no_database(tmp_path: Path) -> None:
    made = run("evidence_pack", "--since", "2026-04-01", "--until", "2026-06-30", "--out", str(tmp_path))
    (path,) = made.lines
    assert (made.code, made.document["events"], made.document["notes"]) == (0, 2, [])
    event = ActivityEvent.objects.get(action="evidence.made")
    assert made.document["sha256"] in event.detail

    with connection.execute_wrapper(_no_queries):
        told = run("verify_evidence", path)
    assert told.code == 0
    assert told.lines[0].startswith(
        f"The evidence is whole: {made.document['files']} files and 2 events of 2026-04-01"
    )
    assert told.document["sha256"] == made.document["sha256"]

    assert run("evidence_pack", "--since", "2026-06-30", "--until", "2026-04-01").code == 2
    assert run("evidence_pack", "--since", "spring", "--until", "2026-04-01").code == 2
    assert run("verify_evidence", str(tmp_path / "nothing.zip")).code == 2


def _no_queries(execute: object, sql: str, *rest: object) -> None:
    raise AssertionError(f"The database was asked: {sql}")


# --- As a job, and its pages ------------------------------------------------------------------


@pytest.fixture
def auditor(client: Client) -> Iterator[Client]:
    give_roles()
    user = User.objects.create_user("vera", is_staff=True)
    user.groups.set(Group.objects.filter(name=AUDITOR))
    client.force_login(user)
    yield client


def test_an_auditor_makes_takes_and_verifies_evidence_on_record(auditor: Client) -> None:
    form = reverse("admin:evidence_evidencepack_new")
    assert f'value="{quarters(timezone.now().date(), 1)[0][1].since}"' in auditor.get(form).content.decode()
    assert (
        "swap the days" in auditor.post(form, {"since": "2026-06-30", "until": "2026-04-01"}).content.decode()
    )
    auditor.post(form, {"since": "2026-04-01", "until": "2026-06-30"})
    pack = EvidencePack.objects.get()
    page = reverse("admin:evidence_evidencepack_change", args=[pack.pk])
    assert "data-progress" in auditor.get(page).content.decode()

    run_pack(pack.pk)
    pack.refresh_from_db()
    assert (pack.state, pack.asked_by, len(pack.sha256)) == ("done", "vera", 64)
    drawn = auditor.get(page).content.decode()
    assert pack.sha256 in drawn and "Download" in drawn

    file = auditor.get(reverse("admin:evidence_evidencepack_download", args=[pack.pk]))
    assert file["Content-Disposition"].startswith('attachment; filename="evidence-2026-04-01-to-2026-06-30')
    assert verify_pack(io.BytesIO(file.getvalue())).sha256 == pack.sha256
    verify = reverse("admin:evidence_evidencepack_verify", args=[pack.pk])
    assert "This evidence is whole" in auditor.post(verify, follow=True).content.decode()

    other = written(made_by="mal")
    Path(pack.file.path).write_bytes(other)
    for sha256 in (pack.sha256, hashlib.sha256(other).hexdigest()):  # also who changes the row is found out
        EvidencePack.objects.update(sha256=sha256)
        assert "not the file that was made here" in auditor.post(verify, follow=True).content.decode()
    actions = ActivityEvent.objects.filter(action__startswith="evidence.").values_list("action", "outcome")
    assert list(actions) == [
        ("evidence.requested", ""),
        ("evidence.made", ""),
        ("evidence.downloaded", ""),
        ("evidence.verified", "whole"),
        ("evidence.verified", "broken"),
        ("evidence.verified", "broken"),
    ]


def test_who_may_only_look_takes_nothing_away(client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_evidencepack"))
    client.force_login(reader)
    pack = request_pack(period=PERIOD, asked_by="vera")
    run_pack(pack.pk)

    assert client.get(reverse("admin:evidence_evidencepack_change", args=[pack.pk])).status_code == 200
    assert client.get(reverse("admin:evidence_evidencepack_download", args=[pack.pk])).status_code == 403


def test_a_job_that_is_stopped_goes_on_and_one_on_a_broken_record_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_files, "HEARTBEAT_SECONDS", 0.0)
    pack = request_pack(period=PERIOD, asked_by="vera")
    assert run_pack(pack.pk, stopping=lambda: True).state == "waiting"
    assert run_pack(pack.pk).state == "done"

    again = request_pack(period=PERIOD, asked_by="vera")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE operations_activityevent SET actor = 'mal' WHERE action = 'one'")
    broken = run_pack(again.pk)
    assert (broken.state, str(broken.file)) == ("failed", "")
    assert "it was changed" in broken.message

    cancelled = request_pack(period=PERIOD, asked_by="vera")
    assert packs.cancel_pack(job_id=cancelled.pk, actor="vera")
    cancelled.refresh_from_db()
    assert cancelled.state == "cancelled"


def test_a_whole_pack_of_another_record_is_told_apart() -> None:
    pack = request_pack(period=PERIOD, asked_by="vera")
    run_pack(pack.pk)
    pack.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM operations_activityevent WHERE action LIKE 'two%'")

    with pack.file.open("rb") as file, pytest.raises(NotWhole, match="does not have the event"):
        packs.check_pack(pack=pack, file=file, actor="vera")  # type: ignore[arg-type]
