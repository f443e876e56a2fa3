"""What a trader does with ccxt, as it is published: each flow until it is filled and flat.

The numbers of ccxt are those of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.exchange_process import ExchangeProcess
from tests.integration.client.real_clients import MARKET, Truth, ccxt_client, exact, run_until_flat

NAMES = [f"trader_{number}" for number in range(10)]


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
def client(exchange: ExchangeProcess, account: str) -> Iterator[Any]:
    with ccxt_client(exchange, account) as made:
        made.load_markets()
        yield made


@pytest.fixture
def truth(exchange: ExchangeProcess, account: str) -> Truth:
    return Truth(exchange, account)


def level(client: Any, times: float) -> float:
    """A multiple of the last price, as ccxt rounds it for the market."""
    return float(client.price_to_precision(MARKET, client.fetch_ticker(MARKET)["last"] * times))


def order(client: Any, order_id: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.fetch_order(order_id, MARKET, {"acknowledged": True, **more})
    return found


def check_flat(client: Any, truth: Truth) -> None:
    """Position, trades, ledger, closed positions and balance of ccxt say what the engine did."""
    held = client.fetch_position(MARKET)
    assert (held["contracts"], held["side"]) == (0.0, None)
    assert client.fetch_open_orders(MARKET) == []
    trades = client.fetch_my_trades(MARKET)
    assert {trade["id"]: exact(trade["amount"]) for trade in trades} == {
        line["exec_id"]: Decimal(line["quantity"]) for line in truth.fills()
    }
    assert sum(exact(trade["fee"]["cost"]) for trade in trades) == truth.fees()
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT"}
    balance = client.fetch_balance()["USDT"]
    assert exact(balance["total"]) == truth.flat_balance() == truth.balance()
    assert balance["free"] == balance["total"]
    # Rows of one instant have no order in ccxt, which sorts by time.
    assert truth.balance() in [exact(row["after"]) for row in client.fetch_ledger("USDT", None, 50)]
    closed = client.fetch_positions_history([MARKET])
    result = sum(exact(row["realizedPnl"]) for row in closed)
    assert result - sum(Decimal(line["fee"]) for line in truth.funding()) == truth.balance() - 10_000


def test_the_market(exchange: ExchangeProcess, client: Any) -> None:
    exchange.admin.run(1)
    market = client.market(MARKET)
    assert (market["linear"], market["active"], market["contractSize"]) == (True, True, 1.0)
    assert client.fetch_time() > 0
    ticker = client.fetch_ticker(MARKET)
    assert ticker["bid"] < ticker["ask"]
    assert client.fetch_tickers([MARKET])[MARKET]["last"] == ticker["last"]
    book = client.fetch_order_book(MARKET, 50)
    assert (book["bids"][0][0], book["asks"][0][0]) == (ticker["bid"], ticker["ask"])
    assert client.fetch_trades(MARKET, limit=5)
    for timeframe in ("5m", "1h", "1d"):
        candles = client.fetch_ohlcv(MARKET, timeframe, limit=3)
        assert candles[-1][4] == ticker["last"]
    assert client.fetch_mark_ohlcv(MARKET, "5m", limit=3)[-1][4] == ticker["markPrice"]
    assert client.fetch_index_ohlcv(MARKET, "5m", limit=3)[-1][4] == ticker["indexPrice"]
    rate = client.fetch_funding_rate(MARKET)
    assert rate["fundingTimestamp"] > 0
    assert client.fetch_funding_rate_history(MARKET, limit=2)
    assert client.fetch_open_interest(MARKET)["openInterestAmount"] > 0
    assert client.fetch_market_leverage_tiers(MARKET)[0]["maxLeverage"] == market["limits"]["leverage"]["max"]


def test_the_account(client: Any) -> None:
    assert client.fetch_balance()["USDT"]["free"] == 10_000
    assert client.fetch_trading_fee(MARKET)["taker"] == 0.00055
    client.set_leverage(7, MARKET)
    assert client.fetch_leverage(MARKET)["longLeverage"] == 7
    client.set_margin_mode("isolated")
    client.set_margin_mode("cross")


def test_an_order_rests_is_edited_and_cancelled(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    placed = client.create_order(MARKET, "limit", "buy", 0.01, level(client, 0.9), {"clientOrderId": "rests"})
    exchange.admin.run(1)
    client.edit_order(placed["id"], MARKET, "limit", "buy", 0.02, level(client, 0.91))
    (resting,) = client.fetch_open_orders(MARKET)
    assert (resting["id"], resting["amount"], resting["clientOrderId"]) == (placed["id"], 0.02, "rests")
    assert client.fetch_balance()["USDT"]["used"] > 0
    with pytest.raises(ccxt.InvalidOrder):
        client.create_order(MARKET, "limit", "buy", 0.01, level(client, 0.9), {"clientOrderId": "rests"})
    client.cancel_order(placed["id"], MARKET)
    exchange.admin.run(1)
    assert order(client, placed["id"])["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(placed["id"], MARKET)
    assert not truth.fills()
    assert client.fetch_balance()["USDT"]["used"] == 0


def test_a_round_trip(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    opened = client.create_order(MARKET, "market", "buy", 0.03)
    exchange.admin.run(1)
    held = client.fetch_position(MARKET)
    assert (exact(held["contracts"]), held["side"]) == (truth.position(), "long")
    filled = order(client, opened["id"])
    assert (filled["status"], filled["filled"], filled["remaining"]) == ("closed", 0.03, 0.0)
    assert filled["average"] == held["entryPrice"]
    client.create_order(MARKET, "market", "sell", 0.03, None, {"reduceOnly": True})
    exchange.admin.run(1)
    assert [row["status"] for row in client.fetch_closed_orders(MARKET)] == ["closed", "closed"]
    check_flat(client, truth)


def test_a_triggered_entry_with_its_stops(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    entry = client.create_order(
        MARKET,
        "market",
        "buy",
        0.01,
        None,
        {
            "triggerPrice": level(client, 1.001),
            "triggerDirection": "ascending",
            "takeProfit": {"triggerPrice": level(client, 1.004)},
            "stopLoss": {"triggerPrice": level(client, 0.998)},
        },
    )
    (waiting,) = client.fetch_open_orders(MARKET, params={"trigger": True})
    assert (waiting["id"], waiting["status"]) == (entry["id"], "open")
    for _ in range(400):
        exchange.admin.run(1)
        if truth.fills():
            break
    run_until_flat(exchange, truth)
    assert order(client, entry["id"])["status"] == "closed"
    check_flat(client, truth)


def test_stop_loss_and_take_profit_orders_of_a_position(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    client.create_order(MARKET, "market", "sell", 0.02)
    exchange.admin.run(1)
    client.create_order(MARKET, "market", "buy", 0.02, None, {"stopLossPrice": level(client, 1.002)})
    client.create_order(MARKET, "market", "buy", 0.02, None, {"takeProfitPrice": level(client, 0.998)})
    run_until_flat(exchange, truth)
    client.cancel_all_orders(MARKET)
    exchange.admin.run(1)
    assert truth.position() == 0
    check_flat(client, truth)


def test_a_trailing_stop(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    client.create_order(MARKET, "market", "buy", 0.02)
    exchange.admin.run(1)
    distance = level(client, 0.002)
    client.create_order(MARKET, "market", "sell", 0.02, None, {"trailingAmount": distance, "reduceOnly": True})
    assert Decimal(client.fetch_position(MARKET)["info"]["trailingStop"]) == exact(distance)
    run_until_flat(exchange, truth)
    check_flat(client, truth)


def test_hedge_mode(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    client.set_position_mode(True, MARKET)
    client.create_order(MARKET, "market", "buy", 0.03, None, {"positionIdx": 1})
    client.create_order(MARKET, "market", "sell", 0.01, None, {"positionIdx": 2})
    exchange.admin.run(1)
    sizes = {held["side"]: held["contracts"] for held in client.fetch_positions([MARKET])}
    assert sizes == {"long": 0.03, "short": 0.01}
    assert truth.position() == Decimal("0.02")
    client.create_order(MARKET, "market", "sell", 0.03, None, {"positionIdx": 1, "reduceOnly": True})
    client.create_order(MARKET, "market", "buy", 0.01, None, {"positionIdx": 2, "reduceOnly": True})
    exchange.admin.run(1)
    assert {held["contracts"] for held in client.fetch_positions([MARKET])} == {0.0}
    client.set_position_mode(False, MARKET)
    check_flat(client, truth)


def test_batches(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    wanted = [
        {"symbol": MARKET, "type": "limit", "side": "buy", "amount": 0.01, "price": level(client, times)}
        for times in (0.9, 0.91)
    ]
    placed = client.create_orders([*wanted, {"symbol": MARKET, "type": "market", "side": "buy", "amount": 0.01}])
    exchange.admin.run(1)
    resting = [row["id"] for row in client.fetch_open_orders(MARKET)]
    assert sorted(resting) == sorted(row["id"] for row in placed[:2])
    client.cancel_orders(resting, MARKET)
    client.create_order(MARKET, "market", "sell", 0.01, None, {"reduceOnly": True})
    exchange.admin.run(1)
    check_flat(client, truth)


def test_funding_and_closed_profit(exchange: ExchangeProcess, client: Any, truth: Truth) -> None:
    client.create_order(MARKET, "market", "buy", 0.1)
    exchange.admin.run(96)  # 8 hours of 5 minutes
    (paid,) = truth.funding()
    (row,) = client.fetch_funding_history(MARKET)
    assert abs(exact(row["amount"])) == abs(Decimal(paid["fee"]))
    client.create_order(MARKET, "market", "sell", 0.1, None, {"reduceOnly": True})
    exchange.admin.run(1)
    check_flat(client, truth)
