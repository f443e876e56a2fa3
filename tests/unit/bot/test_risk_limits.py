"""The limits that remember: anchored at the boundaries of the market's calendar, kept over restarts, binding entries
only, each once reached and once not. Always asked through the host, which leaves out looks that would find nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.bot import Environment, Strategy, StrategyParams, StrategyState
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.decision import Decision
from alpha.bot.gate import Allow, Deny, Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import StrategyHost
from alpha.bot.intent import Intent
from alpha.bot.limits import Limits
from alpha.bot.progress import Progress
from alpha.bot.result import LimitEvent
from alpha.bot.risk_limits import RiskLimits
from alpha.bot.testing import a_bar
from alpha.domain.bar import Bar
from alpha.domain.fill import ExecType
from alpha.domain.ids import BotId, Symbol
from alpha.domain.order import OrderType
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from tests.unit.bot.parts import (
    BTC,
    ETH,
    FIVE_MINUTES,
    MemoryJournal,
    ScriptedExchange,
    Surroundings,
    Told,
    a_fill,
)

MONDAY = datetime(2025, 10, 13, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOSSES = Limits(daily_loss_percent=Decimal(5), weekly_loss_percent=Decimal(8), monthly_loss_percent=Decimal(15))
DRAWDOWN = Limits(drawdown_halt_percent=Decimal(20))


def an_entry(at: datetime, symbol: Symbol = BTC) -> Intent:
    return Intent(
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(1),
        reason=Reason.ENTRY,
        order_type=OrderType.MARKET,
        bar=at,
        decided_at=at,
        decision_price=Decimal(100),
    )


class Record:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.audited: list[LimitEvent] = []
        self.ledger_is_away = False

    def tell(self, event: LimitEvent) -> None:
        self.told.append((event.action, event.limit))

    def audit(self, event: LimitEvent) -> bool:
        if not self.ledger_is_away:
            self.audited.append(event)
        return not self.ledger_is_away


class CountedLimits(RiskLimits):
    """Knows at which rounds the host had it look."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.looked: list[datetime] = []

    def look(self, at: datetime) -> None:
        self.looked.append(at)
        super().look(at)


class Asking(Strategy[StrategyParams, StrategyState]):
    """Asks at each bar what would become of an entry and of an exit, and sends neither."""

    gate: Gate
    denied: dict[datetime, str | None]
    """End of the bar -> why no entry, None where it might have been sent."""

    def on_bar(self, bar: Bar) -> None:
        verdict = self.gate.check(an_entry(bar.end))
        assert isinstance(self.gate.check(_exit(bar.end)), Allow)
        self.denied[bar.end] = verdict.code if isinstance(verdict, Deny) else None


class Leaving(Strategy[StrategyParams, StrategyState]):
    """Closes what it holds at each bar."""

    def on_bar(self, bar: Bar) -> None:
        self.broker.close(bar.symbol, Reason.TIME_EXIT)


