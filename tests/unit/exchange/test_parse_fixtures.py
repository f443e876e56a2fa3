"""Every message of the fixtures folder that we may meet is read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.domain.clock import from_ms
from alpha.domain.fill import ExecType
from alpha.domain.order import OrderStatus
from alpha.domain.side import Side
from alpha.exchange.parse import (
    parse_fee_rates,
    parse_fill,
    parse_instrument,
    parse_kline_row,
    parse_order,
    parse_position,
    parse_private,
    parse_public,
    parse_wallet,
)
from tests.unit.exchange.wire import ACCOUNT, fixture, fixture_names, fixtures

# A bare position row, not a frame.
NOT_FRAMES = {"ws_account_position_with_open_time.json"}


@pytest.mark.parametrize("name", [name for name in fixture_names("ws_account_*.json") if name not in NOT_FRAMES])
def test_every_private_frame_is_read(name: str) -> None:
    fixtures()
    raw = fixture(name)
    message = parse_private(raw, ACCOUNT)
    read = [*message.fills, *message.fast, *message.orders, *message.positions, *message.wallets]
    assert len(read) == len(raw["data"])
    assert message.unreadable == ()
    assert message.created_at == from_ms(raw["creationTime"])
    assert all(getattr(item, "account", None) == ACCOUNT for item in read)


def test_a_recorded_execution() -> None:
    (fill,) = parse_private(fixture("ws_account_execution.json"), ACCOUNT).fills
    assert (fill.symbol, fill.side, fill.exec_type) == ("BTCUSDT", Side.SELL, ExecType.TRADE)
    assert (fill.price, fill.quantity, fill.fee) == (Decimal("95900.1"), Decimal("0.5"), Decimal("26.3725275"))
    assert fill.notional == fill.price * fill.quantity == Decimal("47950.05")
    assert fill.exec_time == from_ms(1746270400353)
    assert (fill.seq, fill.closed_quantity, fill.is_maker) == (140612148849382, Decimal("0.5"), False)
    assert fill.fee_currency == "USDT"  # not in the message: the settle coin
    assert fill.stop_order_type == ""  # "UNKNOWN" on the wire
    assert fill.create_type == ""  # not in the message


def test_an_execution_of_deleveraging() -> None:
    (fill,) = parse_private(fixture("ws_account_execution_adl.json"), ACCOUNT).fills
    assert fill.exec_type is ExecType.ADL
    assert fill.exec_type.moves_position
    assert fill.order_link_id == ""


def test_fast_executions_are_not_fills() -> None:
    message = parse_private(fixture("ws_account_execution_fast.json"), ACCOUNT)
    assert message.topic == "execution.fast"
    assert message.fills == ()
    assert message.fast[0].price == Decimal("12.015")
    assert parse_private(fixture("ws_account_execution_fast_envelope_id.json"), ACCOUNT).fast == ()


def test_orders_in_every_state() -> None:
    states = {
        name: parse_private(fixture(name), ACCOUNT).orders[0].status for name in fixture_names("ws_account_order*.json")
    }
    assert set(states.values()) == {
        OrderStatus.CANCELLED,
        OrderStatus.UNTRIGGERED,
        OrderStatus.FILLED,
        OrderStatus.REJECTED,
    }


def test_a_short_position_of_the_stream() -> None:
    (held,) = parse_private(fixture("ws_account_position_short.json"), ACCOUNT).positions
    assert held.position.quantity == Decimal("-0.01")
    assert held.position.entry_price == Decimal("3641.075")
    assert (held.take_profit, held.stop_loss, held.trailing_stop) == (None, None, None)  # all "0"
    assert held.liq_price == Decimal("51764.83003276")


def test_a_position_row_without_seq() -> None:
    held = parse_position(fixture("ws_account_position_with_open_time.json"), ACCOUNT)
    assert held.position.quantity == Decimal("0.1")
    assert held.seq is None


def test_the_wallet_of_the_stream() -> None:
    (wallet,) = parse_private(fixture("ws_account_wallet.json"), ACCOUNT).wallets
    assert wallet.equity == Decimal("10262.91335023")
    assert wallet.balance == Decimal("9647.75537647")  # of the settle coin
    assert wallet.available == Decimal("9556.6056555")


@pytest.mark.parametrize("name", fixture_names("http_get_executions.json"))
def test_executions_of_rest(name: str) -> None:
    fixtures()
    page = fixture(name)["result"]
    fills = [parse_fill(row, ACCOUNT, page["category"]) for row in page["list"]]
    assert [fill.fee for fill in fills] == [Decimal("0.0150"), Decimal("0.9000")]
    assert [fill.is_maker for fill in fills] == [True, False]
    assert {fill.category for fill in fills} == {"linear"}


@pytest.mark.parametrize("name", fixture_names("http_get_order*s*.json"))
def test_orders_of_rest(name: str) -> None:
    fixtures()
    body = fixture(name)
    if name == "http_get_orderbook.json":
        pytest.skip("not orders")
    orders = [parse_order(row, ACCOUNT, "linear") for row in body["result"]["list"]]
    assert orders
    for parsed in orders:
        assert parsed.price is None or parsed.price > 0
        assert parsed.trigger_price is None or parsed.trigger_price > 0


@pytest.mark.parametrize("name", fixture_names("http_get_positions*.json"))
def test_positions_of_rest(name: str) -> None:
    fixtures()
    for row in fixture(name)["result"]["list"]:
        held = parse_position(row, ACCOUNT, "linear")
        assert held.position.size == Decimal(row["size"])
        assert held.position.entry_price == (Decimal(row["avgPrice"]) if held.position.size else 0)


@pytest.mark.parametrize("name", fixture_names("http_get_wallet_balance*.json"))
def test_wallets_of_rest(name: str) -> None:
    fixtures()
    row = fixture(name)["result"]["list"][0]
    wallet = parse_wallet(row, ACCOUNT)
    assert wallet.equity == Decimal(row["totalEquity"])
    assert len(wallet.coins) == len(row["coin"])


@pytest.mark.parametrize("name", fixture_names("http_get_instruments_linear*.json"))
def test_linear_instruments(name: str) -> None:
    fixtures()
    for row in fixture(name)["result"]["list"]:
        instrument = parse_instrument(row)
        assert instrument.tick_size == Decimal(row["priceFilter"]["tickSize"])
        assert instrument.max_market_quantity > 0  # one of them names no limit of its own


def test_fee_rates_and_bars() -> None:
    rates = dict(parse_fee_rates(row) for row in fixture("http_get_fee_rate.json")["result"]["list"])
    assert rates["SOLUSDT"].taker == Decimal("0.00075")  # type: ignore[index]
    page = fixture("http_get_klines_linear.json")["result"]
    bar = parse_kline_row(page["list"][0], page["symbol"], parse_public(fixture("ws_kline.json")).bars[0].bar.interval)
    assert (bar.open, bar.close, bar.turnover) == (Decimal(27450), Decimal(27455), Decimal(3390000))


def test_public_frames() -> None:
    kline = parse_public(fixture("ws_kline.json"))
    assert kline.bars[0].bar.low == Decimal(16608)
    assert not kline.bars[0].is_closed
    assert kline.bars[0].bar.end == from_ms(1672325100000)  # the message's end is one millisecond before
    ticker = parse_public(fixture("ws_ticker_linear.json"))
    assert ticker.ticker is not None
    assert not ticker.is_delta
    assert ticker.ticker.mark_price == Decimal("17217.33")
    assert ticker.ticker.funding_rate == Decimal("-0.000212")
