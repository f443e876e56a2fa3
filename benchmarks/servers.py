"""PostgreSQL and Valkey of a benchmark: one of each for the whole run, a fresh database for each measure."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from alpha.ledger.connection import Dsn, connect
from alpha.live.connection import open_redis
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from database.migrate import migrate
from database.roles import ensure_login

_TEMPLATE = "bench_template"


class Servers:
    """Starts both with their defaults: every commit waits for the disk. Removed with everything on leaving."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="alpha-bench-"))
        self.postgres, self.valkey = EmbeddedPostgres(self.home), EmbeddedValkey(self.home)
        self._writer = ("bench_listener", secrets.token_urlsafe(16))
        self._databases = 0

    def __enter__(self) -> Servers:
        try:
            self.postgres.start()
            self.valkey.start()
            self.postgres.create_database(_TEMPLATE)
            owner = self.postgres.dsn(dbname=_TEMPLATE)
            migrate(owner)
            with closing(connect(owner, "bench")) as connection:
                ensure_login(connection, *self._writer, "ledger_writer")
            migrate(self.postgres.dsn())
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def fresh(self) -> tuple[Dsn, Dsn]:
        """An empty ledger and an empty Valkey: how the owner connects, and how the listener does."""
        self._databases += 1
        name = f"bench_{self._databases}"
        self.postgres.create_database(name, template=_TEMPLATE)
        with open_redis(self.valkey.address(), 0) as client:
            client.flushall()
        owner = self.postgres.dsn(dbname=name)
        user, password = self._writer
        return owner, replace(owner, user=user, password=password)

    def _remove(self) -> None:
        self.valkey.remove()
        self.postgres.remove()
        shutil.rmtree(self.home, ignore_errors=True)
