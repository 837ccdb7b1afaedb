"""Files that pages give away: those that are kept, and those that are made when somebody asks."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import structlog
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpResponse

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

NO_ANSWER = "The storage does not give the file away now. Try again in a few minutes."

log = structlog.get_logger(__name__)


class NoFile(Http404):
    """There is nothing to take away; the message tells people why."""


def opened(file: FieldFile, *, gone: str) -> Any:
    """A stored file to read from. Raises NoFile, which says `gone`, where the storage has lost it."""
    try:
        return file.open("rb")
    except FileNotFoundError:
        raise NoFile(gone) from None
    except OSError as error:
        log.error("file.not_opened", file=str(file), error=str(error))
        raise NoFile(NO_ANSWER) from None


def is_there(file: FieldFile) -> bool:
    """Whether the storage has the file. One that does not answer has not lost it."""
    try:
        return bool(file.storage.exists(str(file)))
    except OSError:
        return True


def kept(file: FieldFile, *, gone: str) -> FileResponse:
    """The same to take away, under the name that it is kept by."""
    return FileResponse(opened(file, gone=gone), as_attachment=True, filename=PurePath(str(file)).name)


def made(content: bytes, name: str, *, content_type: str = XLSX) -> HttpResponse:
    """What was made just now, to take away under this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)
