"""Brings a restored ledger up to the exchange's present: a listener of its own records what is missing, until proven.

It has a Valkey of its own too, so that nothing of it reaches the bots: they go on with the database they have.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alpha.config import Registry, Settings, credentials, endpoints
from alpha.domain.ids import AccountName
from alpha.exchange.budget import LocalBudget
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, Dsn, connect
from alpha.ledger.coverage import intervals, proven_end
from alpha.local.children import Child
from alpha.local.environments import connection_environment
from alpha.local.errors import StartFailed
from alpha.local.platform import ALPHA
from alpha.local.ports import free_port
from alpha.local.preflight import PROJECT
from alpha.local.valkey import EmbeddedValkey
from alpha.verify import VerifyReport, verify_account

_LOOK_EVERY_S = 0.3
_SILENT_FOR_S = 120.0
_REST_PERCENT = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Of one account, in market time: up to where the restored ledger is proven, and up to where it shall be."""

    account: AccountName
    proven_until: datetime | None
    until: datetime

    @property
    def closed(self) -> bool:
        return self.proven_until is not None and self.proven_until >= self.until


def recover(
    dsn: Dsn,
    settings: Settings,
    registry: Registry,
    environ: Mapping[str, str],
    *,
    on_progress: Callable[[list[Gap]], None] = lambda _: None,
) -> list[VerifyReport]:
    """Records what the exchange did since the backup into the database of `dsn`, and compares it afterwards.

    Returns when every account that a bot trades on is proven up to the moment of the call. The user of `dsn` must be
    allowed to write the ledger. `on_progress` hears how far it is several times a second. Raises StartFailed when the
    listener does not run or gets nowhere, ExchangeError, LedgerError.
    """
    budget = LocalBudget()
    home = Path(tempfile.mkdtemp(prefix="alpha-restore-"))
    with ExitStack() as parts:
        parts.callback(shutil.rmtree, home, ignore_errors=True)
        clients = [
            parts.enter_context(
                closing(ExchangeClient(name, endpoints(config, settings), credentials(config, environ), budget=budget))
            )
            for name, config in registry.accounts.items()
            if registry.bots_on(name)
        ]
        until = {client.account: client.market_time() for client in clients}
        valkey = EmbeddedValkey(home)
        parts.callback(valkey.remove)
        valkey.start()
        listener = _listener(home, {**environ, **connection_environment(dsn, valkey.address())})
        parts.callback(listener.stop)
        listener.start()
        ledger = parts.enter_context(closing(connect(dsn, "alpha-restore", statement_timeout_s=60)))
        _wait_until_proven(ledger, until, listener, on_progress)
        # Compared while the listener still hears: positions are the exchange's of now.
        return [
            verify_account(
                client,
                ledger,
                until=until[client.account],
                symbols=registry.traded_on(client.account),
            )
            for client in clients
        ]


def _listener(home: Path, environ: Mapping[str, str]) -> Child:
    own = {
        "ALPHA_ENV_FILE": "",
        "LISTENER_PORT": str(free_port()),
        "LOG_FORMAT": "json",
        # Nothing of the platform's but its exchange: neither log nor pooler nor Redis user, and a part of the address's
        # REST limit only, since the budget that the others share is in their Redis.
        "LOG_FOLDER": "",
        "POSTGRES_POOL_HOST": "",
        "POSTGRES_POOL_PORT": "",
        "REDIS_USER": "",
        "ALPHA_REST_PERCENT": str(_REST_PERCENT),
    }
    return Child(
        "listener", (*ALPHA, "listener"), env={**environ, **own}, log=home / "logs" / "listener.log", cwd=PROJECT
    )


def _wait_until_proven(
    ledger: Connection,
    until: Mapping[AccountName, datetime],
    listener: Child,
    on_progress: Callable[[list[Gap]], None],
) -> None:
    last: list[Gap] = []
    moved_at = time.monotonic()
    while True:
        gaps = [
            Gap(account=name, proven_until=proven_end(intervals(ledger, name)), until=end)
            for name, end in until.items()
        ]
        on_progress(gaps)
        if all(gap.closed for gap in gaps):
            return
        if not listener.running:
            raise StartFailed(f"the listener ended with code {listener.exit_code}: {listener.last_words()}")
        if gaps != last:
            last, moved_at = gaps, time.monotonic()
        elif time.monotonic() - moved_at > _SILENT_FOR_S:
            behind = ", ".join(gap.account for gap in gaps if not gap.closed)
            raise StartFailed(
                f"nothing more was proven of {behind} for {_SILENT_FOR_S:.0f} s: {listener.last_words()}; the "
                "restored database stays, a listener that is started on it goes on"
            )
        time.sleep(_LOOK_EVERY_S)
