"""A PostgreSQL and a Redis of a test's own, for what must not happen to those that the others use.

Their programs are on the path of `make test-services`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotUp

from tests.processes import eventually, free_port, running

OWNER = "postgres" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@dataclass(frozen=True)
class Postgres:
    """A server with everything as it is in earnest, its data in `folder`."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k ''"
        self._run(
            "pg_ctl", "start", "--wait", "--silent", "--log", str(self.folder / "log"), "--options", options
        )

    def stop(self, mode: str) -> None:
        """`mode` is pg_ctl's: "fast" ends every connection, "immediate" is a crash."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", mode)

    def create(self) -> None:
        self._run("initdb", "--username", "postgres", "--auth", "trust", "--no-sync")

    def fill_from(self, url: str) -> None:
        """Have what the database at `url` has."""
        read, write = ["pg_dump", url], ["psql", "--quiet", self.url]
        dump = subprocess.run(read, check=True, stdout=subprocess.PIPE, timeout=60).stdout
        subprocess.run(write, input=dump, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def _run(self, *command: str) -> None:
        env = os.environ | {"PGDATA": str(self.folder / "data")}
        subprocess.run(
            command, cwd=self.folder, env=env, user=OWNER, check=True, stdout=subprocess.DEVNULL, timeout=60
        )


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A new server without a table."""
    folder = Path(tempfile.mkdtemp(prefix="groupadmin-postgres-"))
    if OWNER:
        shutil.chown(folder, OWNER)
    server = Postgres(folder, free_port())
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


@contextmanager
def own_redis(folder: Path) -> Iterator[Redis]:
    """A client of a new server."""
    with redis_at(free_port(), folder) as client:
        yield client


@contextmanager
def redis_at(port: int, folder: Path) -> Iterator[Redis]:
    """The same on a port of one's choice, where it may come back after it was killed; it keeps nothing."""
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with running(command, env=os.environ, log=folder / "redis.log"), Redis(port=port) as client:
        eventually(lambda: answers(client))
        yield client


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except NotUp:
        return False
