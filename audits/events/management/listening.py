"""What the commands that listen have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from audits.events.listening import ListenerBusy, listen
from members.management.standing import StandingCommand
from members.platforms.types import Platform


class ListenerCommand(StandingCommand):
    """Listens to one platform."""

    platform: ClassVar[Platform]
    busy = ListenerBusy
    stay_help = "go on trying while the account cannot go on, as “serve” does, instead of ending"

    def stand(self, stopping: Callable[[], bool], *, patience: int, stay: bool) -> None:
        listen(self.platform, stopping=stopping, tell=self.tell, patience=patience, stay=stay)
