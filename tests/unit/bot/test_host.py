"""Fills exactly once, bars once and in order, and the same order ids after a crash at any point."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field

from alpha.bot import BotFill, Environment, HeldPosition, Outcome, Strategy, StrategyParams, StrategyState
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.errors import BotError
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost, restore_state
from alpha.bot.limits import Limits
from alpha.bot.progress import Progress
from alpha.domain.bar import Bar
from alpha.domain.ids import BotId, Symbol
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from tests.unit.bot.parts import (
    BTC,
    ETH,
    START,
    MemoryJournal,
    ScriptedExchange,
    Surroundings,
    Told,
    a_bar,
    a_fill,
)


class DiaryState(StrategyState):
    observed: list[str] = Field(default_factory=list)
    decided: list[str] = Field(default_factory=list)
    bought: Decimal = Decimal(0)
    positions: list[str] = Field(default_factory=list)


class Diary(Strategy[StrategyParams, DiaryState]):
    """Writes down what it is told, buys on every bar and hedges on every fill."""

    State = DiaryState

    def observe(self, bar: Bar) -> None:
        self.state.observed.append(f"{bar.symbol} {bar.close}")

    def on_bar(self, bar: Bar) -> None:
        assert len(self.state.observed) >= len(self.symbols)
        self.state.decided.append(f"{bar.symbol} {bar.close} {self.broker.now:%H:%M}")
        self.broker.market(bar.symbol, Side.BUY, Decimal(1))

    def on_fill(self, fill: BotFill) -> None:
        self.state.bought += fill.quantity
        self.broker.market(fill.symbol, Side.BUY, fill.quantity)

    def on_position(self, position: HeldPosition) -> None:
        self.state.positions.append(str(position.quantity))


class Covering(Diary):
    """Buys whenever it hears of a position."""

    def on_position(self, position: HeldPosition) -> None:
        self.broker.market(position.symbol, Side.BUY, Decimal(1))


class Closing(Diary):
    """Sells whenever it hears of a position, and answers what became of it."""

    def on_position(self, position: HeldPosition) -> Outcome:
        return self.broker.market(position.symbol, Side.SELL, Decimal(1), reason=Reason.FLATTEN)

    def on_bar(self, bar: Bar) -> Outcome:
        return self.broker.market(bar.symbol, Side.BUY, Decimal(1))


class Life:
    """One life of a bot: from a checkpoint and a cursor until it dies."""

    def __init__(
        self,
        exchange: ScriptedExchange,
        saved: tuple[Checkpoint, int] = (Checkpoint(), 0),
        *,
        began_with: Callable[[BotFill], bool] = lambda _: False,
        kind: type[Strategy[StrategyParams, DiaryState]] = Diary,
    ) -> None:
        checkpoint, cursor = saved
        self.progress = Progress(checkpoint, cursor)
        surroundings = Surroundings()
        broker = GatedBroker(
            bot=BotId("bot_001"),
            code="bt",
            run="run",
            gate=Gate(Limits(), surroundings),
            orders=self.progress.orders,
            port=exchange,
            journal=MemoryJournal(),
            view=surroundings,
            alerts=Told(),
            entry_sent=self.progress.entry_sent,
            pause=lambda _: None,
        )
        state, problem = restore_state(kind, checkpoint.strategy)
        assert problem is None
        self.strategy = kind(
            params=StrategyParams(),
            state=state,  # type: ignore[arg-type]
            symbols=(BTC, ETH),
            broker=broker,
            environment=Environment.PAPER,
        )
        self.host = StrategyHost(strategy=self.strategy, broker=broker, progress=self.progress, began_with=began_with)

    @property
    def state(self) -> DiaryState:
        return self.strategy.state

    def save(self) -> tuple[Checkpoint, int]:
        """As the ledger keeps it: text."""
        return Checkpoint.model_validate_json(self.host.checkpoint().model_dump_json()), self.progress.cursor


def test_all_symbols_are_observed_before_any_is_decided_on_and_at_the_end_of_the_bar():
    life = Life(ScriptedExchange())
    assert life.host.round([a_bar("100", n=1), a_bar("101", n=1, symbol=ETH)], trade=True)
    assert life.state.observed == ["BTCUSDT 100", "ETHUSDT 101"]
    assert life.state.decided == ["BTCUSDT 100 12:05", "ETHUSDT 101 12:05"]


def test_old_bars_are_observed_and_not_traded_on():
    life = Life(ScriptedExchange())
    assert not life.host.round([a_bar("100", n=1), a_bar("101", n=1, symbol=ETH)], trade=False)
    assert (len(life.state.observed), life.state.decided) == (2, [])


def test_a_round_is_decided_on_once_also_over_a_restart():
    exchange = ScriptedExchange()
    life = Life(exchange)
    bars = [a_bar("100", n=2), a_bar("101", n=2, symbol=ETH)]
    life.host.round(bars, trade=True)
    again = Life(exchange, life.save())
    assert not again.host.round(bars, trade=True)
    assert not again.host.round([a_bar("99", n=1), a_bar("98", n=1, symbol=ETH)], trade=True)
    assert again.state.observed == ["BTCUSDT 100", "ETHUSDT 101"]
    assert len(exchange.attempts) == 2


def test_a_bot_that_died_after_sending_decides_again_under_the_same_ids():
    # given a bot that sent its orders and died before it saved anything
    exchange = ScriptedExchange()
    bars = [a_bar("100", n=1), a_bar("101", n=1, symbol=ETH)]
    Life(exchange).host.round(bars, trade=True)
    # when it comes back and decides the same bars
    again = Life(exchange)
    again.host.round(bars, trade=True)
    # then both tries made the same two orders, and the exchange has each once
    assert [order.order_link_id for order in exchange.attempts[:2]] == [
        order.order_link_id for order in exchange.attempts[2:]
    ]
    assert len(exchange.placed) == 2


def test_fills_are_handled_once_and_in_order():
    life = Life(ScriptedExchange())
    assert life.host.fill(a_fill(Side.BUY, "1", seq=1))
    assert not life.host.fill(a_fill(Side.BUY, "1", seq=1))
    assert life.host.fill(a_fill(Side.SELL, "3", seq=2))
    assert (life.progress.cursor, life.state.bought) == (2, Decimal(4))
    assert life.progress.held_in(BTC) == Decimal(-2)
    with pytest.raises(BotError, match="those between have to come first"):
        life.host.fill(a_fill(Side.BUY, "1", seq=4))


def test_a_hook_that_is_set_on_the_strategy_itself_is_heard():
    heard: list[BotFill] = []

    class Listening(Diary):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.on_fill = heard.append  # type: ignore[method-assign]

    class Silent(Strategy[StrategyParams, DiaryState]):
        State = DiaryState

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.on_fill = heard.append  # type: ignore[method-assign]

    for kind in (Listening, Silent):
        life = Life(ScriptedExchange(), kind=kind)
        life.host.fill(a_fill(Side.BUY, "1", seq=1))
    assert len(heard) == 2


def test_a_fill_that_the_bot_began_with_is_counted_and_nothing_else():
    # given a backfill that brings a fill from before the platform saw the account, between two of today
    life = Life(ScriptedExchange(), began_with=lambda fill: fill.seq == 2)
    assert life.host.fill(a_fill(Side.BUY, "1", seq=1))
    assert not life.host.fill(a_fill(Side.BUY, "5", seq=2, price="7"))
    cash = life.progress.result.cash
    assert life.host.fill(a_fill(Side.BUY, "1", seq=3))
    # then position, cash and strategy know of the two only: 1 + 1 bought at 100
    assert (life.progress.cursor, life.state.bought, life.progress.held_in(BTC)) == (3, Decimal(2), Decimal(2))
    assert (cash, life.progress.result.cash) == (Decimal(-100), Decimal(-200))


@pytest.mark.parametrize("saved_after", range(4))
def test_a_crash_at_any_fill_leaves_every_effect_once(saved_after: int):
    fills = [a_fill(Side.BUY, str(n), seq=n) for n in (1, 2, 3)]
    exchange = ScriptedExchange()
    # given a life that handled all three fills and whose last save was after some of them
    life = Life(exchange)
    saved = life.save()
    for n, fill in enumerate(fills, start=1):
        life.host.fill(fill)
        if n == saved_after:
            saved = life.save()
    # when the next life is told all of them again
    again = Life(exchange, saved)
    for fill in fills:
        again.host.fill(fill)
    # then the state counts 1 + 2 + 3 and the exchange has one order for each fill
    assert (again.progress.cursor, again.state.bought) == (3, Decimal(6))
    assert again.progress.held_in(BTC) == Decimal(6)
    assert [order.quantity for order in exchange.placed] == [Decimal(1), Decimal(2), Decimal(3)]


def test_a_position_is_told_when_it_changed_and_not_again():
    life = Life(ScriptedExchange())
    for quantity in ("0", "0", "-1", "-1", "0"):
        held = Position(Decimal(quantity), Decimal(100 if quantity != "0" else 0))
        life.host.positions([HeldPosition(symbol=BTC, position=held)])
    assert life.state.positions == ["0", "-1", "0"]


@pytest.mark.parametrize(
    ("held", "stop_loss", "trailing_stop", "seconds", "times"),
    [
        ("1", None, None, 4, 1),
        ("1", None, None, 5, 2),
        ("1", Decimal(90), None, 60, 1),
        ("1", None, Decimal(10), 60, 1),
        ("0", None, None, 60, 1),
    ],
)
def test_a_position_without_any_stop_is_told_again_as_time_passes(
    held: str, stop_loss: Decimal | None, trailing_stop: Decimal | None, seconds: int, times: int
):
    life = Life(ScriptedExchange())
    position = HeldPosition(
        symbol=BTC,
        position=Position(Decimal(held), Decimal(100)) if Decimal(held) else FLAT,
        stop_loss=stop_loss,
        trailing_stop=trailing_stop,
    )
    life.host.positions([position], START)
    life.host.positions([position], START + timedelta(seconds=seconds))
    assert len(life.state.positions) == times


def test_where_no_time_passes_between_events_nothing_is_told_again():
    life = Life(ScriptedExchange())
    bare = HeldPosition(symbol=BTC, position=Position(Decimal(1), Decimal(100)))
    life.host.positions([bare])
    life.progress.see(START + timedelta(hours=1))
    life.host.positions([bare])
    assert len(life.state.positions) == 1


@pytest.mark.parametrize(
    ("quantity", "seq", "is_the_same"), [("-1", 7, True), ("-1", 8, True), ("-1.000", 7, True), ("-0.5", 7, False)]
)
def test_an_order_on_a_position_is_named_by_what_is_held(quantity: str, seq: int, is_the_same: bool):
    """And not by what the exchange counts, others' trades included, nor by how a number is written."""

    def asked(held: str, seq: int) -> str:
        exchange = ScriptedExchange()
        life = Life(exchange, kind=Covering)
        life.host.positions([HeldPosition(symbol=BTC, position=Position(Decimal(held), Decimal(100)), seq=seq)])
        (order,) = exchange.placed
        return order.order_link_id

    assert (asked(quantity, seq) == asked("-1", 7)) is is_the_same


