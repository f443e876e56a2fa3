"""What commands are carried out with: ledger, live state, exchange, whoever runs the bots, and a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import redis
import structlog

from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, Dsn, connect
from alpha.live.connection import LIVE_ERRORS, STATE_DB, RedisAddress, open_redis
from alpha.live.health import Heartbeat, read_heartbeat
from telegram_manager.bot_control.choice import bot_control
from telegram_manager.bot_control.interface import BotControl
from telegram_manager.commanding.exchange_pool import ClientFactory, ExchangePool, client_factory
from telegram_manager.commanding.kill_journal import KILL_FOLDER, KillJournal

if TYPE_CHECKING:
    from telegram_manager.commanding.kill_run import KillRun

log = structlog.get_logger(__name__)

APPLICATION = "telegram-manager"
FOLDER = "C2_FOLDER"
"""Where kills are written before they are in the ledger; default: `c2` below ALPHA_HOME."""

LONGEST_SEND_S = 14.0
"""What a bot's order may take from its gate to the exchange: 5 s for room within the limits, 3 s for a connection and
5 s for the answer (alpha/exchange/rest.py)."""

_STATEMENT_TIMEOUT_S = 5.0
_REDIS_TIMEOUT_S = 1.0


class Alerting(Protocol):
    """`AlertWriter.alert`."""

    def alert(self, kind: str, text: str, *, severity: Any = ..., **fields: Any) -> None: ...


class LogOnly:
    """Alerts of a process that is looked at by a person anyway."""

    def alert(self, kind: str, text: str, *, severity: Any = "warning", **fields: Any) -> None:
        log.warning("alert", kind=kind, text=text, severity=str(severity), **fields)


@dataclass(slots=True)
class Desk:
    """One per process; every thread may use it. `runs` are the kills that this process carries out now, by id. A kill
    that is not proven after `patience_s` is told as such and goes on; a process that ends with its answer waits on. Who
    flattens looks once more `late_s` after entries were frozen: an entry that had passed the gate is at the exchange by
    then, or will never be."""

    registry: Registry
    dsn: Dsn
    redis_address: RedisAddress
    control: BotControl
    exchange: ExchangePool
    journal: KillJournal
    alerts: Alerting = field(default_factory=LogOnly)
    patience_s: float = 60.0
    late_s: float = LONGEST_SEND_S
    runs: dict[str, KillRun] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        settings: Settings,
        registry: Registry,
        environ: Mapping[str, str],
        *,
        alerts: Alerting | None = None,
        control: BotControl | None = None,
        clients: ClientFactory | None = None,
        patience_s: float = 60.0,
    ) -> Desk:
        """Connects nothing yet. `environ` holds the accounts' keys. Raises ConfigError."""
        folder = Path(environ.get(FOLDER, "").strip() or settings.alpha_home / KILL_FOLDER).absolute()
        return cls(
            registry=registry,
            dsn=settings.dsn(),
            redis_address=settings.redis(),
            control=bot_control(settings, registry, environ) if control is None else control,
            exchange=ExchangePool(client_factory(settings, registry, environ) if clients is None else clients),
            journal=KillJournal(folder),
            alerts=LogOnly() if alerts is None else alerts,
            patience_s=patience_s,
        )

    def connect(self) -> Connection:
        """A direct connection of the commander, which the caller closes. Raises LedgerUnavailable."""
        return connect(self.dsn, APPLICATION, statement_timeout_s=_STATEMENT_TIMEOUT_S)

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """The same for one use."""
        with closing(self.connect()) as connection:
            yield connection

    @contextmanager
    def live(self, db: int = STATE_DB) -> Iterator[redis.Redis]:
        """A client of a database of Redis. Its commands raise members of LIVE_ERRORS."""
        with open_redis(self.redis_address, db, timeout_s=_REDIS_TIMEOUT_S) as client:
            yield client

    def heartbeat(self, bot: BotId) -> Heartbeat | None:
        """The bot's last sign of life; None also while Redis is away."""
        try:
            with self.live(self.registry.bot(bot).redis_db) as client:
                return read_heartbeat(client, bot)
        except LIVE_ERRORS:
            return None

    def close(self) -> None:
        """Ends what runs here; a kill that is not proven yet is taken up again by the next process."""
        for run in list(self.runs.values()):
            run.stop()
        self.exchange.close()
        self.control.close()


Progress = Callable[[str], None]


def say_nothing(text: str) -> None:
    """Progress that nobody waits for."""


def wall_clock() -> datetime:
    return datetime.now(UTC)
