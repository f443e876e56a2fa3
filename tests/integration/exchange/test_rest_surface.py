"""Endpoints that answer as Bybit does, asked over a plain connection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from paper_exchange.market.klines import INTERVALS
from paper_exchange.server.rest import ROUTES
from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC
from tests.integration.exchange.conftest import LISTED
from tests.integration.exchange.raw_rest import RawRest

WEEK_MS = 7 * 86_400_000
ETH, SOL = "ETHUSDT", "SOLUSDT"


@pytest.fixture(scope="module")
def rest(exchange: ExchangeProcess) -> Iterator[RawRest]:
    connection = RawRest(exchange)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def other(exchange: ExchangeProcess) -> Iterator[RawRest]:
    """The second account, for tests that leave something behind."""
    connection = RawRest(exchange, "shortseller")
    yield connection
    connection.close()


@pytest.mark.parametrize("kind", ["kline", "mark-price-kline", "index-price-kline"])
def test_candles_come_in_every_interval(rest: RawRest, kind: str) -> None:
    for interval in INTERVALS:
        rows = listed(rest, f"/v5/market/{kind}", symbol=BTC, interval=interval, limit=3)
        assert rows, interval
        assert [len(row) for row in rows] == [7 if kind == "kline" else 5] * len(rows)
        starts = [int(row[0]) for row in rows]
        assert starts == sorted(starts, reverse=True)
        for _, open_, high, low, close, *_ in rows:
            assert (
                Decimal(low)
                <= min(Decimal(open_), Decimal(close))
                <= max(Decimal(open_), Decimal(close))
                <= Decimal(high)
            )


def test_the_book_is_sorted_and_not_crossed(rest: RawRest) -> None:
    book = asked(rest, "/v5/market/orderbook", symbol=BTC, limit=20)
    bids, asks = [Decimal(price) for price, _ in book["b"]], [Decimal(price) for price, _ in book["a"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert 1 <= len(bids) <= 20
    assert 1 <= len(asks) <= 20
    assert bids[0] < asks[0]
    assert all(Decimal(size) > 0 for _, size in book["b"] + book["a"])
    assert len(asked(rest, "/v5/market/orderbook", symbol=BTC, limit=1)["b"]) == 1


def test_the_book_has_depth_before_the_market_has_moved_at_all(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, symbols=(BTC,), options=["--match", "at-once"]) as exchange:
        rest = RawRest(exchange)
        order = placed(rest, symbol=BTC, side="Buy", orderType="Market", qty="0.05")
        row = listed(rest, "/v5/order/realtime", symbol=BTC, orderId=order["orderId"])[0]
        assert (exchange.admin.state()["bars"], row["orderStatus"], row["cumExecQty"]) == (0, "Filled", "0.05")
        rest.close()


def test_recent_trades_are_newest_first_and_hold_ones_own(exchange: ExchangeProcess, other: RawRest) -> None:
    placed(other, symbol=ETH, side="Buy", orderType="Market", qty="0.1")
    exchange.admin.run(1)
    [execution, *_] = listed(other, "/v5/execution/list", symbol=ETH)
    trades = listed(other, "/v5/market/recent-trade", symbol=ETH, limit=1000)
    times = [int(trade["time"]) for trade in trades]
    assert times == sorted(times, reverse=True)
    own = next(trade for trade in trades if trade["execId"] == execution["execId"])
    assert (own["price"], own["size"], own["side"]) == (execution["execPrice"], execution["execQty"], "Buy")
    assert len(listed(other, "/v5/market/recent-trade", symbol=ETH, limit=1)) == 1


def test_open_interest_is_given_at_full_intervals_and_in_pages(rest: RawRest) -> None:
    query = {"symbol": BTC, "intervalTime": "1h"}
    whole = listed(rest, "/v5/market/open-interest", **query, limit=7)
    paged = [row for page in pages(rest, "/v5/market/open-interest", 3, **query, limit=3) for row in page]
    times = [int(row["timestamp"]) for row in whole]
    assert all(late - early == 3_600_000 for late, early in pairwise(times))
    assert times[0] % 3_600_000 == 0
    assert paged[:7] == whole
    assert paged[6:9][0] == whole[6]
    window = {"startTime": times[4], "endTime": times[2]}
    assert listed(rest, "/v5/market/open-interest", **query, **window) == whole[2:5]


def test_risk_limits_say_what_the_positions_say(rest: RawRest) -> None:
    tiers = listed(rest, "/v5/market/risk-limit")
    rows = {row["symbol"]: row for row in tiers if row["isLowestRisk"]}
    assert set(rows) == set(LISTED)
    position = listed(rest, "/v5/position/list", symbol=BTC)[0]
    assert rows[BTC]["riskLimitValue"] == position["riskLimitValue"]
    # 100x: half of 1 % must remain, 1 % is needed at least
    assert (rows[BTC]["maxLeverage"], rows[BTC]["maintenanceMargin"], rows[BTC]["initialMargin"]) == (
        "100.00",
        "0.5",
        "1",
    )
    second = next(row for row in tiers if (row["symbol"], row["id"]) == (BTC, 2))
    # 1 / (2 * 90), rounded up; 2,000,000 * (0.56 % - 0.5 %) make up for it at the border
    names = ("riskLimitValue", "maxLeverage", "maintenanceMargin", "mmDeduction")
    assert tuple(second[name] for name in names) == ("2600000", "90.00", "0.56", "1200")
    assert listed(rest, "/v5/market/risk-limit", symbol=ETH) == [row for row in tiers if row["symbol"] == ETH]


def test_an_order_at_the_price_limit_is_taken_and_one_a_tick_beyond_is_not(rest: RawRest) -> None:
    limits = asked(rest, "/v5/market/price-limit", symbol=SOL)
    tick = Decimal(instrument(rest, SOL)["priceFilter"]["tickSize"])
    highest, lowest = Decimal(limits["buyLmt"]), Decimal(limits["sellLmt"])
    for side, last_good, first_bad in (("Buy", highest, highest + tick), ("Sell", lowest, lowest - tick)):
        order = {"symbol": SOL, "side": side, "orderType": "Limit", "qty": "0.1", "timeInForce": "GTC"}
        good = placed(rest, **order, price=str(last_good))
        cancelled(rest, SOL, good["orderId"])
        assert refused(rest, "/v5/order/create", **order, price=str(first_bad)) in (110003, 110120, 110121)


def test_a_batch_tells_of_each_order_what_became_of_it(rest: RawRest) -> None:
    low = resting_price(rest, BTC)
    orders = [
        {"symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": low, "orderLinkId": "batch-1"},
        {"symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": low, "orderLinkId": "batch-1"},
        {"symbol": "NOPEUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": low},
        {"symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.002", "price": low, "orderLinkId": "batch-2"},
        "no order at all",
    ]
    created = rest.post("/v5/order/create-batch", {"category": "linear", "request": orders})
    assert created.code == 0
    assert [code for code, _ in created.outcomes] == [0, 110072, 10001, 0, 10001]
    rows = created.result["list"]
    assert (
        [bool(row["orderId"]) for row in rows]
        == [bool(row["createAt"]) for row in rows]
        == [True, False, False, True, False]
    )
    assert [row["orderLinkId"] for row in rows] == ["batch-1", "batch-1", "", "batch-2", ""]

    amended = rest.post(
        "/v5/order/amend-batch",
        {"category": "linear", "request": [
            {"symbol": BTC, "orderLinkId": "batch-1", "qty": "0.003"}, {"symbol": BTC, "orderId": "nobody", "qty": "1"},
        ]},
    )  # fmt: skip
    assert [code for code, _ in amended.outcomes] == [0, 110001]
    assert amended.result["list"][0] == {
        "category": "linear", "symbol": BTC, "orderId": rows[0]["orderId"], "orderLinkId": "batch-1",
    }  # fmt: skip
    assert "createAt" not in amended.result["list"][1]
    assert listed(rest, "/v5/order/realtime", symbol=BTC, orderLinkId="batch-1")[0]["qty"] == "0.003"

    gone = rest.post(
        "/v5/order/cancel-batch",
        {"category": "linear", "request": [{"symbol": BTC, "orderLinkId": f"batch-{number}"} for number in (1, 2, 3)]},
    )
    assert [code for code, _ in gone.outcomes] == [0, 0, 110001]
    assert gone.outcomes[0][1] == "OK"
    assert listed(rest, "/v5/order/realtime", symbol=BTC) == []


def test_of_a_batch_beyond_the_rate_limit_the_first_orders_pass(exchange: ExchangeProcess, rest: RawRest) -> None:
    exchange.admin.arm({"kind": "rate_limit", "for_s": 60, "limit": 3})
    order = {"symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": resting_price(rest, BTC)}
    first, second = (
        rest.post("/v5/order/create-batch", {"category": "linear", "request": [order] * 5}) for _ in range(2)
    )
    assert [code for code, _ in first.outcomes] == [0, 0, 0, 10006, 10006]
    assert [bool(row["orderId"]) for row in first.result["list"]] == [True, True, True, False, False]
    assert (second.code, second.text, second.result) == (10006, "Too many visits!", {})
    exchange.admin.end_faults()
    assert len(post(rest, "/v5/order/cancel-all", symbol=BTC)["list"]) == 3


def test_a_batch_too_large_or_without_orders_is_refused_whole(rest: RawRest) -> None:
    order = {"symbol": BTC, "side": "Buy", "orderType": "Market", "qty": "0.001"}
    for request in ([], [order] * 21, {"0": order}, None, "x"):
        assert rest.post("/v5/order/create-batch", {"category": "linear", "request": request}).code == 10001
    assert rest.post("/v5/order/create-batch", {"category": "spot", "request": [order]}).code == 10001


def test_orders_sleep_until_their_trigger_and_are_filtered_by_kind(rest: RawRest) -> None:
    price = last(rest, SOL)
    tick = Decimal(instrument(rest, SOL)["priceFilter"]["tickSize"])
    above = str((price * Decimal("1.05") // tick) * tick)
    plain = placed(rest, symbol=SOL, side="Buy", orderType="Limit", qty="0.1", price=resting_price(rest, SOL))
    sleeping = placed(
        rest, symbol=SOL, side="Buy", orderType="Market", qty="0.1", triggerPrice=above, triggerDirection=1,
        triggerBy="MarkPrice", orderLinkId="sleeper",
    )  # fmt: skip
    row = listed(rest, "/v5/order/realtime", symbol=SOL, orderId=sleeping["orderId"])[0]
    assert (row["orderStatus"], row["stopOrderType"], row["triggerBy"]) == ("Untriggered", "Stop", "MarkPrice")
    assert (Decimal(row["triggerPrice"]), row["triggerDirection"]) == (Decimal(above), 1)
    by_filter = {
        name: {found["orderId"] for found in listed(rest, "/v5/order/realtime", symbol=SOL, orderFilter=name)}
        for name in ("Order", "StopOrder", "OpenOrder")
    }
    assert by_filter == {
        "Order": {plain["orderId"]},
        "StopOrder": {sleeping["orderId"]},
        "OpenOrder": {plain["orderId"], sleeping["orderId"]},
    }
    higher = str(Decimal(above) + tick)
    changed = post(rest, "/v5/order/amend", symbol=SOL, orderId=sleeping["orderId"], triggerPrice=higher)
    assert changed["orderId"] == sleeping["orderId"]
    assert Decimal(listed(rest, "/v5/order/realtime", symbol=SOL, orderLinkId="sleeper")[0]["triggerPrice"]) == Decimal(
        higher
    )
    assert (
        refused(
            rest,
            "/v5/order/create",
            symbol=SOL,
            side="Buy",
            orderType="Market",
            qty="0.1",
            triggerPrice=above,
            triggerDirection=2,
        )
        == 110093
    )
    stopped = post(rest, "/v5/order/cancel-all", symbol=SOL, orderFilter="StopOrder", stopOrderType="Stop")
    assert [one["orderId"] for one in stopped["list"]] == [sleeping["orderId"]]
    ended = post(rest, "/v5/order/cancel-all", baseCoin="SOL")
    assert [one["orderId"] for one in ended["list"]] == [plain["orderId"]]


def test_cancelling_all_needs_a_scope_and_keeps_to_it(rest: RawRest) -> None:
    one = placed(rest, symbol=BTC, side="Buy", orderType="Limit", qty="0.001", price=resting_price(rest, BTC))
    two = placed(rest, symbol=SOL, side="Buy", orderType="Limit", qty="0.1", price=resting_price(rest, SOL))
    assert refused(rest, "/v5/order/cancel-all") == 10001
    assert post(rest, "/v5/order/cancel-all", settleCoin="USDC")["list"] == []
    assert [gone["orderId"] for gone in post(rest, "/v5/order/cancel-all", baseCoin="BTC")["list"]] == [one["orderId"]]
    assert [gone["orderId"] for gone in post(rest, "/v5/order/cancel-all", settleCoin="USDT")["list"]] == [
        two["orderId"]
    ]


def test_in_hedge_mode_both_sides_are_positions_of_their_own(exchange: ExchangeProcess, other: RawRest) -> None:
    assert refused(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=0) == 110025
    assert post(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=3) == {}
    assert refused(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=3) == 110025
    order = {"symbol": "XRPUSDT", "orderType": "Market", "qty": "10"}
    assert refused(other, "/v5/order/create", **order, side="Buy") == 10001
    placed(other, **order, side="Buy", positionIdx=1)
    placed(other, **order, side="Sell", positionIdx=2)
    exchange.admin.run(1)
    rows = listed(other, "/v5/position/list", symbol="XRPUSDT")
    assert [(row["positionIdx"], row["side"], row["size"]) for row in rows] == [(1, "Buy", "10"), (2, "Sell", "10")]
    assert refused(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=0) == 110024
    placed(other, **order, side="Sell", positionIdx=1, reduceOnly=True)
    placed(other, **order, side="Buy", positionIdx=2, reduceOnly=True)
    exchange.admin.run(1)
    assert [row["size"] for row in listed(other, "/v5/position/list", symbol="XRPUSDT")] == ["0", "0"]
    assert post(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=0) == {}
    assert refused(other, "/v5/position/switch-mode", coin="BTC", mode=3) == 10001
    assert refused(other, "/v5/position/switch-mode", symbol="XRPUSDT", mode=1) == 10001


def test_closed_pnl_is_one_row_per_closing_order(exchange: ExchangeProcess, rest: RawRest) -> None:
    placed(rest, symbol=ETH, side="Buy", orderType="Market", qty="0.3")
    exchange.admin.run(1)
    closing = [placed(rest, symbol=ETH, side="Sell", orderType="Market", qty="0.1", reduceOnly=True) for _ in range(3)]
    exchange.admin.run(1)
    rows = listed(rest, "/v5/position/closed-pnl", symbol=ETH)
    assert {row["orderId"] for row in rows} == {order["orderId"] for order in closing}
    for row in rows:
        assert (row["side"], row["closedSize"], row["execType"]) == ("Sell", "0.1", "Trade")
        gross = Decimal(row["cumExitValue"]) - Decimal(row["cumEntryValue"])
        assert Decimal(row["closedPnl"]) == gross - Decimal(row["openFee"]) - Decimal(row["closeFee"])
    paged = [row for page in pages(rest, "/v5/position/closed-pnl", 3, symbol=ETH, limit=1) for row in page]
    assert paged == rows


def test_pages_neither_repeat_nor_lose_what_was_there_while_rows_are_added(
    exchange: ExchangeProcess, rest: RawRest
) -> None:
    for number in range(5):
        placed(rest, symbol=BTC, side="Buy", orderType="Market", qty="0.001", orderLinkId=f"paged-{number}")
    exchange.admin.run(1)
    for path in ("/v5/order/history", "/v5/execution/list", "/v5/account/transaction-log"):
        before = listed(rest, path, limit=50)
        seen: list[dict[str, Any]] = []
        for page in pages(rest, path, 30, limit=2):
            seen += page
            if len(seen) in (2, 4):
                placed(rest, symbol=BTC, side="Buy", orderType="Market", qty="0.001")
                exchange.admin.run(1)
        assert seen[: len(before)] == before, path
    post(rest, "/v5/order/cancel-all", settleCoin="USDT")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v5/market/instruments-info", {}),
        ("/v5/market/risk-limit", {}),
        ("/v5/market/open-interest", {"symbol": BTC, "intervalTime": "5min"}),
        ("/v5/order/realtime", {"symbol": BTC}),
        ("/v5/order/realtime", {"symbol": BTC, "openOnly": 1}),
        ("/v5/order/history", {}),
        ("/v5/execution/list", {}),
        ("/v5/position/list", {"settleCoin": "USDT"}),
        ("/v5/position/closed-pnl", {}),
        ("/v5/account/transaction-log", {}),
    ],
)
def test_a_cursor_is_a_time_that_can_be(rest: RawRest, path: str, fields: dict[str, Any]) -> None:
    assert isinstance(listed(rest, path, category="linear", cursor=f"1:0,{2 * 10**12}:0", **fields), list)
    for cursor in (f"1:0,{10**20 - 1}:0", "1:0,-1:0", "1:0,1", "1:0", "x:0,y:0", f"1:0,{'9' * 5_000}:0"):
        answer = rest.get(path, query(category="linear", cursor=cursor, **fields))
        assert (answer.code, "cursor" in answer.text) == (10001, True), cursor


def test_an_order_says_what_slippage_it_was_placed_with(exchange: ExchangeProcess, rest: RawRest) -> None:
    market = {"symbol": ETH, "side": "Buy", "orderType": "Market", "qty": "0.01"}
    own = {"slippageToleranceType": "Percent", "slippageTolerance": "0.5"}
    ids = [placed(rest, **market, **own)["orderId"], placed(rest, **market)["orderId"]]
    exchange.admin.run(1)
    rows = [listed(rest, "/v5/order/realtime", category="linear", orderId=order_id)[0] for order_id in ids]
    assert [(row["slippageToleranceType"], row["slippageTolerance"]) for row in rows] == [
        ("Percent", "0.5"),
        ("UNKNOWN", ""),
    ]


def test_a_window_of_more_than_seven_days_is_refused(exchange: ExchangeProcess, rest: RawRest) -> None:
    now = exchange.admin.state()["market_time"]
    for path in ("/v5/order/history", "/v5/execution/list", "/v5/position/closed-pnl", "/v5/account/transaction-log"):
        assert rest.get(path, query(startTime=now - WEEK_MS, endTime=now)).code == 0, path
        assert rest.get(path, query(startTime=now - WEEK_MS - 1, endTime=now)).code == 10001, path
        assert rest.get(path, query(startTime=now, endTime=now - 1)).code == 10001, path


def test_a_limit_beyond_the_largest_gives_the_largest_and_one_below_one_is_refused(rest: RawRest) -> None:
    assert len(listed(rest, "/v5/market/kline", symbol=BTC, interval="5", limit=5_000)) == 1_000
    for path in ("/v5/order/history", "/v5/execution/list", "/v5/market/kline", "/v5/market/orderbook"):
        assert rest.get(path, query(symbol=BTC, interval="5", limit=0)).code == 10001, path


@pytest.mark.parametrize("category", ["spot", "inverse", "option", "futures", ""])
def test_other_categories_are_refused_by_every_endpoint_that_knows_them(rest: RawRest, category: str) -> None:
    without = ("/v5/market/time", "/v5/user/", "/v5/asset/", "/v5/account/")
    defaulted = (
        "/v5/market/price-limit",
        "/v5/market/kline",
        "/v5/market/mark-price-kline",
        "/v5/market/index-price-kline",
    )
    for route in ROUTES:
        if route.path.startswith(without):
            continue
        fields = {"category": category, "symbol": BTC, "interval": "5", "request": [{}]}
        answer = rest.post(route.path, fields) if route.method == "POST" else rest.get(route.path, query(**fields))
        if route.path == "/v5/market/instruments-info" and category in ("spot", "inverse", "option"):
            # nothing of them is listed: clients ask for all of them before they trade in one
            assert (answer.code, answer.result["list"]) == (0, [])
        elif not (category == "" and route.path in defaulted):
            assert answer.code == 10001, route.path
            assert "categor" in answer.text, answer.text


def test_fields_that_nobody_knows_are_ignored(rest: RawRest) -> None:
    order = {"symbol": BTC, "side": "Buy", "orderType": "Limit", "qty": "0.001", "price": resting_price(rest, BTC)}
    made = placed(rest, **order, isLeverage=1, mmp=False, orderIv=None, aNewField={"deep": [1, 2, {}]}, smpType="None")
    cancelled(rest, BTC, made["orderId"])
    assert rest.get("/v5/market/time", b"aNewField=1&category=spot").code == 0


def test_the_margin_mode_is_the_accounts(rest: RawRest) -> None:
    assert rest.get("/v5/account/info").result["marginMode"] == "REGULAR_MARGIN"
    assert refused(rest, "/v5/account/set-margin-mode", setMarginMode="REGULAR_MARGIN") == 110026
    assert refused(rest, "/v5/account/set-margin-mode", setMarginMode="PORTFOLIO_MARGIN") == 10001
    assert post(rest, "/v5/account/set-margin-mode", setMarginMode="ISOLATED_MARGIN") == {"reasons": []}
    assert rest.get("/v5/account/info").result["marginMode"] == "ISOLATED_MARGIN"
    assert post(rest, "/v5/account/set-margin-mode", setMarginMode="REGULAR_MARGIN") == {"reasons": []}


def test_nothing_is_held_in_other_categories(rest: RawRest) -> None:
    for category in ("inverse", "option"):
        answer = rest.get("/v5/position/list", f"category={category}&settleCoin=USDT".encode())
        assert (answer.code, answer.result["list"]) == (0, [])
        assert rest.get("/v5/position/list", f"category={category}&symbol=BTCUSD".encode()).code == 10001


def test_coins_and_key_are_told(exchange: ExchangeProcess, rest: RawRest) -> None:
    coins = [row["coin"] for row in rest.get("/v5/asset/coin/query-info").result["rows"]]
    assert coins == ["USDT", "BTC", "ETH", "SOL", "XRP"]
    assert [row["coin"] for row in rest.get("/v5/asset/coin/query-info", b"coin=ETH").result["rows"]] == ["ETH"]
    assert rest.get("/v5/user/query-api").result["userID"] == exchange.accounts["canary"].uid


def query(**fields: object) -> bytes:
    with_category = {"category": "linear", **fields}
    return "&".join(f"{name}={value}" for name, value in with_category.items()).encode()


def asked(rest: RawRest, path: str, **fields: object) -> dict[str, Any]:
    answer = rest.get(path, query(**fields))
    assert answer.code == 0, answer
    return answer.result


def listed(rest: RawRest, path: str, **fields: object) -> list[Any]:
    rows: list[Any] = asked(rest, path, **fields)["list"]
    return rows


def pages(rest: RawRest, path: str, most: int, **fields: object) -> Iterator[list[Any]]:
    cursor = ""
    for _ in range(most):
        result = asked(rest, path, **fields, cursor=cursor)
        yield result["list"]
        cursor = result["nextPageCursor"]
        if not cursor:
            return


def post(rest: RawRest, path: str, **fields: object) -> dict[str, Any]:
    answer = rest.post(path, {"category": "linear", **fields})
    assert answer.code == 0, answer
    return answer.result


def refused(rest: RawRest, path: str, **fields: object) -> int:
    answer = rest.post(path, {"category": "linear", **fields})
    assert answer.code != 0, answer
    assert answer.result == {}
    return answer.code


def placed(rest: RawRest, **order: object) -> dict[str, Any]:
    return post(rest, "/v5/order/create", **order)


def cancelled(rest: RawRest, symbol: str, order_id: str) -> None:
    assert post(rest, "/v5/order/cancel", symbol=symbol, orderId=order_id)["orderId"] == order_id


def last(rest: RawRest, symbol: str) -> Decimal:
    return Decimal(listed(rest, "/v5/market/tickers", symbol=symbol)[0]["lastPrice"])


def instrument(rest: RawRest, symbol: str) -> dict[str, Any]:
    row: dict[str, Any] = listed(rest, "/v5/market/instruments-info", symbol=symbol)[0]
    return row


def resting_price(rest: RawRest, symbol: str) -> str:
    """A tenth below the market, where nobody sells."""
    tick = Decimal(instrument(rest, symbol)["priceFilter"]["tickSize"])
    return str(last(rest, symbol) * Decimal("0.9") // tick * tick)
