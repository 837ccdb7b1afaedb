"""How far a command has come: a bar for a person, plain lines for a file."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

# No time to go: the stages differ in pace and platforms ask for pauses, so that any would be invented.
_BAR = "{percentage:3.0f} % |{bar}| {elapsed}  {desc}"


class ProgressLine(AbstractContextManager["ProgressLine"]):
    """A bar on a terminal; in a pipe a plain line whenever another tenth is done."""

    def __init__(self, command: BaseCommand) -> None:
        self._command = command
        self._last_tenth = -1
        self._last_note = ""
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=100, leave=False, bar_format=_BAR, dynamic_ncols=True)

    def show(self, label: str, percent: int) -> None:
        if self._bar is not None:
            self._bar.set_description_str(label, refresh=False)
            self._bar.n = percent
            self._bar.refresh()
        elif percent // 10 != self._last_tenth:
            self._last_tenth = percent // 10
            self._command.stderr.write(f"{percent:3d} %  {label}")

    def note(self, text: str) -> None:
        """Why nothing moves now. On a terminal the label says so; in a pipe it is a line, once."""
        if self._bar is None and text != self._last_note:
            self._last_note = text
            self._command.stderr.write(f"       {text}")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
