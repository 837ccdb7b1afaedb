"""Retention of audits, operations and the record: what is old goes, what is needed stays, the chain holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import models, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audits.evidence import purging
from audits.evidence.due import plan
from audits.evidence.models import EvidencePack, RecordPurge
from audits.models import AuditRun, Finding, FindingChange, GroupResult, RunReport
from members.notices.kinds import NoticeKind
from members.notices.models import Delivery, Message, Notice
from members.notices.services import write
from members.operations import activity
from members.operations.activity import Event, Verdict
from members.operations.models import ActivityEvent, ActivityHead, Operation, OperationReport, Step
from members.operations.record_purge import purge_events
from tests.audit_rows import slack_run
from tests.command_line import run
from whitelist.sweep import KIND as SWEEP

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OLD, OLDER, LATELY = (NOW - timedelta(days=days) for days in (800, 900, 10))


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def audited(*names: str, at: datetime, bob_in: int = 0) -> AuditRun:
    """An audit that has come to its end."""
    run = slack_run(*(f"{name}-bitsafe" for name in names), at=at, bob_in=bob_in)
    AuditRun.objects.filter(pk=run.pk).update(owner="")
    return run


def operation(at: datetime, *, kind: str = "add_missing", parent: Operation | None = None) -> Operation:
    row = Operation.objects.create(
        kind=kind,
        state="done",
        plan_hash="x",
        count=1,
        trigger="person",
        planned_by="ada",
        planned_at=at,
        expires_at=at,
        finished_at=at,
        parent=parent,
    )
    Step.objects.create(
        operation=row, position=0, platform="slack", verb="add", group_id="C1", group_name="acme"
    )
    return row


def said(action: str, at: datetime) -> None:
    activity.record(events=[Event("ada", action)], at=at)


def by_force() -> models.QuerySet[ActivityEvent]:
    """The events, for somebody who has the database and no manners."""
    return models.QuerySet(ActivityEvent)


# --- What goes, and what stays ----------------------------------------------------------------


def test_what_is_old_and_needed_by_nothing_goes_with_its_files() -> None:
    first = audited("acme", "beta", at=OLDER)  # Bob is missing in both
    report = RunReport(run=first, format="xlsx")
    report.file.save("first.xlsx", ContentFile(b"x"))
    second = audited("acme", "beta", bob_in=1, at=OLD)  # resolves one of them
    now = audited("acme", "beta", bob_in=1, at=LATELY)
    pack = EvidencePack.objects.create(since=OLDER.date(), until=OLD.date(), state="done")
    EvidencePack.objects.update(created_at=OLD)
    undone = operation(OLDER)
    operation(LATELY, parent=undone)
    plain, banned = operation(OLDER), operation(OLDER, kind=SWEEP)
    kept = OperationReport(operation=plain, format="md")
    kept.file.save("kept.md", ContentFile(b"x"))
    Step.objects.filter(operation=banned).update(state="done", started_at=OLDER, after={"banned_at": "then"})
    said("old", OLDER)
    said("young", LATELY)

    planned = purging.dry_run()
    assert planned is not None
    assert [(line.words.partition(",")[0], line.count) for line in planned.lines] == [
        ("audits of single groups", 0),
        ("notices", 0),
        ("messages that carried them", 0),
        ("resolved findings", 1),
        ("earlier changes of findings that stay", 0),
        ("audits", 2),
        ("operations", 1),
        ("evidence packs", 1),
        ("activity events", 1),
    ]
    purge, done = purging.purge(actor="schedule")

    assert done and purge is not None
    assert purge.counts == {"findings": 1, "runs": 2, "operations": 1, "packs": 1, "events": 1}
    assert list(AuditRun.objects.all()) == [now]
    assert not GroupResult.objects.exclude(run=now).exists()
    assert set(Operation.objects.filter(planned_at=OLDER)) == {undone, banned}
    assert not EvidencePack.objects.filter(pk=pack.pk).exists()
    finding = Finding.objects.get(first_seen_run=None)  # still open, and it outlives who saw it first
    assert (finding.first_seen_at, finding.last_seen_run) == (OLDER, now)
    assert [(each.change, each.run) for each in finding.changes.all()] == [("opened", None)], "how it stands"
    assert purging.purge(actor="schedule") == (None, True)
    assert second.pk != now.pk


def test_the_files_go_when_the_rows_are_gone_for_good(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    first = audited("acme", at=OLDER)
    report = RunReport(run=first, format="xlsx")
    report.file.save("first.xlsx", ContentFile(b"x"))
    audited("acme", at=LATELY)

    with django_capture_on_commit_callbacks() as forget:
        purging.purge(actor="schedule")
        assert default_storage.exists(str(report.file)), "the rows may still come back"
    for callback in forget:
        callback()

    assert not default_storage.exists(str(report.file))


def test_the_last_word_on_a_platform_stays_however_old_it_is_and_zero_keeps_everything(
    settings: Settings,
) -> None:
    old, newest = audited("acme", at=OLDER), audited("acme", at=OLD)
    settings.AUDIT_RETENTION_DAYS = 0
    assert purging.purge(actor="schedule") == (None, True)

    settings.AUDIT_RETENTION_DAYS = 730
    purging.purge(actor="schedule")

    assert list(AuditRun.objects.all()) == [newest]
    assert not AuditRun.objects.filter(pk=old.pk).exists()


def test_of_old_changes_of_a_finding_that_stays_the_last_is_kept() -> None:
    run = audited("acme", at=LATELY)
    finding = Finding.objects.get(subject="bob", kind="missing_required")
    FindingChange.objects.all().delete()
    for change, at in (("opened", OLDER), ("excluded", OLDER), ("reopened", OLD), ("excluded", LATELY)):
        FindingChange.objects.create(run=run, finding=finding, change=change, at=at)

    purging.purge(actor="schedule")

    assert list(finding.changes.values_list("change", flat=True)) == ["reopened", "excluded"]


def test_a_purge_that_is_cut_short_goes_on_and_waits_while_evidence_is_made() -> None:
    for _ in range(3):
        audited("acme", at=OLDER)
    operation(OLDER)
    asked = iter([False, False, True])
    first, done = purging.purge(actor="schedule", stopping=lambda: next(asked))
    assert first is None and not done, "there was no resolved finding and no change to delete"

    packing = EvidencePack.objects.create(since=OLDER.date(), until=OLD.date())
    assert purging.purge(actor="schedule") == (None, False)
    packing.state = "done"
    packing.save()

    report, done = purging.purge(actor="ada")
    assert done and report is not None
    assert report.counts == {"runs": 2, "operations": 1}
    event = ActivityEvent.objects.get(action="records.purged")
    assert event.actor == "ada"
    assert "2 audits, with their results and files, 1 operations" in event.detail


# --- The chain --------------------------------------------------------------------------------


def test_the_record_is_whole_after_purges_and_says_how_much_went() -> None:
    for number in range(6):
        said(f"old {number}", OLDER)
    said("young", LATELY)

    while purge_events(before=OLD, actor="schedule", at=NOW, most=4):
        pass

    assert list(ActivityEvent.objects.values_list("action", flat=True)) == [
        "young",
        "record.purged",
        "record.purged",
    ]
    assert activity.verify() == Verdict(3, purged=6)
    told = run("verify_activity")
    assert told.lines == [
        "The activity record is whole: 3 events, every link checked. 6 older ones were purged."
    ]


def test_more_than_was_sealed_cannot_go_and_a_broken_record_is_not_purged() -> None:
    for number in range(4):
        said(f"old {number}", OLDER)
    said("young", LATELY)
    purge_events(before=OLD, actor="schedule", at=NOW, most=2)
    oldest = by_force().order_by("pk").first()
    assert oldest is not None

    with transaction.atomic():
        by_force().filter(pk=oldest.pk).delete()
        assert activity.verify().problem
        transaction.set_rollback(True)
    with transaction.atomic():
        by_force().filter(action="record.purged").delete()
        assert activity.verify().problem
        transaction.set_rollback(True)
    with transaction.atomic():
        seal = str(activity.newest_seal())
        by_force().filter(detail=seal).update(detail=seal.replace("2 events", "3 events"))
        assert activity.verify().problem
        transaction.set_rollback(True)
    assert activity.verify() == Verdict(4, purged=2)

    by_force().filter(pk=oldest.pk).update(actor="mal")
    report, done = purging.purge(actor="schedule")
    assert done and report is not None
    assert report.message.endswith("it was changed. No event was purged.")
    assert ActivityEvent.objects.filter(action__startswith="old").count() == 2


@hypothesis_settings(max_examples=25)
@given(st.lists(st.one_of(st.integers(1, 4), st.tuples(st.integers(0, 12), st.integers(1, 5))), max_size=12))
def test_any_appending_and_purging_leaves_a_whole_record(turns: list[int | tuple[int, int]]) -> None:
    """A number appends so many events; a pair purges what is older than so many, in portions of so many."""
    begin = NOW - timedelta(days=100)
    count, purged = 0, 0
    with transaction.atomic():
        for turn in turns:
            if isinstance(turn, int):
                for _ in range(turn):
                    said("done", begin + timedelta(days=count))
                    count += 1
            else:
                days, most = turn
                went = purge_events(
                    before=begin + timedelta(days=days),
                    actor="x",
                    at=begin + timedelta(days=count),
                    most=most,
                )
                purged, count = purged + went, count + bool(went)
            verdict = activity.verify()
            assert (verdict.problem, verdict.purged) == ("", purged)
            assert verdict.length == ActivityEvent.objects.count() == count - purged
            head = ActivityHead.objects.first()
            assert (head.length if head else 0) == count
        transaction.set_rollback(True)


def test_looks_at_single_groups_and_notices_go_sooner_unless_they_are_needed(settings: Settings) -> None:
    recently, not_so = NOW - timedelta(days=30), NOW - timedelta(days=400)
    whole = audited("acme", at=not_so + timedelta(days=1))
    looks = [audited("acme", at=at) for at in (not_so, recently)]
    AuditRun.objects.filter(pk__in=[look.pk for look in looks]).update(narrow=True, verdicts={})
    settings.SLACK_NOTIFY_CHANNEL = "C1"
    told, waiting, young = (
        write(kind=NoticeKind.AUDIT_FAILED, text=text) for text in ("told", "waiting", "young")
    )
    Notice.objects.filter(text__in=("told", "waiting")).update(created_at=not_so)
    sent = Message.objects.create(channel="slack", kind="audit_failed", state="sent", created_at=not_so)
    Delivery.objects.filter(notice=told).update(message=sent)

    purge, done = purging.purge(actor="schedule")

    assert done and purge is not None
    assert purge.counts == {"looks": 1, "notices": 1, "messages": 1}
    assert set(AuditRun.objects.all()) == {whole, looks[1]}
    assert set(Notice.objects.filter(kind="audit_failed")) == {waiting, young}


# --- Pages ------------------------------------------------------------------------------------


def test_the_dry_run_offers_evidence_first_and_deletes_what_it_showed(admin_client: Client) -> None:
    audited("acme", at=OLDER)
    audited("acme", at=LATELY)
    page = reverse("admin:evidence_recordpurge_preview")

    shown = admin_client.get(page)
    before = plan(purging.cutoff(timezone.now()) or NOW)
    drawn = shown.content.decode()
    assert f"{reverse('admin:evidence_evidencepack_new')}?since={OLDER.date()}" in drawn
    assert AuditRun.objects.count() == 2, "looking deletes nothing"

    stale = admin_client.post(page, {"before": "2001-01-01", "count": before.total}, follow=True)
    assert "look at it again" in stale.content.decode()
    begun = admin_client.post(
        page, {"before": f"{before.before:%Y-%m-%d}", "count": before.total}, follow=True
    )
    assert "The purge has begun" in begun.content.decode()

    purging.purge(actor="admin")
    report = RecordPurge.objects.get()
    told = admin_client.get(reverse("admin:evidence_recordpurge_change", args=[report.pk])).content.decode()
    assert "Audits, with their results and files" in told
    assert (
        f"Purge {report.pk}"
        in admin_client.get(reverse("admin:evidence_recordpurge_changelist")).content.decode()
    )


def test_only_an_owner_purges_by_hand(client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True, is_superuser=False)
    client.force_login(reader)

    assert client.post(reverse("admin:evidence_recordpurge_preview")).status_code == 403
