"""What the wire may say in several ways, and what must not be read at all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.clock import EPOCH, from_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.domain.position import FLAT
from alpha.domain.side import Side
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import (
    infer_position_idx,
    interval_from_wire,
    interval_to_wire,
    parse_fill,
    parse_order,
    parse_position,
    parse_private,
    parse_public,
    parse_wallet,
)
from alpha.exchange.settle_coin import settle_coin
from alpha.exchange.ticker import Ticker
from tests.unit.exchange.wire import ACCOUNT, execution, frame, order, position


@pytest.mark.parametrize("unset", ["", "0", "0.00", None])
def test_an_unset_price_is_none_however_it_is_said(unset: str | None) -> None:
    parsed = parse_order(order(price=unset, avgPrice=unset, triggerPrice=unset, stopLoss=unset), ACCOUNT)
    assert (parsed.price, parsed.average_price, parsed.trigger_price, parsed.stop_loss) == (None, None, None, None)


@pytest.mark.parametrize("unset", ["", "UNKNOWN"])
def test_an_unset_enum_is_empty_however_it_is_said(unset: str) -> None:
    parsed = parse_order(order(stopOrderType=unset, cancelType=unset, rejectReason="EC_NoError"), ACCOUNT)
    assert (parsed.stop_order_type, parsed.cancel_type, parsed.reject_reason) == ("", "", "")
    assert parse_fill(execution(stopOrderType=unset), ACCOUNT).stop_order_type == ""


@pytest.mark.parametrize("side", ["", "None"])
def test_a_flat_position_has_no_side(side: str) -> None:
    flat = parse_position(position(side=side, size="0", entryPrice="0", liqPrice="0", updatedTime=""), ACCOUNT)
    assert flat.position == FLAT
    assert flat.liq_price is None
    assert flat.updated_at == EPOCH


def test_the_entry_price_has_two_names() -> None:
    streamed = position()
    listed = {name: value for name, value in streamed.items() if name not in ("entryPrice", "category")}
    listed["avgPrice"] = streamed["entryPrice"]
    assert parse_position(streamed, ACCOUNT) == parse_position(listed, ACCOUNT, "linear")


def test_one_execution_is_the_same_fill_from_stream_and_rest() -> None:
    streamed = execution()
    listed = {name: value for name, value in streamed.items() if name not in ("category", "execPnl", "isLeverage")}
    listed |= {"feeCurrency": "", "stopOrderType": "", "extraFees": ""}
    assert parse_fill(streamed, ACCOUNT) == parse_fill(listed, ACCOUNT, "linear")


def test_funding_reports_the_position_and_moves_nothing() -> None:
    funding = parse_fill(
        execution(execType="Funding", orderType="UNKNOWN", createType="", orderLinkId="", execFee="-0.03"), ACCOUNT
    )
    assert funding.exec_type is ExecType.FUNDING
    assert funding.position_change == 0
    assert funding.fee == Decimal("-0.03")  # received


@pytest.mark.parametrize(
    ("side", "closed", "idx"),
    [("Buy", "0", 1), ("Sell", "0.003", 1), ("Sell", "0", 2), ("Buy", "0.003", 2), ("Buy", "", 1)],
)
def test_the_position_row_of_a_fill_in_hedge_mode(side: str, closed: str, idx: int) -> None:
    fill = parse_fill(execution(side=side, closedSize=closed), ACCOUNT)
    assert infer_position_idx(fill, hedge=True) == idx
    assert infer_position_idx(fill, hedge=False) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"execType": "CorporateAction"},
        {"execPrice": ""},
        {"execPrice": "0"},
        {"execPrice": "NaN"},
        {"execPrice": 100000.1},
        {"execQty": "-1"},
        {"execQty": "much"},
        {"execTime": ""},
        {"execTime": "9" * 30},
        {"execId": ""},
        {"side": "None"},
        {"isMaker": "false"},
        {"seq": None},
        {"execFee": None},
        {"category": "spot", "feeCurrency": ""},
    ],
    ids=str,
)
def test_an_execution_that_cannot_be_read_is_kept_raw(changes: dict[str, Any]) -> None:
    raw = execution(**changes)
    with pytest.raises(UnknownMessage) as caught:
        parse_fill(raw, ACCOUNT)
    assert caught.value.raw is raw
    assert caught.value.reason.startswith("execution: ")


@pytest.mark.parametrize("name", ["execId", "execType", "execFee", "execTime", "seq", "symbol", "isMaker"])
def test_a_missing_field_is_named(name: str) -> None:
    raw = execution()
    del raw[name]
    with pytest.raises(UnknownMessage, match=f"field '{name}' is missing"):
        parse_fill(raw, ACCOUNT)


def test_one_bad_entry_does_not_hold_up_the_good_ones_beside_it() -> None:
    bad = execution(execId="b", execType="Lottery")
    message = parse_private(frame("execution", execution(execId="a"), bad, execution(execId="c")), ACCOUNT)
    assert [fill.exec_id for fill in message.fills] == ["a", "c"]
    (unreadable,) = message.unreadable
    assert unreadable.raw is bad
    assert "Lottery" in unreadable.reason


def test_topics_of_one_category_are_the_same_topics() -> None:
    entry = execution()
    del entry["category"]
    message = parse_private(frame("execution.linear", entry), ACCOUNT)
    assert message.topic == "execution"
    assert message.fills[0].category == "linear"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"topic": "execution"},
        {"topic": "execution", "creationTime": 1, "data": None},
        {"topic": "execution", "creationTime": "soon", "data": []},
        {"topic": "execution", "creationTime": 1, "data": "[]"},
        {"topic": "greeks", "creationTime": 1, "data": []},
        {"topic": 5, "creationTime": 1, "data": []},
        ["topic", "execution"],
        None,
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_read(raw: Any) -> None:
    with pytest.raises(UnknownMessage) as caught:
        parse_private(raw, ACCOUNT)
    assert caught.value.raw is raw


@pytest.mark.parametrize("entry", [None, "text", 5, [], {}], ids=str)
@pytest.mark.parametrize("topic", ["execution", "execution.fast", "order", "position", "wallet"])
def test_an_entry_of_any_shape_is_kept_raw(topic: str, entry: Any) -> None:
    message = parse_private(frame(topic, entry), ACCOUNT)
    assert [error.raw for error in message.unreadable] == [entry]


def test_a_held_position_needs_a_side_and_an_entry_price() -> None:
    for changes in ({"side": ""}, {"entryPrice": "0"}, {"size": ""}):
        with pytest.raises(UnknownMessage):
            parse_position(position(**changes), ACCOUNT)


def test_what_is_free_in_isolated_margin_mode_is_counted_from_the_coin() -> None:
    coin = {"coin": "USDT", "equity": "100", "walletBalance": "100", "totalOrderIM": "5", "totalPositionIM": "20"}
    wallet = parse_wallet({"totalEquity": "100", "totalAvailableBalance": "", "coin": [coin]}, ACCOUNT)
    assert wallet.available == Decimal(75)  # 100 - 20 - 5


def test_a_ticker_delta_changes_what_it_mentions() -> None:
    def push(kind: str, **data: str) -> Ticker:
        message = parse_public(
            {"topic": "tickers.BTCUSDT", "type": kind, "ts": 1, "data": {"symbol": "BTCUSDT"} | data}
        )
        assert message.is_delta is (kind == "delta")
        assert message.ticker is not None
        return message.ticker

    ticker = push("snapshot", lastPrice="10", markPrice="11", fundingRate="0").updated(push("delta", markPrice="12"))
    assert (ticker.last_price, ticker.mark_price, ticker.funding_rate) == (Decimal(10), Decimal(12), Decimal(0))


def test_a_bar_that_cannot_be_is_unknown() -> None:
    entry = {"start": 0, "open": "10", "high": "9", "low": "8", "close": "9", "volume": "1", "turnover": "9"}
    with pytest.raises(UnknownMessage, match="cannot be"):
        parse_public({"topic": "kline.5.BTCUSDT", "type": "snapshot", "ts": 1, "data": [entry | {"confirm": True}]})


def test_intervals_have_the_exchanges_names() -> None:
    for minutes, name in ((1, "1"), (5, "5"), (60, "60"), (240, "240"), (1440, "D")):
        assert interval_to_wire(timedelta(minutes=minutes)) == name
        assert interval_from_wire(name) == timedelta(minutes=minutes)
    with pytest.raises(InvalidValue):
        interval_to_wire(timedelta(minutes=7))
    with pytest.raises(InvalidValue):
        interval_from_wire("M")


@pytest.mark.parametrize(
    ("category", "symbol", "coin"),
    [
        ("linear", "BTCUSDT", "USDT"),
        ("linear", "BTCUSDT-26DEC25", "USDT"),
        ("linear", "BTCPERP", "USDC"),
        ("linear", "ETH-26DEC25", "USDC"),
        ("inverse", "BTCUSD", "BTC"),
    ],
)
def test_the_settle_coin(category: str, symbol: str, coin: str) -> None:
    assert settle_coin(category, Symbol(symbol)) == coin


def test_times_and_sides_of_a_fill() -> None:
    fill = parse_fill(execution(), ACCOUNT)
    assert fill.exec_time == from_ms(1795219423779)
    assert fill.side is Side.BUY
    assert fill.position_change == Decimal("0.003")
