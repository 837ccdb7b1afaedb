"""The people of an operation's steps, as the platform knows them: each looked up once a slice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from members.operations.plan import PlannedStep
from members.platforms.errors import Refused, TryLater
from members.platforms.outcomes import Outcome
from members.platforms.types import PlatformUser, Wanted
from members.platforms.writing import PlatformWriter, Reply

NO_PERSON = Reply(
    Outcome.PERSON_NOT_FOUND, "The platform does not know this person any more: run an audit to look again."
)


class PeopleBook:
    """Who the steps' user ids belong to."""

    def __init__(self, writer: PlatformWriter, usernames: Mapping[str, str]) -> None:
        """`usernames` are those known of people, by their id: a way to whom the account never met."""
        self._writer = writer
        self._usernames = usernames
        self._people: dict[str, PlatformUser] = {}

    def get(self, user_id: str) -> PlatformUser | None:
        """Whom `find` has found."""
        return self._people.get(user_id)

    async def find(self, steps: Sequence[PlannedStep]) -> None:
        """Look up whom we do not know yet. On Telegram an id may lead nowhere; then a username does, and
        the id proves it.

        Raises TryLater when somebody could not be asked about: nobody may conclude that they do not exist.
        """
        wanted = {
            user_id: Wanted(
                step.target.subject,
                step.target.subject_name,
                id=user_id,
                username=self._usernames.get(user_id),
            )
            for step in steps
            if (user_id := step.target.user_id) not in self._people
        }
        if not wanted:
            return
        found = await self._writer.people(list(wanted.values()))
        self._people |= {user.id: user for user in found}
        for person in wanted.values():
            error = self._writer.lookup_failures.get(person.key)
            if person.id not in self._people and isinstance(error, TryLater):
                raise error

    async def groups_of(self, user_id: str) -> set[str] | None:
        """The ids of the groups that the person's own list shows; None when it cannot be read."""
        user = self._people.get(user_id)
        if user is None:
            return None
        try:
            return {group.id async for page in self._writer.groups_of(user) for group in page}
        except Refused:
            return None

    async def groups_of_all(self, steps: Sequence[PlannedStep]) -> dict[str, set[str] | None]:
        """The same for everybody whom the steps are about, by their id."""
        user_ids = list(dict.fromkeys(step.target.user_id for step in steps))
        lists = await asyncio.gather(*map(self.groups_of, user_ids))
        return dict(zip(user_ids, lists, strict=True))