class World:
    """A bot with 10,000 USDT that holds what its fills make, and may die and come back."""

    keeping = RiskLimits

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.marks: dict[Symbol, Decimal | None] = {}
        self.funds: Decimal | None = Decimal(10_000)
        self.exchange = ScriptedExchange()
        self.valued_after: list[int] = []
        """How many orders had been placed, each time the equity was asked for."""
        self.record = Record()
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.lifted: datetime | None = None
        self._begin(Checkpoint(), 0)

    def _begin(self, checkpoint: Checkpoint, cursor: int) -> None:
        self.progress = Progress(checkpoint, cursor)
        self.keeper = self.keeping(
            limits=self.limits,
            progress=self.progress,
            prices=self,
            record=self.record,
            lifted_at=lambda: self.lifted,
            wall_now=lambda: self.wall,
        )
        self.surroundings = surroundings = Surroundings()
        gate = Gate(self.limits, surroundings, self.keeper)
        self.broker = broker = GatedBroker(
            bot=BotId("bot_001"),
            code="bt",
            run="run",
            gate=gate,
            orders=self.progress.orders,
            port=self.exchange,
            journal=MemoryJournal(),
            view=surroundings,
            alerts=Told(),
            entry_sent=self.progress.entry_sent,
            pause=lambda _: None,
            limits=self.keeper,
        )
        self.strategy = Asking(
            params=StrategyParams(),
            state=StrategyState(),
            symbols=(BTC,),
            broker=broker,
            environment=Environment.PAPER,
        )
        self.strategy.gate, self.strategy.denied = gate, {}
        self.host = StrategyHost(strategy=self.strategy, broker=broker, progress=self.progress)

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        return self.marks.get(symbol)

    def equity(self) -> Decimal | None:
        self.valued_after.append(len(self.exchange.placed))
        return self.funds

    def trade(self, side: Side, quantity: str, price: str, *, fee: str = "0", symbol: Symbol = BTC) -> None:
        seq, at = self.progress.cursor + 1, self.progress.latest
        self.host.fill(a_fill(side, quantity, seq=seq, at=at, price=price, fee=fee, symbol=symbol))

    def earn(self, amount: int) -> None:
        """A round trip that makes so much, losing when below 0."""
        self.trade(Side.BUY, "1", "5000")
        self.trade(Side.SELL, "1", str(5000 + amount))

    def restart(self) -> None:
        saved = self.progress.checkpoint({}, self.keeper.standings()).model_dump_json()
        self._begin(Checkpoint.model_validate_json(saved), self.progress.cursor)

    def denied(self, at: datetime) -> str | None:
        """Why nothing may be entered on the bar that ends then, None where it may."""
        self.host.rounds([self.bars(at)])
        return self.strategy.denied[at]

    def bars(self, end: datetime) -> tuple[Bar, ...]:
        """The round that ends then: one bar, which follows the one before, however long ago that was."""
        start = self.progress.observed.get(BTC, end - FIVE_MINUTES)
        return (a_bar(100, end=end, interval=end - start),)


class WatchedWorld(World):
    """Whose limits tell when they looked: `world.keeper.looked`."""

    keeping = CountedLimits


def _exit(at: datetime) -> Intent:
    return replace(an_entry(at), reason=Reason.STOP_LOSS, side=Side.SELL)


@pytest.mark.parametrize(("lost", "expected"), [(499, None), (500, "daily_loss"), (501, "daily_loss")])
def test_a_days_loss_stops_entries_at_its_limit_and_not_before(lost: int, expected: str | None):
    world = World(LOSSES)
    assert world.denied(MONDAY) is None
    world.earn(-lost)
    assert world.denied(MONDAY + HOUR) == expected


def test_a_limit_once_reached_holds_until_its_period_ends_whatever_is_won_back():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.earn(-600)
    assert world.denied(MONDAY + HOUR) == "daily_loss"
    world.earn(700)
    assert world.denied(MONDAY + 2 * HOUR) == "daily_loss"
    assert world.denied(MONDAY + DAY) is None
    assert world.record.told == [("limit_reached", "daily_loss")]


def test_days_add_up_to_a_week_and_weeks_to_a_month():
    world = World(LOSSES)
    world.denied(MONDAY)
    for day in range(3):
        world.earn(-400)
        verdict = world.denied(MONDAY + day * DAY + HOUR)
    assert verdict == "weekly_loss"  # 12 % since Monday, 4 % a day
    assert world.denied(MONDAY + 7 * DAY) is None
    world.earn(-400)
    assert world.denied(MONDAY + 7 * DAY + HOUR) == "monthly_loss"  # 16 % in October
    assert world.denied(datetime(2025, 10, 31, 23, 55, tzinfo=UTC)) == "monthly_loss"
    assert world.denied(datetime(2025, 11, 1, tzinfo=UTC)) is None


def test_what_is_open_counts_at_the_mark_price_with_fees_and_funding():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.trade(Side.SELL, "10", "100", fee="10")
    world.marks[BTC] = Decimal(140)
    assert world.denied(MONDAY + HOUR) is None  # -400 - 10 of 10,000
    seq = world.progress.cursor + 1
    world.host.fill(a_fill(Side.SELL, "10", seq=seq, price="140", fee="89", exec_type=ExecType.FUNDING))
    assert world.denied(MONDAY + 2 * HOUR) is None  # 499
    world.marks[BTC] = Decimal("140.1")
    assert world.denied(MONDAY + 3 * HOUR) == "daily_loss"


def test_what_is_lost_while_the_bot_is_down_belongs_to_the_day_it_comes_back_in():
    world = World(LOSSES)
    world.trade(Side.BUY, "10", "100")
    world.marks[BTC] = Decimal(100)
    assert world.denied(MONDAY + 20 * HOUR) is None
    world.marks[BTC] = Decimal(40)
    world.restart()
    assert world.denied(MONDAY + DAY + 6 * HOUR) == "daily_loss"


