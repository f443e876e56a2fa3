"""The platform and its bots at one moment, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.bot.result import LimitStanding
from alpha.domain.ids import AccountName, BotId
from alpha.domain.order import Order
from alpha.ledger.backups import BackupRow
from alpha.ledger.recent import BotDay, FillLine
from alpha.ledger.servers import DatabaseStanding, PoolStanding
from alpha.ledger.standing import AccountStanding
from alpha.live.health import FeedHealth, ListenerHealth
from alpha.live.positions import LivePosition
from alpha.live.wallet import LiveWallet
from telegram_manager.seeing.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStatus:
    """One bot. Amounts in USDT; positions are live state, the rest is the ledger."""

    id: BotId
    account: AccountName
    state: str
    """What the bot itself says, `silent` when it has said nothing for five seconds."""
    standing: Standing = Standing.UNKNOWN
    why: str = ""
    """The reason of its standing, where there is one to tell."""
    wanted: bool
    entries_allowed: bool
    positions: Sequence[LivePosition]
    stale: bool
    """Whether a position of its symbols is not known, not fresh, or drifted."""
    fills: int
    trades: int
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    today: BotDay | None = None
    """None without a fill or closed round trip on this day of the market."""
    last_fill: FillLine | None
    orders: Sequence[Order] = ()
    """Those that may still fill."""
    started_at: datetime | None = None
    beat_at: datetime | None = None
    """Its last sign of life; wall clock, as `started_at`."""
    limits: Sequence[LimitStanding] = ()
    """How far each limit was used when the bot last saved its state; none when that is not known."""

    def uptime(self, at: datetime) -> timedelta | None:
        """How long its process runs, None when it does not or does not say."""
        if self.state in ("silent", "stopped") or self.started_at is None:
            return None
        return max(at - self.started_at, timedelta(0))

    def beat_age(self, at: datetime) -> timedelta | None:
        return None if self.beat_at is None else max(at - self.beat_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class DiskStanding:
    """The disk that ALPHA_HOME is on, in bytes."""

    total: int
    free: int

    @property
    def free_percent(self) -> float:
        return 100 * self.free / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class MemoryStanding:
    """Redis' memory in bytes; `limit` 0 is none."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The platform at one moment. `problems` are sentences; without any it is well."""

    at: datetime
    mode: str
    pids: Mapping[str, int | None]
    """The processes of a local platform; empty when it is run in another way."""
    accounts: Mapping[AccountName, ListenerHealth | None]
    feed: FeedHealth | None
    bots: Sequence[BotStatus]
    problems: Sequence[str]
    standings: Mapping[AccountName, AccountStanding] = field(default_factory=dict)
    """What the ledger says of each account; without any when the ledger is away, and so are the bots' figures."""
    degraded: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """What each service says that works less well than it should: part, cause, text, advice, since."""
    ledger_known: bool = True
    live_known: bool = True
    market_at: datetime | None = None
    """The market's clock: the end of the newest closed bar, else the wall clock."""
    wallets: Mapping[AccountName, LiveWallet | None] = field(default_factory=dict)
    database: DatabaseStanding | None = None
    pools: PoolStanding | None = None
    """None without PgBouncer, or where it does not tell us."""
    is_pooled: bool = False
    memory: MemoryStanding | None = None
    disk: DiskStanding | None = None
    backup: BackupRow | None = None
    """The newest verified one."""
    last_backup: BackupRow | None = None
    """The last try, whether it counts or not."""

    @property
    def ok(self) -> bool:
        return not self.problems

    def bot(self, bot: BotId) -> BotStatus | None:
        return next((each for each in self.bots if each.id == bot), None)
