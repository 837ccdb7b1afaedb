"""Read JSON that people wrote by hand: every problem is named by its place, nothing is guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

E = TypeVar("E", bound=StrEnum)

_SHOWN = 60
"""Longest excerpt of a wrong value, in characters."""


class JsonSyntaxError(ValueError):
    """The text is no JSON; the message names line and column where the parser can tell."""


def load_json(data: bytes) -> Any:
    """The value in a UTF-8 text (a byte order mark is fine). Raises JsonSyntaxError, nothing else."""
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_object_without_repeats, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JsonSyntaxError(f"line {line}: not UTF-8 text") from error
    except json.JSONDecodeError as error:
        what = re.sub(r"( starting)? at$|:\s*$", "", error.msg)  # the parser goes on with the place
        raise JsonSyntaxError(f"line {error.lineno}, column {error.colno}: {what}") from error
    except RecursionError as error:
        raise JsonSyntaxError("the lists or objects are nested too deep") from error
    except ValueError as error:  # ours from the hooks, or a number with thousands of digits
        raise JsonSyntaxError(str(error)) from error


def shown(value: object) -> str:
    """A value as JSON for a message, shortened, safe to print on any terminal."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class ObjectReader:
    """Takes the values of one JSON object, key by key, and notes what is wrong with them.

    Every method returns a value of the promised type; where there is none it notes a problem
    ("employees[3].status: …") in the shared list and returns a stand-in. So one pass finds
    all problems, and the caller must throw the result away when there are any.
    """

    def __init__(self, value: object, path: str, problems: list[str]) -> None:
        self.path = path
        self._problems = problems
        self._readable = isinstance(value, dict)
        self._left: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        self._asked: set[str] = set()
        if not self._readable:
            problems.append(f"{path or 'the file'}: must be an object, not {shown(value)}")

    def __iter__(self) -> Iterator[str]:
        """The keys that nobody asked for yet, in the order of the file."""
        return iter(tuple(self._left))

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def note(self, key: str, problem: str) -> None:
        """Something is wrong with the value of `key` (with the whole object, where `key` is empty)."""
        if self._readable:
            place = ".".join(part for part in (self.path, key) if part)
            self._problems.append(f"{place if place.isprintable() else shown(place)[1:-1]}: {problem}")

    def expect(self, keys: Iterable[str]) -> None:
        """Keys that may stand here, whether or not they are asked for: what a misspelt one may mean."""
        self._asked.update(keys)

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._left:
            alike = get_close_matches(key, self._asked, n=1)
            self.note(shown(key)[1:-1], "unknown key" + (f"; did you mean {alike[0]}?" if alike else ""))

    def text(self, key: str, *, max_length: int | None = None) -> str:
        """A text that must be there and say something."""
        value = self.optional_text(key, max_length=max_length)
        if value is None:
            self.note(key, "is missing")
        elif not value.strip():
            self.note(key, "must not be empty")
        return value or ""

    def optional_text(self, key: str, *, max_length: int | None = None) -> str | None:
        """A text, or None when it is null or absent."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.note(key, f"must be a text, not {shown(value)}")
            return None
        self._check_text(key, value, max_length)
        return value

    def texts(self, key: str, *, max_length: int | None = None) -> tuple[str, ...]:
        """A list of texts that say something; empty when it is null or absent."""
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.note(key, f"must be a list of texts, not {shown(value)}")
            return ()
        for index, item in enumerate(value):
            if isinstance(item, str) and item.strip():
                self._check_text(f"{key}[{index}]", item, max_length)
            else:
                self.note(f"{key}[{index}]", f"must be a text, not {shown(item)}")
        return tuple(item for item in value if isinstance(item, str))

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.note(key, f"must be true or false, not {shown(value)}")
        return value is True

    def choice(self, key: str, enum: type[E], *, default: E | None = None) -> E:
        """One of the values of `enum`; it must be there when there is no default."""
        if default is None and self._left.get(key) is None:
            self.note(key, f"is missing: one of {', '.join(enum)}")
        return self.optional_choice(key, enum) or default or next(iter(enum))

    def optional_choice(self, key: str, enum: type[E]) -> E | None:
        """One of the values of `enum`, or None when it is null or absent."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, str) or value not in list(enum):
            self.note(key, f"{shown(value)} is not one of {', '.join(enum)}")
            return None
        return enum(value)

    def positive_integer(self, key: str, *, maximum: int) -> int | None:
        """A whole number, also one written as a text; None when it is null, "" or absent."""
        value = self._take(key)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(maximum)):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= maximum:
            self.note(key, f"must be a positive whole number, not {shown(value)}")
            return None
        return value

    def date(self, key: str) -> date | None:
        """A day like "2027-01-31"; None when it is null, "" or absent."""
        value = self._take(key)
        if value is None or value == "":
            return None
        try:
            day = date.fromisoformat(value)
            if day.isoformat() == value:
                return day
        except (TypeError, ValueError):
            pass
        self.note(key, f"must be a date like 2027-01-31, not {shown(value)}")
        return None

    def objects(self, key: str) -> Iterator[ObjectReader]:
        """A reader for each object of a list, which is finished when the next one is asked for."""
        value = self._take(key)
        if not isinstance(value, list):
            self.note(key, f"must be a list, not {shown(value)}")
            return
        prefix = f"{self.path}.{key}" if self.path else key
        for index, item in enumerate(value):
            reader = ObjectReader(item, f"{prefix}[{index}]", self._problems)
            yield reader
            reader.finish()

    def names(self, key: str) -> tuple[str, ...]:
        """The keys of an object, whatever stands behind them."""
        value = self._take(key)
        if not isinstance(value, dict):
            self.note(key, f"must be an object, not {shown(value)}")
            return ()
        for name in value:
            if not name.strip():
                self.note(key, "must not have an empty key")
            self._check_text(key, name, None)
        return tuple(value)

    def ignore(self, is_comment: Callable[[str], bool]) -> None:
        """Let the keys pass that `is_comment` accepts."""
        self._left = {key: value for key, value in self._left.items() if not is_comment(key)}

    def _take(self, key: str) -> Any:
        self._asked.add(key)
        return self._left.pop(key, None)

    def _check_text(self, key: str, value: str, max_length: int | None) -> None:
        if max_length is not None and len(value) > max_length:
            self.note(key, f"must have at most {max_length} characters, not {len(value)}")
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            self.note(key, "holds a character that cannot be stored")


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {shown(key)} stands twice in one object")
        result[key] = value
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")
