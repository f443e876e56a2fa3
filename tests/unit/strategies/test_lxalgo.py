"""LXAlgo: entries, stops, exits and account rules of both profiles, each once met and once not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.bot import HeldPosition, Holding, Outcome, OutcomeStatus, StrategyRefused
from alpha.bot.loading import split_params
from alpha.bot.testing import BTC, NO, MemoryBroker, Sent, a_bar, a_strategy
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.lxalgo import LXAlgo
from strategies.lxalgo.state import LXAlgoState
from tests.unit.bot.parts import ETH, a_fill
from tests.unit.strategies.test_lxalgo_rules import pump, rules

NOON = datetime(2025, 10, 14, 12, tzinfo=UTC)
"""A Tuesday."""
HOUR, FIVE_MINUTES, DAY = timedelta(hours=1), timedelta(minutes=5), timedelta(days=1)
MONDAY = datetime(2025, 10, 20, tzinfo=UTC)


def a_bot(broker: MemoryBroker, symbols: tuple[Symbol, ...] = (BTC,), **changes: Any) -> LXAlgo:
    """Everything speaks for an entry: all rules agree on both intervals."""
    bot = a_strategy(LXAlgo, broker, symbols=symbols, **changes)
    for symbol in symbols:
        bot.state.eight_rules[symbol] = {1: rules(), 4: rules()}
    return bot


def a_pump_bot(broker: MemoryBroker, symbols: tuple[Symbol, ...] = (BTC,), **changes: Any) -> LXAlgo:
    bot = a_strategy(LXAlgo, broker, symbols=symbols, profile="pump_momentum", **changes)
    for symbol in symbols:
        bot.state.pumps[symbol] = pump()
        bot.state.pumps[symbol].turnovers.values.append(10_000_001)
    return bot


def pass_bar(
    bot: LXAlgo, end: datetime = NOON, close: str = "110", *, interval: timedelta = FIVE_MINUTES
) -> list[Sent]:
    """What is sent when the bars of all symbols close; the indicators stay as they are."""
    broker = bot.broker
    assert isinstance(broker, MemoryBroker)
    broker.now = end
    bot.on_round([a_bar(close, end=end, symbol=symbol, interval=interval) for symbol in bot.symbols])
    return broker.sent


def pass_hour(bot: LXAlgo, end: datetime = NOON, close: str = "110") -> list[Sent]:
    return pass_bar(bot, end, close, interval=HOUR)


def reasons(broker: MemoryBroker) -> list[Reason]:
    return [order.reason for order in broker.sent]


# Which bars decide.


def test_eight_rules_are_decided_when_an_hour_closes():
    assert len(pass_hour(a_bot(MemoryBroker()))) == 1


@pytest.mark.parametrize("interval", [FIVE_MINUTES, timedelta(hours=4)])
def test_eight_rules_are_not_decided_on_other_bars(interval: timedelta):
    assert pass_bar(a_bot(MemoryBroker()), interval=interval) == []


# 110 above its support of 104 by 6 = 1.5 x 4; without trend, averages and swings five of eight are left
FIVE = {"trend": 200.0, "fast": 1.0, "swing_high": (115.0, 115.0)}
FOUR = FIVE | {"ten_ago": 120.0}


@pytest.mark.parametrize(
    ("hour", "four_hours", "entries"), [(FIVE, FIVE, 1), (FOUR, FIVE, 0), (FIVE, FOUR, 0), (FOUR, FOUR, 0)]
)
def test_five_of_eight_hold_on_both(hour: dict[str, Any], four_hours: dict[str, Any], entries: int):
    bot = a_bot(MemoryBroker())
    bot.state.eight_rules[BTC] = {1: rules(**hour), 4: rules(**four_hours)}
    assert [len(each.met(bot.params.eight_rules)) for each in bot.state.eight_rules[BTC].values()] == [
        5 if hour is FIVE else 4,
        5 if four_hours is FIVE else 4,
    ]
    assert len(pass_hour(bot)) == entries


@pytest.mark.parametrize("hours", [1, 4])
def test_too_few_bars_of_either_are_no_reason_to_enter(hours: int):
    bot = a_bot(MemoryBroker())
    bot.state.eight_rules[BTC][hours] = rules(count=499)
    assert not bot.ready(BTC)
    assert pass_hour(bot) == []


def test_longer_bars_are_asked_for_by_eight_rules_only():
    assert a_bot(MemoryBroker()).larger_intervals == {HOUR: 2000, timedelta(hours=4): 2000}
    bot = a_pump_bot(MemoryBroker())
    assert (bot.larger_intervals, bot.warm_up_bars) == ({}, 1700)
    assert a_bot(MemoryBroker()).warm_up_bars == 0


def test_without_the_least_history_of_the_longest_bars_nothing_is_decided():
    # 500 bars of 4 hours, and 150 of 5 minutes
    assert a_bot(MemoryBroker()).minimum_history == timedelta(hours=2000)
    assert a_pump_bot(MemoryBroker()).minimum_history == timedelta(minutes=750)


def test_bars_are_observed_by_the_rules_of_their_own_length():
    bot = a_bot(MemoryBroker())
    one, four = bot.state.eight_rules[BTC][1], bot.state.eight_rules[BTC][4]
    for interval in (FIVE_MINUTES, HOUR, HOUR, 4 * HOUR):
        bot.observe(a_bar("110", end=NOON, interval=interval))
    assert sorted(bot.state.eight_rules[BTC]) == [1, 4]
    assert (one.count, four.count) == (502, 501)


def test_a_symbol_nothing_is_known_of_is_not_ready():
    for profile in ("eight_rules", "pump_momentum"):
        assert not a_strategy(LXAlgo, MemoryBroker(), profile=profile).ready(BTC)


def test_exits_are_decided_on_the_bars_that_are_fed():
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_fill(a_fill(Side.BUY, "1", at=NOON))
    protected(broker)
    assert pass_hour(bot, NOON + timedelta(hours=73), "105") == []
    assert pass_bar(bot, NOON + timedelta(hours=73), "105") != []


def test_pumps_are_decided_on_five_minutes():
    assert len(pass_bar(a_pump_bot(MemoryBroker()))) == 1


@pytest.mark.parametrize(("turnover", "entries"), [(10_000_000, 0), (10_000_001, 1)])
def test_only_symbols_with_enough_turnover_are_in_the_universe(turnover: float, entries: int):
    bot = a_pump_bot(MemoryBroker())
    bot.state.pumps[BTC].turnovers.values[-1] = turnover
    assert len(pass_bar(bot)) == entries


def test_the_universe_is_looked_at_again_every_four_hours():
    broker = MemoryBroker(answer=NO)
    bot = a_pump_bot(broker)
    pass_bar(bot, NOON)
    bot.state.pumps[BTC].turnovers.values[-1] = 0
    pass_bar(bot, NOON + timedelta(hours=3, minutes=55))
    assert bot.state.universe == [BTC]
    pass_bar(bot, NOON + timedelta(hours=4))
    assert bot.state.universe == []
    assert len(broker.sent) == 2


# Before an entry.


def test_an_open_position_is_not_added_to():
    broker = MemoryBroker()
    broker.hold(BTC, "1", "109", take_profit="150", trailing_stop="11")
    assert pass_hour(a_bot(broker)) == []


def test_a_position_that_is_not_known_is_not_flat():
    broker = MemoryBroker(positions={BTC: None})
    assert pass_hour(a_bot(broker)) == []


@pytest.mark.parametrize(("limit", "entries"), [(1, 0), (2, 1)])
def test_fewer_than_the_limit_are_open(limit: int, entries: int):
    broker = MemoryBroker()
    broker.hold(ETH, "1", "109", take_profit="150", trailing_stop="11")
    assert len(pass_hour(a_bot(broker, (BTC, ETH), positions_limit=limit))) == entries


def test_entries_of_the_same_bar_count_too():
    assert [order.symbol for order in pass_hour(a_bot(MemoryBroker(), (BTC, ETH), positions_limit=1))] == [BTC]


@pytest.mark.parametrize(("minutes", "entries"), [(239, 1), (240, 2)])
def test_one_trade_per_symbol_in_four_hours(minutes: int, entries: int):
    bot = a_bot(MemoryBroker())
    pass_hour(bot, NOON)
    assert len(pass_hour(bot, NOON + timedelta(minutes=minutes))) == entries


@pytest.mark.parametrize(("hours", "entries"), [(1, 0), (3, 0), (4, 1)])
def test_a_trade_counts_over_a_kill_and_without_an_answer(hours: int, entries: int):
    unheard, killed = MemoryBroker(answer=Outcome(status=OutcomeStatus.UNKNOWN)), MemoryBroker()
    bots = [a_bot(unheard), a_bot(killed)]
    pass_hour(bots[0], NOON)  # the other one died before it could save
    unheard.sent.clear()
    for bot in bots:
        bot.on_fill(a_fill(Side.BUY, "0.8", seq=1, at=NOON + timedelta(seconds=1)))
        bot.on_fill(a_fill(Side.BUY, "1", seq=2, at=NOON + FIVE_MINUTES))
        bot.on_fill(a_fill(Side.SELL, "1.8", seq=3, at=NOON + FIVE_MINUTES, reason=Reason.STOP_LOSS))
        assert len(pass_hour(bot, NOON + hours * HOUR)) == entries


def test_an_entry_that_was_not_taken_is_no_trade():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    pass_hour(bot, NOON)
    pass_hour(bot, NOON + HOUR)
    assert len(broker.sent) == 2


# Size and stops.


def test_the_entry_is_200_usd_with_stop_and_target():
    # 200 / 110 = 1.8181 -> 1.818; -8 % and +30 % of 110
    assert pass_hour(a_bot(MemoryBroker())) == [
        Sent(BTC, Side.BUY, Decimal("1.818"), Reason.ENTRY, Decimal("143.0"), Decimal("101.2"))
    ]


def test_the_size_is_never_below_the_exchanges_minimum():
    # a step of 0.001 at 400,000 is 400 USD, more than 200
    assert [order.quantity for order in pass_hour(a_bot(MemoryBroker()), close="400000")] == [Decimal("0.001")]


def test_the_trailing_stop_follows_the_fill():
    broker = MemoryBroker()
    a_bot(broker).on_position(broker.hold(BTC, "1", "100", stop_loss="92", take_profit="130"))
    # 10 % of the entry from +20 % on
    assert broker.trailing == [(BTC, Decimal(10), Decimal(120))]
    assert (broker.stop_losses, broker.take_profits) == ([], [])


def test_a_position_found_without_stops_gets_them():
    broker = MemoryBroker()
    broker.hold(BTC, "1", "100", stop_loss=None)
    a_bot(broker).on_start()
    assert broker.stop_losses == [(BTC, Decimal(92))]
    assert broker.take_profits == [(BTC, Decimal(130))]
    assert broker.alerts == [("position_unprotected", BTC)]


def test_a_target_that_is_missing_is_set_and_what_is_there_is_left_alone():
    broker = MemoryBroker()
    bot = a_bot(broker)
    for trailing_stop, take_profit in ((None, None), ("10", None), ("10", "130")):
        held = broker.hold(BTC, "1", "100", stop_loss="92", trailing_stop=trailing_stop, take_profit=take_profit)
        bot.on_position(held)
    # asked for until it is shown
    assert broker.take_profits == [(BTC, Decimal(130))] * 2
    assert (broker.stop_losses, len(broker.trailing)) == ([], 1)


@pytest.mark.parametrize("told_by", ["on_position", "on_round"])
def test_how_long_a_position_was_bare_ends_with_it(told_by: str):
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    bot.on_position(broker.hold(BTC, "1", "100", stop_loss=None))
    flat = broker.hold(BTC, "0")
    bot.on_position(flat) if told_by == "on_position" else pass_bar(bot)
    broker.now += timedelta(seconds=31)
    bot.on_position(broker.hold(BTC, "1", "100", stop_loss=None))
    assert broker.sent == []


def test_a_bot_starts_and_observes_where_nobody_knows_what_is_held():
    broker = MemoryBroker(positions={BTC: None})
    bot = a_bot(broker)
    bot.on_fill(a_fill(Side.BUY, "1", at=NOON))
    bot.on_start()
    bot.observe(a_bar("150", end=NOON + HOUR))
    assert pass_bar(bot) == []
    assert (broker.trailing, broker.stop_losses) == ([], [])


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_only_longs_are_looked_after(quantity: str):
    broker = MemoryBroker()
    a_bot(broker).on_position(broker.hold(BTC, quantity, "100", stop_loss=None))
    assert (broker.stop_losses, broker.trailing) == ([], [])


def test_a_position_that_no_stop_can_be_set_for_is_closed():
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    held = broker.hold(BTC, "1", "100", stop_loss=None)
    bot.on_position(held)
    broker.now += timedelta(seconds=31)
    bot.on_position(held)
    assert reasons(broker) == [Reason.FLATTEN]


@pytest.mark.parametrize(("close", "moved"), [("107.99", []), ("108", [(BTC, Decimal("100.02"))])])
def test_the_stop_moves_to_break_even_at_eight_percent(close: str, moved: list[Any]):
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot, close=close)
    assert broker.stop_losses == moved


def protected(broker: MemoryBroker, stop_loss: str = "92") -> HeldPosition:
    return broker.hold(BTC, "1", "100", stop_loss=stop_loss, take_profit="130", trailing_stop="10")


def test_break_even_stays_when_the_price_comes_back_and_is_verified():
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot, close="108")
    pass_bar(bot, NOON + FIVE_MINUTES, close="104")  # not shown yet: once more
    protected(broker, "100.02")
    pass_bar(bot, NOON + 2 * FIVE_MINUTES, close="104")
    assert broker.stop_losses == [(BTC, Decimal("100.02"))] * 2


def test_a_stop_where_break_even_belongs_is_not_moved_again():
    broker = MemoryBroker()
    bot = a_bot(broker)
    # 100 + 0.02 % is 100.0 on a tick of 0.1
    protected(broker, "100.0")
    pass_bar(bot, close="108")
    assert broker.stop_losses == []


@pytest.mark.parametrize(("close", "closed"), [("100.03", []), ("100.02", [Reason.STOP_LOSS])])
def test_break_even_is_kept_to_the_last_digit(close: str, closed: list[Reason]):
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot, close="108")
    pass_bar(bot, NOON + FIVE_MINUTES, close=close)
    assert reasons(broker) == closed


def test_break_even_that_came_too_late_is_a_stop_in_software():
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot, close="108")
    pass_bar(bot, NOON + FIVE_MINUTES, close="100.1")
    assert reasons(broker) == []
    pass_bar(bot, NOON + 2 * FIVE_MINUTES, close="100")
    assert reasons(broker) == [Reason.STOP_LOSS]


@pytest.mark.parametrize(("close", "moved"), [("107.99", []), ("108", [(BTC, Decimal("100.02"))])])
def test_a_profit_of_while_the_bot_was_down_moves_the_stop_too(close: str, moved: list[Any]):
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    bot.on_fill(a_fill(Side.BUY, "1", at=NOON))
    bot.observe(a_bar("150", end=NOON))  # before the position
    bot.observe(a_bar(close, end=NOON + HOUR))
    pass_bar(bot, NOON + 2 * HOUR, close="104")
    assert broker.stop_losses == moved


def test_break_even_ends_with_its_position():
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot, close="108")
    broker.hold(BTC, "0")
    pass_bar(bot, NOON + FIVE_MINUTES)
    protected(broker)
    pass_bar(bot, NOON + 2 * FIVE_MINUTES, close="100")
    # no stop of its own at the entry price of before, and no exit for having come back to it
    assert (len(broker.stop_losses), broker.sent) == (1, [])


# Exits by time.


@pytest.mark.parametrize(
    ("hours", "minutes", "close", "expected"),
    [
        (72, 0, "105", []),
        (72, 5, "105", [Reason.TIME_EXIT]),
        (8, 0, "99.9", []),
        (8, 5, "99.9", [Reason.TIME_EXIT]),
        (8, 5, "100", []),
    ],
)
def test_exits_by_time(hours: int, minutes: int, close: str, expected: list[Reason]):
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_fill(a_fill(Side.BUY, "1", at=NOON))
    protected(broker)
    pass_bar(bot, NOON + timedelta(hours=hours, minutes=minutes), close)
    assert reasons(broker) == expected


def test_a_position_that_no_fill_closed_does_not_disturb_the_next_one():
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_fill(a_fill(Side.BUY, "10", seq=1, at=NOON))
    broker.hold(BTC, "0")
    pass_bar(bot, NOON + DAY)
    opened = NOON + 4 * DAY
    bot.on_fill(a_fill(Side.BUY, "8", seq=2, at=opened))
    assert bot.state.holdings[BTC] == Holding(quantity=Decimal(8), opened_at=opened)


def test_an_exit_that_did_not_work_is_tried_again():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    bot.on_fill(a_fill(Side.BUY, "1", at=NOON))
    protected(broker)
    for n in range(2):
        pass_bar(bot, NOON + timedelta(hours=73, minutes=5 * n), "105")
    assert reasons(broker) == [Reason.TIME_EXIT] * 2


# Account rules.


def test_the_gate_keeps_them_too():
    _, limits = split_params(LXAlgo, {})
    assert (limits.daily_loss_percent, limits.weekly_loss_percent, limits.max_positions) == (2, 6, 20)


def test_the_gate_lets_the_size_rule_through():
    _, limits = split_params(LXAlgo, {})
    params = a_bot(MemoryBroker()).params
    assert 2 * params.order_notional_usdt == limits.max_order_notional_usdt
    at_target = params.positions_limit * params.order_notional_usdt * (1 + params.target_percent / 100)
    assert at_target == limits.max_bot_notional_usdt


@pytest.mark.parametrize(("today", "closed"), [("-1.99", False), ("-2", True)])
def test_the_days_loss_closes_everything(today: str, closed: bool):
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    broker.made(today=today)
    pass_bar(bot)
    assert reasons(broker) == ([Reason.FLATTEN] if closed else [])
    assert [kind for kind, _ in broker.alerts] == (["breaker"] if closed else [])


@pytest.mark.parametrize(("end", "entries"), [(NOON + timedelta(hours=11), 0), (NOON + timedelta(hours=12), 1)])
def test_after_the_days_loss_nothing_is_entered_until_the_next_day(end: datetime, entries: int):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.made(today="-2.5")
    pass_bar(bot)
    broker.made()
    assert len(pass_hour(bot, end)) == entries


def test_what_could_not_be_closed_is_closed_on_the_next_bar():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    protected(broker)
    broker.made(today="-2.5")
    pass_bar(bot)
    pass_bar(bot, NOON + FIVE_MINUTES)
    assert reasons(broker) == [Reason.FLATTEN] * 2
    assert len(broker.alerts) == 1


@pytest.mark.parametrize(("end", "entries"), [(MONDAY - HOUR, 0), (MONDAY, 1)])
def test_after_the_weeks_loss_nothing_is_entered_until_monday(end: datetime, entries: int):
    broker = MemoryBroker()
    bot = a_bot(broker, order_notional_usdt=100)
    protected(broker)
    broker.made(week="-6")
    pass_bar(bot)
    assert reasons(broker) == [Reason.FLATTEN]
    broker.hold(BTC, "0")
    broker.made()
    assert len(pass_hour(bot, end)) == 1 + entries


@pytest.mark.parametrize(("week", "quantity"), [("-3.99", "1.818"), ("-4", "0.909"), ("-5.9", "0.909")])
def test_a_weeks_loss_halves_the_size(week: str, quantity: str):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.made(week=week)
    pass_bar(bot)
    assert [order.quantity for order in pass_hour(bot)] == [Decimal(quantity)]


@pytest.mark.parametrize(("now", "half"), [("-2.51", True), ("-2.5", False)])
def test_half_of_the_deepest_loss_has_to_be_recovered(now: str, half: bool):
    broker = MemoryBroker()
    bot = a_bot(broker)
    for n, week in enumerate(("-4.2", "-5", now)):
        broker.made(week=week)
        pass_bar(bot, NOON + n * FIVE_MINUTES)
    assert bot.state.account.half_size is half


@pytest.mark.parametrize(("next_week", "half"), [("1.9", True), ("2", False)])
def test_a_new_week_does_not_forget_the_loss(next_week: str, half: bool):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.made(week="-4")
    pass_bar(bot, MONDAY - FIVE_MINUTES)
    # the week ended at -4 %: what is made next week counts from there, -4 + 2 is half
    broker.made(week="0")
    pass_bar(bot, MONDAY)
    assert bot.state.account.half_size
    broker.made(week=next_week)
    pass_bar(bot, MONDAY + DAY)
    assert bot.state.account.half_size is half


def test_what_is_not_known_changes_nothing():
    broker = MemoryBroker()
    bot = a_bot(broker)
    protected(broker)
    pass_bar(bot)
    assert bot.state.account.paused_until is None
    assert broker.sent == []


# State, and what is refused.


def test_a_restarted_bot_decides_as_if_it_had_never_stopped():
    changes: dict[str, Any] = {
        "eight_rules": {"minimum_bars": 30, "warm_up_bars": 60, "rules_needed": 3, "trend_ema_bars": 10},
        "trade_interval_hours": 0,
    }
    bars = []
    for n in range(200):
        close, end = 100 + (n * 37 % 23) / 3 + n / 10, NOON + n * HOUR
        bars.append(a_bar(close, end=end, interval=HOUR, high=close + 1, low=close - 1, volume=1 + n * 13 % 7))
        if end.hour % 4 == 0:
            bars.append(a_bar(close, end=end, interval=4 * HOUR, high=close + 2, low=close - 2, volume=1 + n % 5))
    whole, parts = MemoryBroker(), MemoryBroker()
    bot, state = a_strategy(LXAlgo, whole, **changes), LXAlgoState()
    for bar in bars:
        bot.observe(bar)
        bot.on_round([bar])
        piece = a_strategy(LXAlgo, parts, state=LXAlgoState.model_validate_json(state.model_dump_json()), **changes)
        piece.observe(bar)
        piece.on_round([bar])
        state = piece.state
    assert parts.sent == whole.sent
    assert len(whole.sent) > 5
    assert state == bot.state


def test_a_restarted_pump_decides_as_if_it_had_never_stopped():
    changes: dict[str, Any] = {
        "profile": "pump_momentum",
        "trade_interval_hours": 0,
        "pump_momentum": {
            "turnover_above_usdt": 1,
            "gate_bars": 3,
            "gate_percent": 2,
            "rsi_bars": 5,
            "window_bars": 10,
            "minimum_bars": 12,
            "warm_up_bars": 20,
            "score_needed": 3,
        },
    }
    bars = [
        a_bar(close, end=NOON + n * FIVE_MINUTES, high=close + 1, low=close - 1, volume=1 + n * 13 % 7)
        for n, close in enumerate(100 + (n * 37 % 23) / 3 + n / 10 for n in range(200))
    ]
    whole, parts = MemoryBroker(), MemoryBroker()
    bot, state = a_strategy(LXAlgo, whole, **changes), LXAlgoState()
    for bar in bars:
        whole.now = parts.now = bar.end
        bot.observe(bar)
        bot.on_round([bar])
        piece = a_strategy(LXAlgo, parts, state=LXAlgoState.model_validate_json(state.model_dump_json()), **changes)
        assert piece.knows(BTC) or bar is bars[0]
        piece.observe(bar)
        piece.on_round([bar])
        state = piece.state
    assert parts.sent == whole.sent
    assert 5 < len(whole.sent) < 180
    assert state == bot.state


def test_what_was_made_under_other_parameters_is_warmed_up_again():
    bot = a_bot(MemoryBroker())
    assert bot.knows(BTC)
    assert sorted(bot.state.eight_rules[BTC]) == [1, 4]
    changed = a_strategy(LXAlgo, MemoryBroker(), state=bot.state, eight_rules={"atr_bars": 10})
    assert not changed.knows(BTC)
    assert BTC not in changed.state.eight_rules
    other = a_pump_bot(MemoryBroker())
    assert other.knows(BTC)
    assert BTC in other.state.pumps
    changed = a_strategy(
        LXAlgo, MemoryBroker(), state=other.state, profile="pump_momentum", pump_momentum={"rsi_bars": 80}
    )
    assert not changed.knows(BTC)
    assert BTC not in changed.state.pumps


def test_a_symbol_outside_the_universe_of_eight_rules_is_refused():
    with pytest.raises(StrategyRefused, match="XRPUSDT is not in LXAlgo's universe"):
        a_bot(MemoryBroker(), (Symbol("XRPUSDT"),))


@pytest.mark.parametrize(
    ("count", "says"),
    [(2, "A0USDT, A1USDT are not"), (3, "A0USDT, A1USDT, A2USDT are not"), (5, "A2USDT and 2 more are not")],
)
def test_many_symbols_outside_of_it_are_named_in_short(count: int, says: str):
    with pytest.raises(StrategyRefused, match=says):
        a_bot(MemoryBroker(), tuple(Symbol(f"A{n}USDT") for n in range(count)))


def test_pumps_have_no_list_of_their_own():
    assert len(pass_bar(a_pump_bot(MemoryBroker(), (Symbol("XRPUSDT"),)))) == 1
