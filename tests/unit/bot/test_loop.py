"""The decision loop: order of events, gaps filled over REST, silent symbols, acknowledgements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import Field

from alpha.bot import BotFill, Environment, Strategy, StrategyParams, StrategyState
from alpha.bot import loop as loop_module
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.errors import LeaseLost
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost
from alpha.bot.limits import Limits
from alpha.bot.loop import DecisionLoop
from alpha.bot.market_clock import MarketClock
from alpha.bot.metrics import BotMetrics
from alpha.bot.progress import Progress
from alpha.bot.readers import BarsArrived, BarsUnreachable, FillsArrived
from alpha.config.registry import BotConfig
from alpha.domain.bar import Bar
from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.errors import ExchangeUnreachable
from alpha.ledger.fills import FillSource, RecordedFill
from alpha.live.connection import RedisAddress, open_redis
from tests.unit.bot.parts import (
    BTC,
    ETH,
    MemoryJournal,
    ScriptedExchange,
    Surroundings,
    Told,
    a_bar,
    a_fill,
)

BOT = BotConfig(
    id=BotId("bot_001"),
    code="bt",
    account=AccountName("main"),
    strategy="none:None",
    params={},
    redis_db=3,
    symbols=(BTC, ETH),
)


class DiaryState(StrategyState):
    lines: list[str] = Field(default_factory=list)


class Diary(Strategy[StrategyParams, DiaryState]):
    State = DiaryState

    def observe(self, bar: Bar) -> None:
        self.state.lines.append(f"see {bar.symbol[:3]} {bar.close}")

    def on_bar(self, bar: Bar) -> None:
        self.state.lines.append(f"decide {bar.symbol[:3]} {bar.close}")

    def on_fill(self, fill: BotFill) -> None:
        self.state.lines.append(f"fill {fill.seq}")


@dataclass
class Market:
    """History over REST: bar n closes at n; `newest` is the last one closed."""

    newest: int = 0
    is_away: bool = False
    asked: list[Symbol] = field(default_factory=list)

    def klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:  # noqa: ARG002
        if self.is_away:
            raise ExchangeUnreachable("connection refused", operation="GET /v5/market/kline")
        self.asked.append(symbol)
        bars = [a_bar(str(n), n=n, symbol=symbol) for n in range(1, self.newest + 1)]
        return [bar for bar in bars if start <= bar.start < end]

    def time(self) -> datetime:
        return a_bar("1", n=self.newest).end


class Desk:
    """A loop whose queue, market and acknowledgements are in the test's hands."""

    def __init__(self) -> None:
        self.progress = Progress(Checkpoint(), 0)
        self.progress.catching_up = False
        self.market = Market()
        self.clock = MarketClock(is_paper=True)
        self.saved: list[tuple[int, int]] = []
        self.handled: list[tuple[list[ExecId], datetime | None]] = []
        self.lease_lost = False
        self.feed_is_live = True
        surroundings = Surroundings()
        broker = GatedBroker(
            bot=BOT.id,
            code=BOT.code,
            run="run",
            gate=Gate(Limits(), surroundings),
            orders=self.progress.orders,
            port=ScriptedExchange(),
            journal=MemoryJournal(),
            view=surroundings,
            alerts=Told(),
            entry_sent=self.progress.entry_sent,
            pause=lambda _: None,
        )
        self.diary = Diary(
            params=StrategyParams(),
            state=DiaryState(),
            symbols=BOT.symbols,
            broker=broker,
            environment=Environment.PAPER,
        )
        self.redis = open_redis(RedisAddress("127.0.0.1", 1), 3)
        outside: dict[str, Any] = {
            "live": SimpleNamespace(
                position=surroundings.position, disagreed=set(), feed_is_live=lambda: self.feed_is_live
            ),
            "link": None,
            "own": self.redis,
            "saver": SimpleNamespace(save=lambda cursor, _: self.saved.append((cursor, len(self.lines))), retry=str),
            "unsettled": SimpleNamespace(ask_due=str),
            "lockstep": SimpleNamespace(handled=self._acknowledge),
        }
        self.loop = DecisionLoop(
            bot=BOT,
            run="run",
            host=StrategyHost(strategy=self.diary, broker=broker, progress=self.progress),
            progress=self.progress,
            clock=self.clock,
            source=self.market,
            ask_time=self.market.time,
            metrics=BotMetrics(),
            max_bar_age=timedelta(minutes=2),
            is_stopping=lambda: False,
            lease_lost=lambda: self.lease_lost,
            **outside,
        )

    @property
    def lines(self) -> list[str]:
        return self.diary.state.lines

    def turn(self, *events: Any) -> list[str]:
        """Everything the events made the strategy write down."""
        before = len(self.lines)
        for event in events:
            self.loop.queue.put(event)
        self.loop.turn()
        return self.lines[before:]

    def _acknowledge(self, executions: list[ExecId] | tuple[()] = (), *, done: datetime | None = None) -> None:
        self.handled.append((list(executions), done))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.redis.close()


