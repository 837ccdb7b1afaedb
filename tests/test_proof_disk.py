"""A full disk: outcomes are kept, nothing half is offered, and everything can be written again."""

from __future__ import annotations

import gc
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.evidence.packs import request_pack, run_pack
from audits.evidence.period import Period
from audits.history.exports import run_export
from audits.models import AuditRun
from audits.reports import NOT_WRITTEN
from members.operations import runner
from tests.proof_world import DAYS_AGO, ask_for_an_export, confirmed, plans, world_of

pytestmark = [
    pytest.mark.services,
    # openpyxl complains of its own half-written sheets when it drops them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIZE = 8 << 20


@dataclass(frozen=True)
class Disk:
    """A file system of its own in `folder`."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, leave: int = 4096) -> None:
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(b"\0" * 65536):
                pass
        os.truncate(self._ballast, max(0, self._ballast.stat().st_size - leave))

    def make_room(self) -> None:
        self._ballast.unlink()

    def files(self) -> set[str]:
        """What is there, but for the ballast, and openpyxl's temporary files: they go with the process."""
        names = {path.name for path in self.folder.rglob("*") if path.is_file()} - {"ballast"}
        return {name for name in names if not name.startswith("openpyxl.")}


@pytest.fixture
def disk(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A small one, which holds reports, what is on its way there, and temporary files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    unmount = ["umount", "--lazy", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root, where it may mount file systems, has a disk to fill")
    settings.MEDIA_ROOT, settings.VAR_DIR = str(folder / "media"), folder / "var"
    temporary = folder / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield Disk(folder)
    subprocess.run(unmount, check=True)


def test_nothing_half_is_left_of_what_a_full_disk_refuses(
    installation: None, settings: Settings, disk: Disk
) -> None:
    then = (timezone.now() - DAYS_AGO).date()
    with world_of(settings) as world:
        before = disk.files()
        ada = Client()
        ada.force_login(User.objects.create_superuser("ada"))
        disk.fill()

        world.office.audit("--platform=slack")
        run = AuditRun.objects.latest("pk")
        adding = runner.run_operation(confirmed(plans()["adding"]).pk)
        export = run_export(ask_for_an_export().pk)
        pack = run_pack(request_pack(period=Period(then, then), asked_by="ada").pk)

        assert (run.state, run.reports.count()) == ("complete", 0)
        assert f"{NOT_WRITTEN}: No space left on device." in run.message
        assert adding.state == "done"
        assert adding.message.startswith("The report could not be written: No space left on device.")
        for job in (export, pack):
            assert (job.state, str(job.file)) == ("failed", "")
            assert job.message == "The file could not be written: No space left on device."
        assert disk.files() == before
        gc.collect()  # so that openpyxl complains now

        disk.make_room()
        ada.post(reverse("admin:audits_auditrun_reports", args=[run.pk]))
        again = run_export(ask_for_an_export().pk)
        pack_again = run_pack(request_pack(period=Period(then, then), asked_by="ada").pk)

    run.refresh_from_db()
    assert (run.reports.count(), NOT_WRITTEN in run.message) == (3, False)
    assert (again.state, pack_again.state) == ("done", "done")
    files = [*(report.file for report in run.reports.all()), again.file, pack_again.file]
    assert all(file.size for file in files)
