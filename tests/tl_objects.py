"""Any object of Telegram's, made from the types that Telethon says its fields have."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from hypothesis import strategies as st
from telethon.tl import types as tl
from telethon.tl.types import messages

_DEEPEST = 2
_TEXTS = st.sampled_from(["", "x", "a\0b", "\ud83d", "<b>&amp;", "../..", "\u202e", "é" * 300])
_PLAIN: Mapping[Any, st.SearchStrategy[Any]] = {
    int: st.sampled_from([0, 1, 7, 2**31 - 1]),
    float: st.sampled_from([0.0, 1.5, float("nan"), float("inf")]),
    bool: st.booleans(),
    str: _TEXTS,
    bytes: st.sampled_from([b"", b"\0\xff"]),
    datetime: st.sampled_from(
        [datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)]
    ),
}


def subclasses(name: str) -> list[type]:
    """The constructors of one of Telegram's types ("MessageAction"), by their names."""
    wanted = getattr(tl, f"{name}Empty").SUBCLASS_OF_ID
    every = [each for _, each in sorted(vars(tl).items()) if inspect.isclass(each)]
    return [each for each in every if getattr(each, "SUBCLASS_OF_ID", None) == wanted]


def values(kind: type, depth: int = 0) -> dict[str, st.SearchStrategy[Any]]:
    """Anything for each field of `kind`."""
    return {name: _value(hint, depth) for name, hint in _fields(kind).items()}


@st.composite
def objects(draw: st.DrawFn, kind: type, depth: int = 0) -> Any:
    """One of `kind` with anything in its fields; deeper down what may be left out is."""
    fields = values(kind, depth)
    if depth >= _DEEPEST:
        needed = inspect.signature(kind).parameters
        fields = {
            name: each for name, each in fields.items() if needed[name].default is inspect.Parameter.empty
        }
    return kind(**{name: draw(value) for name, value in fields.items()})


@functools.cache
def _fields(kind: type) -> dict[str, Any]:
    made: Any = kind
    known = typing.get_type_hints(made.__init__, _NAMES)
    return {name: hint for name, hint in known.items() if name != "return"}


_NAMES = {
    **vars(tl),
    "datetime": datetime,
    "Optional": typing.Optional,
    "TypeEmojiGameOutcome": messages.EmojiGameOutcome,  # in another folder of the schema
}
"""What Telethon's hints speak of."""


def _value(hint: Any, depth: int) -> st.SearchStrategy[Any]:
    if hint in _PLAIN:
        return _PLAIN[hint]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return st.lists(_value(arguments[0], depth), max_size=2)
    if typing.get_origin(hint) is typing.Union:
        rest = [each for each in arguments if each is not NoneType]
        some = st.sampled_from(rest).flatmap(lambda each: _value(each, depth))
        return some if len(rest) == len(arguments) else st.none() | some
    return objects(hint, depth + 1)
