"""Files in a bucket of an S3-compatible store, which fails as a disk does.

Only loaded where STORAGE_BUCKET is set: what speaks to S3 is installed nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3File, S3Storage
from storages.utils import clean_name


@contextmanager
def _as_a_disk() -> Iterator[None]:
    """Raises OSError for whatever S3 refuses, and where it does not answer."""
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise OSError(f"the store of objects: {error}") from error


class WrittenObject(S3File):
    """One that is being written: it is there, as a whole, once it is closed."""

    @_as_a_disk()
    def write(self, content: bytes) -> int:
        written: int = super().write(content)
        return written

    @_as_a_disk()
    def close(self) -> None:
        super().close()


class ObjectStore(S3Storage):
    """That of django-storages, with the errors and the manners of a folder."""

    def get_default_settings(self) -> dict[str, Any]:
        """Its own with ours before them; STORAGE_OPTIONS stands above both."""
        return super().get_default_settings() | {
            # With threads it would read our files in them, and who reads tells a job's row how far it is.
            "transfer_config": TransferConfig(use_threads=False),
            "max_memory_size": 1 << 22,  # what is larger is read into a temporary file
            "client_config": Config(
                connect_timeout=5,  # in seconds: somebody looks at a page
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 3},
                # Stores other than Amazon's know no newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        }

    @_as_a_disk()
    def _open(self, name: str, mode: str = "rb") -> S3File:
        if "w" in mode:
            return WrittenObject(self._normalize_name(clean_name(name)), mode, self)
        file = super()._open(name, mode)
        file.open()  # reads all of it now, while its absence can still be told
        return file

    @_as_a_disk()
    def _save(self, name: str, content: Any) -> str:
        saved: str = super()._save(name, content)
        return saved

    @_as_a_disk()
    def delete(self, name: str) -> None:
        super().delete(name)

    @_as_a_disk()
    def exists(self, name: str) -> bool:
        there: bool = super().exists(name)
        return there

    @_as_a_disk()
    def size(self, name: str) -> int:
        size: int = super().size(name)
        return size
