"""Who asks, and in which workspace: auth.test and team.info."""

from __future__ import annotations

from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.serialise import bot_id


def auth_test(call: Call) -> dict[str, Any]:
    answer = {
        "url": f"https://{call.world.domain}.slack.com/",
        "team": call.world.team_name,
        "user": call.caller.name,
        "team_id": call.world.team_id,
        "user_id": call.caller.id,
        "is_enterprise_install": False,
    }
    if call.token.is_bot:
        answer["bot_id"] = bot_id(call.caller)
    return answer


def team_info(call: Call) -> dict[str, Any]:
    call.need("team:read")
    if call.text("team") not in ("", call.world.team_id):
        raise Failure("team_not_found")
    if call.text("domain"):
        raise Failure("team_not_on_enterprise")
    icon: dict[str, Any] = {
        f"image_{size}": f"https://avatars.example.com/team-{size}.png" for size in (34, 44, 68, 88, 102, 132)
    }
    return {
        "team": {
            "id": call.world.team_id,
            "name": call.world.team_name,
            "domain": call.world.domain,
            "url": f"https://{call.world.domain}.slack.com/",
            "email_domain": f"{call.world.domain}.example.com",
            "icon": icon | {"image_default": True},
            "is_verified": False,
        }
    }
