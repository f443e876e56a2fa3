"""What a trader does with pybit, as it is published: each flow until it is filled and flat.

The numbers of pybit are those of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pybit.unified_trading import HTTP

from tests.exchange_process import ExchangeProcess
from tests.integration.client.real_clients import SYMBOL, Truth, run_until_flat
from tests.integration.exchange.clients import LINEAR, Heard, client, private_socket, public_socket, refusal_of
from tests.support import eventually

NAMES = [f"trader_{number}" for number in range(12)]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One market for the module; every test has an account of its own."""
    folder = tmp_path_factory.mktemp("exchange")
    with ExchangeProcess(folder, accounts=NAMES, speed=1_000_000, lockstep="off") as process:
        yield process


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return iter(NAMES)


@pytest.fixture
def account(names: Iterator[str]) -> str:
    return next(names)


@pytest.fixture
def http(exchange: ExchangeProcess, account: str) -> HTTP:
    return client(exchange, account)


@pytest.fixture
def truth(exchange: ExchangeProcess, account: str) -> Truth:
    return Truth(exchange, account)


def place(http: HTTP, side: str, quantity: str = "0.010", **more: Any) -> str:
    """The id of the order."""
    request = {"orderType": "Market", **more}
    answer = http.place_order(**LINEAR, symbol=SYMBOL, side=side, qty=quantity, **request)
    order_id: str = answer["result"]["orderId"]
    return order_id


def order(http: HTTP, order_id: str) -> dict[str, Any]:
    row: dict[str, Any] = http.get_open_orders(**LINEAR, symbol=SYMBOL, orderId=order_id)["result"]["list"][0]
    return row


def price(http: HTTP, times: str = "1", symbol: str = SYMBOL) -> str:
    """A multiple of the last price, on the tick of 0.1."""
    last = Decimal(http.get_tickers(**LINEAR, symbol=symbol)["result"]["list"][0]["lastPrice"])
    return str((last * Decimal(times)).quantize(Decimal("0.1")))


def position(http: HTTP) -> dict[str, Any]:
    (row,) = http.get_positions(**LINEAR, symbol=SYMBOL)["result"]["list"]
    found: dict[str, Any] = row
    return found


def coin(http: HTTP) -> dict[str, Any]:
    (row,) = http.get_wallet_balance(accountType="UNIFIED", coin="USDT")["result"]["list"][0]["coin"]
    found: dict[str, Any] = row
    return found


