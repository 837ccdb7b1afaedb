"""What a scripted fault (`Script.add(method, effect)`) can do to a call of the Telegram sandbox.

The arguments that a fault's `when` receives are the fields of the request (TL objects), and
`viewer`: the id of the calling account, or None before the sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any


@dataclass(frozen=True)
class RpcFault:
    """Answer with this error instead, for example "FLOOD_WAIT_30" or "PEER_FLOOD".

    With `done`, only after the call has had its effect.
    """

    name: str
    done: bool = False

    @property
    def is_wait(self) -> bool:
        """Whether it turns the call away for now, so that it may rightly come again."""
        return "_WAIT_" in self.name


@dataclass(frozen=True)
class Delay:
    """Answer as usual, `seconds` later; with `done`, the call has had its effect at once."""

    seconds: float
    done: bool = False


@dataclass(frozen=True)
class Hold:
    """Answer as usual, but not before `until` is set; with `done`, the call has had its effect at once."""

    until: Event
    done: bool = False


@dataclass(frozen=True)
class Drop:
    """Cut the connection instead of answering; with `done`, only after the call has had its effect."""

    done: bool = False


@dataclass(frozen=True)
class Rewrite:
    """Answer as if the request had carried these fields: `Rewrite({"max_id": 0})` repeats the first page."""

    fields: Mapping[str, Any]


Effect = RpcFault | Delay | Hold | Drop | Rewrite
