"""The parts of an operation, one for each account that it goes through. Between two executions: what stopped
each, and until when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from members.platforms.types import Platform

OUTAGE_PAUSE = 10.0
"""Seconds until the second execution after an outage; doubled for each one more."""


@dataclass(frozen=True, slots=True)
class Way:
    """An account that steps go through: on a platform the usual one, or a further one."""

    platform: Platform
    connection: str = ""

    @property
    def name(self) -> str:
        """What rows call its part: "slack", or "slack:2" of a further workspace."""
        return f"{self.platform}:{self.connection}" if self.connection else str(self.platform)

    @classmethod
    def named(cls, name: str) -> Way:
        platform, _, connection = name.partition(":")
        return cls(Platform(platform), connection)


class Stop(Enum):
    """Why a part does not go on."""

    OVER = "over"
    """Nothing is left to do, or nothing more can be done."""
    ACCOUNT_TROUBLE = "account trouble"
    """Over as well, until somebody has seen to the account."""
    UNFINISHED = "unfinished"
    """Its time was up, or the worker stops."""
    BUSY = "busy"
    """Somebody else uses the account."""
    LIMITED = "limited"
    """A rate limit: unlike an outage, it may go on for ever."""
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class PartEnd:
    """How an execution's work through one account came to its end, for now or for good."""

    why: Stop
    message: str = ""
    resume_in: float = 0.0
    """Seconds until it can go on."""
    outages: int = 0
    """How many executions in a row by now found the platform out of reach, and got nothing done."""

    @property
    def for_good(self) -> bool:
        return self.why in (Stop.OVER, Stop.ACCOUNT_TROUBLE)

    def patiently(self, outages: int, *, got_on: bool, most: int) -> PartEnd:
        """The same, an outage waited for a little longer each time, and given up after `most` in a row.

        `outages` were there before; `got_on` says whether anything was done since.
        """
        if self.why is Stop.BUSY:
            return replace(self, outages=outages)
        if self.why is not Stop.OUTAGE:
            return self
        outages = 1 if got_on else outages + 1
        if outages >= most:
            return PartEnd(Stop.OVER, self.message)
        return replace(self, outages=outages, resume_in=OUTAGE_PAUSE * 2 ** (outages - 1))


def kept(end: PartEnd, now: datetime) -> dict[str, Any]:
    """What is stored of it, in JSON types."""
    until = now + timedelta(seconds=end.resume_in)
    return {"message": end.message, "until": until.isoformat(), "outages": end.outages}


def seconds_left(part: Mapping[str, Any], now: datetime) -> float:
    """Until the part that was stored so may go on."""
    return max(0.0, (datetime.fromisoformat(part["until"]) - now).total_seconds())
