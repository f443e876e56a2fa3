"""The same bots on the same real candles: in a backtest, and as processes on the paper exchange."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pyarrow import compute, parquet

from alpha.bot.fill import BotFill
from alpha.bot.resume import bot_fill
from alpha.candles.store import CandleStore
from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.clock import to_ms
from alpha.domain.ids import BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import Trade
from alpha.ledger.books import trades_of_bot
from alpha.ledger.connection import connect
from alpha.ledger.fills import RecordedFill
from alpha.ledger.reading import fills_after
from alpha.local.backtesting import Costs, plan_of, subject_of
from alpha.local.exchange_admin import ExchangeAdmin
from alpha.local.platform import Platform, PlatformOptions
from backtest.outcome import Outcome
from backtest.run import run_backtest
from paper_exchange.market.source import WARM_UP_BARS
from tests.support import eventually
from tests.unit.market.markets import real_candles

FIVE_MINUTES = timedelta(minutes=5)
RUN = "parity"
_PREFIXES = ("bybit_linear_", "bybit_mark_", "bybit_funding_")
_BARS_AT_ONCE = 40
_TURN_S = 0.05


class Filled(NamedTuple):
    """What has to be the same of a fill. Ids the exchange gives differ, because its accounts do."""

    at: datetime
    symbol: Symbol
    order_link_id: str
    reason: Reason
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal


class RoundTrip(NamedTuple):
    symbol: Symbol
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    net_pnl: Decimal
    exit_reason: Reason


@dataclass(frozen=True, slots=True)
class Played:
    """What one bot did, in order of time. What several symbols filled at one instant has no order: the exchange tells
    of it in another one than the ledger commits it in."""

    fills: Sequence[Filled]
    trades: Sequence[RoundTrip]
    partial: int


def cut_candles(source: Path, folder: Path, symbols: Sequence[str], start: datetime, bars: int) -> None:
    """The recordings of these symbols from the warm-up before `start` until `bars` after it."""
    first, last = to_ms(start - WARM_UP_BARS * FIVE_MINUTES), to_ms(start + bars * FIVE_MINUTES)
    for path in sorted(source.glob("bybit_*.parquet")):
        provenance, symbol, interval = path.stem.rsplit("-", 2)
        if symbol not in symbols or not path.name.startswith(_PREFIXES):
            continue
        if provenance.startswith("bybit_linear_") and interval != "5m":
            continue
        table = parquet.read_table(path)
        time = table.column("ts_ms")
        kept = table.filter(compute.and_(compute.greater_equal(time, first), compute.less(time, last)))
        if kept.num_rows:
            parquet.write_table(kept, folder / path.name)


def write_registry(path: Path, bots: Mapping[str, Mapping[str, Any]]) -> Registry:
    """A bots.yaml with an account for each bot, which it sizes by."""
    accounts = {bot: {"key_env": f"{bot.upper()}_KEY", "secret_env": f"{bot.upper()}_SECRET"} for bot in bots}
    rows = [
        {"id": f"{bot}_001", "account": bot, "redis_db": number, **config}
        for number, (bot, config) in enumerate(bots.items())
    ]
    path.write_text(yaml.safe_dump({"accounts": accounts, "bots": rows}))
    return load_registry(path)


def backtested(registry: Registry, bot: BotId, candles: Path, start: datetime, bars: int) -> Outcome:
    config = registry.bot(bot)
    store = CandleStore(candles)
    costs = Costs(slippage_percent=Decimal(0))  # the paper exchange has none
    plan = plan_of(subject_of(bot, registry), store=store, start=start, end=start + bars * FIVE_MINUTES, costs=costs)
    plan = replace(plan, bot=bot, code=config.code, run=RUN)
    return run_backtest(plan, store)


def of_backtest(outcome: Outcome) -> Played:
    return Played(
        sorted(_filled(fill.fill, fill.reason) for fill in outcome.fills),
        sorted(map(_round_trip, outcome.trades)),
        _partial(outcome.fills),
    )


class Bout:
    """The recordings, the bots, and what the backtest made of them."""

    def __init__(
        self, folder: Path, bots: Mapping[str, Mapping[str, Any]], *, symbols: Sequence[str], start: datetime, bars: int
    ) -> None:
        self.folder = folder
        self.bars = bars
        self.candles = folder / "candles"
        self.candles.mkdir()
        cut_candles(real_candles(), self.candles, symbols, start, bars)
        self.registry = write_registry(folder / "bots.yaml", bots)
        self.backtest: Mapping[BotId, Played] = {
            bot: of_backtest(backtested(self.registry, bot, self.candles, start, bars)) for bot in self.registry.bots
        }

    def differences(self, stage: Stage) -> dict[BotId, tuple[object, object]]:
        """For each bot that did something else on the stage than in the backtest, the first that differs: there, here.
        Its fills, then its trades; None where one has no more."""
        found: dict[BotId, tuple[object, object]] = {}
        for bot, expected in self.backtest.items():
            played = stage.played(bot, len(expected.fills))
            if played != expected:
                pairs = zip_longest((*played.fills, *played.trades), (*expected.fills, *expected.trades))
                found[bot] = next(pair for pair in pairs if pair[0] != pair[1])
        return found


class Stage:
    """The platform in full lockstep: exchange, feed, listener, PostgreSQL, Redis, and each bot a process."""

    def __init__(self, home: Path, registry: Registry, candles: Path) -> None:
        self.registry = registry
        self.platform = Platform(
            home,
            registry,
            PlatformOptions(
                bots=tuple(registry.bots),
                speed=1e9,
                candles=candles,
                journal=home / "journal.jsonl",
                fresh=True,
                durable=False,
                hold_market=True,
                full_lockstep=True,
            ),
            settings=Settings(alpha_run=RUN),
        )

    def __enter__(self) -> Stage:
        self.platform.start()
        self.admin = _admin(self.platform)
        return self

    def __exit__(self, *_: object) -> None:
        self.platform.stop()
        self.platform.remove_data()
        shutil.rmtree(self.platform.home, ignore_errors=True)

    def play(self, bars: int, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Lets the market move by so many bars. The supervisor is at work meanwhile, and so is the test."""
        other = _admin(self.platform)  # one client per thread
        with ThreadPoolExecutor(1) as thread:
            for first in range(0, bars, _BARS_AT_ONCE):
                moving = thread.submit(other.run, min(_BARS_AT_ONCE, bars - first))
                while not wait([moving], timeout=_TURN_S).done:
                    self.platform.tick()
                    meanwhile()
                moving.result()

    def kill(self, bot: BotId) -> None:
        """kill -9, if it runs; the supervisor starts the next one."""
        pid = self.platform.child(bot).pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def played(self, bot: BotId, executions: int) -> Played:
        """What the ledger has of the bot, once it has as many fills as the exchange executed."""
        with closing(connect(self.platform.dsn("reader"), "tests")) as connection:

            def fills() -> list[RecordedFill]:
                found: list[RecordedFill] = []
                while page := fills_after(connection, bot, len(found)):
                    found += page
                return found

            found = eventually(lambda: len(known := fills()) >= executions and known, 20, "every fill in the ledger")
            assert found is not False
            trades = trades_of_bot(connection, bot, limit=10_000)
        return Played(
            sorted(_filled(each.fill, bot_fill(each).reason) for each in found),
            sorted(map(_round_trip, trades)),
            sum(each.fill.leaves_quantity > 0 for each in found),
        )


