"""A small ledger of two bots and more beside them, and live state that agrees with it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.ledger.connection import Dsn, connect
from alpha.live.bot_keys import position_key
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from alpha.live.health import (
    FeedHealth,
    Heartbeat,
    ListenerHealth,
    write_feed_health,
    write_heartbeat,
    write_listener_health,
)
from alpha.live.positions import LivePosition, fields_of
from alpha.live.wallet import LiveWallet, write_wallet
from benchmarks.growth_ledger import GrowthLedger
from telegram_manager.actor import Actor, Role
from telegram_manager.command_table import COMMANDS
from telegram_manager.context import Context
from tests.support import Database

LEDGER = GrowthLedger(fills=2000, full=10_000)
"""2000 fills of fifty bots over 219 days; bots 0 to 4 are on the account growth_00."""
TODAY = LEDGER.time(LEDGER.fills - 1).date()
NOW = datetime(2026, 11, 21, 10, 45, tzinfo=UTC)
"""The wall clock of everything here, so that nothing grows old on a slow machine."""
ACCOUNT = AccountName("growth_00")
FIRST, SECOND = BotId("growth_bot_00"), BotId("growth_bot_01")

_BOTS_FILE = """
accounts:
  growth_00: {key_env: G0_API_KEY, secret_env: G0_API_SECRET}
bots:
  - {id: growth_bot_00, code: g00, account: growth_00, strategy: 'strategies.canary:Canary', redis_db: 5,
     symbols: [S00USDT, S01USDT], capital_usdt: 10000}
  - {id: growth_bot_01, code: g01, account: growth_00, strategy: 'strategies.canary:Canary', redis_db: 6,
     symbols: [S10USDT], capital_usdt: 10000}
"""


@dataclass(frozen=True)
class Stage:
    database: Database
    redis: RedisAddress
    folder: Path

    def registry(self) -> Registry:
        path = self.folder / "bots.yaml"
        path.write_text(_BOTS_FILE)
        return load_registry(path)

    def context(self, **settings: Any) -> Context:
        """As a commander would see it."""
        dsn = self.database.dsn("commander")
        given = settings_of(dsn, self.redis) | {"alpha_home": self.folder} | settings
        return Context(
            settings=Settings(**given),
            registry=self.registry(),
            actor=Actor("cli:test", Role.VIEWER),
            commands=COMMANDS,
            clock=lambda: NOW,
        )

    def load(self) -> None:
        with closing(connect(self.database.owner, "tests")) as connection:
            LEDGER.load(connection)

    def live(self, *, now: datetime = NOW) -> None:
        """Everything well at that wall time; the first bot holds a position in its second symbol."""
        market = LEDGER.end
        with open_redis(self.redis, STATE_DB) as state:
            write_feed_health(state, FeedHealth(state="live", last_frame_at=now, last_bar_at=market, updated_at=now))
            write_listener_health(
                state,
                ListenerHealth(
                    account=ACCOUNT,
                    state="live",
                    since=now,
                    epoch=1,
                    last_frame_at=now,
                    proven_until=market,
                    backlog=0,
                    drifted=False,
                    updated_at=now,
                ),
            )
            wallet = Decimal("10000.5")
            write_wallet(
                state,
                LiveWallet(account=ACCOUNT, equity=wallet, balance=wallet, available=wallet, epoch=1, updated_at=now),
            )
        for bot in self.registry().bots.values():
            with open_redis(self.redis, bot.redis_db) as redis:
                beat = Heartbeat(
                    bot=bot.id,
                    state="running",
                    pid=7,
                    run="r",
                    last_bar_at=market,
                    updated_at=now,
                    started_at=now - timedelta(hours=2),
                )
                write_heartbeat(redis, beat)
                for number, symbol in enumerate(bot.symbols):
                    quantity = Decimal("0.5") if number else Decimal(0)
                    position = LivePosition(
                        bot=bot.id,
                        symbol=symbol,
                        position=Position(quantity, Decimal(1000) if quantity else Decimal(0)),
                        mark_price=Decimal(1010),
                        unrealized_pnl=Decimal(5),
                        changed_at=now,
                        updated_at=now,
                    )
                    redis.hset(position_key(bot.id, symbol), mapping=fields_of(position))


def settings_of(dsn: Dsn, redis: RedisAddress) -> dict[str, Any]:
    return {
        "postgres_host": dsn.host,
        "postgres_port": dsn.port,
        "postgres_db": dsn.dbname,
        "postgres_user": dsn.user,
        "postgres_password": SecretStr(dsn.password),
        "redis_host": redis.host,
        "redis_port": redis.port,
        "redis_password": SecretStr(redis.password),
    }
