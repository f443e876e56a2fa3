"""A market with round numbers: prices around 100, ticks of 0.1, no spread, ten of everything at each price."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.engine import (
    Engine,
    EngineAccount,
    Execution,
    FeeRates,
    Liquidity,
    OrderRequest,
    OrderState,
    PositionState,
    TradingStop,
    Wallet,
)
from paper_exchange.engine.risk_tiers import RiskTiers

COIN = Symbol("COINUSDT")
OTHER = Symbol("OTHERUSDT")
UID = 1001
START = datetime(2025, 1, 1, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)
BUY, SELL = Side.BUY, Side.SELL

_NUMBERS = {
    "quantity", "price", "trigger_price", "take_profit", "stop_loss", "tp_limit_price", "sl_limit_price", "tp_size",
    "sl_size", "trailing_stop", "active_price", "slippage_tolerance",
}  # fmt: skip


def D(text: str | int) -> Decimal:  # noqa: N802 - the door through which text becomes Decimal
    return Decimal(text)


def instrument(symbol: Symbol, max_leverage: str = "100") -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=D("0.1"),
        min_price=D("0.1"),
        max_price=D("100000"),
        quantity_step=D("0.01"),
        min_quantity=D("0.01"),
        max_limit_quantity=D("1000"),
        max_market_quantity=D("500"),
        min_notional=D("5"),
        max_leverage=D(max_leverage),
    )


# Levels at the price, 0.1 and 0.2 away; with a volume of 1000 each holds 10. One leg gives a resting order 5.
BOOK = Liquidity(
    half_spread=D(0),
    level_spacing=D("0.001"),
    level_shares=(D("0.01"), D("0.01"), D("0.01")),
    resting_share=D("0.005"),
)


class Scene:
    """One account of 1,000 USDT (unless told otherwise), fees 0.1 % taker and 0.02 % maker, both symbols at 100."""

    def __init__(
        self,
        balance: str = "1000",
        seed: int = 7,
        uids: tuple[int, ...] = (UID,),
        insurance: Decimal | None = None,
        risk_tiers: Mapping[Symbol, RiskTiers] | None = None,
    ) -> None:
        fees = FeeRates(taker=D("0.001"), maker=D("0.0002"))
        self.engine = Engine(
            instruments={COIN: instrument(COIN), OTHER: instrument(OTHER)},
            fees={COIN: fees, OTHER: fees},
            seed=seed,
            start=START,
            liquidity=BOOK,
            insurance=insurance,
            prices={COIN: D(100), OTHER: D(100)},
            risk_tiers=risk_tiers,
        )
        for uid in uids:
            self.engine.open_account(EngineAccount(uid=uid, balance=D(balance)))

    def market(
        self, side: Side, quantity: str, *, symbol: Symbol = COIN, link: str = "", uid: int = UID,
        reduce_only: bool = False, close_on_trigger: bool = False, tp: str | None = None, sl: str | None = None,
    ) -> OrderState:  # fmt: skip
        request = OrderRequest(
            symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=D(quantity), order_link_id=link,
            reduce_only=reduce_only, close_on_trigger=close_on_trigger,
            take_profit=None if tp is None else D(tp), stop_loss=None if sl is None else D(sl),
        )  # fmt: skip
        return self.engine.place_order(uid, request)

    def limit(
        self, side: Side, quantity: str, price: str, *, tif: TimeInForce = TimeInForce.GTC, symbol: Symbol = COIN,
        link: str = "", uid: int = UID, reduce_only: bool = False, tp: str | None = None, sl: str | None = None,
    ) -> OrderState:  # fmt: skip
        request = OrderRequest(
            symbol=symbol, side=side, order_type=OrderType.LIMIT, quantity=D(quantity), price=D(price),
            time_in_force=tif, order_link_id=link, reduce_only=reduce_only,
            take_profit=None if tp is None else D(tp), stop_loss=None if sl is None else D(sl),
        )  # fmt: skip
        return self.engine.place_order(uid, request)

    def place(
        self, side: Side, quantity: str, price: str | None = None, *, uid: int = UID, **fields: Any
    ) -> OrderState:  # fmt: skip
        """An order with any field of a request; a text given for a price or size is a number."""
        values = {name: D(value) if name in _NUMBERS else value for name, value in fields.items()}
        request = OrderRequest(
            symbol=values.pop("symbol", COIN), side=side, quantity=D(quantity),
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            price=None if price is None else D(price), **values,
        )  # fmt: skip
        return self.engine.place_order(uid, request)

    def amend(self, order: OrderState, **fields: Any) -> OrderState:
        """The order changed; a text given for a price or size is a number."""
        values = {name: D(value) if name in _NUMBERS else value for name, value in fields.items()}
        return self.engine.amend_order(order.uid, order.symbol, order_id=order.order_id, **values)

    def trading_stop(self, **fields: Any) -> PositionState:
        """As `stops`, with any field of the request."""
        values = {name: D(value) if name in _NUMBERS else value for name, value in fields.items()}
        return self.engine.set_trading_stop(UID, TradingStop(symbol=values.pop("symbol", COIN), **values))

    def stops(
        self, *, tp: str | None = None, sl: str | None = None, trailing: str | None = None, active: str | None = None
    ) -> PositionState:
        values = {"take_profit": tp, "stop_loss": sl, "trailing_stop": trailing, "active_price": active}
        given = {name: D(text) for name, text in values.items() if text is not None}
        return self.engine.set_trading_stop(UID, TradingStop(symbol=COIN, **given))

    def bar(
        self, open_: str = "100", high: str | None = None, low: str | None = None, close: str | None = None, *,
        volume: str = "1000", symbol: Symbol = COIN, mark: str | None = None, funding: str | None = None,
        index: str | None = None,
    ) -> None:  # fmt: skip
        """One bar of one symbol; what is not given is the open."""
        self.engine.step(
            {symbol: self.make_bar(open_, high, low, close, volume=volume, symbol=symbol)},
            marks=None if mark is None else {symbol: D(mark)},
            index=None if index is None else {symbol: D(index)},
            funding=None if funding is None else {symbol: D(funding)},
        )

    def make_bar(
        self, open_: str = "100", high: str | None = None, low: str | None = None, close: str | None = None, *,
        volume: str = "1000", symbol: Symbol = COIN,
    ) -> Bar:  # fmt: skip
        close = open_ if close is None else close
        highest, lowest = max(D(open_), D(close)), min(D(open_), D(close))
        return Bar(
            symbol=symbol, interval=FIVE_MINUTES, start=self.engine.now, open=D(open_), close=D(close),
            high=highest if high is None else D(high), low=lowest if low is None else D(low),
            volume=D(volume), turnover=D(volume) * D(open_),
        )  # fmt: skip

    def executions(self) -> list[Execution]:
        return self.engine.executions(UID)

    def position(self, symbol: Symbol = COIN) -> PositionState:
        return self.engine.position(UID, symbol)

    def wallet(self) -> Wallet:
        return self.engine.wallet(UID)

    def order(self, state: OrderState) -> OrderState:
        """The order as it is now."""
        found = self.engine.order(UID, state.order_id)
        assert found is not None
        return found

    def stop_orders(self) -> dict[str, OrderState]:
        return {order.stop_order_type: order for order in self.engine.orders(UID) if order.stop_order_type}
