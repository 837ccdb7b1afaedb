"""Imported by Python when it starts with this folder on its path, as processes under libfaketime do.

Python sleeps until a moment of the monotonic clock (clock_nanosleep), which libfaketime takes for one of the
wall clock: every sleep would fail. It leaves select(2) alone.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep  # type: ignore[assignment]  # the argument may have another name
