"""Fetch what the files of one conversation hold, one after the other; what is kept is not fetched again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from audits.history import media
from audits.history.media import Limits, load_limits
from audits.history.models import Conversation, MessageFile
from audits.history.paging import Pages
from audits.history.reading import Wish
from members.operations.loop import BackgroundLoop
from members.operations.waiting import Waiting
from members.platforms.errors import (
    AccountTrouble,
    PlatformError,
    RateLimited,
    Refused,
    TryLater,
    Unreachable,
)
from members.platforms.history import Chunks, FileKind, FilePlace, HistoryReader
from members.services import platform_group

PORTION = 50
"""Files whose ways are asked for at once: on Telegram they run out."""


@dataclass(slots=True)
class Fetching:
    """One conversation's files, newest message first, through a reader that is open in `loop`."""

    conversation: Conversation
    reader: HistoryReader
    loop: BackgroundLoop
    wish: Wish
    check: Callable[[], None]
    """Called before each file. Raises Stopped when it is not to be fetched."""
    fetched: Callable[[int], None]
    """Told how many bytes each file had."""

    def run(self) -> Waiting[None]:
        """Raises the errors of the adapters, and what `check` raises; a file that is refused is left out."""
        limits = load_limits()
        for portion in self._portions():
            wanted = []
            for file in portion:
                if why := limits.why_not(FileKind(file.kind), file.size):
                    media.leave_out(file=file, why=why)
                else:
                    wanted.append(file)
            if wanted:
                yield from self._fetch(wanted, limits)

    def _portions(self) -> Iterator[Sequence[MessageFile]]:
        """What is neither kept nor refused by the platform, as far as the wish goes."""
        open_still = Q(left_out="")
        for reason in (media.NOT_WANTED, media.NOT_YET):
            open_still |= Q(left_out__startswith=reason)
        rows = MessageFile.objects.filter(open_still, message__conversation=self.conversation, blob=None)
        rows = rows.filter(message__deleted_at=None).select_related("message").order_by("-pk")
        if self.wish.since is not None:
            rows = rows.filter(message__sent_at__gte=self.wish.since)
        if self.wish.until is not None:
            rows = rows.filter(message__sent_at__lt=self.wish.until)
        portion = list(rows[:PORTION])
        while portion:
            yield portion
            portion = list(rows.filter(pk__lt=portion[-1].pk)[:PORTION])

    def _fetch(self, files: Sequence[MessageFile], limits: Limits) -> Waiting[None]:
        self.check()
        places = [_place(file) for file in files]
        located = self.loop.submit(_locate(self.reader, self.conversation, places))
        yield located
        for file, chunks in zip(files, located.result(), strict=True):
            if isinstance(chunks, Refused):
                media.leave_out(file=file, why=str(chunks))
                continue
            self.check()
            if media.keep_known(file=file, platform=self.conversation.group.platform):
                continue
            try:
                yield from self._fetch_one(file, chunks, limits)
            except (AccountTrouble, RateLimited, Unreachable):
                raise
            except TryLater as error:  # this file alone, as far as we know: it shall not keep the others
                media.leave_out(file=file, why=f"{media.NOT_YET}: {error}")
            except PlatformError as error:
                media.leave_out(file=file, why=str(error))

    def _fetch_one(self, file: MessageFile, chunks: Chunks, limits: Limits) -> Waiting[None]:
        with media.scratch() as fetched:
            with Pages(chunks(), self.loop) as pages:
                while (chunk := (yield from pages.next())) is not None:
                    self.check()
                    pages.ask()
                    fetched.add(chunk)
                    if fetched.size > limits.most_bytes:
                        raise Refused(limits.too_large, code="too_large")
            media.keep(file=file, fetched=fetched)
            self.fetched(fetched.size)


async def _locate(
    reader: HistoryReader, conversation: Conversation, places: Sequence[FilePlace]
) -> Sequence[Any]:
    return await reader.locate(platform_group(conversation.group), places)


def _place(file: MessageFile) -> FilePlace:
    message = file.message
    return FilePlace(message.number, file.external_id, message.origin, message.raw)
