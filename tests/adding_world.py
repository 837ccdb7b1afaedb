"""An office where Bo is missing in three channels, and nobody else is: what tests of commands share."""

from __future__ import annotations

from groupadmin.sandbox.slack import SlackChannel
from tests.audit_world import Office
from tests.command_line import Told, run


def leave_bo_out(office: Office, count: int = 3) -> list[SlackChannel]:
    """Whoever is asked for is in every channel in scope, but for Bo in `count` customers' channels."""
    truths = {
        id_: truth
        for (platform, id_), truth in office.company.truth_now().groups.items()
        if platform == "slack"
    }
    customers: list[SlackChannel] = []
    for channel_id, truth in truths.items():
        channel = office.company.slack.channels[channel_id]
        everybody = truth.required_missing | truth.optional_missing
        channel.members |= dict.fromkeys(office.slack_id(key) for key in everybody)
        if truth.category == "customer" and not truth.excluded and len(customers) < count:
            customers.append(channel)
            channel.members.pop(office.slack_id("bo"))
            channel.name = f"acme-{len(customers)}-bitsafe"
    return customers


def add_missing_bo(*arguments: str) -> Told:
    """`manage.py add_missing` for him, on Slack."""
    return run("add_missing", "--platform=slack", "--employee=bo", *arguments)


def bo_is_in(office: Office, channels: list[SlackChannel]) -> list[bool]:
    return [office.slack_id("bo") in channel.members for channel in channels]


def invited(office: Office) -> list[tuple[str, str]]:
    """(channel, user) of everything that changed the workspace, in its order."""
    return [
        (write.target, write.subject) for write in office.slack.writes.effects() if write.platform == "slack"
    ]