def test_the_round_that_ends_with_the_day_is_the_days_last_and_the_baseline_of_the_next():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.earn(-300)
    assert world.denied(MONDAY + DAY - HOUR / 12) is None
    world.earn(-199)
    assert world.denied(MONDAY + DAY) is None  # -4.99 % of Monday, 0 of Tuesday
    world.earn(-499)
    assert world.denied(MONDAY + DAY + HOUR) == "weekly_loss"  # 9.98 %; of Tuesday 4.99
    assert world.record.told == [("limit_reached", "weekly_loss")]


def test_a_limit_reached_as_its_period_ends_is_told_and_does_not_bind_the_next():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.denied(MONDAY + 7 * DAY - HOUR / 12)
    world.earn(-900)
    assert world.denied(MONDAY + 7 * DAY) is None  # day and week end with -9 %
    assert world.record.told == [("limit_reached", "daily_loss"), ("limit_reached", "weekly_loss")]
    made = world.keeper.performance(MONDAY + 7 * DAY)
    assert made is not None
    assert (made.today_percent, made.week_percent, made.month_percent) == (0, 0, -9)
    world.earn(-500)
    assert world.denied(MONDAY + 7 * DAY + HOUR) == "daily_loss"


def test_a_loss_of_after_the_boundary_does_not_belong_to_the_period_before():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.earn(-600)
    assert world.denied(MONDAY + DAY + HOUR / 12) == "daily_loss"  # of Tuesday; Monday's end is not known
    assert len(world.record.told) == 1
    assert world.denied(MONDAY + 2 * DAY) is None


def test_baselines_are_those_of_the_boundary_and_not_of_the_start():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.earn(300)
    world.denied(MONDAY + HOUR)
    world.restart()
    world.earn(-700)
    assert world.denied(MONDAY + 2 * HOUR) is None  # -4 % since 00:00, although -7 % since the restart


ONE_ENTRY = Limits(
    max_order_notional_usdt=Decimal(500),
    max_bot_notional_usdt=Decimal(1_000),
    max_bot_notional_to_equity=Decimal("0.08"),
    price_collar_percent=Decimal(1),
    max_entries_per_hour=3,
    max_positions=2,
)


def enter(world: World, n: int = 0, *, quantity: str = "1", symbol: Symbol = BTC) -> str:
    """What becomes of an entry at 100 on the n-th bar; "" where it is sent."""
    at = MONDAY + n * FIVE_MINUTES
    world.progress.see(at)
    with world.broker.deciding(Decision.on_bar(start=at - FIVE_MINUTES, end=at)):
        return world.broker.market(symbol, Side.BUY, Decimal(quantity)).code


@pytest.mark.parametrize(
    ("limit", "code", "arrange"),
    [
        ("max_order_notional_usdt", "order_notional", {"quantity": "5.1"}),
        ("max_bot_notional_usdt", "bot_notional", {"notional": 901}),
        # 8 % of 10,000 are 800
        ("max_bot_notional_to_equity", "bot_exposure", {"notional": 701}),
        ("price_collar_percent", "price_collar", {"mark": "98.9"}),
        ("max_entries_per_hour", "entry_rate", {"entries": 3}),
        ("max_positions", "max_positions", {"held": [ETH, Symbol("SOLUSDT")]}),
    ],
)
def test_each_limit_of_a_single_entry_is_told_and_audited_when_it_is_reached(
    limit: str, code: str, arrange: dict[str, Any]
):
    world = World(ONE_ENTRY)
    seen = world.surroundings
    world.broker.newest[BTC] = a_bar(100)
    assert enter(world, quantity="0.1") == ""
    assert world.record.told == []
    seen.notional = Decimal(arrange.get("notional", 0))
    seen.mark = Decimal(arrange.get("mark", 100))
    seen.entries = arrange.get("entries", 0)
    for symbol in arrange.get("held", ()):
        world.marks[symbol] = Decimal(100)
        world.trade(Side.BUY, "0.01", "100", symbol=symbol)
    # three bars on which it is met are told once
    for n in (1, 2, 3):
        assert enter(world, n, quantity=arrange.get("quantity", "1")) == code
    assert world.record.told == [("entry_denied", limit)]
    world.keeper.look(MONDAY + 4 * FIVE_MINUTES)
    assert [(event.action, event.limit) for event in world.record.audited] == [("entry_denied", limit)]
    # an hour later once more
    assert enter(world, 13, quantity=arrange.get("quantity", "1")) == code
    assert world.record.told == [("entry_denied", limit)] * 2