class Killer:
    """Kills each bot twice, so many `together`, when it holds something and the market has moved on by `between` bars
    since the last time. One of those that decide on hours dies as an hour closes, so that the bar it decides on closes
    without it."""

    def __init__(
        self, stage: Stage, *, between: int, together: int = 1, deciding_on_hours: Collection[str] = ()
    ) -> None:
        self._stage = stage
        self._together = together
        self._between = self._next_at = between
        self._deciding_on_hours = deciding_on_hours
        self.left = Counter(dict.fromkeys(stage.registry.bots, 2))

    def __call__(self) -> None:
        state = self._stage.admin.state()
        if state.bars < self._next_at:
            return
        closes_hour = state.market_time.minute in {55, 0}
        holding = {account for account, _ in state.positions}
        victims = [
            bot
            for bot, times in self.left.most_common()
            if times
            and self._stage.registry.bot(bot).account in holding
            and (closes_hour or bot not in self._deciding_on_hours)
        ]
        for bot in victims[: self._together]:
            self._stage.kill(bot)
            self.left[bot] -= 1
            self._next_at = state.bars + self._between

    @property
    def restarts(self) -> int:
        """How often a process of the platform was started again."""
        return sum(process.restarts for process in self._stage.platform.processes.values())


def _admin(platform: Platform) -> ExchangeAdmin:
    assert platform.exchange_admin is not None
    return ExchangeAdmin(*platform.exchange_admin)


def _filled(fill: Any, reason: Reason) -> Filled:
    return Filled(
        fill.exec_time, fill.symbol, fill.order_link_id, reason, fill.side, fill.price, fill.quantity, fill.fee
    )


def _round_trip(trade: Trade) -> RoundTrip:
    return RoundTrip(
        trade.key.symbol,
        trade.opened_at,
        trade.closed_at,
        trade.quantity,
        trade.entry_price,
        trade.exit_price,
        trade.net_pnl,
        trade.exit_reason,
    )


def _partial(fills: Sequence[BotFill]) -> int:
    return sum(each.fill.leaves_quantity > 0 for each in fills)
