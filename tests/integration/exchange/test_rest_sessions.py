"""Sessions of a trader who tries everything: nothing that may be asked makes the exchange fail, now or later."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.raw_rest import RawRest

_SYMBOLS = {"ETHUSDT": (Decimal("0.01"), Decimal("0.01")), "SOLUSDT": (Decimal("0.010"), Decimal("0.1"))}
"""Tick and quantity step of what is traded here."""

_symbols = st.sampled_from(sorted(_SYMBOLS))
_sides = st.sampled_from(["Buy", "Sell"])
_aways = st.integers(-60, 60).map(lambda per_mille: Decimal(per_mille) / 1000)
_sizes = st.integers(0, 40)
_triggers = st.sampled_from(["LastPrice", "MarkPrice", "IndexPrice"])
_indexes = st.sampled_from([0, 0, 0, 1, 2])
_maybe = st.one_of(st.none(), _aways)

_orders = st.fixed_dictionaries(
    {
        "symbol": _symbols,
        "side": _sides,
        "orderType": st.sampled_from(["Market", "Limit"]),
        "qty": _sizes,
        "positionIdx": _indexes,
    },
    optional={
        "price": _aways,
        "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "PostOnly"]),
        "reduceOnly": st.booleans(),
        "closeOnTrigger": st.booleans(),
        "triggerPrice": _aways,
        "triggerDirection": st.integers(1, 2),
        "triggerBy": _triggers,
        "takeProfit": _aways,
        "stopLoss": _aways,
        "tpslMode": st.sampled_from(["Full", "Partial"]),
        "tpOrderType": st.sampled_from(["Market", "Limit"]),
        "tpLimitPrice": _aways,
        "slOrderType": st.sampled_from(["Market", "Limit"]),
        "slLimitPrice": _aways,
        "slippageToleranceType": st.sampled_from(["TickSize", "Percent"]),
        "slippageTolerance": st.sampled_from(["5", "0.5", "100"]),
    },
)
_stops = st.fixed_dictionaries(
    {"symbol": _symbols, "positionIdx": _indexes, "tpslMode": st.sampled_from(["Full", "Partial"])},
    optional={
        "takeProfit": _aways,
        "stopLoss": _aways,
        "trailingStop": _aways.map(abs),
        "activePrice": _aways,
        "tpSize": _sizes,
        "slSize": _sizes,
        "tpOrderType": st.sampled_from(["Market", "Limit"]),
        "tpLimitPrice": _aways,
        "tpTriggerBy": _triggers,
        "slTriggerBy": _triggers,
    },
)
_amendments = st.fixed_dictionaries(
    {"number": st.integers(0, 9)},
    optional={"qty": _sizes, "price": _aways, "triggerPrice": _aways, "takeProfit": _aways, "stopLoss": _aways},
)
_steps = st.one_of(
    st.tuples(st.just("order"), _orders),
    st.tuples(st.just("order"), _orders),
    st.tuples(st.just("batch"), st.lists(_orders, min_size=1, max_size=3)),
    st.tuples(st.just("amend"), _amendments),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("cancel-all"), st.sampled_from(["", "Order", "StopOrder"])),
    st.tuples(st.just("stop"), _stops),
    st.tuples(st.just("leverage"), st.tuples(_symbols, st.sampled_from(["1", "10", "50", "100"]))),
    st.tuples(st.just("hedge"), st.tuples(_symbols, st.sampled_from([0, 3]))),
    st.tuples(st.just("margin"), st.sampled_from(["REGULAR_MARGIN", "ISOLATED_MARGIN"])),
    st.tuples(st.just("bars"), st.integers(1, 4)),
)
_PRICES = ("price", "triggerPrice", "takeProfit", "stopLoss", "tpLimitPrice", "slLimitPrice", "activePrice")
_QUANTITIES = ("qty", "tpSize", "slSize")


class Trader:
    """Turns what a session says (so far from the market, so many steps) into what a client would send."""

    def __init__(self, exchange: ExchangeProcess, rest: RawRest) -> None:
        self._exchange = exchange
        self._rest = rest

    def does(self, kind: str, what: Any) -> None:
        match kind:
            case "order":
                self._post("order/create", self._priced(what))
            case "batch":
                self._post("order/create-batch", {"request": [self._priced(order) for order in what]})
            case "amend":
                order = self._open_order(what["number"])
                changes = {name: value for name, value in what.items() if name != "number"}
                self._post(
                    "order/amend", self._priced({**changes, "symbol": order["symbol"], "orderId": order["orderId"]})
                )
            case "cancel":
                order = self._open_order(what)
                self._post("order/cancel", {"symbol": order["symbol"], "orderId": order["orderId"]})
            case "cancel-all":
                self._post("order/cancel-all", {"settleCoin": "USDT", "orderFilter": what})
            case "stop":
                self._post("position/trading-stop", self._priced(what))
            case "leverage":
                self._post(
                    "position/set-leverage", {"symbol": what[0], "buyLeverage": what[1], "sellLeverage": what[1]}
                )
            case "hedge":
                self._post("position/switch-mode", {"symbol": what[0], "mode": what[1]})
            case "margin":
                self._post("account/set-margin-mode", {"setMarginMode": what})
            case "bars":
                before = self._exchange.admin.state()["bars"]
                assert self._exchange.admin.run(what)["bars"] == before + what

    def looks_at_everything(self) -> None:
        """Every list there is; the balance is what was deposited and what the log says of it."""
        for path in ("order/realtime", "order/history", "execution/list", "position/list", "position/closed-pnl"):
            assert self._rest.get(f"/v5/{path}", b"category=linear&settleCoin=USDT").code == 0, path
        for symbol in _SYMBOLS:
            book = self._rest.get("/v5/market/orderbook", f"category=linear&symbol={symbol}".encode()).result
            assert Decimal(book["b"][0][0]) < Decimal(book["a"][0][0])
        coin = self._rest.get("/v5/account/wallet-balance", b"accountType=UNIFIED").result["list"][0]["coin"][0]
        rows = self._rest.get("/v5/account/transaction-log", b"limit=1").result["list"]
        if rows:
            assert Decimal(rows[0]["cashBalance"]) == Decimal(coin["walletBalance"]), rows[0]

    def _post(self, path: str, fields: dict[str, Any]) -> None:
        answer = self._rest.post(f"/v5/{path}", {"category": "linear", **fields})
        assert answer.status == 200, answer
        assert answer.code not in (10000, 10016), (answer, fields)

    def _open_order(self, number: int) -> dict[str, Any]:
        rows = self._rest.get("/v5/order/realtime", b"category=linear&settleCoin=USDT").result["list"]
        return rows[number % len(rows)] if rows else {"symbol": "ETHUSDT", "orderId": "nobody"}

    def _priced(self, fields: dict[str, Any]) -> dict[str, Any]:
        tick, step = _SYMBOLS[fields["symbol"]]
        query = f"category=linear&symbol={fields['symbol']}".encode()
        last = Decimal(self._rest.get("/v5/market/tickers", query).result["list"][0]["lastPrice"])
        asked = dict(fields)
        for name in _PRICES:
            if name in asked:
                asked[name] = str(last * (1 + asked[name]) // tick * tick)
        for name in _QUANTITIES:
            if name in asked:
                asked[name] = str(asked[name] * step)
        if "trailingStop" in asked:
            asked["trailingStop"] = str(last * asked["trailingStop"] // tick * tick)
        return asked


@pytest.fixture(scope="module")
def trader(exchange: ExchangeProcess) -> Iterator[Trader]:
    rest = RawRest(exchange)
    yield Trader(exchange, rest)
    rest.close()
    log = exchange.log.read_text()
    assert "Traceback" not in log, log[-4_000:]


# What one session left behind the next one finds, so a failing one can be read but not made smaller.
@settings(max_examples=15, derandomize=True, phases=[Phase.generate])
@given(st.lists(_steps, min_size=4, max_size=14))
def test_no_session_makes_the_exchange_fail(trader: Trader, session: list[tuple[str, Any]]) -> None:
    for kind, what in session:
        trader.does(kind, what)
    trader.does("bars", 1)
    trader.looks_at_everything()
