"""The adapters, for whoever connects: `adapters.slack.SlackReader(config)`.

Each module is loaded when it is first used. The platforms' libraries take as long to load as a third of all
the rest, and most commands, and many processes, never speak to a platform.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from members.platforms import slack as slack
    from members.platforms import slack_history as slack_history
    from members.platforms import slack_socket as slack_socket
    from members.platforms import slack_uploads as slack_uploads
    from members.platforms import slack_writer as slack_writer
    from members.platforms import telegram as telegram
    from members.platforms import telegram_bot as telegram_bot
    from members.platforms import telegram_history as telegram_history
    from members.platforms import telegram_listener as telegram_listener
    from members.platforms import telegram_sign_in as telegram_sign_in
    from members.platforms import telegram_transport as telegram_transport
    from members.platforms import telegram_writer as telegram_writer


if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        if not name.startswith(("slack", "telegram")):
            raise AttributeError(f"there is no adapter {name!r}")
        return import_module(f"members.platforms.{name}")
