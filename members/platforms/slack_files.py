"""What the files of Slack messages hold: fetched from `url_private_download` with the token.

The token leaves for nobody but Slack's own hosts and that of the configured API. File object, its modes
and `file_access`: docs.slack.dev/reference/objects/file-object.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from members.platforms.errors import Refused
from members.platforms.slack_errors import Outage, rate_limited, retry_after
from members.platforms.slack_transport import SlackTransport

FILES = "files"
"""Stands for the method where files are fetched."""
BUFFER = 256 * 1024
MOST_REDIRECTS = 3

_MODES = {
    "tombstone": "it was deleted on Slack",
    "hidden_by_limit": "Slack hides it, because the workspace is beyond what its plan keeps",
    "external": "it lies outside of Slack, which only links to it",
}
_NO_ACCESS = {
    "access_denied": "this account may not see it",
    "file_not_found": "it is not there any more",
}


class SlackFiles:
    """The files of one workspace, through a transport that is open."""

    def __init__(self, web: SlackTransport) -> None:
        self._web = web

    async def locate(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """The file object, with the address to go to. Raises Refused when there is none.

        In channels that are shared with another company Slack tells the rest only when asked
        (`file_access: check_file_info`).
        """
        if entry.get("file_access") == "check_file_info" and not address_of(entry):
            answer = await self._web.call("files.info", file=str(entry.get("id", "")))
            entry = answer["file"] if isinstance(answer.get("file"), dict) else {}
        why = why_not(entry) or ("" if address_of(entry) else "Slack tells no address for it")
        if not why and not trusted(address_of(entry), self._web.api_url):
            why = "its address is not one of Slack's"
        if why:
            raise _left_out(why)
        return entry

    async def read(self, entry: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """What a located file holds. Raises Refused; AccountTrouble where the token lacks files:read."""
        answer = await self._follow(address_of(entry))
        try:
            if answer.status != 200 or _is_a_page(answer, entry):
                await self._complain(entry, answer)
            with self._web.outages(FILES):
                async for chunk in answer.content.iter_chunked(BUFFER):
                    yield chunk
        finally:
            answer.close()

    async def _follow(self, url: str) -> aiohttp.ClientResponse:
        """The answer at the end of redirects between Slack's own hosts; any other is where we stop."""
        for _ in range(MOST_REDIRECTS):
            answer = await self._web.keep_trying(FILES, partial(self._attempt, url))
            target = urljoin(url, answer.headers.get("Location", ""))
            if not 300 <= answer.status < 400 or not trusted(target, self._web.api_url):
                return answer
            answer.close()
            url = target
        return answer

    async def _attempt(self, url: str) -> aiohttp.ClientResponse:
        answer = await self._web.get(url, FILES)
        if answer.status == 429:
            answer.close()
            raise rate_limited(FILES, retry_after(answer.headers.get("Retry-After")))
        if answer.status >= 500 or answer.status == 408:
            answer.close()
            host = urlsplit(url).netloc
            raise Outage(FILES, host=host, what=f"answered HTTP {answer.status}", code="server_error")
        return answer

    async def _complain(self, entry: Mapping[str, Any], answer: aiohttp.ClientResponse) -> None:
        """Slack shows its sign-in page where the token may not read files: files.info says whether it may."""
        if answer.status in (404, 410):
            raise _left_out(_NO_ACCESS["file_not_found"])
        await self._web.call("files.info", file=str(entry.get("id", "")))
        if 300 <= answer.status < 400 or answer.status == 200:
            raise _left_out("Slack sent a web page in its place")
        raise _left_out(f"Slack answered HTTP {answer.status}")


def file_of(raw: Mapping[str, Any], file_id: str) -> Mapping[str, Any]:
    """The file object with this id in a message; {} when there is none."""
    files = raw.get("files")
    entries = files if isinstance(files, list) else []
    return next((each for each in entries if isinstance(each, dict) and each.get("id") == file_id), {})


def address_of(entry: Mapping[str, Any]) -> str:
    url = entry.get("url_private_download") or entry.get("url_private")
    return url if isinstance(url, str) else ""


def why_not(entry: Mapping[str, Any]) -> str:
    """Why there is nothing to fetch, as far as the file object itself tells; "" when there is."""
    if entry.get("is_external") is True:
        return _MODES["external"]
    return _MODES.get(str(entry.get("mode")), "") or _NO_ACCESS.get(str(entry.get("file_access")), "")


def trusted(url: str, api_url: str) -> bool:
    """Whether `url` may be asked with the token: one of Slack's hosts over HTTPS, or the API's own."""
    try:
        address, api = urlsplit(url), urlsplit(api_url)
        if (address.scheme, address.hostname, address.port) == (api.scheme, api.hostname, api.port):
            return True
        host = address.hostname or ""
    except ValueError:
        return False
    slacks = host == "slack.com" or host.endswith((".slack.com", ".slack-gov.com"))
    return address.scheme == "https" and slacks and address.port in (None, 443)


def _is_a_page(answer: aiohttp.ClientResponse, entry: Mapping[str, Any]) -> bool:
    """Whether this is a web page, and the file is none of the same length."""
    sent = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if sent != "text/html":
        return False
    length = answer.headers.get("Content-Length", "")
    return entry.get("mimetype") != "text/html" or length != str(entry.get("size"))


def _left_out(why: str) -> Refused:
    return Refused(why[:1].upper() + why[1:], code="file_left_out")
