"""Files come along on request: once, within limits, through what the platforms ask of who wants them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from audits.history.exporting import ExportWish
from audits.history.exports import request_export, run_export
from audits.history.formats import Format
from audits.history.media import keep, scratch
from audits.history.models import Blob, ExportJob, MessageFile
from audits.history.renderers.base import SaidFile
from audits.history.renderers.media import path_of
from audits.history.sync import run_sync
from groupadmin.sandbox.slack import SlackFile, SlackSandbox
from groupadmin.sandbox.slack.faults import HttpStatus, RateLimited
from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.messages import TelegramFile
from members.jobs import JobState
from members.platforms.history import FileKind
from members.platforms.slack_files import trusted
from members.platforms.types import Platform
from tests.history_world import CHAT, group, said, sent, slack, sync, telegram
from tests.slack_world import ADAS_TOKEN, GENERAL
from tests.test_export_history import export

pytestmark = pytest.mark.django_db(transaction=True)

PICTURE = b"\xff\xd8\xff" + b"picture" * 200_000
"""Larger than what one call to Telegram brings."""


def may_read_files(sandbox: SlackSandbox) -> None:
    token = sandbox.world.tokens[ADAS_TOKEN]
    token.scopes |= {"files:read"}


def held(file: MessageFile) -> bytes:
    assert file.blob is not None
    with file.blob.file.open() as content:
        held: bytes = content.read()
    return held


def test_slacks_files_are_kept_once_and_exported(settings: Settings, tmp_path: Path) -> None:
    settings.HISTORY_MEDIA_MAX_MB = 2
    files = [
        SlackFile("F1", "../../Team <photo>.JPG", PICTURE, "image/jpeg"),
        SlackFile("F2", "same.bin", PICTURE),
        SlackFile("F3", "huge.bin", bytes(2_000_001)),
        SlackFile("F4", "gone.txt", mode="tombstone"),
        SlackFile("F5", "elsewhere", mode="external", external_url="https://example.com/x"),
        SlackFile("F6", "old.txt", mode="hidden_by_limit"),
        SlackFile("F7", "shared.html", b"<p>really a page</p>", "text/html", check_info=True),
    ]
    messages = [said(1, files=[{"id": file.id} for file in files]), said(2, files=[{"id": "F1"}])]
    with slack(settings, messages) as sandbox:
        may_read_files(sandbox)
        for file in files:
            sandbox.world.add_file(file)
        for fault in (HttpStatus(500), RateLimited(1)):
            sandbox.script.add("files", fault)
        general = group(Platform.SLACK)
        job = sync(general, media=True)
        assert (job.state, job.message, job.files_new) == (JobState.DONE, "", 3)
        assert sandbox.calls.counts()["files"] == 5, "three files, two faults; F1 came along twice"
        (page,) = export(tmp_path, GENERAL, format="html", media=True)
        (archive,) = export(tmp_path, GENERAL, format="slack-zip", media=True)
        assert sandbox.calls.counts()["files"] == 5, "what is kept is not fetched again"
    reasons = dict(MessageFile.objects.exclude(left_out="").values_list("external_id", "left_out"))
    assert reasons == {
        "F3": "Not wanted by the settings: larger than 2 MB",
        "F4": "It was deleted on Slack",
        "F5": "It lies outside of Slack, which only links to it",
        "F6": "Slack hides it, because the workspace is beyond what its plan keeps",
    }
    assert Blob.objects.count() == 2, "two of the three hold the same"
    assert held(MessageFile.objects.get(external_id="F7")) == b"<p>really a page</p>"
    name = f"photos/{hashlib.sha256(PICTURE).hexdigest()[:12]}_Team _photo.JPG"
    assert (page.parent / name).read_bytes() == PICTURE
    assert name.replace(" ", "%20") in page.read_text()
    with zipfile.ZipFile(archive) as entries:
        assert entries.read("__uploads/F1/Team _photo.JPG") == PICTURE
        assert entries.testzip() is None


@pytest.mark.parametrize("scope", ["", "files:read"])
def test_a_token_without_the_right_is_told_so(settings: Settings, scope: str) -> None:
    """Slack shows its sign-in page in the file's place; a page is never taken for the file."""
    with slack(settings, [said(1, files=[{"id": "F1"}])]) as sandbox:
        sandbox.world.add_file(SlackFile("F1", "plan.pdf", b"plan", "application/pdf"))
        if scope:
            may_read_files(sandbox)
            sandbox.script.add("files", HttpStatus(200, body="<title>Sign in</title>"))
        job = sync(group(Platform.SLACK), media=True)
    file = MessageFile.objects.get()
    assert file.blob is None
    if scope:
        assert (job.state, file.left_out) == (JobState.DONE, "Slack sent a web page in its place")
    else:
        assert (job.state, job.account_trouble) == (JobState.FAILED, True)
        assert "the token needs files:read" in job.message


