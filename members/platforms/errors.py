"""The small family of errors an adapter raises; nothing else leaves it.

Every error carries one line for a person (`str(error)`), and a stable `code` for tests,
outcomes and logs.
"""

from __future__ import annotations

from collections.abc import Mapping

from members.platforms.outcomes import Reply

UNREACHABLE = "unreachable"
"""The code of an outage of the way itself: no answer came, not even a bad one."""
NO_ACCESS_HASH = "no_access_hash"
"""The code of not knowing the way to a person on Telegram, and ..."""
NO_GROUP_ACCESS_HASH = "no_group_access_hash"
"""... to a group."""


class PlatformError(Exception):
    """Something a platform, or the way to it, refused. `code` is the platform's own word."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
        self.settled: Mapping[str, Reply] = {}
        """What a write that this error ended half-way had achieved by then: replies by the person's id."""


class Refused(PlatformError):
    """Permanent for this call: repeating it unchanged cannot help (a missing group, a bad answer)."""


class Gone(Refused):
    """The group or person does not exist for this account (any more): left, deleted, or hidden from it."""


class TryLater(PlatformError):
    """Temporary: the same call may succeed in `seconds` (a rate limit, a server that is down)."""

    def __init__(self, message: str, *, code: str, seconds: float) -> None:
        super().__init__(message, code=code)
        self.seconds = seconds


class RateLimited(TryLater):
    """We were too fast, and nothing was done; nothing is wrong."""


class Unreachable(TryLater):
    """The server is gone, or answers nobody: any other call would wait as long and fail as well."""


class AccountTrouble(PlatformError):
    """The account behind the connection cannot go on: signed out, token revoked, scope missing, flooded."""


class SignedOut(AccountTrouble):
    """The session is dead, whatever is done to it: only a new sign-in helps."""


class NotConfigured(AccountTrouble):
    """There is no account: a setting is missing or nobody has signed in yet."""


class NotSignedIn(NotConfigured):
    """Everything is set up, but nobody has signed in, or not to the end."""
