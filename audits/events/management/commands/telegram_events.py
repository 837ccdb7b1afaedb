"""Hear what happens in Telegram as it happens."""

from audits.events.management.listening import ListenerCommand
from members.platforms.types import Platform


class Command(ListenerCommand):
    help = (
        "Listen to what is pushed to the Telegram account until Ctrl-C. It lets go of the account whenever "
        "an audit, an operation or a sign-in needs it."
    )
    platform = Platform.TELEGRAM
