"""The formats of exports, by the names that commands and pages use."""

from __future__ import annotations

from enum import StrEnum

from audits.history.renderers.base import Renderer
from audits.history.renderers.html import Html
from audits.history.renderers.jsonl import JsonLines
from audits.history.renderers.slack_zip import SlackZip
from audits.history.renderers.telegram_json import TelegramJson
from audits.history.renderers.text import PlainText


class Format(StrEnum):
    SLACK_ZIP = "slack-zip"
    TELEGRAM_JSON = "telegram-json"
    HTML = "html"
    TEXT = "text"
    JSONL = "jsonl"

    @property
    def label(self) -> str:
        """What people call it; commands use the value."""
        return _LABELS[self]

    @property
    def choice(self) -> str:
        """Its label with what it is for, where somebody chooses."""
        return f"{self.label}: {_USES[self]}"

    def renderer(self) -> Renderer:
        return _RENDERERS[self]()


_LABELS = {
    Format.SLACK_ZIP: "Slack export (ZIP)",
    Format.TELEGRAM_JSON: "Telegram Desktop (JSON)",
    Format.HTML: "Web pages (HTML)",
    Format.TEXT: "Plain text",
    Format.JSONL: "JSON lines",
}
_USES = {
    Format.SLACK_ZIP: "for what reads Slack's own exports",
    Format.TELEGRAM_JSON: "for what reads Telegram's own exports",
    Format.HTML: "to read and print",
    Format.TEXT: "to read and search",
    Format.JSONL: "for programs",
}
_RENDERERS: dict[Format, type[Renderer]] = {
    Format.SLACK_ZIP: SlackZip,
    Format.TELEGRAM_JSON: TelegramJson,
    Format.HTML: Html,
    Format.TEXT: PlainText,
    Format.JSONL: JsonLines,
}
