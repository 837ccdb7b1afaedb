"""Both sandbox servers around one company, and the environment that points the product at them."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from groupadmin.sandbox.company import Company
from groupadmin.sandbox.control import WriteLog
from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.telegram.server import TelegramSandbox

API_ID = "10001"
API_HASH = "0" * 32
"""Telegram wants both from every client; the sandbox takes any."""


class Sandbox:
    """Serves `company` until stopped; a context manager. Everything listens on 127.0.0.1 alone.

    By default Slack answers like a cautious server: at most 200 items a page, and the list of
    channels begins each of its pages with an empty one. `slack_speed` None switches Slack's rate limits
    off; latencies are seconds a call; port 0 takes a free one. `folder` receives the Telegram
    server's public key (default: a temporary folder that goes with the servers). `writes` has every
    write to either platform, and so has the file `write_log`, for other processes (`WriteLog.read`).
    """

    def __init__(
        self,
        company: Company,
        *,
        slack_speed: float | None = None,
        slack_latency: float = 0.0,
        slack_page_cap: int | None = 200,
        slack_empty_pages: bool | Collection[str] = frozenset({"conversations.list"}),
        slack_port: int = 0,
        telegram_latency: float = 0.0,
        telegram_port: int = 0,
        folder: Path | None = None,
        write_log: Path | None = None,
    ) -> None:
        self.company = company
        self.writes = WriteLog(write_log)
        self.slack = SlackSandbox(
            company.slack,
            speed=slack_speed,
            latency=slack_latency,
            page_cap=slack_page_cap,
            empty_pages=slack_empty_pages,
            port=slack_port,
            write_log=self.writes,
        )
        self.telegram = TelegramSandbox(
            company.telegram, latency=telegram_latency, port=telegram_port, write_log=self.writes
        )
        self._folder = folder
        self._stack = ExitStack()
        self._environment: dict[str, str] = {}

    def start(self) -> Sandbox:
        """Start both servers, or neither. Raises OSError when a port is taken or the folder is read-only."""
        with ExitStack() as stack:
            folder = self._folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
            stack.enter_context(self.slack)
            stack.enter_context(self.telegram)
            key = folder / "telegram_server_key.pem"
            key.write_text(self.telegram.public_key_pem)
            self._environment = self._make_environment(key)
            self._stack = stack.pop_all()
        return self

    def stop(self) -> None:
        self._environment = {}
        self._stack.close()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables that point the product here, signed in as the company's account.

        Raises RuntimeError while the servers are not running: ports and session are not known then.
        """
        if not self._environment:
            raise RuntimeError("The sandbox is not running: call start() first.")
        return dict(self._environment)

    def _make_environment(self, key: Path) -> dict[str, str]:
        return {
            "SLACK_USER_TOKEN": self.company.slack_token,
            "SLACK_APP_TOKEN": self.company.slack_app_token,
            "SLACK_API_URL": self.slack.api_url,
            "TELEGRAM_API_ID": API_ID,
            "TELEGRAM_API_HASH": API_HASH,
            "TELEGRAM_PHONE": self.company.telegram_phone,
            "TELEGRAM_SESSION": self.telegram.mint_session(self.company.telegram_account_id),
            "TELEGRAM_SERVER": self.telegram.server,
            "TELEGRAM_SERVER_KEY": str(key),
            "TELEGRAM_BOT_TOKEN": self.company.telegram_bot_token,
        }
