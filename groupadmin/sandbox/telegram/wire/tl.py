"""Reading requests off the wire and writing answers to it, beyond what Telethon's TL classes do alone."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl import TLObject, functions
from telethon.tl.core import GzipPacked

_BOOL = {True: struct.pack("<I", 0x997275B5), False: struct.pack("<I", 0xBC799737)}
_VECTOR = 0x1CB5C415
_RPC_RESULT = 0xF35C6D01
_SHORT = 512

_WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeWithTakeoutRequest,
    functions.InvokeAfterMsgRequest,
)


@dataclass(frozen=True)
class Query:
    """A request without its envelopes."""

    request: Any
    wants_updates: bool
    """False: it came in invokeWithoutUpdates, which leaves the connection without pushes."""
    after: int | None
    """The id of the message that must be answered first (invokeAfterMsg)."""


def read(data: bytes) -> Any:
    return BinaryReader(data).tgread_object()


def unwrap(request: Any) -> Query:
    """Take a request out of gzip and of the invokeWith… envelopes around it."""
    wants_updates, after = True, None
    while True:
        if isinstance(request, GzipPacked):
            request = read(request.data)
            continue
        if not isinstance(request, _WRAPPERS):
            return Query(request, wants_updates, after)
        if isinstance(request, functions.InvokeWithoutUpdatesRequest):
            wants_updates = False
        if isinstance(request, functions.InvokeAfterMsgRequest):
            after = request.msg_id
        request = request.query


def write(answer: Any) -> bytes:
    """Serialise an answer: a TL object, a bool, or a list of them."""
    if isinstance(answer, bool):
        return _BOOL[answer]
    if isinstance(answer, list):
        return struct.pack("<Ii", _VECTOR, len(answer)) + b"".join(map(write, answer))
    # Not bytes(answer): that hides the AttributeError which tells what is wrong inside.
    return bytes(answer._bytes())


def rpc_result(msg_id: int, answer: bytes) -> bytes:
    """The envelope that tells a client which request was answered; long answers travel packed."""
    body = answer if len(answer) <= _SHORT else _packed(answer)
    return struct.pack("<Iq", _RPC_RESULT, msg_id) + body


def _packed(data: bytes) -> bytes:
    # Not GzipPacked itself: it always compresses with all its might, which costs more than the call.
    compressed = gzip.compress(data, compresslevel=1)
    return struct.pack("<I", GzipPacked.CONSTRUCTOR_ID) + bytes(TLObject.serialize_bytes(compressed))
