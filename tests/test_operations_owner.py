"""Whose process is gone: told of this machine's own only, however alike another one looks."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from members.operations.owner import is_dead, new_owner


def owner_in(process_id: int) -> str:
    """The name of an execution in that process of this machine."""
    machine, _, rest = new_owner().split(":")
    return f"{machine}:{process_id}:{rest}"


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_that_ended_is_dead_and_one_that_runs_is_not() -> None:
    assert is_dead(owner_in(ended_process()))
    assert not is_dead(owner_in(os.getpid()))


def test_of_another_machine_nothing_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers of one deployment have long names that differ at the end, and small process ids alike."""
    monkeypatch.setattr(socket, "gethostname", lambda: "groupadmin-worker-7d9f8b6c5-abcde")
    theirs = owner_in(ended_process())
    assert is_dead(theirs)
    monkeypatch.setattr(socket, "gethostname", lambda: "groupadmin-worker-7d9f8b6c5-fghij")
    assert not is_dead(theirs)


def test_a_name_fits_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    monkeypatch.setattr(os, "getpid", lambda: 4_194_304)
    assert len(new_owner()) <= 64


@pytest.mark.parametrize("owner", ["", "somewhere", "somewhere:1:2", new_owner().partition(":")[0] + ":x:y"])
def test_of_what_is_no_name_nothing_can_be_told(owner: str) -> None:
    assert not is_dead(owner)
