"""What is known of somebody who leaves or joins, as plain data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from members.operations.states import OperationState
from members.platforms.types import Platform
from members.policy import EmployeeStatus


class ChangeKind(StrEnum):
    LEAVING = "leaving"
    JOINING = "joining"

    @property
    def status(self) -> EmployeeStatus:
        """What the employee has to be meanwhile."""
        return EmployeeStatus.OFFBOARDED if self is ChangeKind.LEAVING else EmployeeStatus.ACTIVE


class Account(StrEnum):
    """What we know of somebody's account on a platform."""

    NONE = "none"
    NAMED = "named"
    """A username, behind which no audit has found the account yet."""
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Look:
    """What the newest audit that looked for them on a platform saw. Groups are named, not counted twice."""

    run: int
    started_at: datetime
    unresolved: str = ""
    """Why nobody could tell who they are there: one sentence."""
    unread: str = ""
    """Why the list of their groups is not whole: one sentence."""
    present: int = 0
    """Leaving: the groups they are in. Joining: the required groups they are in."""
    missing: int = 0
    """Joining: the required groups they are not in."""
    unseen: tuple[str, ...] = ()
    """Groups of which nobody could tell whether they are in them."""
    hidden: tuple[str, ...] = ()
    """Groups in scope that our account does not see any more."""


@dataclass(frozen=True, slots=True)
class OnPlatform:
    """One platform that concerns them."""

    platform: Platform
    account: Account
    open_findings: int = 0
    """Leaving: groups they are still in. Joining: required groups they are missing in."""
    accepted: int = 0
    """The same, where somebody accepted it as an exception."""
    look: Look | None = None
    """None while no audit has looked for them since this began."""
    closed_at: datetime | None = None
    """When an audit first saw their account deactivated, or deleted."""
    closed_run: int | None = None
    last_effect: datetime | None = None
    """When an operation last brought them into a group there, or took them out of one."""
    coming_run: int | None = None
    """An audit of the platform that waits or runs."""

    def look_since(self, moment: datetime) -> Look | None:
        """The look, if it began after `moment` and after whatever was done last."""
        latest = max(moment, self.last_effect or moment)
        return self.look if self.look is not None and self.look.started_at > latest else None


@dataclass(frozen=True, slots=True)
class OperationFact:
    """An operation that moves them, newest first."""

    id: int
    state: OperationState
    planned_at: datetime
    finished_at: datetime | None = None
    takes_out: bool = False
    """Else it brings them in."""
    steps: int = 0
    """How many of its steps are about them."""
    done: int = 0
    failed: int = 0
    """Failed or not tried."""
    has_report: bool = False


class Asked(StrEnum):
    """What has become of asking for a group; as the tracker of ownership requests has it."""

    REQUESTED = "requested"
    REMINDED = "reminded"
    DONE = "done"
    REFUSED = "refused"


class Hurdle(StrEnum):
    """Why we could not take them out of a group."""

    OWNER = "owner"
    """Our account lacks the right: who runs the group has to grant it, or to act."""
    THEIRS = "theirs"
    """They own the group, or only its owner may remove them: it has to be handed over."""
    ADMIN = "admin"
    """They are an admin there, and nobody said that admins are meant too."""
    OUTSIDE = "outside"
    """On Slack: our account is not in the channel."""


@dataclass(frozen=True, slots=True)
class StuckGroup:
    """A group that a removal had to leave out, or failed in for want of a right."""

    platform: Platform
    id: str
    name: str
    hurdle: Hurdle
    operation: int
    audited: bool
    """Whether it is in scope: else no audit tells what became of it."""
    still_there: bool
    """Whether an open finding says so."""
    asked: Asked | None = None
    asked_at: datetime | None = None
    nobody_to_ask: bool = False
    """Whether whoever runs it cannot be written to, as last read: anonymous, deleted, or a bot."""
    we_may: bool = False
    """Whether our account has the right by now."""
    taken_out: bool = False
    """Whether a later operation did it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the checklist of one change is made of."""

    kind: ChangeKind
    name: str
    status: EmployeeStatus | None
    """None: the employee was deleted."""
    begun_at: datetime
    """When it began, or was opened again: older audits prove nothing."""
    platforms: tuple[OnPlatform, ...] = ()
    operations: tuple[OperationFact, ...] = ()
    stuck: tuple[StuckGroup, ...] = ()

    def fresh_look(self, on: OnPlatform) -> Look | None:
        """What an audit saw on the platform after everything that was done."""
        return on.look_since(self.begun_at)

    def fresh(self, on: OnPlatform) -> bool:
        """Whether there is such an audit."""
        return self.fresh_look(on) is not None

    def mended_since(self, on: OnPlatform) -> bool:
        """Whether nothing is open any more of what that audit found. Looks at a few groups alone, as live
        events bring them about, tell so; of all the others they prove nothing."""
        look = self.fresh_look(on)
        if look is None or on.open_findings:
            return False
        return (look.present if self.kind is ChangeKind.LEAVING else look.missing) > on.accepted

    @property
    def all_fresh(self) -> bool:
        return bool(self.platforms) and all(self.fresh(on) for on in self.platforms)

    @property
    def left(self) -> int:
        """Open findings on all platforms."""
        return sum(on.open_findings for on in self.platforms)

    @property
    def found(self) -> int:
        """Those that an audit saw after everything that was done."""
        return sum(on.open_findings for on in self.platforms if self.fresh(on))

    @property
    def under_way(self) -> OperationFact | None:
        """What moves them at this moment."""
        return next((each for each in self.operations if each.state.under_way), None)
