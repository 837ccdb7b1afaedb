"""Plain data ↔ compact JSON text, for what one process puts aside and another one takes up. Pure.

Made for frozen dataclasses of simple fields, as an observation and a policy are. The text says of which shape
the data was (names and types of all fields); data of another version of the product is not guessed at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class UnknownVersion(Exception):
    """The text was written by another version of the product, or is none of ours."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How values of one type become JSON's, and back."""

    shape: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def dump(value: Any) -> str:
    """`value`, an instance of a dataclass, as text."""
    codec = _codec(cast(Any, type(value)))
    return json.dumps([_version(codec), codec.encode(value)], separators=(",", ":"))


def load(kind: type[T], text: str) -> T:
    """What `dump` was given: an instance of `kind`, equal to it. Raises UnknownVersion."""
    codec = _codec(cast(Any, kind))
    try:
        version, data = json.loads(text)
        if version != _version(codec):
            raise UnknownVersion(version)
        value: T = codec.decode(data)
    except (ValueError, TypeError) as error:
        raise UnknownVersion(str(error)) from error
    return value


@cache
def _version(codec: _Codec) -> str:
    return hashlib.sha256(codec.shape.encode()).hexdigest()[:12]


@cache
def _codec(kind: Any) -> _Codec:
    """The codec of a type. Raises TypeError for a type that none is known for."""
    if kind in (str, int, float, bool):
        return _Codec(kind.__name__, _unchanged, _unchanged)
    if kind in (datetime, date):
        return _Codec(kind.__name__, lambda value: value.isoformat(), kind.fromisoformat)
    if is_dataclass(kind):
        return _of_dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        members = ",".join(str(member.value) for member in kind)
        return _Codec(f"{kind.__name__}({members})", lambda value: value.value, kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType and NoneType in arguments and len(arguments) == 2:
        return _of_optional(_codec(next(each for each in arguments if each is not NoneType)))
    if origin is tuple and arguments[1:] == (...,):
        return _of_many("tuple", tuple, tuple, _codec(arguments[0]))
    if origin is tuple:
        return _of_record("tuple", tuple, tuple, [_codec(each) for each in arguments])
    if origin is frozenset:
        return _of_many("frozenset", frozenset, sorted, _codec(arguments[0]))
    if origin in (dict, Mapping):
        pair = _of_record("tuple", tuple, tuple, [_codec(each) for each in arguments])
        return _of_many("dict", dict, lambda value: value.items(), pair)
    raise TypeError(f"No way to write {kind} is known.")


def _of_dataclass(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    codecs = [_codec(hints[name]) for name in names]
    record = _of_record(
        kind.__name__,
        lambda values: kind(*values),
        lambda value: [getattr(value, name) for name in names],
        codecs,
    )
    return _Codec(f"{record.shape}[{','.join(names)}]", record.encode, record.decode)


def _of_record(
    name: str,
    build: Callable[[list[Any]], Any],
    take_apart: Callable[[Any], Any],
    codecs: list[_Codec],
) -> _Codec:
    """So many values, each with a codec of its own."""

    def encode(value: Any) -> list[Any]:
        return [codec.encode(each) for codec, each in zip(codecs, take_apart(value), strict=True)]

    def decode(data: list[Any]) -> Any:
        return build([codec.decode(each) for codec, each in zip(codecs, data, strict=True)])

    return _Codec(f"{name}({','.join(codec.shape for codec in codecs)})", encode, decode)


def _of_many(
    name: str, build: Callable[[list[Any]], Any], take_apart: Callable[[Any], Any], codec: _Codec
) -> _Codec:
    """Any number of values of one type."""
    if codec.encode is _unchanged:  # most of an observation are sets of ids
        return _Codec(f"{name}({codec.shape})", lambda value: list(take_apart(value)), build)
    return _Codec(
        f"{name}({codec.shape})",
        lambda value: [codec.encode(each) for each in take_apart(value)],
        lambda data: build([codec.decode(each) for each in data]),
    )


def _of_optional(codec: _Codec) -> _Codec:
    return _Codec(
        f"optional({codec.shape})",
        lambda value: None if value is None else codec.encode(value),
        lambda data: None if data is None else codec.decode(data),
    )


def _unchanged(value: Any) -> Any:
    return value
