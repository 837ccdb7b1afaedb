"""Additions and removals on Telegram: nobody is credited with what was so before, nobody is locked out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from groupadmin.sandbox.telegram.effects import Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import services
from members.operations.membership import REMOVE
from members.platforms.types import Platform
from tests.operations_world import (
    PLANNER,
    REMOVAL,
    Desk,
    TelegramAccount,
    acquaintances,
    install,
    outcomes,
    states,
    step_of,
    telegram_step,
    use_account,
)
from tests.telegram_reading import ADA, add_group

pytestmark = pytest.mark.django_db
CHAT, ED = 7, 301


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Iterator[TelegramSandbox]:
    """A group of Ada's, whose account does the work, with Ed in it."""
    world = acquaintances(ED)
    add_group(world, CHAT, ADA, ED, creator=ADA)
    with TelegramSandbox(world) as server:
        use_account(monkeypatch, Platform.TELEGRAM, TelegramAccount(server))
        yield server
        assert server.bugs == []


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return install(Desk(), monkeypatch)


def test_whoever_was_there_is_not_added_though_their_own_list_cannot_be_read(
    telegram: TelegramSandbox, desk: Desk
) -> None:
    """Telegram says yes to an invitation of somebody who is there: an undo would throw them out."""
    telegram.script.add("GetCommonChats", RpcFault("USER_ID_INVALID"))
    operation = desk.run_to_end(desk.confirmed([telegram_step(CHAT, ED)]))
    assert (states(operation), outcomes(operation)) == (["skipped"], ["already_there"])
    assert telegram.writes.all() == []
    with pytest.raises(services.OperationRefused, match="nothing to undo"):
        services.undo_operation(operation=operation, actor=PLANNER)


@pytest.mark.parametrize("fault", [Drop(), RpcFault("FLOOD_WAIT_3600")], ids=["cut off", "flooded"])
def test_a_removal_that_ends_between_its_halves_is_a_removal_and_says_so(
    telegram: TelegramSandbox, desk: Desk, fault: Drop | RpcFault
) -> None:
    telegram.script.add("EditBanned", fault, skip=1)
    operation = desk.run_to_end(desk.confirmed([telegram_step(CHAT, ED, REMOVE)], REMOVAL))
    assert (states(operation), outcomes(operation)) == (["done"], ["done"])
    assert "a ban keeps them from coming back until" in step_of(operation, 1).message
    assert ED in telegram.world.chats[CHAT].ban_ends