def bars(n: int, *symbols: Symbol) -> BarsArrived:
    return BarsArrived([a_bar(str(n), n=n, symbol=symbol) for symbol in symbols or (BTC, ETH)])


def fills(*numbers: int) -> FillsArrived:
    recorded = [
        RecordedFill(
            fill=a_fill(Side.BUY, "1", seq=n).fill,
            attribution=Attribution(bot=BOT.id, reason=Reason.ENTRY, method=AttributionMethod.TAG),
            position_idx=0,
            bot_seq=n,
            source=FillSource.STREAM,
            frame_at=None,
            received_at=a_bar("1").end,
            recorded_at=a_bar("1").end,
        )
        for n in numbers
    ]
    return FillsArrived(recorded)


def test_fills_are_handled_before_the_bars_that_came_with_them(desk: Desk):
    assert desk.turn(bars(1), fills(1)) == ["fill 1", "see BTC 1", "see ETH 1", "decide BTC 1", "decide ETH 1"]


def test_state_is_saved_before_the_exchange_is_told_to_go_on(desk: Desk):
    desk.turn(bars(1), fills(1, 2))
    assert desk.handled == [
        ([ExecId("exec-1"), ExecId("exec-2")], None),
        ([], a_bar("1", n=1).end),
    ]
    # both fills with their two lines, then the four lines of the round
    assert desk.saved == [(2, 2), (2, 6)]


def test_a_fill_heard_twice_counts_once_and_is_acknowledged_again(desk: Desk):
    desk.turn(fills(1))
    assert desk.turn(fills(1)) == []
    assert [executions for executions, _ in desk.handled] == [["exec-1"], ["exec-1"]]


def test_bars_of_one_end_are_decided_on_together_and_in_the_bots_order(desk: Desk):
    assert desk.turn(bars(1, ETH)) == []
    assert desk.turn(bars(1, BTC)) == ["see BTC 1", "see ETH 1", "decide BTC 1", "decide ETH 1"]


def test_a_gap_of_the_feed_is_filled_over_rest_and_not_traded_on(desk: Desk):
    desk.turn(bars(1))
    desk.market.newest = 4
    assert desk.turn(bars(4)) == [
        *(f"see {symbol} {n}" for n in (2, 3) for symbol in ("BTC", "ETH")),
        "see BTC 4",
        "see ETH 4",
        "decide BTC 4",
        "decide ETH 4",
    ]


def test_of_bars_that_come_late_only_the_newest_is_traded_on(desk: Desk):
    lines = desk.turn(bars(1), bars(2), bars(3))
    assert [line for line in lines if line.startswith("decide")] == ["decide BTC 3", "decide ETH 3"]
    assert len([line for line in lines if line.startswith("see")]) == 6
    # and the exchange is told of every one of them
    assert [done for _, done in desk.handled] == [a_bar("1", n=n).end for n in (1, 2, 3)]


def test_a_bar_told_twice_is_decided_on_once(desk: Desk):
    desk.turn(bars(1))
    assert desk.turn(bars(1)) == []


def test_a_symbol_whose_bar_does_not_come_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_ROUND_PATIENCE_S", 0.0)
    desk.market.newest = 1
    lines = desk.turn(bars(1, BTC))
    assert lines == ["see BTC 1", "see ETH 1", "decide BTC 1", "decide ETH 1"]
    assert desk.market.asked == [ETH]


