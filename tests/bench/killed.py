"""A channel of 104,000 messages with 8,000 threads, read and exported by processes that are killed."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from django.db.models import F
from django.test.utils import override_settings

from audits.history.models import Message, SyncJob
from audits.history.sync import request_sync, run_sync
from members import jobs
from members.jobs import JobState
from members.platforms.types import Platform
from tests.bench.history import channel_or_chat
from tests.bench.history_servers import IN_THREAD, SLACK_CHANNEL, serving
from tests.bench.workplace import HOME, ROOT, load_policy, table

IN_CHANNEL, THREAD_EVERY = 80_000, 10
THREADS = IN_CHANNEL // THREAD_EVERY
MESSAGES = IN_CHANNEL + THREADS * IN_THREAD
KILLS = 12
_WORK = """
import time
from audits.history.models import SyncJob
from audits.history.sync import run_sync
from members import jobs
while SyncJob.objects.filter(state__in=jobs.UNFINISHED).exists():
    for job_id in jobs.recover(SyncJob):
        run_sync(job_id)
    time.sleep(0.05)
"""


def killed() -> None:
    """Every message once, whatever was killed when; and the same bytes in the end."""
    chance = random.Random(7)
    with serving(Platform.SLACK, IN_CHANNEL, HOME, thread_every=THREAD_EVERY, latency=0.0) as settings:
        load_policy({})
        group = channel_or_chat(Platform.SLACK)
        with override_settings(**settings, HISTORY_RETENTION_DAYS=0):
            environment = {**settings, "HISTORY_RETENTION_DAYS": "0"}
            job = request_sync(groups=[group], asked_by="bench")
            sync_kills, seconds = _until_done(job, environment, chance)
            again = run_sync(request_sync(groups=[group], asked_by="bench", anew=True).pk)
    assert (again.messages_new, again.messages_changed, again.messages_deleted) == (0, 0, 0), "not as told"
    kept = Message.objects.filter(deleted_at=None).count()
    replies = Message.objects.exclude(thread=None).exclude(thread=F("number")).count()
    assert (kept, replies) == (MESSAGES, THREADS * IN_THREAD), (kept, replies)
    digests, export_kills = _exported(environment, chance)
    assert len(digests) == 1, "not the same bytes"
    table(
        f"{MESSAGES:,} messages with {THREADS:,} threads, by processes that are killed",
        ("", "killed", "seconds", "lost", "twice"),
        [("sync", sync_kills, seconds, 0, 0), ("slack-zip, the same bytes twice", export_kills, "", 0, 0)],
    )


def _until_done(job: SyncJob, environment: Mapping[str, str], chance: random.Random) -> tuple[int, float]:
    started, kills = time.perf_counter(), 0
    while True:
        with _process("shell", "--verbosity=0", "-c", _WORK, environment=environment) as worker:
            enough = Message.objects.count() + chance.randrange(1, 2 * MESSAGES // KILLS)
            while worker.poll() is None:
                time.sleep(0.1)
                if kills < KILLS and Message.objects.count() >= enough:
                    time.sleep(chance.uniform(0, 0.5))
                    worker.kill()
                    kills += 1
                    break
        job.refresh_from_db()
        if job.finished:
            assert job.state == JobState.DONE, job.message
            return kills, time.perf_counter() - started
        jobs.recover(SyncJob)


def _exported(environment: Mapping[str, str], chance: random.Random) -> tuple[set[str], int]:
    """Two exports, each begun anew after it was killed twice. Returns what they are, and the kills."""
    digests, kills = set(), 0
    for number in range(2):
        out = HOME / f"killed {number}"
        words = (
            "export_history",
            f"slack:{SLACK_CHANNEL}",
            "--format=slack-zip",
            "--no-sync",
            f"--out={out}",
        )
        for patience in (chance.uniform(2.5, 6), chance.uniform(2.5, 6), None):
            with _process(*words, environment=environment) as export:
                try:
                    assert export.wait(patience) == 0
                except subprocess.TimeoutExpired:
                    export.kill()
                    kills += 1
                    assert not _shown(out), "half an export"
                else:
                    break
        (whole,) = _shown(out)
        digests.add(hashlib.sha256(whole.read_bytes()).hexdigest())
    return digests, kills


def _shown(folder: Path) -> list[Path]:
    """What a person sees there: the rest of a killed export is a hidden file."""
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


def _process(*words: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=quiet, stderr=quiet)
