"""How a method says no: Slack answers HTTP 200 with `{"ok": false, "error": "a_word"}`."""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """The call fails with Slack's word `error`; `extra` are the further keys of the body."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra

    @property
    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.error, **self.extra}
