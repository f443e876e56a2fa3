"""What a listener does while something around it works badly: it goes on as far as it can, names the cause in log,
status and alert together with what to do, and heals by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.side import Side
from alpha.ledger.alerts import alerts_after
from alpha.ledger.connection import connect, transaction
from alpha.ledger.sessions import end_sessions
from alpha.live.connection import open_redis
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.valkey import EmbeddedValkey
from alpha.service.causes import Cause
from tests.conftest import TEMPLATE
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.listener.platform import Followed
from tests.integration.listener.processes import SHORTSELLER, SS, ServiceProcess, write_registry
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually

pytestmark = pytest.mark.slow


class NamedHosts(ServiceProcess):
    """A listener that reaches Redis and the stream by a name that can stop resolving."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.named_hosts", self.name],
                cwd=PROJECT_ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
            )


class Degrading:
    """A listener that is live, what is around it, and what it says of it."""

    def __init__(self, followed: Followed, server: EmbeddedPostgres, names: Path) -> None:
        self.followed, self.server, self.names = followed, server, names
        self.listener = followed.listener

    def until_named(self, cause: Cause, part: str) -> None:
        """Waits until status names it, and checks that the log does."""

        def named() -> bool:
            modes = {(mode["part"], mode["cause"]): mode["advice"] for mode in self.listener.health()["degraded"]}
            return modes.get((part, cause.value)) == cause.advice

        eventually(named, 30, f"{cause} of {part} in {self.listener.log}")
        assert cause.value in {event["cause"] for event in self.logged("degraded")}

    def until_alerted(self, cause: Cause) -> None:
        eventually(lambda: cause.value in self.alerts(), 30, f"the alert of {cause}")

    def until_healed(self, cause: Cause) -> None:
        """Waits until nothing is degraded, every fill is there, and a person was told of both."""
        eventually(lambda: self.listener.health().get("degraded") == [], 30, "nothing degraded")
        self.listener.until_ok()
        self.followed.until_recorded()
        self.followed.until_published(SS)
        assert cause.value in {event["cause"] for event in self.logged("healed")}
        eventually(lambda: (cause.value, "healed") in self.alert_pairs(), 30, "the alert of its end")

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.listener.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def alerts(self) -> set[str]:
        return {alert.kind for _, alert in self.followed.query(lambda c: alerts_after(c, 0, limit=1000))}

    def alert_pairs(self) -> set[tuple[str, str]]:
        """(cause, "healed") of each mode whose end was told."""
        found = [alert for _, alert in self.followed.query(lambda c: alerts_after(c, 0, limit=1000))]
        return {(str(alert.fields.get("cause")), alert.kind) for alert in found}

    def sql(self, *statements: str) -> None:
        """As the owner of the database, outside of a transaction."""
        with closing(connect(self.followed.database.owner, "tests")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def redis(self, *command: str) -> None:
        with open_redis(self.followed.redis, 0) as client:
            client.execute_command(*command)

    def status(self) -> dict[str, Any]:
        """`alpha status --json` as an operator in another terminal runs it."""
        done = subprocess.run(
            [sys.executable, "-m", "alpha.cli", "status", "--json"],
            cwd=PROJECT_ROOT,
            env=self.listener.env | {"ALPHA_HOME": str(self.names.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def degrading(
    postgres_server: EmbeddedPostgres,
    migrated_template: Database,
    valkey_server: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Degrading]:
    """One for all tests of this module: each leaves it healed."""
    folder = tmp_path_factory.mktemp("degraded")
    with closing(connect(postgres_server.dsn(dbname="postgres"), "tests")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE degraded TEMPLATE {TEMPLATE}")
    database = Database(postgres_server.dsn(dbname="degraded"), dict(migrated_template.passwords))
    address = valkey_server.address()
    with open_redis(address, 0) as client:
        client.flushall()
    with ExitStack() as ending:
        exchange = ending.enter_context(ExchangeProcess(folder))
        relay = ending.enter_context(Relay(exchange.private_url))
        followed = Followed(folder, exchange, database, address, relay)
        ending.callback(followed.trader.close)
        names = folder / "names"
        names.touch()
        write_registry(folder / "bots.yaml", private_url=relay.url.replace("127.0.0.1", "localhost"))
        env = followed.listener.env | {"REDIS_HOST": "localhost", "RESOLVER_FILE": str(names)}
        followed.listener = NamedHosts("listener", folder / "listener.log", env)
        listener = ending.enter_context(followed.listener)
        listener.until_ok()
        yield Degrading(followed, postgres_server, names)
    with closing(connect(postgres_server.dsn(dbname="postgres"), "tests")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE degraded WITH (FORCE)")


def test_a_full_disk_of_postgresql(degrading: Degrading) -> None:
    # given a server that answers as it does when its disk is full
    degrading.sql(
        "CREATE FUNCTION trading.disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER disk_is_full BEFORE INSERT ON trading.fills FOR EACH ROW"
        " EXECUTE FUNCTION trading.disk_is_full()",
    )
    degrading.followed.trader.round_trips(SS, 2)
    degrading.until_named(Cause.DISK_FULL, "ledger")
    # alerts have room still, and nothing was given up
    degrading.until_alerted(Cause.DISK_FULL)
    assert degrading.listener.health()["backlog"] == 4
    degrading.sql("DROP TRIGGER disk_is_full ON trading.fills", "DROP FUNCTION trading.disk_is_full()")
    degrading.until_healed(Cause.DISK_FULL)


@contextmanager
def small_disk(folder: Path, server: EmbeddedPostgres) -> Iterator[Path]:
    """A disk of 256 kB that the server may use. Skips the test where nothing can be mounted."""
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a file system is not allowed here")
    try:
        assert server.pid is not None
        owner = Path(f"/proc/{server.pid}").stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        folder.chmod(0o700)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_disk_that_really_is_full(degrading: Degrading, server_home: Path) -> None:
    with small_disk(server_home / "small", degrading.server) as disk:
        degrading.sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
        followed = degrading.followed
        followed.trader.trade(SS, Side.BUY)
        followed.until_recorded()
        with closing(connect(followed.database.owner, "tests")) as connection, transaction(connection) as cursor:
            cursor.execute(
                "SELECT relid::regclass::text FROM pg_partition_tree('trading.fills') WHERE isleaf AND"
                " pg_relation_size(relid) > 0"
            )
            (month,) = cursor.fetchone() or ("",)
        # given this month's fills on that disk, which a file of somebody else's fills up
        degrading.sql(f"ALTER TABLE {month} SET TABLESPACE small")
        filler = disk / "filler"
        written = 0
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    written += file.write(bytes(4096))
            except OSError as error:
                assert error.errno == 28, error  # noqa: PT017
        assert written
        # when more is filled than there is room for in the pages that are there
        followed.trader.round_trips(SS, 20)
        degrading.until_named(Cause.DISK_FULL, "ledger")
        # then it heals when there is room again
        filler.unlink()
        degrading.until_healed(Cause.DISK_FULL)
        degrading.sql(f"ALTER TABLE {month} SET TABLESPACE pg_default", "DROP TABLESPACE small")


def test_a_postgresql_that_takes_no_writes(degrading: Degrading) -> None:
    name = degrading.followed.database.owner.dbname
    degrading.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with closing(connect(degrading.followed.database.owner, "tests")) as connection:
        end_sessions(connection, "alpha-listener")
    degrading.followed.trader.round_trips(SS, 2)
    degrading.until_named(Cause.LEDGER_READ_ONLY, "ledger")
    # live positions go on, status says what is wrong, and the alert waits for the ledger
    eventually(lambda: degrading.followed.held(SS) is not None, what="a fresh position")
    told = (Cause.LEDGER_READ_ONLY.value, "ledger")
    eventually(
        lambda: told in {(line.get("kind"), line["fields"].get("part")) for line in degrading.logged("alert")},
        what="the alert in the log",
    )
    problems = degrading.status()["problems"]
    assert any(Cause.LEDGER_READ_ONLY.advice in problem for problem in problems), problems
    degrading.sql(
        "SET default_transaction_read_only = off", f"ALTER DATABASE {name} RESET default_transaction_read_only"
    )
    degrading.until_alerted(Cause.LEDGER_READ_ONLY)
    degrading.until_healed(Cause.LEDGER_READ_ONLY)


def test_a_redis_out_of_memory(degrading: Degrading) -> None:
    degrading.redis("CONFIG", "SET", "maxmemory", "1")
    # the ledger goes on
    degrading.followed.trader.round_trips(SS, 2)
    degrading.followed.until_recorded()
    degrading.until_named(Cause.REDIS_FULL, "redis")
    degrading.until_alerted(Cause.REDIS_FULL)
    degrading.redis("CONFIG", "SET", "maxmemory", "0")
    degrading.until_healed(Cause.REDIS_FULL)


def test_a_redis_that_became_a_replica(degrading: Degrading) -> None:
    degrading.redis("REPLICAOF", "127.0.0.1", "1")
    degrading.followed.trader.round_trips(SS, 2)
    degrading.followed.until_recorded()
    degrading.until_named(Cause.REDIS_READ_ONLY, "redis")
    degrading.until_alerted(Cause.REDIS_READ_ONLY)
    degrading.redis("REPLICAOF", "NO", "ONE")
    degrading.until_healed(Cause.REDIS_READ_ONLY)


def test_names_that_stop_resolving(degrading: Degrading) -> None:
    degrading.names.unlink()
    # what is connected stays so; then both connections are cut
    degrading.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    degrading.followed.relay.cut()
    degrading.followed.trader.round_trips(SS, 2)
    degrading.until_named(Cause.NAME_UNRESOLVED, "redis")
    degrading.until_named(Cause.NAME_UNRESOLVED, f"account {SHORTSELLER}")
    degrading.until_alerted(Cause.NAME_UNRESOLVED)
    degrading.names.touch()
    degrading.until_healed(Cause.NAME_UNRESOLVED)


def test_a_clock_that_was_stepped(degrading: Degrading) -> None:
    # given an exchange whose clock is a minute before ours: to either side the other one's is wrong
    degrading.followed.exchange.admin.arm({"kind": "clock_skew", "from_s": 0, "for_s": 600, "by_s": -60})
    degrading.until_named(Cause.CLOCK_STEPPED, f"account {SHORTSELLER}")
    degrading.until_alerted(Cause.CLOCK_STEPPED)
    degrading.followed.exchange.admin.end_faults()
    degrading.followed.trader.round_trips(SS, 2)
    degrading.until_healed(Cause.CLOCK_STEPPED)
