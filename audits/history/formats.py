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
        return _LABELS[self]

    def renderer(self) -> Renderer:
        return _RENDERERS[self]()


_LABELS = {
    Format.SLACK_ZIP: "Slack export (ZIP, for Slack's own readers)",
    Format.TELEGRAM_JSON: "Telegram Desktop (result.json)",
    Format.HTML: "Web pages (HTML, to read and print)",
    Format.TEXT: "Plain text",
    Format.JSONL: "JSON lines (for programs)",
}
_RENDERERS: dict[Format, type[Renderer]] = {
    Format.SLACK_ZIP: SlackZip,
    Format.TELEGRAM_JSON: TelegramJson,
    Format.HTML: Html,
    Format.TEXT: PlainText,
    Format.JSONL: JsonLines,
}
