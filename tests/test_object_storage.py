"""Files in a store of objects: there are no folders and no paths, and now and then no answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.evidence.models import EvidencePack
from audits.evidence.packs import request_pack, run_pack
from audits.evidence.period import Period
from audits.evidence.verifying import verify_pack
from audits.history.exporting import ExportWish
from audits.history.exports import forget_expired, request_export, run_export
from audits.history.formats import Format
from audits.history.models import ExportJob
from audits.models import AuditRun
from audits.reports import store_reports
from members.downloads import NO_ANSWER
from members.operations.models import Operation, OperationReport
from members.operations.reports import keep_reports, try_to_keep, where_is
from tests.audit_rows import slack_run
from tests.history_rows import talk
from tests.one_of_each import one_of

pytestmark = pytest.mark.django_db

QUARTER = Period(date(2026, 4, 1), date(2026, 6, 30))


class Written(io.BytesIO):
    """Hands over all that was written when it is closed."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        super().__init__()
        self._keep = keep

    def close(self) -> None:
        self._keep(self.getvalue())
        super().close()


class Bucket(Storage):
    """A store that answers, or does not; what is written is there once it is closed."""

    def __init__(self) -> None:
        self.away = False
        self._objects: dict[str, bytes] = {}

    def _known(self) -> dict[str, bytes]:
        if self.away:
            raise OSError("the store of objects: no answer")
        return self._objects

    def _open(self, name: str, mode: str) -> File:
        objects = self._known()
        if "w" not in mode:
            return ContentFile(objects[name], name)
        return File(Written(lambda content: objects.update({name: content})), name)

    def _save(self, name: str, content: File) -> str:
        self._known()[name] = content.read()
        return name

    def exists(self, name: str) -> bool:
        return name in self._known()

    def size(self, name: str) -> int:
        return len(self._known()[name])

    def delete(self, name: str) -> None:
        self._known().pop(name, None)


@pytest.fixture(autouse=True)
def _bucket(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Bucket"}}


@contextmanager
def no_answer() -> Iterator[None]:
    bucket: Any = default_storage
    bucket.away = True
    yield
    bucket.away = False


def a_pack() -> EvidencePack:
    return run_pack(request_pack(period=QUARTER, asked_by="ada").pk)


def an_export() -> ExportJob:
    wish = ExportWish([talk().group], Format.TEXT)
    return run_export(request_export(wish=wish, asked_by="ada", sync_first=False).pk)


def the_operation(text: str) -> Operation:
    """An operation with a report that says so."""
    operation: Any = one_of(Operation)
    Operation.objects.update(state="done", confirmed_at=timezone.now())
    try_to_keep(
        operation, lambda each: keep_reports(each, {"md": lambda _, path: write(path, text)}, name="added")
    )
    return operation


def write(path: Path, text: str) -> None:
    path.write_text(text)


def addresses(run: AuditRun, operation: Operation, export: ExportJob, pack: EvidencePack) -> dict[str, str]:
    """Each page, and the file that it offers."""
    wanted: tuple[tuple[str, Any, str, list[str]], ...] = (
        ("audits_auditrun", run, "report", ["xlsx"]),
        ("operations_operation", operation, "report", ["md"]),
        ("history_exportjob", export, "download", []),
        ("evidence_evidencepack", pack, "download", []),
    )
    return {
        reverse(f"admin:{name}_change", args=[row.pk]): reverse(f"admin:{name}_{file}", args=[row.pk, *rest])
        for name, row, file, rest in wanted
    }


def test_what_lies_there_is_offered_taken_away_written_again_and_deleted(admin_client: Client) -> None:
    run = slack_run("acme-bitsafe")
    store_reports(run_id=run.pk)
    the_operation("as it was")
    export, pack = an_export(), a_pack()
    offered = addresses(run, the_operation("as it is now"), export, pack)

    files = []
    for page, file in offered.items():
        assert file in admin_client.get(page).content.decode()
        files.append(admin_client.get(file).getvalue())

    assert files[1] == b"as it is now"
    assert verify_pack(io.BytesIO(files[3])).sha256 == pack.sha256
    report = OperationReport.objects.get()
    assert where_is(report) == report.file.name, "there is no path that one could open"
    ExportJob.objects.update(expires_at=timezone.now())
    assert (forget_expired(), default_storage.exists(str(export.file))) == (1, False)


def test_while_it_does_not_answer_pages_open_and_work_says_so(admin_client: Client) -> None:
    run = slack_run("acme-bitsafe")
    store_reports(run_id=run.pk)
    export, pack = an_export(), a_pack()
    offered = addresses(run, the_operation("as it was"), export, pack)

    with no_answer():
        for page, file in offered.items():
            assert file in admin_client.get(page).content.decode(), "it is not lost"
            missing = admin_client.get(file)
            assert (missing.status_code, NO_ANSWER in missing.content.decode()) == (404, True)
        with pytest.raises(OSError):
            store_reports(run_id=run.pk)
        failed = a_pack()
        assert (failed.state, failed.message.partition(":")[0]) == ("failed", "The file could not be written")
        assert "could not be written" in the_operation("later").message

    assert all(admin_client.get(file).status_code == 200 for file in offered.values())
