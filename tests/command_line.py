"""Commands as a person runs them: what they print, write and answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand


@dataclass(frozen=True)
class Told:
    """What a command leaves."""

    code: int
    printed: str
    complaint: str
    """The lines of the failure; empty when all went well."""
    progress: str
    """Whatever else was written to standard error."""
    document: dict[str, Any]
    """What `--json` wrote; empty when nothing was."""

    @property
    def lines(self) -> list[str]:
        return self.printed.splitlines()


def run(command: str | BaseCommand, *arguments: str) -> Told:
    """`manage.py command arguments --json FILE`, in this process."""
    out, err = StringIO(), StringIO()
    code, complaint = 0, ""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "outcome.json"
        try:
            call_command(command, *arguments, f"--json={path}", stdout=out, stderr=err)
        except CommandError as refusal:
            code, complaint = refusal.returncode, str(refusal)
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Told(code, out.getvalue(), complaint, err.getvalue(), document)
