"""Files in a folder, each there as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import Any

from django.core.files.storage import FileSystemStorage


class WholeFiles(FileSystemStorage):
    """Django's, which leaves half a file behind where the disk is full or the process dies.

    A file is written beside its place and moved there, so that one without an ending `.part` is whole.
    """

    def _save(self, name: str, content: Any) -> str:
        part = super().get_available_name(f"{name}.{secrets.token_hex(4)}.part")
        try:
            super()._save(part, content)  # type: ignore[misc]  # the stubs lack it
            while not self._take(name):
                name = self.get_available_name(name)
            os.replace(self.path(part), self.path(name))
        except OSError:
            with suppress(OSError):
                os.remove(self.path(part))
            raise
        return name

    def _take(self, name: str) -> bool:
        """Whether the name is ours: nobody else took it since it was free."""
        try:
            os.close(os.open(self.path(name), os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            return False
        return True