def every(page: Callable[..., Any], **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, page by page, in the order in which they come."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        result = page(**query, **({"cursor": cursor} if cursor else {}))["result"]
        rows += result["list"]
        cursor = result["nextPageCursor"]
        if not cursor:
            return rows


def check_flat(http: HTTP, truth: Truth) -> None:
    """Position, executions, log, closed P&L and wallet of pybit say what the engine did."""
    held = position(http)
    assert (held["side"], held["size"]) == ("", "0")
    executions = every(http.get_executions, **LINEAR, symbol=SYMBOL, limit=3)
    # Newest first; those of one millisecond in any order.
    assert [row["execTime"] for row in executions] == sorted((row["execTime"] for row in executions), reverse=True)
    assert sorted(row["execId"] for row in executions if row["execType"] != "Funding") == sorted(
        line["exec_id"] for line in truth.fills()
    )
    assert sum(Decimal(row["execFee"]) for row in executions if row["execType"] != "Funding") == truth.fees()
    wallet = Decimal(coin(http)["walletBalance"])
    assert wallet == truth.flat_balance() == truth.balance()
    log = every(http.get_transaction_log, limit=3)
    assert sum(Decimal(row["change"]) for row in log if row["type"] != "TRANSFER_IN") == wallet - 10_000
    newest = [row for row in log if row["transactionTime"] == log[0]["transactionTime"]]
    assert wallet in [Decimal(row["cashBalance"]) for row in newest]
    funding = sum(Decimal(line["fee"]) for line in truth.funding())
    closed = every(http.get_closed_pnl, **LINEAR, symbol=SYMBOL)
    assert sum(Decimal(row["closedPnl"]) for row in closed) - funding == wallet - 10_000


def test_the_market_is_the_same_over_http_and_the_stream(exchange: ExchangeProcess, http: HTTP) -> None:
    heard = Heard()
    with public_socket(exchange) as socket:
        # Trades have no first frame. Requests of one socket are answered in their order, so those are subscribed to
        # before the others are.
        socket.trade_stream(SYMBOL, heard)
        socket.kline_stream(5, SYMBOL, heard)
        socket.ticker_stream(SYMBOL, heard)
        socket.orderbook_stream(50, SYMBOL, heard)
        topics = {f"kline.5.{SYMBOL}", f"tickers.{SYMBOL}", f"orderbook.50.{SYMBOL}"}
        eventually(lambda: topics <= {frame["topic"] for frame in heard.frames()}, what="the first frames")
        exchange.admin.run(3)
        eventually(lambda: heard.rows("publicTrade"), what="public trades")

        def closed() -> list[dict[str, Any]]:
            return [row for row in heard.rows("kline") if row["confirm"]]

        eventually(lambda: len(closed()) >= 3, what="3 closed candles")
        bars = http.get_kline(**LINEAR, symbol=SYMBOL, interval=5, limit=10)["result"]["list"]
        streamed = [[str(row[name]) for name in ("start", "open", "high", "low", "close")] for row in closed()]
        rows = {bar[0]: bar[:5] for bar in bars}
        assert [rows[bar[0]] for bar in streamed[-3:]] == streamed[-3:]
        ticker = http.get_tickers(**LINEAR, symbol=SYMBOL)["result"]["list"][0]
        eventually(lambda: heard.rows("tickers")[-1]["lastPrice"] == ticker["lastPrice"], what="the last price")
        book = http.get_orderbook(**LINEAR, symbol=SYMBOL, limit=50)["result"]

        def streamed_book() -> dict[str, Any]:
            row: dict[str, Any] = heard.rows("orderbook")[-1]
            return {
                "b": sorted(row["b"], key=lambda level: -Decimal(level[0])),
                "a": sorted(row["a"], key=lambda level: Decimal(level[0])),
            }

        eventually(lambda: streamed_book() == {"b": book["b"], "a": book["a"]}, what="the book of the stream")
        assert Decimal(book["b"][0][0]) < Decimal(book["a"][0][0])
        trades = http.get_public_trade_history(**LINEAR, symbol=SYMBOL, limit=1000)["result"]["list"]
        assert {row["i"] for row in heard.rows("publicTrade")} <= {row["execId"] for row in trades}


def test_candles_of_every_interval_and_price(http: HTTP) -> None:
    for interval in ("5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M"):
        rows = http.get_kline(**LINEAR, symbol=SYMBOL, interval=interval, limit=3)["result"]["list"]
        assert rows, interval
        assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    for page in (http.get_mark_price_kline, http.get_index_price_kline):
        assert page(**LINEAR, symbol=SYMBOL, interval=5, limit=3)["result"]["list"]
    assert http.get_open_interest(**LINEAR, symbol=SYMBOL, intervalTime="1h", limit=2)["result"]["list"]
    assert http.get_risk_limit(**LINEAR, symbol=SYMBOL)["result"]["list"]
    assert http.get_funding_rate_history(**LINEAR, symbol=SYMBOL, limit=2)["result"]["list"]


def test_an_order_rests_is_amended_and_cancelled(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    placed = place(http, "Buy", orderType="Limit", price=price(http, "0.9"), orderLinkId="rests")
    exchange.admin.run(1)
    http.amend_order(**LINEAR, symbol=SYMBOL, orderId=placed, qty="0.020", price=price(http, "0.91"))
    amended = order(http, placed)
    assert (amended["orderStatus"], amended["qty"], amended["orderLinkId"]) == ("New", "0.02", "rests")
    assert Decimal(coin(http)["totalOrderIM"]) > 0
    assert refusal_of(http.place_order, **LINEAR, symbol=SYMBOL, side="Buy", orderType="Limit", qty="0.010",
                      price=price(http, "0.9"), orderLinkId="rests") == 110072  # fmt: skip
    http.cancel_order(**LINEAR, symbol=SYMBOL, orderLinkId="rests")
    exchange.admin.run(1)
    assert order(http, placed)["orderStatus"] == "Cancelled"
    assert refusal_of(http.cancel_order, **LINEAR, symbol=SYMBOL, orderId=placed) == 110001
    assert http.get_open_orders(**LINEAR, symbol=SYMBOL)["result"]["list"] == []
    assert not truth.fills()
    assert Decimal(coin(http)["totalOrderIM"]) == 0


def test_a_round_trip_is_told_by_the_streams_as_by_http(
    exchange: ExchangeProcess, account: str, http: HTTP, truth: Truth
) -> None:
    heard = Heard()
    with private_socket(exchange, account) as socket:
        for subscribe in (socket.order_stream, socket.execution_stream, socket.position_stream, socket.wallet_stream):
            subscribe(heard)
        eventually(lambda: len(exchange.admin.state()["accounts"][account]["sockets"][0]) == 4, what="4 topics")
        place(http, "Buy", "0.030", orderLinkId="in")
        exchange.admin.run(1)
        assert Decimal(position(http)["size"]) == truth.position() == Decimal("0.030")
        assert position(http)["avgPrice"] == order(http, truth.fills()[0]["order_id"])["avgPrice"]
        place(http, "Sell", "0.030", reduceOnly=True, orderLinkId="out")
        exchange.admin.run(1)
        eventually(lambda: len(heard.rows("execution")) >= len(truth.fills()), what="all executions")
        eventually(lambda: heard.rows("position") and heard.rows("position")[-1]["size"] == "0", what="flat")
        eventually(lambda: heard.rows("wallet")[-1]["coin"][0]["walletBalance"] == coin(http)["walletBalance"])
    # then the executions of the stream are the engine's, and each order ends as http has it
    assert [row["execId"] for row in heard.rows("execution")] == [line["exec_id"] for line in truth.fills()]
    for link_id in ("in", "out"):
        last = [row for row in heard.rows("order") if row["orderLinkId"] == link_id][-1]
        (kept,) = http.get_order_history(**LINEAR, orderLinkId=link_id)["result"]["list"]
        assert {name: last[name] for name in kept} == kept
        assert last["orderStatus"] == "Filled"
    check_flat(http, truth)


def test_a_conditional_order_enters_and_the_stops_of_the_position_leave(
    exchange: ExchangeProcess, http: HTTP, truth: Truth
) -> None:
    entry = place(http, "Buy", triggerPrice=price(http, "1.001"), triggerDirection=1, orderLinkId="breakout",
                  takeProfit=price(http, "1.004"), stopLoss=price(http, "0.998"))  # fmt: skip
    assert (order(http, entry)["orderStatus"], order(http, entry)["stopOrderType"]) == ("Untriggered", "Stop")
    for _ in range(400):
        exchange.admin.run(1)
        if truth.fills():
            break
    assert truth.fills()[0]["order_id"] == entry
    run_until_flat(exchange, truth)
    assert order(http, entry)["orderStatus"] == "Filled"
    left = every(http.get_executions, **LINEAR, symbol=SYMBOL)[0]
    assert left["createType"] in ("CreateByTakeProfit", "CreateByStopLoss")
    assert left["stopOrderType"] in ("TakeProfit", "StopLoss")
    assert left["orderLinkId"] == ""
    assert http.get_open_orders(**LINEAR, symbol=SYMBOL)["result"]["list"] == []
    check_flat(http, truth)


def test_a_trailing_stop_follows_the_price_and_closes(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    place(http, "Sell", "0.020")
    exchange.admin.run(1)
    distance = price(http, "0.002")
    http.set_trading_stop(**LINEAR, symbol=SYMBOL, positionIdx=0, trailingStop=distance, tpslMode="Full")
    assert position(http)["trailingStop"] == distance
    run_until_flat(exchange, truth)
    left = every(http.get_executions, **LINEAR, symbol=SYMBOL)[0]
    assert (left["createType"], left["stopOrderType"]) == ("CreateByTrailingStop", "TrailingStop")
    check_flat(http, truth)


def test_partial_stops_take_their_part_of_the_position(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    place(http, "Buy", "0.020")
    exchange.admin.run(1)
    http.set_trading_stop(**LINEAR, symbol=SYMBOL, positionIdx=0, tpslMode="Partial", takeProfit=price(http, "1.002"),
                          stopLoss=price(http, "0.998"), tpSize="0.005", slSize="0.005")  # fmt: skip
    for _ in range(400):
        exchange.admin.run(1)
        if len(truth.fills()) > 1:
            break
    assert truth.position() == Decimal("0.015")
    assert Decimal(position(http)["size"]) == Decimal("0.015")
    place(http, "Sell", "0.015", reduceOnly=True)
    exchange.admin.run(1)
    check_flat(http, truth)


def test_hedge_mode_holds_both_sides_at_once(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    http.switch_position_mode(**LINEAR, symbol=SYMBOL, mode=3)
    assert refusal_of(http.switch_position_mode, **LINEAR, symbol=SYMBOL, mode=3) == 110025
    assert refusal_of(http.place_order, **LINEAR, symbol=SYMBOL, side="Buy", orderType="Market", qty="0.010") == 10001
    place(http, "Buy", "0.030", positionIdx=1)
    place(http, "Sell", "0.010", positionIdx=2)
    exchange.admin.run(1)
    rows = {row["positionIdx"]: row for row in http.get_positions(**LINEAR, symbol=SYMBOL)["result"]["list"]}
    assert {index: (row["side"], row["size"]) for index, row in rows.items()} == {
        1: ("Buy", "0.03"),
        2: ("Sell", "0.01"),
    }
    assert refusal_of(http.switch_position_mode, **LINEAR, symbol=SYMBOL, mode=0) == 110024
    place(http, "Sell", "0.030", positionIdx=1, reduceOnly=True)
    place(http, "Buy", "0.010", positionIdx=2, reduceOnly=True)
    exchange.admin.run(1)
    rows = {row["positionIdx"]: row for row in http.get_positions(**LINEAR, symbol=SYMBOL)["result"]["list"]}
    assert {row["size"] for row in rows.values()} == {"0"}
    http.switch_position_mode(**LINEAR, symbol=SYMBOL, mode=0)
    check_flat(http, truth)


def test_batches_place_amend_and_cancel(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    wanted = [
        {"symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.010", "price": price(http, times),
         "orderLinkId": f"batch-{number}"}
        for number, times in enumerate(("0.9", "0.91"))
    ]  # fmt: skip
    wanted.append({"symbol": SYMBOL, "side": "Buy", "orderType": "Market", "qty": "0.010", "orderLinkId": "batch-in"})
    wanted.append({**wanted[0]})
    answer = http.place_batch_order(category="linear", request=wanted)
    assert [row["code"] for row in answer["retExtInfo"]["list"]] == [0, 0, 0, 110072]
    assert [bool(row["orderId"]) for row in answer["result"]["list"]] == [True, True, True, False]
    exchange.admin.run(1)
    assert truth.position() == Decimal("0.010")
    amended = http.amend_batch_order(
        category="linear",
        request=[{"symbol": SYMBOL, "orderLinkId": "batch-0", "qty": "0.015"}, {"symbol": SYMBOL, "orderId": "none"}],
    )
    assert [row["code"] == 0 for row in amended["retExtInfo"]["list"]] == [True, False]
    assert order(http, answer["result"]["list"][0]["orderId"])["qty"] == "0.015"
    cancelled = http.cancel_batch_order(
        category="linear",
        request=[{"symbol": SYMBOL, "orderLinkId": f"batch-{number}"} for number in range(2)],
    )
    assert [row["code"] for row in cancelled["retExtInfo"]["list"]] == [0, 0]
    place(http, "Sell", reduceOnly=True)
    exchange.admin.run(1)
    assert http.get_open_orders(**LINEAR, symbol=SYMBOL)["result"]["list"] == []
    check_flat(http, truth)


def test_funding_is_an_execution_and_a_row_of_the_log(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    place(http, "Buy", "0.100")
    exchange.admin.run(96)  # 8 hours of 5 minutes
    (paid,) = truth.funding()
    (row,) = http.get_executions(**LINEAR, symbol=SYMBOL, execType="Funding")["result"]["list"]
    assert (row["execId"], Decimal(row["execFee"])) == (paid["exec_id"], Decimal(paid["fee"]))
    rates = http.get_funding_rate_history(**LINEAR, symbol=SYMBOL, limit=1)["result"]["list"][0]
    assert rates["fundingRateTimestamp"] == row["execTime"]
    assert Decimal(row["feeRate"]) == Decimal(rates["fundingRate"])
    (logged,) = http.get_transaction_log(type="SETTLEMENT")["result"]["list"]
    assert Decimal(logged["funding"]) == -Decimal(paid["fee"])
    place(http, "Sell", "0.100", reduceOnly=True)
    exchange.admin.run(1)
    check_flat(http, truth)


def test_margin_and_leverage(exchange: ExchangeProcess, http: HTTP, truth: Truth) -> None:
    http.set_leverage(**LINEAR, symbol=SYMBOL, buyLeverage="7", sellLeverage="7")
    assert refusal_of(http.set_leverage, **LINEAR, symbol=SYMBOL, buyLeverage="7", sellLeverage="7") == 110043
    http.set_margin_mode(setMarginMode="ISOLATED_MARGIN")
    assert http.get_account_info()["result"]["marginMode"] == "ISOLATED_MARGIN"
    place(http, "Buy", "0.020")
    exchange.admin.run(1)
    held = position(http)
    assert held["leverage"] == "7"
    assert Decimal(held["liqPrice"]) < Decimal(held["avgPrice"])
    place(http, "Sell", "0.020", reduceOnly=True)
    exchange.admin.run(1)
    check_flat(http, truth)
