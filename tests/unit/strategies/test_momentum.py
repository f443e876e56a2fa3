"""Momentum: every clause of its rules once met and once not, computed by hand."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.bot import Adx, RecentValues, StrategyRefused
from alpha.bot.errors import BotError
from alpha.bot.loading import load_params, split_params
from alpha.bot.result import Performance
from alpha.bot.testing import BTC, NO, MemoryBroker, Sent, a_bar, a_strategy
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.momentum import Momentum
from strategies.momentum.breakout import Breakout, MarketTrend
from strategies.momentum.parameters import MomentumParams
from strategies.momentum.state import MomentumState
from tests.unit.bot.parts import ETH, SOL, a_fill

ADA = Symbol("ADAUSDT")
NOON = datetime(2025, 10, 14, 12, tzinfo=UTC)
"""A Tuesday; the end of the 4-hour bar that is decided on in most cases."""
MONDAY = datetime(2025, 10, 20, tzinfo=UTC)
FOUR_HOURS, HOUR, FIVE_MINUTES = timedelta(hours=4), timedelta(hours=1), timedelta(minutes=5)


def params(**changes: Any) -> MomentumParams:
    loaded = load_params(Momentum, changes)
    assert isinstance(loaded, MomentumParams)
    return loaded


def setting_up(
    *, below: int = 10, close: float = 108, upper: float = 105, volume: float = 3, count: int = 140, middle: float = 100
) -> Breakout:
    """A symbol for which everything speaks for an entry: `below` of 90 widths are below the current one, the close is
    above the upper band, the volume is `volume` times its mean."""
    found = Breakout.of(params())
    found.count, found.close = count, close
    found.bands.middle, found.bands.spread = middle, upper - middle
    found.bands.closes.values.extend([middle] * 20)
    found.widths.values.extend([0.05] * below + [0.2] * (89 - below) + [0.1])
    # 20 volumes with a sum of 20: the mean is 1
    found.volumes.values.extend([(20 - volume) / 19] * 19 + [volume])
    return found


def a_bot(broker: MemoryBroker, symbols: tuple[Symbol, ...] = (BTC,), **changes: Any) -> Momentum:
    """A bot whose symbols are all set up."""
    bot = a_strategy(Momentum, broker, symbols=symbols, **changes)
    for symbol in symbols:
        bot.state.breakouts[symbol] = setting_up()
    return bot


def four_hours(symbol: Symbol = BTC, close: str = "108", end: datetime = NOON) -> Bar:
    return a_bar(close, end=end, symbol=symbol, interval=FOUR_HOURS)


def decide(bot: Momentum, *symbols: Symbol, close: str = "108", end: datetime = NOON) -> list[Sent]:
    """What is sent at the close of a 4-hour bar."""
    broker = bot.broker
    assert isinstance(broker, MemoryBroker)
    broker.now = end
    bot.on_round([four_hours(symbol, close, end) for symbol in symbols or bot.symbols])
    return broker.sent


def pass_five_minutes(bot: Momentum, end: datetime = NOON, close: str = "108") -> list[Sent]:
    broker = bot.broker
    assert isinstance(broker, MemoryBroker)
    broker.now = end
    bot.on_round([a_bar(close, end=end, symbol=symbol) for symbol in bot.symbols])
    return broker.sent


# Entry rules.


def test_everything_in_order_enters():
    assert setting_up().obstacle(params()) is None


@pytest.mark.parametrize(("count", "obstacle"), [(139, "warm_up"), (140, None)])
def test_a_hundred_and_forty_bars_are_seen_first(count: int, obstacle: str | None):
    assert setting_up(count=count).obstacle(params()) == obstacle


# 31 / 90 = 0.344, 32 / 90 = 0.356
@pytest.mark.parametrize(("below", "obstacle"), [(0, None), (31, None), (32, "compression"), (80, "compression")])
def test_the_bands_are_narrower_than_they_mostly_were(below: int, obstacle: str | None):
    found = setting_up(below=below)
    assert found.width_share == below / 90
    assert found.obstacle(params()) == obstacle


def test_a_share_at_the_bound_is_not_below_it():
    # 27 / 90 = 0.3
    assert setting_up(below=27).obstacle(params(width_share_below=0.3)) == "compression"


@pytest.mark.parametrize(("close", "obstacle"), [(105.0, "breakout"), (105.1, None)])
def test_the_close_is_above_the_upper_band(close: float, obstacle: str | None):
    assert setting_up(close=close).obstacle(params()) == obstacle


@pytest.mark.parametrize(("volume", "obstacle"), [(2.0, "volume"), (2.1, None), (0.0, "volume")])
def test_the_volume_is_over_twice_its_mean(volume: float, obstacle: str | None):
    assert setting_up(volume=volume).obstacle(params()) == obstacle


def test_without_any_volume_there_is_no_ratio():
    found = setting_up()
    found.volumes.values = deque([0.0] * 20, maxlen=20)
    assert found.volume_ratio == 0


@pytest.mark.parametrize(("close", "obstacle"), [(99.9, "trend"), (100, "trend"), (100.1, None)])
def test_the_close_is_above_its_mean(close: float, obstacle: str | None):
    # a band below the mean cannot be, but the rule stands by itself
    assert setting_up(close=close, upper=90).obstacle(params()) == obstacle


def test_windows_are_those_of_the_newest_bars_and_include_the_one_decided_on():
    small = params(bollinger_bars=3, width_share_bars=2, volume_bars=2, warm_up_bars=4)
    found = Breakout.of(small)
    for close, volume in (("1", "9"), ("10", "1"), ("10", "1"), ("10", "1"), ("13", "3")):
        found.update(a_bar(close, end=NOON, interval=FOUR_HOURS, volume=volume))
    assert found.count == 5
    # closes 10, 10, 13: mean 11, deviation sqrt((1 + 1 + 4) / 3) = sqrt 2
    assert found.bands.middle == pytest.approx(11)
    assert found.bands.upper == pytest.approx(11 + 2 * 2**0.5)
    # widths 0 (10, 10, 10) and 4 x sqrt 2 / 11
    assert list(found.widths.values) == pytest.approx([0, 4 * 2**0.5 / 11])
    assert found.width_share == 0.5
    assert found.volume_ratio == 1.5  # 3 over (1 + 3) / 2
    assert found.distance_percent == pytest.approx(200 / 11)


# The optional filter.


def market(close: float, adx: float, count: int = 280) -> MarketTrend:
    return MarketTrend(closes=RecentValues(200, deque([100.0] * 199 + [close])), adx=Adx(14, value=adx, count=count))


@pytest.mark.parametrize(
    ("close", "adx", "count", "allowed"),
    [
        (101, 25.1, 280, True),
        (99, 25.1, 280, False),  # below the mean
        (100, 25.1, 280, False),  # at it
        (101, 25.0, 280, False),  # no trend
        (101, 25.1, 279, False),  # too little seen
    ],
)
def test_the_filter_wants_btc_above_its_mean_and_in_a_trend(close: float, adx: float, count: int, allowed: bool):
    assert market(close, adx, count).allows(params(btc_filter=True)) is allowed


@pytest.mark.parametrize(("switched_on", "adx", "entries"), [(False, 10, 1), (True, 10, 0), (True, 30, 1)])
def test_the_filter_is_off_unless_it_is_asked_for(switched_on: bool, adx: float, entries: int):
    bot = a_bot(MemoryBroker(), btc_filter=switched_on)
    bot.state.market = market(101, adx)
    assert len(decide(bot)) == entries


SHORT_FILTER = {"btc_filter": True, "btc_mean_bars": 3, "btc_adx_bars": 2, "decision_hours": 4}


def four_hours_of_btc(closes: list[float], *, symbol: Symbol = BTC) -> list[Bar]:
    return [
        a_bar(close, end=NOON + n * FOUR_HOURS, symbol=symbol, interval=FOUR_HOURS, high=close + 1, low=close - 1)
        for n, close in enumerate(closes)
    ]


@pytest.mark.parametrize(("step", "entries"), [(1, [ETH]), (-1, [])])
def test_the_filter_is_made_of_btcs_own_bars(step: int, entries: list[Symbol]):
    """ETH is set up; whether it is entered is said by 140 bars of BTC that rise, and by as many that fall."""
    broker = MemoryBroker()
    bot = a_bot(broker, (BTC, ETH), **SHORT_FILTER)
    for bar in four_hours_of_btc([1000 + step * n for n in range(140)]):
        bot.observe(bar)
    assert bot.state.market is not None
    # BTC's own volume is its mean: it is no candidate
    assert [order.symbol for order in decide(bot)] == entries
    # the newest three closes and their mean, and moves of one direction only
    assert list(bot.state.market.closes.values) == [1000 + step * n for n in (137, 138, 139)]
    assert bot.state.market.adx.value == pytest.approx(100)


def test_the_filter_is_made_of_no_other_bars():
    bot = a_bot(MemoryBroker(), (BTC, ETH), **SHORT_FILTER)
    for bar in four_hours_of_btc([1000.0 + n for n in range(10)], symbol=ETH):
        bot.observe(bar)
    bot.observe(a_bar("1000", end=NOON))
    assert bot.state.market is None


def test_without_the_filter_nothing_is_kept_for_it():
    bot = a_bot(MemoryBroker(), (BTC,))
    bot.observe(four_hours())
    assert bot.state.market is None


@pytest.mark.parametrize(("changes", "kept"), [({}, True), ({"btc_mean_bars": 4}, False), ({"btc_adx_bars": 3}, False)])
def test_a_filter_of_other_lengths_is_warmed_up_again(changes: dict[str, int], kept: bool):
    bot = a_bot(MemoryBroker(), (BTC, ETH), **SHORT_FILTER)
    bot.observe(four_hours())
    other = a_strategy(Momentum, MemoryBroker(), symbols=(BTC, ETH), state=bot.state, **(SHORT_FILTER | changes))
    assert (other.state.market is not None) is kept
    # BTC has to be observed again for it, the others have not
    assert (other.knows(BTC), other.knows(ETH)) == (kept, True)
    assert (BTC in other.state.breakouts) is kept
    assert (other.state.market is not None) is kept


def test_the_filter_begins_with_btc_when_btc_is_not_known():
    bot = a_bot(MemoryBroker(), (BTC, ETH), **SHORT_FILTER)
    bot.observe(four_hours())
    del bot.state.breakouts[BTC]
    assert not bot.knows(BTC)
    assert bot.state.market is None


def test_the_filter_stays_when_another_symbol_is_not_known():
    bot = a_bot(MemoryBroker(), (BTC, ETH), **SHORT_FILTER)
    bot.observe(four_hours())
    del bot.state.breakouts[ETH]
    assert not bot.knows(ETH)
    assert bot.state.market is not None


def test_the_filter_needs_btc_among_the_symbols():
    with pytest.raises(StrategyRefused, match="BTCUSDT"):
        a_bot(MemoryBroker(), (ETH,), btc_filter=True)


def test_the_filter_asks_for_a_longer_history():
    assert params().history_bars == 140
    assert params(btc_filter=True).history_bars == 280


# Ranking and size.


def test_candidates_are_ranked_by_the_mean_of_three():
    # (1 - 10/90) = 0.889, 3 / 5 = 0.6, 8 % / 10 % = 0.8
    assert setting_up().rank(params()) == pytest.approx((80 / 90 + 0.6 + 0.8) / 3)
    # volume and distance count in full at 5 times and 10 %, not beyond
    assert setting_up(volume=8, close=150).rank(params()) == pytest.approx((80 / 90 + 1 + 1) / 3)


def test_the_best_candidates_fill_the_free_slots():
    broker = MemoryBroker()
    bot = a_bot(broker, (BTC, ETH, SOL, ADA))
    broker.hold(BTC, "1", "100")
    bot.state.breakouts[ETH] = setting_up(volume=2.5)
    bot.state.breakouts[SOL] = setting_up(volume=3.5)
    bot.state.breakouts[ADA] = setting_up(volume=3.0)
    # one of three slots is taken: the best two of the other three
    assert [order.symbol for order in decide(bot)] == [SOL, ADA]


def test_equal_candidates_go_by_name():
    bot = a_bot(MemoryBroker(), (SOL, ADA), positions_limit=1)
    assert [order.symbol for order in decide(bot)] == [ADA]


def test_a_denied_candidate_leaves_its_slot_to_the_next():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker, (SOL, ADA), positions_limit=1)
    assert [order.symbol for order in decide(bot)] == [ADA, SOL]


def test_a_position_that_is_not_known_takes_a_slot_and_is_not_entered():
    broker = MemoryBroker(positions={BTC: None})
    bot = a_bot(broker, (BTC, ETH), positions_limit=1)
    assert decide(bot) == []


def test_the_entry_carries_its_stop():
    # 5 % risk / 10 % stop = 50 % of equity, capped at 20 %: 2,000 USDT at 108; the stop is 10 % below
    assert decide(a_bot(MemoryBroker())) == [
        Sent(BTC, Side.BUY, Decimal(2000) / Decimal(108), Reason.ENTRY, stop_loss=Decimal("97.2"))
    ]


def test_the_risk_decides_where_it_is_below_the_cap():
    # 1 % / 10 % = 10 % of 10,000 = 1,000; at 100 that is 10
    assert a_bot(MemoryBroker(), risk_percent=1).size(Decimal(10_000), Decimal(100)) == 10


@pytest.mark.parametrize("funds", [None, Decimal("0.1")])
def test_without_equity_or_with_too_little_nothing_is_sent(funds: Decimal | None):
    assert decide(a_bot(MemoryBroker(funds=funds))) == []


# 20 % of equity: the least the exchange takes is 5 USDT
@pytest.mark.parametrize(("funds", "entries"), [("25", 1), ("24.9", 0)])
def test_the_smallest_order_is_one(funds: str, entries: int):
    assert len(decide(a_bot(MemoryBroker(funds=Decimal(funds))), close="100")) == entries


def test_five_minute_bars_are_not_those_decided_on():
    bot = a_bot(MemoryBroker())
    before = bot.state.model_dump()
    bot.observe(a_bar("90", end=NOON))
    assert bot.state.model_dump() == before


def test_five_minute_bars_decide_no_entry():
    assert pass_five_minutes(a_bot(MemoryBroker())) == []


@pytest.mark.parametrize("hour", [0, 4, 8, 12, 16, 20])
def test_the_bars_decided_on_are_those_of_four_hours(hour: int):
    bot = a_bot(MemoryBroker())
    assert bot.larger_intervals == {FOUR_HOURS: 140}
    assert len(decide(bot, end=datetime(2025, 10, 14, hour, tzinfo=UTC))) == 1


# Exits.


def close_four_hours(bot: Momentum, close: str, end: datetime = NOON) -> list[Sent]:
    """The 4-hour bar with this close is observed, and its last five minutes are decided on. The mean is near 100."""
    bot.observe(four_hours(close=close, end=end))
    return pass_five_minutes(bot, end, close)


# the mean of 19 closes at 100 and this one
@pytest.mark.parametrize(("close", "reasons"), [("99.9", [Reason.MA_EXIT]), ("100", [])])
def test_a_close_below_the_mean_ends_it(close: str, reasons: list[Reason]):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.hold(BTC, "1", "105")
    close_four_hours(bot, close)
    assert [order.reason for order in decide(bot, close=close)] == reasons


@pytest.mark.parametrize(("close", "reasons"), [("99.9", [Reason.MA_EXIT]), ("100", [])])
def test_four_hours_that_closed_while_the_bot_was_down_end_it_too(close: str, reasons: list[Reason]):
    # given bars observed after an outage and not decided on
    before, broker = a_bot(MemoryBroker()), MemoryBroker()
    before.observe(four_hours(close=close))
    restarted = a_strategy(Momentum, broker, state=MomentumState.model_validate_json(before.state.model_dump_json()))
    broker.hold(BTC, "1", "105", trailing_stop="10.5")
    # then the first bar that is decided on, whatever its own close
    assert [order.reason for order in pass_five_minutes(restarted, NOON + HOUR, "108")] == reasons


def test_an_exit_does_not_wait_for_what_the_bot_is_worth():
    sent_before: list[int] = []

    class ValuedSlowly(MemoryBroker):
        def performance(self) -> Performance | None:
            sent_before.append(len(self.sent))
            return None

    broker = ValuedSlowly()
    bot = a_bot(broker)
    broker.hold(BTC, "1", "105", trailing_stop="10.5")
    close_four_hours(bot, "99")
    assert sent_before == [1]


def test_a_position_of_which_nothing_is_known_leaves_when_it_is():
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.positions[BTC] = None
    close_four_hours(bot, "99")
    assert broker.sent == []
    broker.hold(BTC, "1", "105")
    assert [order.reason for order in pass_five_minutes(bot, NOON + FIVE_MINUTES)] == [Reason.MA_EXIT]


def test_an_exit_that_did_not_work_is_tried_again_on_five_minute_bars():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    broker.hold(BTC, "1", "105", trailing_stop="10.5")
    close_four_hours(bot, "99")
    pass_five_minutes(bot, NOON + FIVE_MINUTES)
    broker.hold(BTC, "0")
    pass_five_minutes(bot, NOON + 2 * FIVE_MINUTES)
    broker.hold(BTC, "1", "105", trailing_stop="10.5")
    pass_five_minutes(bot, NOON + 3 * FIVE_MINUTES)
    assert [order.reason for order in broker.sent] == [Reason.MA_EXIT] * 2


def test_a_close_above_the_mean_takes_the_exit_back():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    broker.hold(BTC, "1", "105", trailing_stop="10.5")
    close_four_hours(bot, "99")
    assert bot.state.leaving == {BTC}
    close_four_hours(bot, "101", NOON + FOUR_HOURS)
    assert bot.state.leaving == set()


def test_a_new_entry_is_not_ended_by_an_exit_of_before():
    bot = a_bot(MemoryBroker())
    bot.state.leaving.add(BTC)
    bot.on_fill(a_fill(Side.BUY, "1", reason=Reason.ENTRY))
    assert bot.state.leaving == set()


def test_what_an_exit_fills_does_not_take_it_back():
    bot = a_bot(MemoryBroker())
    bot.state.leaving.add(BTC)
    bot.on_fill(a_fill(Side.SELL, "0.5", reason=Reason.MA_EXIT))
    assert bot.state.leaving == {BTC}


def test_an_exit_that_did_not_work_leaves_the_stops_looked_after():
    broker = MemoryBroker(answer=NO)
    bot = a_bot(broker)
    broker.hold(BTC, "1", "110", stop_loss="99")
    close_four_hours(bot, "99")
    assert [order.reason for order in broker.sent] == [Reason.MA_EXIT]
    assert broker.trailing == [(BTC, Decimal(11), None)]


def test_an_exit_that_worked_needs_no_stops_any_more():
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.hold(BTC, "1", "110", stop_loss="99")
    close_four_hours(bot, "99")
    assert broker.trailing == []


def test_a_trailing_stop_that_is_not_shown_is_set_again_on_every_bar():
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.hold(BTC, "1", "110", stop_loss="99")
    for n in range(2):
        pass_five_minutes(bot, NOON + n * FIVE_MINUTES)
    broker.hold(BTC, "1", "110", stop_loss="99", trailing_stop="11")
    pass_five_minutes(bot, NOON + 2 * FIVE_MINUTES)
    assert broker.trailing == [(BTC, Decimal(11), None)] * 2


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_only_longs_are_looked_after(quantity: str):
    broker = MemoryBroker()
    a_bot(broker).on_position(broker.hold(BTC, quantity, "110", stop_loss=None))
    assert (broker.stop_losses, broker.trailing) == ([], [])


def test_how_long_a_position_was_bare_ends_with_it():
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    bot.on_position(broker.hold(BTC, "1", "110", stop_loss=None))
    bot.on_position(broker.hold(BTC, "0"))
    broker.now += timedelta(seconds=31)
    bot.on_position(broker.hold(BTC, "1", "110", stop_loss=None))
    assert broker.sent == []


def test_a_bot_starts_where_nobody_knows_what_is_held():
    broker = MemoryBroker(positions={BTC: None})
    a_bot(broker).on_start()
    assert (broker.trailing, broker.stop_losses) == ([], [])


def test_the_trailing_stop_is_set_right_after_the_fill():
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_position(broker.hold(BTC, "1", "110", stop_loss="99"))
    assert broker.trailing == [(BTC, Decimal(11), None)]


def test_open_positions_are_protected_at_start():
    broker = MemoryBroker()
    broker.hold(BTC, "1", "110", stop_loss=None)
    a_bot(broker).on_start()
    assert broker.stop_losses == [(BTC, Decimal(99))]
    assert len(broker.trailing) == 1


@pytest.mark.parametrize(("seconds", "closed"), [(30, []), (31, [Reason.FLATTEN])])
def test_a_position_without_protection_for_more_than_thirty_seconds_is_closed(seconds: int, closed: list[Reason]):
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    held = broker.hold(BTC, "1", "110", stop_loss=None)
    broker.now = NOON
    bot.on_position(held)
    broker.now = NOON + timedelta(seconds=seconds)
    bot.on_position(held)
    assert [order.reason for order in broker.sent] == closed
    assert broker.alerts[0] == ("position_unprotected", BTC)


# Limits and reports.


def test_the_gate_keeps_the_limits_of_the_rules():
    _, limits = split_params(Momentum, {})
    assert (limits.daily_loss_percent, limits.monthly_loss_percent, limits.drawdown_halt_percent) == (3, 15, 20)
    assert limits.max_positions == 3


def test_the_gate_lets_the_size_rule_through_up_to_a_hundred_thousand():
    _, limits = split_params(Momentum, {})
    notional = a_bot(MemoryBroker()).size(Decimal(100_000), Decimal(1))
    assert notional == limits.max_order_notional_usdt
    assert 3 * notional <= limits.max_bot_notional_usdt


@pytest.mark.parametrize(("week", "percent"), [("-7.99", 20), ("-8", 10), ("-12", 10)])
def test_a_bad_week_halves_the_size(week: str, percent: int):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.made(week=week)
    pass_five_minutes(bot)
    assert bot.size(Decimal(10_000), Decimal(1)) == percent * 100
    assert [kind for kind, _ in broker.alerts] == (["half_size"] if percent == 10 else [])


def test_half_size_lasts_until_the_week_ends():
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.made(week="-9")
    pass_five_minutes(bot)
    broker.made(week="-1")
    pass_five_minutes(bot, MONDAY - FIVE_MINUTES)
    assert bot.state.half_size_until == MONDAY
    broker.made(week="0")
    pass_five_minutes(bot, MONDAY)
    assert bot.state.half_size_until is None
    assert [kind for kind, _ in broker.alerts].count("half_size") == 1


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (datetime(2025, 10, 14, 20, tzinfo=UTC), ["Momentum, daily: equity 10000.00 USDT, no position"]),
        (datetime(2025, 10, 19, 20, tzinfo=UTC), ["Momentum, weekly: equity 10000.00 USDT, no position"]),
        (datetime(2025, 10, 14, 19, 50, tzinfo=UTC), []),
    ],
)
def test_reports_at_eight_in_the_evening_and_on_sunday_of_the_week(end: datetime, text: list[str]):
    broker = MemoryBroker()
    bot = a_bot(broker)
    pass_five_minutes(bot, end - FIVE_MINUTES)
    pass_five_minutes(bot, end)
    assert broker.texts == text
    pass_five_minutes(bot, end + FIVE_MINUTES)
    assert len(broker.texts) == len(text)


@pytest.mark.parametrize(
    ("since", "until", "kind"),
    [
        (datetime(2025, 10, 19, 19, tzinfo=UTC), datetime(2025, 10, 20, 2, tzinfo=UTC), "weekly"),
        (datetime(2025, 10, 18, 19, tzinfo=UTC), datetime(2025, 10, 21, 9, tzinfo=UTC), "weekly"),
        (datetime(2025, 10, 14, 19, tzinfo=UTC), datetime(2025, 10, 15, 2, tzinfo=UTC), "daily"),
        # the night from Saturday to Sunday: that of the week is still to come
        (datetime(2025, 10, 18, 19, tzinfo=UTC), datetime(2025, 10, 19, 2, tzinfo=UTC), "daily"),
    ],
)
def test_an_outage_over_sunday_evening_leaves_the_report_of_the_week(since: datetime, until: datetime, kind: str):
    broker = MemoryBroker()
    bot = a_bot(broker)
    pass_five_minutes(bot, since)
    pass_five_minutes(bot, until)
    (text,) = broker.texts
    assert text.startswith(f"Momentum, {kind}: ")


# State, and what is refused.


def test_a_restarted_bot_decides_as_if_it_had_never_stopped():
    small = {
        "bollinger_bars": 5,
        "width_share_bars": 10,
        "volume_bars": 5,
        "warm_up_bars": 14,
        "width_share_below": 0.8,
    }
    small |= {"volume_ratio_above": 1.0, "bollinger_deviations": 0.5}
    bars = [
        a_bar(100 + (n * 37 % 23) / 3, end=NOON + n * FOUR_HOURS, interval=FOUR_HOURS, volume=1 + n * 13 % 7)
        for n in range(120)
    ]
    whole, parts = MemoryBroker(), MemoryBroker()
    bot, state = a_strategy(Momentum, whole, **small), MomentumState()
    for bar in bars:
        bot.observe(bar)
        bot.on_round([bar])
        piece = a_strategy(Momentum, parts, state=MomentumState.model_validate_json(state.model_dump_json()), **small)
        assert piece.knows(BTC) or bar is bars[0]
        piece.observe(bar)
        piece.on_round([bar])
        state = piece.state
    assert parts.sent == whole.sent
    assert len(whole.sent) > 5
    assert state == bot.state


def test_other_windows_are_warmed_up_again():
    bot = a_bot(MemoryBroker())
    assert bot.knows(BTC)
    changed = a_strategy(Momentum, MemoryBroker(), state=bot.state, bollinger_bars=30)
    assert not changed.knows(BTC)
    assert BTC not in changed.state.breakouts


def test_btc_may_be_there_for_the_filter_alone():
    bot = a_bot(MemoryBroker(), (BTC, ETH), universe=[ETH], **SHORT_FILTER)
    for bar in four_hours_of_btc([1000.0 + n for n in range(140)]):
        bot.observe(bar)
    bot.state.breakouts[BTC] = setting_up()
    assert [order.symbol for order in decide(bot)] == [ETH]


@pytest.mark.parametrize(("symbols", "stranger"), [((BTC, ETH), "ETH"), ((BTC, SOL), "SOL")])
def test_no_other_symbol_may_be(symbols: tuple[Symbol, ...], stranger: str):
    with pytest.raises(StrategyRefused, match=f"{stranger}USDT is not in Momentum's universe"):
        a_bot(MemoryBroker(), symbols, universe=[ADA], **SHORT_FILTER)


def test_without_the_filter_btc_is_no_exception():
    with pytest.raises(StrategyRefused, match="BTCUSDT is not in Momentum's universe"):
        a_bot(MemoryBroker(), (BTC,), universe=[ETH])


def test_a_symbol_outside_the_universe_is_refused():
    with pytest.raises(StrategyRefused, match="PEPEUSDT is not in Momentum's universe"):
        a_bot(MemoryBroker(), (Symbol("PEPEUSDT"),))


def test_a_warm_up_too_short_for_the_widths_is_refused():
    with pytest.raises(BotError, match="warm_up_bars must be at least 109"):
        params(warm_up_bars=100)
