"""Remembering what is dear to compute for as long as the world stays the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from groupadmin.sandbox.telegram.world import TelegramWorld

Value = TypeVar("Value")


class Memo:
    """A cache that forgets everything when the world's revision moves on."""

    def __init__(self, world: TelegramWorld) -> None:
        self._world = world
        self._revision = world.revision
        self._values: dict[Hashable, Any] = {}

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        if self._revision != self._world.revision:
            self._values.clear()
            self._revision = self._world.revision
        if key not in self._values:
            self._values[key] = compute()
        value: Value = self._values[key]
        return value
