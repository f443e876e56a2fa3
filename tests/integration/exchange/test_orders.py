from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client, last_price, refusal_of, sell

ETH = "ETHUSDT"


def test_a_market_order_is_filled_at_the_next_bar_and_closed_again(exchange: ExchangeProcess) -> None:
    # given
    http = client(exchange)
    before = Decimal(_wallet(http)["walletBalance"])
    # when
    placed = buy(http, "0.010", orderLinkId="round-trip-1")
    waiting = http.get_open_orders(**LINEAR, orderLinkId="round-trip-1")["result"]["list"][0]
    exchange.admin.run(1)
    # then
    assert waiting["orderStatus"] == "New"
    assert waiting["orderId"] == placed["orderId"]
    order = http.get_order_history(**LINEAR, orderLinkId="round-trip-1")["result"]["list"][0]
    assert (order["orderStatus"], order["cumExecQty"], order["leavesQty"]) == ("Filled", "0.01", "0")
    position = http.get_positions(**LINEAR, symbol=BTC)["result"]["list"][0]
    assert (position["side"], position["size"], position["avgPrice"]) == ("Buy", "0.01", order["avgPrice"])
    # when
    sell(http, "0.010", reduceOnly=True, orderLinkId="round-trip-2")
    exchange.admin.run(1)
    # then
    position = http.get_positions(**LINEAR, symbol=BTC)["result"]["list"][0]
    assert (position["side"], position["size"]) == ("", "0")
    assert BTC not in [row["symbol"] for row in http.get_positions(**LINEAR, settleCoin="USDT")["result"]["list"]]
    fills = [
        row
        for link_id in ("round-trip-1", "round-trip-2")
        for row in http.get_executions(**LINEAR, orderLinkId=link_id)["result"]["list"]
    ]
    value = sum(Decimal(row["execValue"]) * (1 if row["side"] == "Sell" else -1) for row in fills)
    fees = sum(Decimal(row["execFee"]) for row in fills)
    assert Decimal(_wallet(http)["walletBalance"]) == before + value - fees


def test_stops_of_the_entry_protect_the_position_and_end_with_it(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    price = last_price(http, ETH)
    sell(http, "0.10", ETH, stopLoss=f"{price * 1.05:.2f}", takeProfit=f"{price * 0.9:.2f}", orderLinkId="stops-1")
    exchange.admin.run(1)
    stops = http.get_open_orders(**LINEAR, symbol=ETH)["result"]["list"]
    assert {stop["stopOrderType"]: stop["orderStatus"] for stop in stops} == {
        "StopLoss": "Untriggered",
        "TakeProfit": "Untriggered",
    }
    assert {stop["parentOrderLinkId"] for stop in stops} == {"stops-1"}
    trailing: dict[str, Any] = {"tpslMode": "Full", "positionIdx": 0, "trailingStop": "50"}
    http.set_trading_stop(**LINEAR, symbol=ETH, **trailing)
    assert refusal_of(http.set_trading_stop, **LINEAR, symbol=ETH, **trailing) == 34040
    assert http.get_positions(**LINEAR, symbol=ETH)["result"]["list"][0]["trailingStop"] == "50"
    buy(http, "0.10", ETH, reduceOnly=True)
    exchange.admin.run(1)
    assert http.get_open_orders(**LINEAR, symbol=ETH)["result"]["list"] == []
    cancelled = http.get_order_history(**LINEAR, symbol=ETH, orderStatus="Cancelled")["result"]["list"]
    assert {order["cancelType"] for order in cancelled} <= {
        "CancelByTpSlTsClear",
        "CancelByReduceOnly",
        "CancelByOCOTpCanceledBySlTriggered",
    }


def test_a_resting_order_can_be_amended_and_cancelled(exchange: ExchangeProcess) -> None:
    http = client(exchange, "shortseller")
    price = f"{last_price(http) * 0.985:.0f}"
    order = {**LINEAR, "symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": price}
    first = http.place_order(**order, orderLinkId="resting-1", timeInForce="PostOnly")["result"]
    http.amend_order(**LINEAR, symbol=BTC, orderId=first["orderId"], qty="0.02")
    shown = http.get_open_orders(**LINEAR, symbol=BTC)["result"]["list"][0]
    assert (shown["orderLinkId"], shown["qty"], shown["price"], shown["timeInForce"]) == (
        "resting-1",
        "0.02",
        price,
        "PostOnly",
    )
    assert http.cancel_order(**LINEAR, symbol=BTC, orderLinkId="resting-1")["result"] == first
    assert refusal_of(http.cancel_order, **LINEAR, symbol=BTC, orderLinkId="resting-1") == 110001
    assert refusal_of(http.amend_order, **LINEAR, symbol=BTC, orderLinkId="resting-1", qty="0.03") == 110001
    http.place_order(**order, orderLinkId="resting-2")
    cancelled = http.cancel_all_orders(**LINEAR, settleCoin="USDT")["result"]
    assert [row["orderLinkId"] for row in cancelled["list"]] == ["resting-2"]
    assert cancelled["success"] == "1"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"qty": "0.0015"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"qty": "abc"}, 10001),
        ({"qty": "1e999999"}, 10001),
        ({"qty": None}, 10001),
        ({"side": "Up"}, 10001),
        ({"orderType": "Iceberg"}, 10001),
        ({"symbol": "NOPEUSDT"}, 10001),
        ({"orderType": "Limit"}, 10001),
        ({"orderType": "Limit", "price": "100000.05"}, 10001),
        ({"orderType": "Limit", "price": "1"}, 110003),
        ({"positionIdx": 1}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"reduceOnly": True}, 110017),
        ({"qty": "400"}, 110007),
        ({"triggerPrice": "90000"}, 10001),
        ({"category": "inverse"}, 10001),
    ],
)
def test_orders_that_cannot_be_are_refused_with_bybits_code(
    exchange: ExchangeProcess, change: dict[str, Any], code: int
) -> None:
    http = client(exchange, "shortseller")
    order = {**LINEAR, "symbol": BTC, "side": "Sell", "orderType": "Market", "qty": "0.001", **change}
    assert refusal_of(http.place_order, **order) == code


