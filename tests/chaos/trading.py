"""A platform in the middle of trading, for tests that break it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from alpha.config.registry import load_registry
from alpha.local.demo.comparison import Comparison, compare
from alpha.local.demo.watch import Watcher
from alpha.local.exchange_admin import ExchangeAdmin
from alpha.local.journal import read_journal
from alpha.local.platform import Platform, PlatformOptions
from tests.support import eventually

PROJECT = Path(__file__).parents[2]
BOTS = ("shortseller_001", "canary_001", "canary_002")
T = TypeVar("T")


class Trading:
    """Three bots trading a synthetic market through real processes. Must be used by the main thread.

    While a check is waited for, the platform's supervisor is given its turns. With `state` and without `fresh` it goes
    on where one that was told to `keep_data` has ended.
    """

    def __init__(
        self,
        home: Path,
        *,
        speed: float = 1800.0,
        bots: Sequence[str] = BOTS,
        state: Path | None = None,
        fresh: bool = True,
    ) -> None:
        self.home = home
        self._keeps_data = False
        self.registry = load_registry(PROJECT / "bots.yaml")
        self.platform = Platform(
            home,
            self.registry,
            PlatformOptions(
                bots=tuple(self.registry.bot(bot).id for bot in bots),
                speed=speed,
                seed=3,
                journal=home / "journal.jsonl",
                state=state,
                fresh=fresh,
                durable=False,
                hold_market=True,
            ),
        )

    def __enter__(self) -> Trading:
        self.platform.start()
        assert self.platform.exchange_admin is not None
        self.admin = ExchangeAdmin(*self.platform.exchange_admin)
        self.watcher = Watcher(self.platform, self.admin)
        self.platform.release_market()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.watcher.close()
        self.platform.stop()
        if not self._keeps_data:
            self.platform.remove_data()

    def keep_data(self) -> None:
        """Leaves the servers' data where they are in the end."""
        self._keeps_data = True

    def until(self, check: Callable[[], T], within_s: float = 30.0, what: str = "the expected state") -> T:
        """`eventually`, with the supervisor at work meanwhile."""

        def turn() -> T:
            self.platform.tick()
            return check()

        return eventually(turn, within_s, what, every_s=0.05)

    def ledger_fills(self) -> int:
        """Fills in the ledger; 0 while it is away."""
        return sum(summary.fills for summary in self.watcher.summaries().values())

    def more_fills(self, count: int, within_s: float = 30.0) -> None:
        """Waits until the ledger has so many fills more than now."""
        before = self.until(self.ledger_fills, within_s, "any fill in the ledger")
        self.until(lambda: self.ledger_fills() >= before + count, within_s, f"{count} more fills in the ledger")

    def with_a_position_open(self) -> None:
        """Waits until some bot holds something."""
        self.until(lambda: self.admin.state().positions, what="an open position")

    def kill(self, name: str) -> None:
        """kill -9, and waits until the supervisor has put another process in its place."""
        pid = self.platform.child(name).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: self.platform.child(name).pid not in (None, pid), what=f"another {name}")

    def at_rest(self) -> Comparison:
        """The comparison with the market paused and everything on its way arrived, as far as it does within 20 s."""
        exchange = self.admin.pause(when_position_open=True, within_bars=100)
        journal = read_journal(self.platform.options.journal)
        found: list[Comparison] = []

        def equal() -> bool:
            found.append(compare(journal, self.watcher.ledger(), self.watcher.position_checks(exchange)))
            return found[-1].equal

        self.until(equal, 20, "a ledger that equals the journal")
        return found[-1]

    def resume(self) -> None:
        self.admin.resume()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`alpha <arguments>` as a user in another terminal would run it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTGRES")}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "alpha.cli", *arguments],
                cwd=PROJECT,
                env=environment | {"ALPHA_HOME": str(self.home)},
                stdout=out,
                stderr=errors,
            )
            # What is commanded waits for its effect, and the supervisor is this thread.
            self.until(lambda: process.poll() is not None, 60, f"alpha {' '.join(arguments)}")
            out.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(process.args, process.returncode, out.read(), errors.read())

    def verify(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of `alpha verify`."""
        done = self.command("verify", "--json", *arguments)
        assert done.stdout.strip(), done.stderr
        return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])

    def owner_sql(self, *statements: str) -> None:
        """Statements as the owner of the database, with the ledger's own protection switched off around them."""
        from alpha.ledger.connection import connect, transaction

        with closing(connect(self.platform.dsn("owner"), "tests")) as connection, transaction(connection) as cursor:
            cursor.execute("ALTER TABLE trading.fills DISABLE TRIGGER ALL")
            cursor.execute("GRANT UPDATE, DELETE ON trading.fills TO CURRENT_USER")
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("REVOKE UPDATE, DELETE ON trading.fills FROM CURRENT_USER")
            for trigger in ("fills_are_facts", "fills_are_facts_statement"):
                cursor.execute(f"ALTER TABLE trading.fills ENABLE ALWAYS TRIGGER {trigger}")