def test_what_the_last_entry_used_of_the_limits_of_one_order_is_shown():
    world = World(ONE_ENTRY)

    def shown() -> dict[str, tuple[Decimal | None, bool]]:
        standings = {each.name: (each.value, each.reached) for each in world.keeper.standings()}
        return {name: standings[name] for name in ("max_order_notional_usdt", "price_collar_percent")}

    assert shown() == {"max_order_notional_usdt": (None, False), "price_collar_percent": (None, False)}
    world.broker.newest[BTC] = a_bar(100)
    world.marks[BTC] = Decimal(80)
    assert enter(world, quantity="6") == "order_notional"
    # 100 is 25 % above 80
    assert shown() == {"max_order_notional_usdt": (Decimal(600), True), "price_collar_percent": (Decimal(25), True)}
    # and stays so while the market goes on
    world.marks[BTC] = Decimal(100)
    assert shown()["price_collar_percent"] == (Decimal(25), True)


def test_what_was_told_of_an_entry_is_not_told_again_after_a_restart():
    world = World(ONE_ENTRY)
    for n in (0, 1):
        world.broker.newest[BTC] = a_bar(100)
        assert enter(world, n, quantity="6") == "order_notional"
        world.restart()
    assert world.record.told == [("entry_denied", "max_order_notional_usdt")]


def test_what_is_no_limit_is_not_told():
    world = World(ONE_ENTRY)
    world.broker.newest[BTC] = a_bar(100)
    world.surroundings.risk = Deny("no_lease", "gone")
    assert enter(world) == "no_lease"
    assert world.record.told == []


def test_without_a_mark_price_or_equity_nothing_is_entered():
    world = World(LOSSES)
    world.trade(Side.BUY, "1", "100")
    assert world.denied(MONDAY) == "result_unknown"
    world.marks[BTC] = Decimal(100)
    assert world.denied(MONDAY + HOUR) is None
    world.funds = None
    assert world.denied(MONDAY + 2 * HOUR) == "result_unknown"


def test_without_loss_limits_nothing_has_to_be_known():
    world = World(Limits())
    world.trade(Side.BUY, "1", "100")
    assert world.denied(MONDAY) is None


def test_a_position_from_before_the_platform_is_neither_won_nor_lost():
    world = World(LOSSES)
    world.progress.hold({BTC: Decimal(50)})
    world.marks[BTC] = Decimal(100)
    assert world.denied(MONDAY) is None
    world.marks[BTC] = Decimal(91)
    assert world.denied(MONDAY + HOUR) is None  # -450
    world.marks[BTC] = Decimal(90)
    assert world.denied(MONDAY + 2 * HOUR) == "daily_loss"


def test_a_drawdown_halts_until_a_person_resumes_and_is_measured_anew_from_there():
    world = World(DRAWDOWN)
    world.denied(MONDAY)
    world.earn(1000)
    world.denied(MONDAY + HOUR)
    world.earn(-1999)
    assert world.denied(MONDAY + 2 * HOUR) is None
    world.earn(-1)
    assert world.denied(MONDAY + 3 * HOUR) == "drawdown_halt"
    world.restart()
    world.earn(3000)
    assert world.denied(MONDAY + 40 * DAY) == "drawdown_halt"

    world.lifted = world.wall - HOUR  # said before the halt: about something else
    assert world.denied(MONDAY + 41 * DAY) == "drawdown_halt"
    world.lifted = world.wall + HOUR
    assert world.denied(MONDAY + 42 * DAY) is None
    world.earn(-1999)
    assert world.denied(MONDAY + 43 * DAY) is None
    world.wall += 2 * HOUR
    world.earn(-1)
    assert world.denied(MONDAY + 44 * DAY) == "drawdown_halt"
    assert world.record.told == [
        ("limit_reached", "drawdown_halt"),
        ("halt_lifted", "drawdown_halt"),
        ("limit_reached", "drawdown_halt"),
    ]