def test_a_symbol_nobody_has_a_bar_of_does_not_hold_up_the_other(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_ROUND_PATIENCE_S", 0.0)
    desk.market.is_away = True
    assert desk.turn(bars(1, BTC)) == ["see BTC 1", "decide BTC 1"]
    # what comes later is observed
    assert desk.turn(bars(1, ETH)) == ["see ETH 1"]


def test_while_redis_is_away_bars_come_over_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_UNREACHABLE_ASK_EVERY_S", 0.0)
    desk.turn(bars(1))
    desk.market.newest = 2
    assert desk.turn(BarsUnreachable()) == ["see BTC 2", "see ETH 2", "decide BTC 2", "decide ETH 2"]
    assert desk.turn(BarsUnreachable()) == []


def test_while_the_feed_is_away_bars_come_over_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_FEED_LOOK_EVERY_S", 0.0)
    desk.turn(bars(1))
    desk.turn()
    desk.market.newest = 2
    assert desk.turn() == []
    desk.feed_is_live, desk.loop._look_at_feed_at = False, 0.0
    assert desk.turn() == ["see BTC 2", "see ETH 2", "decide BTC 2", "decide ETH 2"]


def test_bars_that_could_not_be_read_are_missing_until_they_are_and_the_newest_is_decided_on(desk: Desk):
    desk.turn(bars(1))
    desk.market.newest, desk.market.is_away = 3, True
    # exits are decided on, and no indicator steps over the hole, nor would it after a restart
    assert desk.turn(bars(3)) == ["decide BTC 3", "decide ETH 3"]
    assert set(desk.progress.bars_missing) == {BTC, ETH}
    assert set(desk.progress.checkpoint({}).observed.values()) == {a_bar("1", n=1).end}
    desk.market.newest, desk.market.is_away = 4, False
    assert desk.turn(bars(4)) == [
        *(f"see {symbol} {n}" for n in (2, 3) for symbol in ("BTC", "ETH")),
        "see BTC 4",
        "see ETH 4",
        "decide BTC 4",
        "decide ETH 4",
    ]
    assert desk.progress.bars_missing == {}


def test_missing_bars_are_asked_for_between_rounds(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_MISSING_ASK_EVERY_S", 0.0)
    desk.turn(bars(1))
    desk.market.newest, desk.market.is_away = 3, True
    desk.turn(bars(3))
    # an answer that does not reach the newest bar yet is none
    desk.market.newest, desk.market.is_away = 2, False
    assert desk.turn() == []
    desk.market.newest = 3
    assert desk.turn() == [f"see {symbol} {n}" for n in (2, 3) for symbol in ("BTC", "ETH")]
    assert desk.progress.bars_missing == {}


def test_a_silent_symbol_that_could_not_be_asked_for_has_missing_bars(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_ROUND_PATIENCE_S", 0.0)
    desk.turn(bars(1))
    desk.market.is_away = True
    desk.turn(bars(2, BTC))
    assert set(desk.progress.bars_missing) == {ETH}
    desk.turn(bars(2, ETH))
    assert desk.progress.bars_missing == {}


def test_bars_decided_on_are_a_sign_of_keeping_up(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(desk.loop, "_decided_at", desk.loop._decided_at - 3600)
    desk.turn()
    assert desk.loop.undecided_s >= 3600
    desk.turn(bars(1))
    assert desk.loop.undecided_s < 3600


def test_a_bot_that_decides_on_old_bars_only_is_late_until_it_decides_on_a_young_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk.loop, "_in_time_at", desk.loop._in_time_at - 3600)
    desk.clock.saw_bar(a_bar("1", n=3).end)
    desk.turn(bars(1))
    assert desk.loop.undecided_s < 3600 <= desk.loop.late_s
    desk.turn(bars(2), bars(3))
    assert desk.loop.late_s < 3600


def test_a_backlog_of_rounds_is_no_silence(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_module, "_HEARTBEAT_EVERY_S", 0.0)
    beaten: list[str] = []
    monkeypatch.setattr(desk.loop, "beat", beaten.append)
    desk.turn()
    in_a_turn = len(beaten)
    desk.turn(bars(1), bars(2), bars(3))
    assert len(beaten) == in_a_turn + in_a_turn + 3


def test_a_lost_lease_ends_the_loop_before_anything_is_decided(desk: Desk):
    desk.lease_lost = True
    with pytest.raises(LeaseLost):
        desk.turn(bars(1))
    assert desk.lines == []


def test_nothing_is_traded_on_before_the_bot_has_caught_up(desk: Desk):
    rounds = [tuple(a_bar(str(n), n=n, symbol=symbol) for symbol in BOT.symbols) for n in (1, 2)]
    desk.progress.catching_up = True
    desk.loop.decide_missed(rounds[:1])
    desk.progress.catching_up = False
    desk.loop.decide_missed(rounds[1:])
    assert [line for line in desk.lines if line.startswith("decide")] == [
        "decide BTC 2",
        "decide ETH 2",
    ]


def test_the_fills_make_what_is_held(desk: Desk):
    desk.turn(fills(1, 2, 3))
    assert desk.progress.held_in(BTC) == Decimal(3)
