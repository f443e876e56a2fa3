"""A listener that follows a paper exchange through a relay, and looks into what it made of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.coverage import CoverageKind, intervals
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.reading import fills_after
from alpha.live import fill_stream, positions
from alpha.live.connection import RedisAddress, open_redis
from tests.exchange_process import ExchangeProcess
from tests.integration.listener.processes import (
    BTCUSDT,
    CN1,
    CN2,
    DATABASES,
    SS,
    ServiceProcess,
    Trader,
    environment_of,
    write_registry,
)
from tests.integration.listener.relay import Relay
from tests.support import Database, eventually

T = TypeVar("T")


class Followed:
    """Everything around one listener."""

    def __init__(
        self, folder: Path, exchange: ExchangeProcess, database: Database, redis: RedisAddress, relay: Relay
    ) -> None:
        self.exchange, self.database, self.redis, self.relay = exchange, database, redis, relay
        self.trader = Trader(exchange)
        self.registry = write_registry(folder / "bots.yaml", private_url=relay.url)
        env = environment_of(exchange, database.dsn("ledger_writer"), redis, self.registry)
        self.listener = ServiceProcess("listener", folder / "listener.log", env)
        self.feed = ServiceProcess("feed", folder / "feed.log", env)

    def query(self, ask: Callable[[Connection], T]) -> T:
        """Something asked of the ledger on a connection of its own."""
        with closing(connect(self.database.dsn("reader"), "tests")) as connection:
            return ask(connection)

    def fills(self, *bots: BotId) -> list[RecordedFill]:
        """The ledger's fills of the bots (all three when none is named), per bot in commit order."""
        return [
            fill
            for bot in bots or (SS, CN1, CN2)
            for fill in self.query(lambda c, b=bot: fills_after(c, b, 0))  # type: ignore[misc]
        ]

    def until_recorded(self, within_s: float = 20.0) -> list[RecordedFill]:
        """Waits until the ledger has what the journal has: each execution once. Answers the fills."""
        wanted = sorted(self.trader.executed())

        def recorded() -> list[RecordedFill] | None:
            found = self.fills()
            assert sorted(fill.fill.exec_id for fill in found) == wanted
            return found

        return eventually(recorded, within_s, f"{len(wanted)} fills in the ledger") or []

    def until_published(self, bot: BotId, within_s: float = 30.0) -> list[int]:
        """Waits until the bot's stream holds what the ledger has of it, without a hole; answers the numbers."""
        wanted = [fill.bot_seq for fill in self.fills(bot)]

        def published() -> bool:
            with open_redis(self.redis, DATABASES[bot]) as client:
                found = [fill.bot_seq for fill in fill_stream.read(client, bot, after=0, limit=100_000)]
            assert found == wanted
            return True

        eventually(published, within_s, f"{len(wanted)} fills in the stream of {bot}")
        return [number or 0 for number in wanted]

    def held(self, bot: BotId, symbol: Symbol = BTCUSDT) -> Decimal | None:
        """The bot's live position; None when unknown or not fresh."""
        with open_redis(self.redis, DATABASES[bot]) as client:
            found = positions.read(client, bot, symbol)
        return found.position.quantity if found is not None and found.is_fresh() else None

    def proven(self, account: AccountName) -> int:
        """How many seconds of market time are proven."""
        said = [each for each in self.query(lambda c: intervals(c, account)) if each.kind is CoverageKind.PROVEN]
        return int(sum((each.end - each.start).total_seconds() for each in said))

    def until_proven(self, account: AccountName) -> None:
        """Waits until the account is proven up to the market's time now."""
        client: ExchangeClient = self.trader.clients[account]
        until = client.market_time()

        def proven() -> bool:
            said = self.query(lambda c: intervals(c, account))
            return any(each.kind is CoverageKind.PROVEN and each.end >= until for each in said)

        eventually(proven, 20, f"{account} to be proven until {until}")
