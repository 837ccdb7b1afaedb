"""Encrypt every stored secret with the newest key, so that the older ones may go."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from members.crypto import WrongKey, encrypt_anew
from members.management.base import ExitCode, PlainCommand


class Command(PlainCommand):
    help = "Encrypt every stored secret with the first key of FIELD_ENCRYPTION_KEYS: then the others may go."
    writes_json = False

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = encrypt_anew()
        except WrongKey as error:
            raise CommandError(f"Nothing was changed. {error}", returncode=ExitCode.NOT_CONFIGURED) from None
        secrets = "1 stored secret" if count == 1 else f"{count} stored secrets"
        self.stdout.write(f"{secrets} encrypted with the newest key. Older keys are not needed any more.")
