"""ShortSeller: every clause of its rules once met and once not, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.bot import Ema, Environment, Holding, Protection, StrategyRefused
from alpha.bot.loading import load_params, split_params
from alpha.bot.testing import NO, MemoryBroker, Sent
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.shortseller import ShortSeller
from strategies.shortseller.state import ShortSellerState
from strategies.shortseller.trend import Regime, Trend
from tests.unit.bot.parts import BTC, ETH, FIVE_MINUTES, SOL, START, a_fill

DAY = START.date()
NOW = START
"""End of the bar that is decided on in most cases: 12:00 UTC."""


def bar_at(end: datetime, close: str = "100", *, symbol: Symbol = BTC, volume: str = "10") -> Bar:
    price = Decimal(close)
    return Bar(
        symbol=symbol,
        interval=FIVE_MINUTES,
        start=end - FIVE_MINUTES,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(volume),
        turnover=price,
    )


def a_bot(
    broker: MemoryBroker | None = None,
    *,
    symbols: tuple[Symbol, ...] = (BTC,),
    state: ShortSellerState | None = None,
    **changes: Any,
) -> ShortSeller:
    params = load_params(ShortSeller, changes)
    return ShortSeller(
        params=params,  # type: ignore[arg-type]
        state=state or ShortSellerState(),
        symbols=symbols,
        broker=broker or MemoryBroker(),
        environment=Environment.PAPER,
    )


def ready(broker: MemoryBroker | None = None, *, symbols: tuple[Symbol, ...] = (BTC,), **changes: Any) -> ShortSeller:
    """A bot for which everything speaks for an entry at NOW: flat, active, first cross of the day on this bar."""
    bot = a_bot(broker, symbols=symbols, **changes)
    for symbol in symbols:
        trend = bot._trend(symbol)
        trend.regime = Regime.ACTIVE
        trend.cross_day, trend.crosses, trend.triggered_at = DAY, 1, NOW
        bot.state.holdings[symbol] = Holding()
    return bot


def obstacle(bot: ShortSeller, at: datetime = NOW) -> str | None:
    held = bot.broker.position(BTC)
    assert held is not None
    return bot.entry_obstacle(bar_at(at), held)


# The regime and the triggers.


def walk(closes: list[float], *, warm_up_bars: int = 1, fast: int = 1, slow: int = 3) -> Trend:
    trend = Trend(Ema(fast), Ema(slow))
    for n, close in enumerate(closes):
        trend.update(close, NOW + n * FIVE_MINUTES, warm_up_bars)
    return trend


@pytest.mark.parametrize(
    ("closes", "regime"),
    [
        # Weights: fast (3) 1/2, slow (7) 1/4. After 100, 100: both at 100.
        # 90: fast 95, slow 97.5, the close is below both.
        ([100, 100, 90], Regime.ACTIVE),
        # 110: fast 105, slow 102.5, above both.
        ([100, 100, 110], Regime.INACTIVE),
        # 80: fast 90, slow 95. 92: fast 91, slow 94.25: above the fast, below the slow.
        ([100, 100, 80, 92], Regime.INACTIVE),
        # 120: fast 110, slow 105. 106: fast 108, slow 105.25: below the fast, above the slow.
        ([100, 100, 120, 106], Regime.INACTIVE),
    ],
)
def test_the_regime_is_active_below_both_averages(closes: list[float], regime: Regime):
    assert walk(closes, fast=3, slow=7).regime is regime


@pytest.mark.parametrize(("warm_up_bars", "regime"), [(3, Regime.ACTIVE), (4, Regime.UNKNOWN)])
def test_the_regime_is_unknown_until_the_warm_up_is_complete(warm_up_bars: int, regime: Regime):
    assert walk([100, 100, 90], fast=3, slow=7, warm_up_bars=warm_up_bars).regime is regime


@pytest.mark.parametrize(
    ("closes", "crosses"),
    [
        ([100, 100, 90], 2),  # through both averages at once
        ([100, 100, 90, 80], 2),  # already below: no new cross
        ([100, 100, 110], 0),  # upwards is no trigger
        # 120: fast 110, slow 105. 106: fast 108, slow 105.25: through the fast one only.
        ([100, 100, 120, 106], 1),
        # then 100: fast 104, slow 103.94: it was below the fast one, so only the slow one is new
        ([100, 100, 120, 106, 100], 2),
    ],
)
def test_a_cross_is_a_close_below_after_a_close_at_or_above(closes: list[float], crosses: int):
    trend = walk(closes, fast=3, slow=7)
    assert trend.crosses == crosses
    assert (trend.triggered_at is not None) == (crosses > 0)


def test_the_first_bar_of_all_crosses_nothing():
    assert walk([100]).crosses == 0


def test_crosses_count_for_the_utc_day_on_which_their_bar_ends():
    trend = Trend(Ema(3), Ema(7))
    midnight = datetime(2025, 10, 15, tzinfo=UTC)
    for close, end in (
        (100.0, midnight - 2 * FIVE_MINUTES),
        (90.0, midnight - FIVE_MINUTES),
    ):
        trend.update(close, end, 1)
    assert (trend.cross_day, trend.crosses) == (DAY, 2)
    # the bar 23:55-00:00 belongs to the new day, and so does its cross
    trend.update(120.0, midnight, 1)
    assert (trend.cross_day, trend.crosses) == (midnight.date(), 0)
    trend.update(90.0, midnight + FIVE_MINUTES, 1)
    assert trend.crosses == 2


# Entries.


def test_everything_in_order_enters():
    assert obstacle(ready()) is None


def test_each_asset_of_a_round_is_decided_on():
    broker = MemoryBroker()
    ready(broker, symbols=(BTC, ETH)).on_round([bar_at(NOW, symbol=symbol) for symbol in (BTC, ETH)])
    assert [order.symbol for order in broker.sent] == [BTC, ETH]


def test_not_flat_no_entry():
    bot = ready()
    broker: MemoryBroker = bot.broker  # type: ignore[assignment]
    broker.hold(BTC, "-0.1", "100")
    assert obstacle(bot) == "position_open"


@pytest.mark.parametrize(("ends_in_minutes", "expected"), [(1, "cooldown"), (0, None), (-5, None)])
def test_no_entry_in_the_cooldown(ends_in_minutes: int, expected: str | None):
    bot = ready()
    bot.state.cooldown_until[BTC] = NOW + timedelta(minutes=ends_in_minutes)
    assert obstacle(bot) == expected


@pytest.mark.parametrize(
    ("regime", "expected"), [(Regime.ACTIVE, None), (Regime.INACTIVE, "regime"), (Regime.UNKNOWN, "regime")]
)
def test_only_the_active_regime_is_entered(regime: Regime, expected: str | None):
    bot = ready()
    bot.state.trends[BTC].regime = regime
    assert obstacle(bot) == expected


@pytest.mark.parametrize(("crosses", "expected"), [(11, None), (12, "crosses_today"), (13, "crosses_today")])
def test_fewer_than_twelve_crosses_today(crosses: int, expected: str | None):
    bot = ready()
    bot.state.trends[BTC].crosses = crosses
    assert obstacle(bot) == expected


def test_crosses_of_yesterday_do_not_count():
    bot = ready()
    bot.state.trends[BTC].crosses = 50
    bot.state.trends[BTC].cross_day = DAY - timedelta(days=1)
    assert obstacle(bot) is None


@pytest.mark.parametrize(
    ("age_minutes", "expected"), [(0, None), (15, None), (20, "trigger_too_old"), (None, "no_trigger")]
)
def test_the_trigger_is_at_most_fifteen_minutes_old(age_minutes: int | None, expected: str | None):
    bot = ready()
    at = None if age_minutes is None else NOW - timedelta(minutes=age_minutes)
    bot.state.trends[BTC].triggered_at = at
    assert obstacle(bot) == expected


def test_obstacles_are_asked_in_the_order_of_the_rules():
    bot = ready()
    broker: MemoryBroker = bot.broker  # type: ignore[assignment]
    trend = bot.state.trends[BTC]
    broker.hold(BTC, "-1", "100")
    bot.state.cooldown_until[BTC] = NOW + timedelta(minutes=1)
    trend.regime, trend.crosses, trend.triggered_at = Regime.INACTIVE, 12, NOW - timedelta(hours=1)
    seen = [obstacle(bot)]
    broker.hold(BTC, "0")
    seen.append(obstacle(bot))
    del bot.state.cooldown_until[BTC]
    seen.append(obstacle(bot))
    trend.regime = Regime.ACTIVE
    seen.append(obstacle(bot))
    trend.crosses = 0
    seen.append(obstacle(bot))
    trend.triggered_at = NOW
    seen.append(obstacle(bot))
    assert seen == ["position_open", "cooldown", "regime", "crosses_today", "trigger_too_old", None]


def test_an_unknown_position_is_not_flat():
    broker = MemoryBroker(positions={BTC: None})
    ready(broker).on_bar(bar_at(NOW))
    assert broker.sent == []


@pytest.mark.parametrize(
    ("symbol", "stop_loss", "take_profit"),
    # 1 % / 3 %, 1.5 % / 4.5 % and 1.5 % / 6 % of 100
    [(BTC, "101", "97"), (ETH, "101.5", "95.5"), (SOL, "101.5", "94")],
)
def test_the_entry_is_a_market_sell_with_its_stops(symbol: Symbol, stop_loss: str, take_profit: str):
    broker = MemoryBroker()
    ready(broker, symbols=(symbol,)).on_bar(bar_at(NOW, symbol=symbol))
    # 7 % of 10,000 = 700 margin; x 10 = 7,000 USDT; at 100 = 70
    assert broker.sent == [Sent(symbol, Side.SELL, Decimal(70), Reason.ENTRY, Decimal(take_profit), Decimal(stop_loss))]


def test_all_assets_together_use_at_most_the_total_margin():
    # given 10,000 of equity and shorts whose margin is 1,000 (100 x 100 / 10) and 900 (90 x 100 / 10)
    broker = MemoryBroker()
    broker.hold(ETH, "-100", "100")
    broker.hold(SOL, "-90", "100")
    ready(broker, symbols=(BTC, ETH, SOL)).on_bar(bar_at(NOW))
    # then 2,100 - 1,900 = 200 are left: 2,000 USDT, 20 at 100
    assert [(order.symbol, order.quantity) for order in broker.sent] == [(BTC, Decimal(20))]


def test_the_total_may_be_what_one_asset_uses():
    broker = MemoryBroker()
    ready(broker, symbols=(BTC, ETH), margin_percent_total=7).on_bar(bar_at(NOW))
    assert [order.quantity for order in broker.sent] == [Decimal(70)]


def test_an_entry_that_was_not_taken_uses_no_margin():
    broker = MemoryBroker(answer=NO)
    bot = ready(broker, symbols=(BTC, ETH), margin_percent_total=7)
    for symbol in (BTC, ETH):
        bot.on_bar(bar_at(NOW, symbol=symbol))
    assert [(order.symbol, order.quantity) for order in broker.sent] == [(BTC, Decimal(70)), (ETH, Decimal(70))]


def test_nothing_is_sent_when_no_margin_is_left():
    broker = MemoryBroker()
    broker.hold(ETH, "-210", "100")
    ready(broker, symbols=(BTC, ETH)).on_bar(bar_at(NOW))
    assert broker.sent == []


def test_entries_of_the_same_bar_share_the_margin_too():
    broker = MemoryBroker()
    bot = ready(broker, symbols=(BTC, ETH, SOL), margin_percent_total=10)
    for symbol in (BTC, ETH, SOL):
        bot.on_bar(bar_at(NOW, symbol=symbol))
    # 7 % of 10,000 = 700, then 1,000 - 700 = 300, then nothing
    assert [(order.symbol, order.quantity) for order in broker.sent] == [(BTC, Decimal(70)), (ETH, Decimal(30))]


def test_an_entry_that_never_became_a_position_frees_its_margin_on_the_next_bar():
    broker = MemoryBroker()
    bot = ready(broker, symbols=(BTC, ETH), margin_percent_total=7)
    bot.on_bar(bar_at(NOW))
    bot.on_bar(bar_at(NOW, symbol=ETH))
    bot.on_bar(bar_at(NOW + FIVE_MINUTES, symbol=ETH))
    assert [order.symbol for order in broker.sent] == [BTC, ETH]


@pytest.mark.parametrize("funds", [None, Decimal("0.1")])
def test_no_entry_without_a_known_equity_or_below_the_smallest_order(funds: Decimal | None):
    broker = MemoryBroker(funds=funds)
    ready(broker).on_bar(bar_at(NOW))
    assert broker.sent == []


# 5 % of 10 x 10 = 5 USDT, the least the exchange takes: 0.05 at 100
@pytest.mark.parametrize(("funds", "sent"), [("10", [Decimal("0.05")]), ("9.9", [])])
def test_the_smallest_order_is_one(funds: str, sent: list[Decimal]):
    broker = MemoryBroker(funds=Decimal(funds))
    ready(broker, margin_percent_per_asset=5).on_bar(bar_at(NOW))
    assert [order.quantity for order in broker.sent] == sent


def test_leverage_is_set_at_start_and_without_it_there_is_no_entry():
    broker = MemoryBroker()
    bot = ready(broker)
    bot.on_start()
    assert broker.leverage == {BTC: Decimal(10)}

    broker = MemoryBroker(leverage_answer=NO)
    bot = ready(broker)
    bot.on_start()
    bot.on_bar(bar_at(NOW))
    assert broker.sent == []
    broker.leverage_answer = MemoryBroker().leverage_answer
    bot.on_bar(bar_at(NOW + FIVE_MINUTES))
    assert len(broker.sent) == 1


# Exits in software.


def holding_short(broker: MemoryBroker, *, hours: float = 1, entry: str = "100") -> ShortSeller:
    bot = ready(broker)
    broker.hold(BTC, "-1", entry)
    bot.state.holdings[BTC] = Holding(quantity=Decimal(-1), opened_at=NOW - timedelta(hours=hours))
    bot.state.protections[BTC] = Protection(trailing_for=Decimal(entry))
    return bot


@pytest.mark.parametrize(
    ("close", "hours", "regime", "expected"),
    [
        ("100", 1, Regime.ACTIVE, None),
        ("100.9", 1, Regime.ACTIVE, None),
        ("101", 1, Regime.ACTIVE, Reason.STOP_LOSS),
        ("97.1", 1, Regime.ACTIVE, None),
        ("97", 1, Regime.ACTIVE, Reason.TAKE_PROFIT),
        ("100", 24, Regime.ACTIVE, None),
        ("100", 24.01, Regime.ACTIVE, Reason.TIME_EXIT),
        ("100", 1, Regime.INACTIVE, Reason.REGIME_EXIT),
        ("100", 1, Regime.UNKNOWN, None),
        # the first that applies is the reason
        ("101", 30, Regime.INACTIVE, Reason.STOP_LOSS),
        ("97", 30, Regime.INACTIVE, Reason.TAKE_PROFIT),
        ("100", 30, Regime.INACTIVE, Reason.TIME_EXIT),
    ],
)
def test_exits_in_software(close: str, hours: float, regime: Regime, expected: Reason | None):
    broker = MemoryBroker()
    bot = holding_short(broker, hours=hours)
    bot.state.trends[BTC].regime = regime
    bot.on_bar(bar_at(NOW, close))
    expected_orders = [] if expected is None else [Sent(BTC, Side.BUY, Decimal(1), expected)]
    assert broker.sent == expected_orders


def test_a_position_nobody_explains_is_held_from_when_it_was_first_seen():
    broker = MemoryBroker()
    bot = holding_short(broker)
    bot.state.holdings[BTC] = Holding()
    bot.on_bar(bar_at(NOW))
    bot.on_bar(bar_at(NOW + timedelta(hours=24)))
    assert broker.sent == []
    bot.on_bar(bar_at(NOW + timedelta(hours=24, minutes=5)))
    assert [order.reason for order in broker.sent] == [Reason.TIME_EXIT]


@pytest.mark.parametrize("adopted", ["-1", "1"])
def test_a_position_nobody_explains_does_not_disturb_the_next_one(adopted: str):
    broker = MemoryBroker()
    bot = a_bot(broker)
    broker.hold(BTC, adopted, "100")
    bot.on_bar(bar_at(NOW))
    closing = Side.BUY if adopted == "-1" else Side.SELL
    bot.on_fill(a_fill(closing, "1", seq=1, at=NOW + timedelta(hours=2), reason=Reason.MANUAL))
    broker.hold(BTC, "0")
    bot.on_bar(bar_at(NOW + timedelta(hours=2, minutes=5)))
    opened = NOW + timedelta(hours=30)
    bot.on_fill(a_fill(Side.SELL, "1", seq=2, at=opened))
    assert bot.state.cooldown_until == {}
    assert bot.state.holdings[BTC] == Holding(quantity=Decimal(-1), opened_at=opened)
    bot.on_fill(a_fill(Side.BUY, "1", seq=3, at=opened + timedelta(minutes=20), reason=Reason.STOP_LOSS))
    assert list(bot.state.cooldown_until) == [BTC]


def test_a_position_that_no_fill_closed_does_not_disturb_the_next_one():
    broker = MemoryBroker()
    bot = holding_short(broker, hours=30)
    broker.hold(BTC, "0")
    bot.on_bar(bar_at(NOW))
    opened = NOW + timedelta(minutes=5)
    bot.on_fill(a_fill(Side.SELL, "1", at=opened))
    assert bot.state.holdings[BTC] == Holding(quantity=Decimal(-1), opened_at=opened)


def test_the_position_in_redis_decides_and_not_what_the_fills_say():
    # given fills that say short and a position that says flat (a stop at the exchange, its fill still on the way)
    broker = MemoryBroker()
    bot = holding_short(broker)
    bot.state.trends[BTC].regime = Regime.INACTIVE
    broker.hold(BTC, "0")
    bot.on_bar(bar_at(NOW))
    assert broker.sent == []


# The cooldown.


@pytest.mark.parametrize(("minutes_held", "cooldown"), [(1, True), (60, True), (61, False), (24 * 60, False)])
def test_an_early_close_starts_an_hour_of_cooldown(minutes_held: int, cooldown: bool):
    bot = a_bot()
    closed = NOW + timedelta(minutes=minutes_held)
    bot.on_fill(a_fill(Side.SELL, "1", seq=1, at=NOW))
    bot.on_fill(a_fill(Side.BUY, "1", seq=2, at=closed, reason=Reason.STOP_LOSS))
    until = bot.state.cooldown_until.get(BTC)
    assert until == (closed + timedelta(hours=1) if cooldown else None)


def test_partial_fills_neither_restart_the_clock_nor_start_the_cooldown():
    bot = a_bot()
    bot.on_fill(a_fill(Side.SELL, "0.4", seq=1, at=NOW))
    bot.on_fill(a_fill(Side.SELL, "0.6", seq=2, at=NOW + timedelta(minutes=50)))
    assert bot.state.holdings[BTC].opened_at == NOW
    bot.on_fill(a_fill(Side.BUY, "0.9", seq=3, at=NOW + timedelta(minutes=55)))
    assert bot.state.cooldown_until == {}
    bot.on_fill(a_fill(Side.BUY, "0.1", seq=4, at=NOW + timedelta(minutes=70)))
    assert bot.state.cooldown_until == {}


def test_the_cooldown_is_of_one_asset():
    bot = a_bot(symbols=(BTC, ETH))
    bot.on_fill(a_fill(Side.SELL, "1", seq=1, at=NOW))
    bot.on_fill(a_fill(Side.BUY, "1", seq=2, at=NOW + timedelta(minutes=1)))
    assert ETH not in bot.state.holdings


# Stops at the exchange.


@pytest.mark.parametrize(
    ("symbol", "distance", "activation"),
    # 1 % from 2 %, 2 % from 2 %, 2 % from 3 % of 200
    [(BTC, "2", "196"), (ETH, "4", "196"), (SOL, "4", "194")],
)
def test_the_trailing_stop_follows_the_fill_at_the_average_entry_price(symbol: Symbol, distance: str, activation: str):
    broker = MemoryBroker()
    bot = a_bot(broker, symbols=(symbol,))
    bot.on_position(broker.hold(symbol, "-1", "200"))
    assert broker.trailing == [(symbol, Decimal(distance), Decimal(activation))]


def test_a_trailing_stop_is_set_once_per_entry_price():
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_position(broker.hold(BTC, "-1", "200"))
    # when the exchange shows it
    bot.on_position(replace(broker.hold(BTC, "-1", "200"), trailing_stop=Decimal(2)))
    assert len(broker.trailing) == 1
    # and when more fills move the average
    bot.on_position(replace(broker.hold(BTC, "-2", "202"), trailing_stop=Decimal(2)))
    assert [distance for _, distance, _ in broker.trailing] == [Decimal(2), Decimal("2.02")]


def test_a_trailing_stop_that_was_not_verified_is_tried_again_on_every_bar():
    broker = MemoryBroker(stop_answer=NO)
    bot = holding_short(broker)
    bot.state.protections.clear()
    bot.on_bar(bar_at(NOW))
    bot.on_bar(bar_at(NOW + FIVE_MINUTES))
    assert len(broker.trailing) == 2
    assert bot.state.protections[BTC].trailing_for is None


def test_a_trailing_stop_whose_activation_is_passed_trails_at_once():
    broker = MemoryBroker()
    bot = a_bot(broker)
    bot.on_position(replace(broker.hold(BTC, "-1", "200"), mark_price=Decimal(195)))
    assert broker.trailing == [(BTC, Decimal(2), None)]


@pytest.mark.parametrize(("stop_loss", "expected"), [("202", []), (None, [(BTC, Decimal(202))])])
def test_a_short_found_without_a_stop_gets_one(stop_loss: str | None, expected: list[Any]):
    broker = MemoryBroker()
    a_bot(broker).on_position(broker.hold(BTC, "-1", "200", stop_loss=stop_loss))
    assert broker.stop_losses == expected


def test_open_positions_are_protected_at_start():
    broker = MemoryBroker()
    broker.hold(BTC, "-1", "200")
    a_bot(broker).on_start()
    assert len(broker.trailing) == 1


def test_a_target_that_is_missing_is_set_and_what_is_there_is_left_alone():
    broker = MemoryBroker()
    bot = a_bot(broker)
    for trailing_stop, take_profit in ((None, None), ("2", None), ("2", "194")):
        held = broker.hold(BTC, "-1", "200", stop_loss="202", trailing_stop=trailing_stop, take_profit=take_profit)
        bot.on_position(held)
    # 3 % below 200, asked for until it is shown
    assert broker.take_profits == [(BTC, Decimal(194))] * 2
    assert (broker.stop_losses, len(broker.trailing)) == ([], 1)


@pytest.mark.parametrize("told_by", ["on_position", "on_bar"])
def test_how_long_a_position_was_bare_ends_with_it(told_by: str):
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    bot.on_position(broker.hold(BTC, "-1", "200", stop_loss=None))
    flat = broker.hold(BTC, "0")
    bot.on_position(flat) if told_by == "on_position" else bot.on_bar(bar_at(NOW))
    broker.now += timedelta(seconds=31)
    bot.on_position(broker.hold(BTC, "-1", "200", stop_loss=None))
    assert broker.sent == []


def test_a_bot_starts_where_nobody_knows_what_is_held():
    broker = MemoryBroker(positions={BTC: None})
    a_bot(broker).on_start()
    assert (broker.trailing, broker.stop_losses) == ([], [])


@pytest.mark.parametrize("quantity", ["0", "1"])
def test_only_shorts_are_trailed(quantity: str):
    broker = MemoryBroker()
    a_bot(broker).on_position(broker.hold(BTC, quantity, "200"))
    assert broker.trailing == []


# What the trader is told.


def told(broker: MemoryBroker) -> list[str]:
    return [kind for kind, _ in broker.alerts]


def feed(bot: ShortSeller, closes: list[str], volumes: list[str] | None = None, *, start: int = 0) -> None:
    for n, close in enumerate(closes):
        bar = bar_at(NOW + (start + n) * FIVE_MINUTES, close, volume="10" if volumes is None else volumes[n])
        bot.observe(bar)
        bot.on_bar(bar)


@pytest.mark.parametrize(("last", "expected"), [("102", []), ("102.1", ["price_move"]), ("97.9", ["price_move"])])
def test_a_move_of_more_than_two_percent_in_three_bars_is_told(last: str, expected: list[str]):
    broker = MemoryBroker()
    feed(a_bot(broker), ["100", "100", "100", last])
    assert told(broker) == expected


# 2.1 % over the three bars, though only 1.1 % in the last one; and 3 % in the only bar there is
@pytest.mark.parametrize(
    ("closes", "expected"), [(["100", "101", "101", "102.1"], ["price_move"]), (["100", "103"], [])]
)
def test_the_move_is_that_of_three_bars(closes: list[str], expected: list[str]):
    broker = MemoryBroker()
    feed(a_bot(broker), closes)
    assert told(broker) == expected


def test_a_volume_is_told_as_a_multiple_and_nothing_is_no_mean():
    broker = MemoryBroker()
    bot = a_bot(broker)
    feed(bot, ["100"] * 5, ["0", "0", "0", "0", "12"])
    assert told(broker) == []
    # the mean of 0, 0, 0, 12 is 3
    feed(bot, ["100"], ["9"], start=5)
    assert broker.texts == ["BTCUSDT: volume is 3.0 times the mean of 4 bars"]


def test_a_kind_is_told_of_each_asset_by_itself():
    broker = MemoryBroker()
    bot = a_bot(broker, symbols=(BTC, ETH))
    for symbol in (BTC, ETH):
        for n, close in enumerate(["100", "100", "100", "103"]):
            bar = bar_at(NOW + n * FIVE_MINUTES, close, symbol=symbol)
            bot.observe(bar)
            bot.on_bar(bar)
    assert broker.alerts == [("price_move", BTC), ("price_move", ETH)]


@pytest.mark.parametrize(("last", "expected"), [("20", []), ("20.1", ["volume_spike"])])
def test_more_than_twice_the_mean_volume_is_told(last: str, expected: list[str]):
    broker = MemoryBroker()
    feed(a_bot(broker), ["100"] * 5, ["8", "12", "10", "10", last])
    assert told(broker) == expected


@pytest.mark.parametrize(("bars_later", "times"), [(2, 1), (3, 2)])
def test_a_kind_is_told_once_in_fifteen_minutes(bars_later: int, times: int):
    broker = MemoryBroker()
    bot = a_bot(broker)
    closes = ["100", "100", "100", "103"] + ["103"] * (bars_later - 1) + ["107"]
    feed(bot, closes)
    assert told(broker).count("price_move") == times


def test_a_change_of_regime_is_told_and_the_first_one_known_is_not():
    broker = MemoryBroker()
    bot = a_bot(broker, ema_fast_bars=3, ema_slow_bars=7, warm_up_bars=7)
    feed(bot, ["100"] * 7)
    assert "regime_change" not in told(broker)
    feed(bot, ["99"], start=7)
    assert told(broker).count("regime_change") == 1


@pytest.mark.parametrize(
    ("close", "expected"),
    # after 100, 100 the close makes fast 100 + d / 2 and slow 100 + d / 4: d = 2 gives 101 and 100.5, 0.4975 % apart;
    # d = 2.1 gives 101.05 and 100.525, 0.522 % apart
    [("102", True), ("102.1", False)],
)
def test_averages_within_half_a_percent_are_told(close: str, expected: bool):
    broker = MemoryBroker()
    bot = a_bot(broker, ema_fast_bars=3, ema_slow_bars=7, warm_up_bars=7)
    for n, seen in enumerate(["100"] * 6):
        bot.observe(bar_at(NOW + n * FIVE_MINUTES, seen))
    feed(bot, [close], start=6)
    assert ("averages_close" in told(broker)) is expected


# State over a restart, and what is refused.


def test_a_restarted_bot_decides_as_if_it_had_never_stopped():
    closes = [str(100 + (n * 37 % 23) - n // 20) for n in range(200)]
    changes = {"ema_fast_bars": 12, "ema_slow_bars": 26, "warm_up_bars": 60}
    whole, parts = MemoryBroker(), MemoryBroker()
    bot = a_bot(whole, **changes)
    feed(bot, closes)
    state = ShortSellerState()
    for n, close in enumerate(closes):
        piece = a_bot(parts, state=ShortSellerState.model_validate_json(state.model_dump_json()), **changes)
        feed(piece, [close], start=n)
        state = piece.state
    assert whole.sent == parts.sent
    assert whole.sent
    assert bot.state == state


def test_other_averages_are_warmed_up_again():
    bot = a_bot()
    assert not bot.knows(BTC)
    feed(bot, ["100"])
    assert bot.knows(BTC)
    changed = a_bot(state=bot.state, ema_fast_bars=100)
    assert not changed.knows(BTC)
    assert BTC not in changed.state.trends


@pytest.mark.parametrize("changed", [{"alert_move_bars": 2}, {"alert_volume_bars": 3}])
def test_alerts_over_other_windows_begin_anew(changed: dict[str, int]):
    bot = a_bot()
    feed(bot, ["100"] * 5)
    other = a_bot(state=bot.state, **changed)
    assert other.knows(BTC)
    assert BTC not in other.state.watches
    assert a_bot(state=bot.state).knows(BTC)


def a_wave(count: int, *, around: float) -> list[float]:
    return [around * (1 + 0.03 * ((n * 37) % 101 - 50) / 50) for n in range(count)]


def test_a_longer_history_than_the_warm_up_changes_no_decision():
    """6,000 bars are enough for an average of 600, whatever the price was before them."""
    short, long = MemoryBroker(), MemoryBroker()
    newest = a_wave(6_000, around=100)
    for broker, closes in ((short, newest), (long, a_wave(6_000, around=300) + newest)):
        bot = a_bot(broker, crosses_per_day_limit=1000)
        begins = NOW - len(closes) * FIVE_MINUTES
        for n, close in enumerate(closes, 1):
            bot.observe(bar_at(begins + n * FIVE_MINUTES, f"{close:.2f}"))
        bot.state.watches.clear()
        feed(bot, [f"{close:.2f}" for close in a_wave(300, around=99)], start=1)
    assert len(short.sent) > 20
    assert long.sent == short.sent
    assert long.texts == short.texts


def test_a_symbol_without_stops_is_refused():
    with pytest.raises(StrategyRefused, match="no stops for XRPUSDT"):
        a_bot(symbols=(Symbol("XRPUSDT"),))


# Shorts only, limits and reports.


def test_a_long_position_is_left_alone():
    broker = MemoryBroker()
    bot = ready(broker)
    broker.hold(BTC, "1", "50")
    bot.on_bar(bar_at(NOW))
    assert (broker.sent, broker.trailing) == ([], [])


def test_an_exit_that_did_not_work_leaves_the_stops_looked_after():
    broker = MemoryBroker(answer=NO)
    bot = holding_short(broker)
    bot.state.trends[BTC].regime = Regime.INACTIVE
    bot.state.protections.clear()
    bot.on_bar(bar_at(NOW))
    assert [order.reason for order in broker.sent] == [Reason.REGIME_EXIT]
    assert len(broker.trailing) == 1


def test_a_short_that_no_stop_can_be_set_for_is_closed():
    broker = MemoryBroker(stop_answer=NO)
    bot = a_bot(broker)
    held = broker.hold(BTC, "-1", "200", stop_loss=None)
    bot.on_position(held)
    broker.now += timedelta(seconds=31)
    bot.on_position(held)
    assert [order.reason for order in broker.sent] == [Reason.FLATTEN]
    assert [kind for kind, _ in broker.alerts] == ["position_unprotected", "unprotected_closed"]


def test_margin_in_use_is_that_at_the_mark_price():
    # a short of 100 from 100 that stands at 110 uses 1,100 of 2,100: 700 are left for BTC
    broker = MemoryBroker()
    broker.hold(ETH, "-100", "100", mark="110")
    ready(broker, symbols=(BTC, ETH), margin_percent_total=15).on_bar(bar_at(NOW))
    assert [order.quantity for order in broker.sent] == [Decimal(40)]


def test_the_gate_keeps_the_limits_of_the_rules():
    _, limits = split_params(ShortSeller, {})
    assert (limits.daily_loss_percent, limits.drawdown_halt_percent) == (5, 20)
    assert limits.max_bot_notional_to_equity == Decimal("2.1")


def test_the_gate_lets_the_size_rule_through_up_to_a_hundred_thousand():
    _, limits = split_params(ShortSeller, {})
    broker = MemoryBroker(funds=Decimal(100_000))
    ready(broker).on_bar(bar_at(NOW))
    (order,) = broker.sent
    assert order.quantity * 100 == limits.max_order_notional_usdt
    assert 3 * order.quantity * 100 == limits.max_bot_notional_usdt


@pytest.mark.parametrize(
    ("hour", "minute", "reports"),
    [(0, 0, 1), (8, 0, 1), (14, 30, 1), (12, 0, 0), (14, 25, 0)],
)
def test_status_reports_at_midnight_eight_and_half_past_two(hour: int, minute: int, reports: int):
    broker = MemoryBroker()
    bot = a_bot(broker)
    end = datetime(2025, 10, 15, hour, minute, tzinfo=UTC)
    for at in (end - FIVE_MINUTES, end):
        bot.on_round([bar_at(at)])
    assert told(broker).count("report") == reports


def test_a_report_left_out_by_an_outage_is_given_once_afterwards():
    broker = MemoryBroker()
    bot = a_bot(broker)
    seven = datetime(2025, 10, 15, 7, tzinfo=UTC)
    for hours in (0, 2, 3):
        bot.on_round([bar_at(seven + timedelta(hours=hours))])
    assert told(broker).count("report") == 1
    assert broker.texts[0].startswith("ShortSeller: equity 10000.00 USDT, no position; BTCUSDT unknown")
