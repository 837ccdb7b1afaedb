"""How long one execution of an operation may go on, and who wants it to end before that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turn:
    """Begins when it is made, and ends `seconds` later."""

    seconds: float
    stopping: Callable[[], bool]
    """Whether the worker stops: then everything is left as it is to the next execution."""
    cancelled: bool = False
    """Whether somebody cancelled the operation: then nothing is begun, and what was done is verified."""
    _began: float = field(default_factory=time.monotonic, init=False)

    def is_up(self, share: float = 1.0) -> bool:
        """Whether that share of the time has passed."""
        return time.monotonic() >= self._began + share * self.seconds