@pytest.mark.parametrize(
    ("url", "api_url", "may"),
    [
        ("https://files.slack.com/files-pri/T1-F1/download/a", "https://slack.com/api/", True),
        ("http://files.slack.com/a", "https://slack.com/api/", False),
        ("https://files.slack.com:8443/a", "https://slack.com/api/", False),
        ("https://files.slack.com.example.com/a", "https://slack.com/api/", False),
        ("https://evilslack.com/a", "https://slack.com/api/", False),
        ("https://files.slack.com@example.com/a", "https://slack.com/api/", False),
        ("http://127.0.0.1:9/files/a", "http://127.0.0.1:9/api/", True),
        ("http://127.0.0.1:10/files/a", "http://127.0.0.1:9/api/", False),
        ("https://[", "https://slack.com/api/", False),
    ],
)
def test_the_token_leaves_for_slacks_own_hosts_alone(url: str, api_url: str, may: bool) -> None:
    assert trusted(url, api_url) is may


def test_telegrams_files_wherever_they_lie(settings: Settings, tmp_path: Path) -> None:
    photo = TelegramFile(1, PICTURE, "photo")
    voice = TelegramFile(2, b"voice" * 10, "voice", mime_type="audio/ogg", dc_id=4)
    plan = TelegramFile(3, b"plan", name="\u202eplan.pdf", mime_type="application/pdf")
    messages = [sent(1, file=photo, text=""), sent(2, file=voice), sent(3, file=plan), sent(4, file=photo)]
    with telegram(settings, tmp_path, messages) as sandbox:
        chat = group(Platform.TELEGRAM)
        sync(chat)
        plan.references += 1  # known ways run out; ours are asked for anew
        job = sync(chat, media=True)
        assert (job.state, job.message, job.files_new) == (JobState.DONE, "", 3)
        parts = sandbox.calls.counts()["GetFile"]
        (path,) = export(tmp_path, str(CHAT), format="telegram-json", media=True)
        assert sandbox.calls.counts()["GetFile"] == parts
    told = {message["id"]: message for message in json.loads(path.read_text())["messages"]}
    for number, key, content in ((1, "photo", PICTURE), (2, "file", voice.content), (3, "file", b"plan")):
        assert (path.parent / told[number][key]).read_bytes() == content
    assert told[4]["photo"] == told[1]["photo"]
    assert told[2]["file"].startswith("voice_messages/")
    assert told[3]["file"].endswith("_plan.pdf")


def test_a_way_that_runs_out_on_the_way_is_asked_for_again(settings: Settings, tmp_path: Path) -> None:
    photo = TelegramFile(1, PICTURE, "photo")
    with telegram(settings, tmp_path, [sent(1, file=photo)]) as sandbox:
        sandbox.script.add("GetFile", RpcFault("FILE_REFERENCE_EXPIRED"), skip=1)
        sandbox.script.add("GetFile", RpcFault("FLOOD_WAIT_1"))
        job = sync(group(Platform.TELEGRAM), media=True)
    assert (job.state, job.message) == (JobState.DONE, "")
    assert held(MessageFile.objects.get()) == PICTURE


def test_a_content_that_was_written_half_is_written_again(settings: Settings, tmp_path: Path) -> None:
    with slack(settings, [said(1, files=[{"id": "F1"}])]) as sandbox:
        sandbox.world.add_file(SlackFile("F1", "plan.pdf", b"plan"))
        sync(group(Platform.SLACK))
    digest = hashlib.sha256(b"plan").hexdigest()
    half = Path(default_storage.path(f"media/{digest[:2]}/{digest}"))
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"pl")
    with scratch() as fetched:
        fetched.add(b"plan")
        keep(file=MessageFile.objects.get(), fetched=fetched)
    assert held(MessageFile.objects.get()) == b"plan"
    assert [each.name for each in half.parent.iterdir()] == [digest]


def test_an_export_job_takes_the_files_along(settings: Settings) -> None:
    with slack(settings, [said(1, files=[{"id": "F1"}])]) as sandbox:
        may_read_files(sandbox)
        sandbox.world.add_file(SlackFile("F1", "plan.pdf", b"plan"))
        wish = ExportWish([group(Platform.SLACK)], Format.TEXT, media=True)
        job = request_export(wish=wish, asked_by="ada")
        assert job.sync_id is not None
        assert run_export(job.pk).state == JobState.WAITING
        run_sync(job.sync_id)
    ExportJob.objects.filter(pk=job.pk).update(resume_at=job.created_at)
    job = run_export(job.pk)
    with job.file.open() as file, zipfile.ZipFile(file) as entries:
        text = entries.read("general.txt").decode()
        (name,) = [each for each in entries.namelist() if each.startswith("general files/")]
        assert entries.read(name) == b"plan"
        assert f"-> {name}" in text


def test_names_of_files_are_harmless() -> None:
    hostile = ("../../x.png", "a/b\\c.png", "con.png", ".png", "\x00", "", "x" * 300 + ".png", "n.\u202egpj")
    for name in hostile:
        path = path_of(SaidFile("1", FileKind.PHOTO, name, "image/png", 1, sha256="0" * 64))
        folder, _, leaf = path.partition("/")
        assert (folder, leaf[:13]) == ("photos", "0" * 12 + "_")
        assert "/" not in leaf and "\\" not in leaf and leaf.isprintable() and len(leaf) < 120
        assert leaf.endswith(".png") or name.endswith("gpj")
