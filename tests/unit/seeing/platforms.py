"""A platform at one moment, for tests of what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.bot.result import LimitStanding
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.position import Position
from alpha.ledger.recent import BotDay, FillLine
from alpha.ledger.servers import DatabaseStanding
from alpha.live.health import FeedHealth, ListenerHealth
from alpha.live.positions import LivePosition
from telegram_manager.seeing.facts import BotStatus, DiskStanding, MemoryStanding, Status
from telegram_manager.seeing.standing import Standing

NOW = datetime(2026, 11, 21, 10, 45, 30, tzinfo=UTC)
CANARY = AccountName("canary")
FIRST = BotId("canary_001")


def fill() -> FillLine:
    return FillLine(
        at=NOW - timedelta(minutes=3),
        account=CANARY,
        bot=FIRST,
        symbol=Symbol("BTCUSDT"),
        side="Sell",
        quantity=Decimal("0.010"),
        price=Decimal("60000.5"),
        fee=Decimal("0.3300"),
        fee_currency="USDT",
        exec_type="Trade",
        reason="entry",
        is_maker=False,
    )


def short(**changes: Any) -> LivePosition:
    """A short of 0.010 BTC entered at 60,000.50, marked at 60,100."""
    position = LivePosition(
        bot=FIRST,
        symbol=Symbol("BTCUSDT"),
        position=Position(Decimal("-0.010"), Decimal("60000.5")),
        mark_price=Decimal(60_100),
        unrealized_pnl=Decimal("-0.995"),
        stop_loss=Decimal(61_000),
        changed_at=NOW,
        updated_at=NOW,
    )
    return replace(position, **changes)


def bot(**changes: Any) -> BotStatus:
    """A bot that runs for three hours, holds that short and lost 4.56 today."""
    status = BotStatus(
        id=FIRST,
        account=CANARY,
        state="running",
        standing=Standing.RUNNING,
        wanted=True,
        entries_allowed=True,
        positions=[short()],
        stale=False,
        fills=1203,
        trades=41,
        realized_pnl=Decimal("12.5"),
        fees=Decimal("2.25"),
        funding=Decimal("0.75"),
        net_pnl=Decimal("11.00"),
        today=BotDay(result=Decimal("-4.56"), trades=2, fills=4),
        last_fill=fill(),
        started_at=NOW - timedelta(hours=3, minutes=12),
        beat_at=NOW - timedelta(milliseconds=400),
        limits=[
            LimitStanding(name="max_entries_per_hour", value=Decimal(3), bound=Decimal(20), reached=False),
            LimitStanding(name="max_bot_notional_usdt", value=Decimal("1250.5"), bound=Decimal(30_000), reached=False),
            LimitStanding(name="daily_loss_percent", value=None, bound=Decimal(5), reached=True),
        ],
    )
    return replace(status, **changes)


def platform(*bots: BotStatus, problems: tuple[str, ...] = (), **changes: Any) -> Status:
    status = Status(
        at=NOW,
        mode="paper",
        pids={"feed": 7, "listener": None},
        accounts={
            CANARY: ListenerHealth(
                account=CANARY,
                state="live",
                since=NOW,
                epoch=1,
                last_frame_at=NOW - timedelta(milliseconds=200),
                proven_until=NOW - timedelta(minutes=1),
                backlog=0,
                drifted=False,
                updated_at=NOW,
            )
        },
        feed=FeedHealth(state="live", last_frame_at=NOW, last_bar_at=NOW, updated_at=NOW),
        bots=bots or (bot(),),
        problems=problems,
        market_at=NOW,
        database=DatabaseStanding(
            version="17.2",
            size_bytes=3 << 20,
            connections=17,
            most_connections=100,
            migration="0019_backups",
            fills=1203,
            last_recorded_at=NOW - timedelta(seconds=5),
            lag_s=0.0034,
        ),
        memory=MemoryStanding(2 << 20, 64 << 20),
        disk=DiskStanding(total=100 << 30, free=40 << 30),
    )
    return replace(status, **changes)
