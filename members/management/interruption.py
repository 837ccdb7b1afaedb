"""Ctrl-C that is asked for politely: the call that is under way may end, and its outcome is written down."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any, Self


class Interruption(AbstractContextManager["Interruption"]):
    """Inside it the first Ctrl-C is only noted in `asked`; the second one is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if _may_handle_signals():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def _may_handle_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