def test_an_order_below_the_smallest_notional_is_refused(exchange: ExchangeProcess) -> None:
    # one XRP is worth about 2.3 USDT, and 5 are the least
    http = client(exchange, "shortseller")
    assert last_price(http, "XRPUSDT") < 4
    assert refusal_of(sell, http=http, quantity="1", symbol="XRPUSDT") == 110094


def test_a_repeated_order_link_id_is_a_duplicate_whatever_became_of_the_first(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    buy(http, "0.001", orderLinkId="only-once")
    assert refusal_of(buy, http=http, quantity="0.001", orderLinkId="only-once") == 110072
    exchange.admin.run(1)
    assert refusal_of(buy, http=http, quantity="0.001", orderLinkId="only-once") == 110072
    sell(http, "0.001", reduceOnly=True)
    exchange.admin.run(1)


def test_leverage_and_position_mode_answer_as_bybit_does(exchange: ExchangeProcess) -> None:
    http = client(exchange, "shortseller")
    leverage = {**LINEAR, "symbol": "SOLUSDT"}
    assert http.set_leverage(**leverage, buyLeverage="7", sellLeverage="7")["result"] == {}
    assert refusal_of(http.set_leverage, **leverage, buyLeverage="7", sellLeverage="7") == 110043
    assert refusal_of(http.set_leverage, **leverage, buyLeverage="7", sellLeverage="8") == 10001
    assert refusal_of(http.set_leverage, **leverage, buyLeverage="101", sellLeverage="101") == 110013
    assert http.get_positions(**leverage)["result"]["list"][0]["leverage"] == "7"
    assert refusal_of(http.switch_position_mode, **LINEAR, symbol=BTC, mode=0) == 110025
    assert http.switch_position_mode(**LINEAR, symbol=BTC, mode=3)["result"] == {}
    assert http.switch_position_mode(**LINEAR, symbol=BTC, mode=0)["result"] == {}


def test_account_endpoints_answer(exchange: ExchangeProcess) -> None:
    http = client(exchange, "shortseller")
    wallet = http.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    assert wallet["accountType"] == "UNIFIED"
    assert wallet["coin"][0]["coin"] == "USDT"
    coins = http.get_wallet_balance(accountType="UNIFIED", coin="BTC,USDT")["result"]["list"][0]["coin"]
    assert [(coin["coin"], coin["walletBalance"] != "0") for coin in coins] == [("BTC", False), ("USDT", True)]
    assert refusal_of(http.get_wallet_balance, accountType="SPOT") == 10001
    assert http.get_account_info()["result"]["unifiedMarginStatus"] == 5
    fees = http.get_fee_rates(**LINEAR, symbol=BTC)["result"]["list"]
    assert fees == [{"symbol": BTC, "takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}]


def test_the_transaction_log_explains_the_balance(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    buy(http, "0.002")
    exchange.admin.run(1)
    sell(http, "0.002", reduceOnly=True)
    exchange.admin.run(1)
    rows = http.get_transaction_log(accountType="UNIFIED", category="linear")["result"]["list"]
    assert rows[0]["type"] == "TRADE"
    for row in rows:
        funding = Decimal(row["funding"] or 0)
        assert Decimal(row["change"]) == Decimal(row["cashFlow"]) + funding - Decimal(row["fee"])
    assert rows[0]["cashBalance"] == _wallet(http)["walletBalance"]


def _wallet(http: Any) -> dict[str, str]:
    coin: dict[str, str] = http.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]["coin"][0]
    return coin
