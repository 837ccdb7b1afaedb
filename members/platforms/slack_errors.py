"""Slack's failures as our few errors. Pure: no HTTP and no slack_sdk.

The words are Slack's own (`error` of an answer with `ok: false`); those that any method may
answer with are listed at the end of every page of docs.slack.dev/reference/methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from members.platforms.errors import AccountTrouble, Gone, PlatformError, RateLimited, Refused, TryLater
from members.platforms.text import storable
from members.platforms.writing import InDoubt

RATE_LIMITED = "ratelimited"
BAD_ANSWER = "bad_answer"
MISSING_SCOPE = "missing_scope"
"""What a token meets that lacks the right to what it was asked for."""

TOKEN_NAME = "SLACK_USER_TOKEN"  # noqa: S105 (the name of a setting)
"""How people know the usual token."""

DEFAULT_RETRY_AFTER = 10.0
"""Seconds to rest when Slack limits us without a readable Retry-After."""

OUTAGE_PAUSE = 60.0
"""Seconds after which an outage that outlived our own attempts is worth another look."""

_RATE_LIMIT_WORDS = frozenset({"ratelimited", "rate_limited"})

_TEMPORARY = {
    "fatal_error": "had an internal error",
    "fetch_members_failed": "could not fetch the member list",
    "internal_error": "had an internal error",
    "request_timeout": "gave up on the request",
    "service_unavailable": "is temporarily unavailable",
    "team_added_to_org": "is moving the workspace to an Enterprise organization",
}

_ACCOUNT_TROUBLE = {
    "access_denied": "the token may not do this: check the scopes of the Slack app",
    "accesslimited": "the workspace does not allow calls from this network: ask a workspace admin",
    "account_inactive": "the token's user or workspace was deactivated: create a token of an active user",
    "ekm_access_denied": "the organization's admins suspended access (Enterprise Key Management): ask them",
    "enterprise_is_restricted": "an Enterprise organization may not call this: use a workspace token",
    "invalid_auth": "the token is not valid: check SLACK_USER_TOKEN and the network the call comes from",
    "invalid_types": "the token may not list both public and private channels: "
    "it needs the scopes channels:read and groups:read",
    "not_allowed_token_type": "this kind of token is not accepted: use a user token (xoxp-…)",
    "not_authed": "no token arrived: check SLACK_USER_TOKEN",
    "org_login_required": "the workspace is moving to an Enterprise organization: sign in there, "
    "then create a new token",
    "team_access_not_granted": "the app was not granted this workspace: ask an organization admin to add it",
    "token_expired": "the token expired: make a new one and renew SLACK_USER_TOKEN",
    "token_revoked": "the token was revoked: reinstall the Slack app and renew SLACK_USER_TOKEN",
    "two_factor_setup_required": "the token's user has to set up two-factor authentication first",
}

_REFUSED = {
    "channel_not_found": "there is no such channel, or this account cannot see it",
    "invalid_cursor": "the list changed while it was read: run it again",
    "is_archived": "the channel is archived",
    "method_not_supported_for_channel_type": "this kind of conversation does not offer it",
    "missing_argument": "an argument is missing (an organization-wide token needs a workspace)",
    "no_permission": "this account lacks the permission",
    "not_in_channel": "this account is not a member of the channel",
    "user_not_found": "there is no such user",
    "user_not_visible": "this account cannot see the user",
}

_GONE = frozenset({"channel_not_found", "user_not_found"})


class Outage(TryLater):
    """Slack, or the way to it, is out of order. `unsent`: the call cannot even have reached the server."""

    def __init__(self, method: str, *, host: str, what: str, code: str, unsent: bool = False) -> None:
        self._story = f"{host} {what} ({method})"
        super().__init__(f"{self._story}: try again in a minute", code=code, seconds=OUTAGE_PAUSE)
        self.unsent = unsent

    def in_doubt(self) -> InDoubt:
        """The same for a call that changes something."""
        message = f"{self._story}: it may have been done all the same, look before it is repeated"
        return InDoubt(message, code=self.code, seconds=self.seconds)


def retry_after(header: str | None) -> float:
    """The seconds of a Retry-After header (docs.slack.dev/apis/web-api/rate-limits), or the default."""
    try:
        seconds = float(header or "")
    except ValueError:
        return DEFAULT_RETRY_AFTER
    return seconds if math.isfinite(seconds) and seconds >= 0 else DEFAULT_RETRY_AFTER


def error_of_answer(
    method: str,
    *,
    host: str,
    status: int,
    retry_after_header: str | None,
    answer: Mapping[str, Any],
    token_name: str = TOKEN_NAME,
) -> PlatformError:
    """What an answer other than `ok: true` amounts to. `answer` is {} when it was no JSON object."""
    word = one_line(answer.get("error"))
    if status == 429 or word in _RATE_LIMIT_WORDS:
        return rate_limited(method, retry_after(retry_after_header))
    if word in _TEMPORARY:
        return Outage(method, host=host, what=_TEMPORARY[word], code=word)
    if status >= 500 or status == 408:
        return Outage(method, host=host, what=f"answered HTTP {status}", code="server_error")
    if word:
        return _refusal(method, word, answer, token_name)
    if status >= 400:
        return Refused(
            f"{host} answered HTTP {status} to {method}: check SLACK_API_URL and any proxy on the way",
            code=f"http_{status}",
        )
    return bad_answer(method, host=host)


def rate_limited(method: str, seconds: float) -> RateLimited:
    return RateLimited(
        f"Slack asks us to wait {math.ceil(seconds)} seconds before the next {method}: try again then",
        code=RATE_LIMITED,
        seconds=seconds,
    )


def bad_answer(method: str, *, host: str) -> Outage:
    return Outage(method, host=host, what="sent an answer that is not Slack's", code=BAD_ANSWER)


def one_line(value: object, *, limit: int = 200) -> str:
    """Text from the wire, fit for one line of a message; "" when it is no text."""
    return " ".join(storable(value).split())[:limit] if isinstance(value, str) else ""


def _refusal(method: str, word: str, answer: Mapping[str, Any], token_name: str) -> AccountTrouble | Refused:
    if word == "missing_scope":
        needed = one_line(answer.get("needed")) or "one more scope"
        provided = one_line(answer.get("provided")) or "none"
        return AccountTrouble(
            f"Slack refused {method}: the token needs {needed} and has {provided}. Add the scope at "
            'api.slack.com/apps, page "OAuth & Permissions", reinstall the app and set the new token',
            code=word,
        )
    if word in _ACCOUNT_TROUBLE:
        trouble = _ACCOUNT_TROUBLE[word].replace(TOKEN_NAME, token_name)
        return AccountTrouble(f"Slack refused {method}: {trouble}", code=word)
    refusal = Gone if word in _GONE else Refused
    return refusal(f"Slack refused {method}: {_REFUSED.get(word, word)}", code=word)