@pytest.mark.parametrize(("kind", "orders"), [(Closing, 2), (Covering, 1)])
def test_an_exit_is_asked_for_as_often_as_the_position_is_told_and_an_entry_once(kind: type[Diary], orders: int):
    """The first may have been cancelled, or closed a position that is there again."""
    exchange = ScriptedExchange()
    life = Life(exchange, kind=kind)
    bare = HeldPosition(symbol=BTC, position=Position(Decimal(1), Decimal(100)))
    for seconds in (0, 5):
        life.host.positions([bare], START + timedelta(seconds=seconds))
    assert (len(exchange.attempts), len(exchange.placed)) == (2, orders)


def test_what_a_hook_returns_is_not_looked_at():
    exchange = ScriptedExchange()
    life = Life(exchange, kind=Closing)
    life.host.round([a_bar("100", n=1), a_bar("101", n=1, symbol=ETH)], trade=True)
    life.host.positions([HeldPosition(symbol=BTC, position=Position(Decimal(1), Decimal(100)))])
    assert len(exchange.placed) == 3


def test_entries_of_the_last_hour_are_counted_over_a_restart():
    exchange = ScriptedExchange()
    life = Life(exchange)
    for n in (1, 2, 13):
        life.progress.entry_sent(a_bar("1", n=n).end)
    again = Life(exchange, life.save())
    # an hour before the 13th bar's end is the first one's end: all three count; a bar later two do
    assert again.progress.entries_since(a_bar("1", n=1).end) == 3
    assert again.progress.entries_since(a_bar("1", n=2).end) == 2


def test_a_saved_state_that_does_not_fit_is_a_new_state_and_says_what_is_wrong():
    saved: dict[str, Any] = {"bought": "many"}
    state, problem = restore_state(Diary, saved)
    assert isinstance(state, DiaryState)
    assert state.bought == 0
    assert problem is not None
    assert problem.startswith("bought")


def test_symbols_keep_apart_in_what_is_held():
    life = Life(ScriptedExchange())
    life.host.fill(a_fill(Side.BUY, "1", seq=1, symbol=ETH))
    assert (life.progress.held_in(ETH), life.progress.held_in(Symbol("XRPUSDT"))) == (Decimal(1), Decimal(0))
