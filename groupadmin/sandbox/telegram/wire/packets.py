"""The "full" TCP transport: length, number, payload and CRC-32 of every packet.

https://core.telegram.org/mtproto/mtproto-transports#full
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from zlib import crc32

_HEADER = struct.Struct("<ii")
_CHECKSUM = struct.Struct("<I")
_OVERHEAD = _HEADER.size + _CHECKSUM.size
_LONGEST = 1 << 24


class BadPacket(Exception):
    """What arrived is not a packet of this transport."""


class PacketStream:
    """One TCP connection as a stream of packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sent = 0

    async def receive(self) -> bytes:
        """The next payload. Raises BadPacket, or asyncio.IncompleteReadError at the end of the stream."""
        header = await self._reader.readexactly(_HEADER.size)
        length, _number = _HEADER.unpack(header)
        if not _OVERHEAD <= length <= _LONGEST:
            raise BadPacket(f"length {length}")
        payload = await self._reader.readexactly(length - _OVERHEAD)
        (checksum,) = _CHECKSUM.unpack(await self._reader.readexactly(_CHECKSUM.size))
        if checksum != crc32(header + payload):
            raise BadPacket("checksum")
        return payload

    def send(self, payload: bytes) -> None:
        packet = _HEADER.pack(len(payload) + _OVERHEAD, self._sent) + payload
        self._sent += 1
        self._writer.write(packet + _CHECKSUM.pack(crc32(packet)))

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
