"""Hear what happens in Slack as it happens."""

from audits.events.management.listening import ListenerCommand
from members.platforms.types import Platform


class Command(ListenerCommand):
    help = (
        "Listen to Slack's live events until Ctrl-C: groups in which something changes are audited within "
        "seconds, and kept conversations get their new messages."
    )
    platform = Platform.SLACK
