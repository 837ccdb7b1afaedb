"""The directory: users.list and users.info."""

from __future__ import annotations

import time
from operator import attrgetter
from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.paging import page_limit, paginate
from groupadmin.sandbox.slack.serialise import user_object
from groupadmin.sandbox.slack.world import SlackUser

LARGE_TEAM = 500
"""From this many users on, users.list insists on a `limit`."""


def users_list(call: Call) -> dict[str, Any]:
    call.need("users:read")
    users = sorted(call.world.users.values(), key=attrgetter("id"))
    limit = page_limit(call, default=0, maximum=1000)
    if not limit and len(users) >= LARGE_TEAM:
        raise Failure("limit_required")
    page = paginate(call, users, limit=limit or LARGE_TEAM, identity=attrgetter("id"))
    members = [_user(call, user) for user in page.items]
    return {"members": members, "cache_ts": int(time.time()), **page.metadata}


def users_info(call: Call) -> dict[str, Any]:
    call.need("users:read")
    return {"user": _user(call, call.user())}


def _user(call: Call, user: SlackUser) -> dict[str, Any]:
    answer = user_object(user, with_email="users:read.email" in call.token.scopes)
    if call.flag("include_locale"):
        answer["locale"] = "en-US"
    return answer