def test_the_audit_trail_gets_every_event_once_also_when_the_ledger_was_away():
    world = World(DRAWDOWN)
    world.denied(MONDAY)
    world.record.ledger_is_away = True
    world.earn(-2000)
    world.denied(MONDAY + HOUR)
    world.restart()
    world.denied(MONDAY + 2 * HOUR)
    world.record.ledger_is_away = False
    world.denied(MONDAY + 3 * HOUR)
    world.denied(MONDAY + 4 * HOUR)
    assert [(event.action, event.limit) for event in world.record.audited] == [("limit_reached", "drawdown_halt")]
    assert len(world.record.told) == 1


@pytest.mark.parametrize(("bound", "expected"), [(1, "max_positions"), (2, None)])
def test_only_so_many_symbols_at_a_time(bound: int, expected: str | None):
    world = World(Limits(max_positions=bound))
    world.trade(Side.BUY, "1", "100", symbol=ETH)
    world.marks[ETH] = Decimal(100)
    assert world.denied(MONDAY) == expected
    world.trade(Side.SELL, "1", "100", symbol=ETH)
    assert world.denied(MONDAY + HOUR) is None


def test_adding_to_a_position_is_not_another_one():
    world = World(Limits(max_positions=1))
    world.trade(Side.BUY, "1", "100")
    assert world.denied(MONDAY) is None


def test_every_limit_in_force_is_shown_with_its_use():
    world = World(Limits(daily_loss_percent=Decimal(5), drawdown_halt_percent=Decimal(20), max_positions=3))
    world.denied(MONDAY)
    world.earn(-250)
    world.trade(Side.BUY, "2", "100")
    world.marks[BTC] = Decimal(100)
    world.denied(MONDAY + HOUR)
    shown = {standing.name: (standing.value, standing.reached) for standing in world.keeper.standings()}
    assert shown == {
        "max_bot_notional_usdt": (Decimal(200), False),
        "max_bot_notional_to_equity": (Decimal("0.02"), False),
        "max_entries_per_hour": (Decimal(0), False),
        # of the last entry that was asked for: one at 100, where the mark is
        "max_order_notional_usdt": (Decimal(100), False),
        "price_collar_percent": (Decimal(0), False),
        "max_positions": (Decimal(1), False),
        "daily_loss_percent": (Decimal("2.5"), False),
        "drawdown_halt_percent": (Decimal("2.5"), False),
    }


@pytest.mark.patches_source
def test_flat_nothing_is_looked_at_until_a_fill_and_what_it_lost_binds_the_next_bar_until_midnight():
    world = WatchedWorld(LOSSES)
    assert [world.denied(MONDAY + n * FIVE_MINUTES) for n in range(3)] == [None] * 3
    assert world.keeper.looked == [MONDAY]
    world.earn(-500)
    next_bar = MONDAY + 3 * FIVE_MINUTES
    assert world.denied(next_bar) == "daily_loss"
    assert world.denied(MONDAY + DAY - FIVE_MINUTES) == "daily_loss"
    assert world.denied(MONDAY + DAY) is None
    # flat, and told: nothing was to be found between the loss and the end of the day
    assert world.keeper.looked == [MONDAY, next_bar, MONDAY + DAY]
    world.earn(-299)
    assert world.denied(MONDAY + DAY + FIVE_MINUTES) is None  # 7.99 % in the week
    world.earn(-1)
    assert world.denied(MONDAY + DAY + 2 * FIVE_MINUTES) == "weekly_loss"


def test_a_fill_between_two_rounds_of_one_run_binds_the_later_one():
    world = World(LOSSES)
    before, earlier, later = (MONDAY + n * FIVE_MINUTES for n in range(3))
    world.denied(before)

    def rounds() -> Iterator[tuple[Bar, ...]]:
        yield world.bars(earlier)
        world.earn(-500)
        yield world.bars(later)

    world.host.rounds(rounds())
    assert world.strategy.denied == {before: None, earlier: None, later: "daily_loss"}


@pytest.mark.patches_source
def test_with_a_loss_limit_what_is_held_is_looked_at_every_round():
    world = WatchedWorld(LOSSES)
    world.denied(MONDAY)
    world.trade(Side.BUY, "10", "100")
    ends = [MONDAY + n * FIVE_MINUTES for n in range(1, 4)]
    verdicts = []
    for end, mark in zip(ends, ("100", "50.1", "50"), strict=True):
        world.marks[BTC] = Decimal(mark)
        verdicts.append(world.denied(end))
    assert verdicts == [None, None, "daily_loss"]
    assert world.keeper.looked == [MONDAY, *ends]


