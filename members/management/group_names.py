"""Groups that somebody wrote down in a file, by name or id: an option that several commands have."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import CommandError

from members.management.base import ExitCode
from members.platforms.text import LONGEST_GROUP_NAME


def group_names(text: str) -> tuple[str, ...]:
    """The names or ids in a file, one a line; "#" in front of a channel's name is how Slack writes it."""
    lines = (line.strip().removeprefix("#").strip() for line in text.splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))


def group_names_in(path: Path | None) -> tuple[str, ...]:
    """The groups that a file names; none without a file. Raises CommandError."""
    if path is None:
        return ()
    try:
        names = group_names(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.", returncode=ExitCode.USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"Cannot read {path}: it is not UTF-8 text.", returncode=ExitCode.USAGE) from error
    if any(len(name) > LONGEST_GROUP_NAME or "\0" in name for name in names):
        raise CommandError(
            f"{path} has a line that no group can be named: is it the right file?",
            returncode=ExitCode.USAGE,
        )
    if not names:
        raise CommandError(f"{path} names no group.", returncode=ExitCode.USAGE)
    return names
