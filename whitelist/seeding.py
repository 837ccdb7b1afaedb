"""Protecting everybody who is in the community now: all of them at once, and again without harm."""

from __future__ import annotations

from dataclasses import dataclass

from whitelist import community, kick_record, services
from whitelist.models import WhitelistEntry
from whitelist.reading import Roster

SOURCE = "seeding"


@dataclass(frozen=True, slots=True)
class Seeding:
    """What a seeding did, or would do: numbers of people."""

    members: int
    """Those whom Telegram showed."""
    expected: int | None
    """Those whom it counts."""
    missing: int
    """The difference: they are not protected by this."""
    new: int
    already: int
    burned: int
    """Skipped, because their entry was burned."""
    revived: int
    left: int = 0
    """Burned just now: they left while nobody listened."""


def plan_seeding(roster: Roster, *, revive: bool = False) -> Seeding:
    """What `seed` would do; changes nothing."""
    known: dict[int, bool] = {}
    ids = list(roster.members)
    for start in range(0, len(ids), services.CHUNK):
        some = WhitelistEntry.objects.filter(pk__in=ids[start : start + services.CHUNK])
        known |= {pk: revoked_at is None for pk, revoked_at in some.values_list("pk", "revoked_at")}
    burned = sum(not active for active in known.values())
    return Seeding(
        members=len(ids),
        expected=roster.expected,
        missing=roster.missing,
        new=len(ids) - len(known),
        already=len(known) - burned,
        burned=0 if revive else burned,
        revived=burned if revive else 0,
    )


def seed(roster: Roster, *, actor: str, revive: bool = False) -> Seeding:
    """Protect everybody on `roster`. Who was burned stays so, unless `revive`. Done twice it changes nothing.

    The roster becomes the snapshot first: so whoever left while nobody listened is burned. Protection is
    as of when the reading began: so a leave since then burns it, also one that is told late.
    """
    left = reconcile(roster)
    there = roster.members.keys() & community.present_ids(roster.chat_id)  # who has left since is not
    granted = services.grant(telegram_ids=there, actor=actor, source=SOURCE, at=roster.read_at)
    again = granted.burned if revive else []
    revived = services.revive(telegram_ids=again, actor=actor, note=SOURCE, at=roster.read_at)
    return Seeding(
        members=len(roster.members),
        expected=roster.expected,
        missing=roster.missing,
        new=len(granted.new),
        already=len(granted.already),
        burned=len(granted.burned) - len(revived),
        revived=len(revived),
        left=left,
    )


def reconcile(roster: Roster) -> int:
    """Keep `roster` as the snapshot. Returns how many left while nobody listened and were burned."""
    return community.reconcile(
        chat_id=roster.chat_id,
        members=list(roster.members.values()),
        expected=roster.expected,
        at=roster.read_at,
        removed=roster.removed | kick_record.kicked(roster.chat_id),
        still_there=roster.still_there,
    ).burned