def test_an_exit_goes_out_before_anybody_asks_what_the_bot_is_worth():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.trade(Side.BUY, "10", "100")
    world.marks[BTC] = Decimal(100)
    world.surroundings.held[BTC] = Position(quantity=Decimal(10), entry_price=Decimal(100))
    leaving = Leaving(
        params=StrategyParams(),
        state=StrategyState(),
        symbols=(BTC,),
        broker=world.broker,
        environment=Environment.PAPER,
    )
    world.valued_after.clear()
    StrategyHost(strategy=leaving, broker=world.broker, progress=world.progress).rounds(
        [world.bars(MONDAY + FIVE_MINUTES)]
    )
    assert [order.reduce_only for order in world.exchange.placed] == [True]
    assert world.valued_after == [1]


@pytest.mark.patches_source
def test_a_halt_is_looked_at_every_round_because_it_may_be_lifted_before_any():
    world = WatchedWorld(DRAWDOWN)
    world.denied(MONDAY)
    assert world.denied(MONDAY + FIVE_MINUTES) is None
    world.earn(-2000)
    assert [world.denied(MONDAY + n * FIVE_MINUTES) for n in (2, 3)] == ["drawdown_halt"] * 2
    world.lifted = world.wall + HOUR
    assert [world.denied(MONDAY + n * FIVE_MINUTES) for n in (4, 5)] == [None, None]
    assert world.keeper.looked == [MONDAY, *(MONDAY + n * FIVE_MINUTES for n in (2, 3, 4))]


def test_an_event_that_the_ledger_does_not_have_is_written_at_the_first_round_that_can():
    world = World(LOSSES)
    world.denied(MONDAY)
    world.record.ledger_is_away = True
    world.earn(-500)
    world.denied(MONDAY + FIVE_MINUTES)
    world.record.ledger_is_away = False
    assert world.record.audited == []
    world.denied(MONDAY + 2 * FIVE_MINUTES)
    assert [event.limit for event in world.record.audited] == ["daily_loss"]


@pytest.mark.patches_source
def test_without_loss_limits_there_is_one_look_a_day_whatever_is_traded():
    world = WatchedWorld(Limits())
    world.denied(MONDAY)
    world.trade(Side.BUY, "1", "100")
    world.marks[BTC] = Decimal(50)
    for n in range(1, 4):
        world.denied(MONDAY + n * FIVE_MINUTES)
    assert world.keeper.looked == [MONDAY]
    world.denied(MONDAY + DAY)
    world.denied(MONDAY + DAY + FIVE_MINUTES)
    assert world.keeper.looked == [MONDAY, MONDAY + DAY]


def test_a_position_that_the_ledger_turns_out_to_have_counts_from_the_next_round_on():
    world = World(LOSSES)
    assert [world.denied(MONDAY + n * FIVE_MINUTES) for n in range(2)] == [None, None]
    world.progress.hold({BTC: Decimal(50)})
    world.marks[BTC] = Decimal(100)
    assert world.denied(MONDAY + 2 * FIVE_MINUTES) is None
    world.marks[BTC] = Decimal(90)
    assert world.denied(MONDAY + 3 * FIVE_MINUTES) == "daily_loss"


def test_a_position_that_the_ledger_turns_out_to_have_is_costed_without_loss_limits_too():
    world = World(Limits())
    world.denied(MONDAY)
    world.progress.hold({BTC: Decimal(50)})
    world.marks[BTC] = Decimal(100)
    world.denied(MONDAY + FIVE_MINUTES)
    assert (world.progress.result.uncosted, world.progress.result.cash) == ({}, Decimal(-5000))


@given(
    st.lists(st.tuples(st.integers(-900, 900), st.integers(1, 40), st.booleans()), max_size=25),
)
def test_a_restart_at_any_point_changes_no_verdict(steps: list[tuple[int, int, bool]]):
    limits = LOSSES.model_copy(update={"drawdown_halt_percent": Decimal(20)})
    steady, restarted = World(limits), World(limits)
    at = MONDAY
    for amount, hours, restarts in steps:
        at += hours * HOUR
        for world in (steady, restarted):
            world.earn(amount)
        if restarts:
            restarted.restart()
        assert steady.denied(at) == restarted.denied(at)
        assert steady.keeper.performance(at) == restarted.keeper.performance(at)
