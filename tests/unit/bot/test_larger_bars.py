"""Longer bars are built from those fed: complete or not at all, and decided on like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from alpha.bot.checkpoint import Checkpoint
from alpha.bot.environment import Environment
from alpha.bot.errors import StrategyRefused
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost
from alpha.bot.larger_bars import TOLD_MINUTES, FormingBar, check_larger, floor_to
from alpha.bot.limits import Limits
from alpha.bot.progress import Progress
from alpha.bot.resume import missed_rounds, warm_up_larger
from alpha.bot.strategy import Strategy, StrategyParams, StrategyState
from alpha.bot.testing import a_bar
from alpha.domain.bar import Bar
from alpha.domain.ids import BotId, Symbol
from alpha.domain.side import Side
from alpha.exchange.parse import interval_to_wire
from tests.unit.bot.parts import BTC, FIVE_MINUTES, MemoryJournal, ScriptedExchange, Surroundings, Told

NOON = datetime(2025, 10, 14, 12, tzinfo=UTC)
QUARTER, HALF = timedelta(minutes=15), timedelta(minutes=30)


def fed(n: int, close: str = "100", *, high: str | None = None, low: str | None = None, volume: str = "1") -> Bar:
    """The 5-minute bar that begins n bars after noon."""
    end = NOON + (n + 1) * FIVE_MINUTES
    return a_bar(close, end=end, high=high, low=low, volume=volume)


def test_a_longer_bar_is_made_of_its_parts():
    forming = FormingBar.at(BTC, QUARTER, NOON)
    assert forming.add(fed(0, "100", high="104", volume="1")) is None
    assert forming.add(fed(1, "99", low="95", volume="2")) is None
    made = forming.add(fed(2, "101", volume="4"))
    assert made is not None
    assert (made.start, made.end) == (NOON, NOON + QUARTER)
    assert (made.open, made.high, made.low, made.close) == (100, 104, 95, 101)
    # turnovers 100, 198 and 404
    assert (made.volume, made.turnover) == (7, 702)


def test_the_next_one_begins_anew():
    forming = FormingBar.at(BTC, QUARTER, NOON)
    for n in range(3):
        forming.add(fed(n, "500", volume="9"))
    made = [forming.add(fed(n, "100")) for n in (3, 4, 5)][-1]
    assert made is not None
    assert (made.start, made.high, made.volume) == (NOON + QUARTER, 100, 3)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_one_that_lacks_a_part_does_not_exist(missing: int):
    forming = FormingBar.at(BTC, QUARTER, NOON)
    made = [forming.add(fed(n)) for n in range(6) if n != missing]
    assert [bar.start for bar in made if bar is not None] == [NOON + QUARTER]


def test_one_that_was_joined_in_the_middle_does_not_exist():
    forming = FormingBar.at(BTC, QUARTER, NOON + FIVE_MINUTES)
    made = [forming.add(fed(n)) for n in range(1, 6)]
    assert [bar.start for bar in made if bar is not None] == [NOON + QUARTER]


def test_a_bar_that_comes_twice_counts_once():
    forming = FormingBar.at(BTC, QUARTER, NOON)
    made = [forming.add(fed(n, volume="1")) for n in (0, 0, 1, 2)]
    assert [bar.volume for bar in made if bar is not None] == [3]


def test_a_bar_in_the_making_continues_over_a_restart():
    forming, adapter = FormingBar.at(BTC, QUARTER, NOON), TypeAdapter(FormingBar)
    made = None
    for n in range(3):
        forming = adapter.validate_json(adapter.dump_json(forming))
        made = forming.add(fed(n, str(100 + n)))
    assert made is not None
    assert (made.open, made.close) == (100, 102)


@pytest.mark.parametrize("hours", [4, 1])
def test_longer_bars_are_aligned_to_midnight_utc(hours: int):
    assert floor_to(NOON + timedelta(minutes=59), timedelta(hours=hours)) == NOON


@pytest.mark.parametrize("minutes", [5, 7, 25, 2880])
def test_what_cannot_be_built_from_five_minutes(minutes: int):
    with pytest.raises(StrategyRefused, match="cannot be built"):
        check_larger(FIVE_MINUTES, timedelta(minutes=minutes))


@pytest.mark.parametrize("hours", [3, 8])
def test_bars_whose_past_nobody_tells_are_refused_in_a_backtest_too(hours: int):
    with pytest.raises(StrategyRefused, match=f"no past bars of {hours}:00:00: take .* 1, 2, 4, 6, 12, 24 hours"):
        check_larger(FIVE_MINUTES, timedelta(hours=hours))


def test_all_other_bars_are_told_by_the_exchange():
    for minutes in TOLD_MINUTES:
        assert interval_to_wire(timedelta(minutes=minutes))


class Seen(StrategyState):
    observed: list[tuple[int, str]] = []  # noqa: RUF012
    decided: list[tuple[int, str]] = []  # noqa: RUF012


class Layered(Strategy[StrategyParams, Seen]):
    """Writes down every bar and buys on every one it decides on."""

    State = Seen

    @property
    def warm_up_bars(self) -> int:
        return 2

    @property
    def larger_intervals(self) -> Mapping[timedelta, int]:
        return {HALF: 2, QUARTER: 3}

    def knows(self, symbol: Symbol) -> bool:  # noqa: ARG002
        return bool(self.state.observed)

    def observe(self, bar: Bar) -> None:
        self.state.observed.append(_name(bar))

    def on_round(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            self.state.decided.append(_name(bar))
            self.broker.market(bar.symbol, Side.BUY, Decimal(1))


def _name(bar: Bar) -> tuple[int, str]:
    return bar.interval // timedelta(minutes=1), bar.start.strftime("%H:%M")


def a_host(checkpoint: Checkpoint | None = None) -> tuple[StrategyHost, Progress, ScriptedExchange]:
    surroundings, exchange = Surroundings(), ScriptedExchange()
    progress = Progress(checkpoint or Checkpoint(), 0)
    progress.catching_up = False
    broker = GatedBroker(
        bot=BotId("layered_001"),
        code="la",
        run="run",
        gate=Gate(Limits(), surroundings),
        orders=progress.orders,
        port=exchange,
        journal=MemoryJournal(),
        view=surroundings,
        alerts=Told(),
        entry_sent=progress.entry_sent,
        pause=lambda _: None,
    )
    state = Seen.model_validate(checkpoint.strategy) if checkpoint else Seen()
    strategy = Layered(
        params=StrategyParams(), state=state, symbols=(BTC,), broker=broker, environment=Environment.PAPER
    )
    return StrategyHost(strategy=strategy, broker=broker, progress=progress), progress, exchange


def test_longer_bars_are_observed_at_once_and_decided_after_the_fed_ones():
    host, _, exchange = a_host()
    for n in range(6):
        host.round([fed(n)], trade=True)
    expected = [
        (5, "12:00"),
        (5, "12:05"),
        (5, "12:10"),
        (15, "12:00"),
        (5, "12:15"),
        (5, "12:20"),
        (5, "12:25"),
        (15, "12:15"),
        (30, "12:00"),
    ]
    assert host.strategy.state.observed == expected
    assert host.strategy.state.decided == expected
    # bars that begin together make orders of their own
    assert len({order.order_link_id for order in exchange.placed}) == len(expected)


def test_bars_that_are_not_traded_on_are_built_from_all_the_same():
    host, _, _ = a_host()
    for n in range(3):
        host.round([fed(n)], trade=False)
    assert (15, "12:00") in host.strategy.state.observed
    assert host.strategy.state.decided == []


def test_a_restart_in_the_middle_of_a_longer_bar_changes_nothing():
    whole, _, _ = a_host()
    checkpoint = None
    for n in range(6):
        whole.round([fed(n)], trade=True)
        part, _, _ = a_host(checkpoint)
        part.round([fed(n)], trade=True)
        checkpoint = Checkpoint.model_validate_json(part.checkpoint().model_dump_json())
    assert checkpoint is not None
    assert checkpoint.strategy == whole.checkpoint().strategy


class History:
    """Klines of every interval, without a gap."""

    def klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:
        first = floor_to(start, interval)
        starts = [first + n * interval for n in range((end - first) // interval)]
        return [a_bar("100", end=at + interval, symbol=symbol, interval=interval) for at in starts if at >= start]


def test_the_warm_up_asks_for_longer_bars_and_goes_on_with_those_fed():
    host, progress, _ = a_host()
    now = NOON + timedelta(minutes=47)
    warm_up_larger(host, progress, History(), now)
    for bars in missed_rounds(host.strategy, progress, History(), now):
        host.round(bars, trade=False)
    # up to 12:30 from history, from then on built: 12:30 is complete, 12:45 has not begun
    assert host.strategy.state.observed == [
        *((30, time) for time in ("11:30", "12:00")),
        *((15, time) for time in ("11:45", "12:00", "12:15")),
        *((5, time) for time in ("12:30", "12:35", "12:40")),
        (15, "12:30"),
    ]
