"""Whether a request may pass, and which refusal wins when several apply.

An order is asked in this order: symbol, position idx, orderLinkId (form, then duplicate: a repeated request must hear
that it is already there, not that its margin is gone), quantity, price, stops, notional, reduce-only, count, margin.
Bybit's own order is UNCONFIRMED. Choices where Bybit's behaviour is UNCONFIRMED:

- an orderLinkId is unique for the account for ever, not only among open orders;
- values off the step or tick are refused with 10001, not truncated;
- reduce-only orders need no minimum notional and may exceed the maximum quantity;
- the band of limit prices is mark x (1 +- 2 %), without the parts of Bybit's formula that need an index and a book;
- a stop is compared with the limit price of a limit order, else with the last price.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.domain.order import OrderType
from alpha.domain.order_link_id import is_valid_order_link_id
from alpha.domain.side import Side
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import OrderRequest

BAD_PARAMETER = 10001
NOT_MODIFIED = 34040
NO_SUCH_ORDER = 110001
PRICE_OUT_OF_RANGE = 110003
NOT_ENOUGH_MARGIN = 110007
MARGIN_FOR_LEVERAGE = 110012
LEVERAGE_TOO_HIGH = 110013
REDUCE_ONLY = 110017
TOO_MANY_ORDERS = 110020
HEDGE_UNSUPPORTED = 110029
LEVERAGE_NOT_MODIFIED = 110043
AMENDED_BELOW_FILLED = 110064
DUPLICATE_LINK_ID = 110072
NOT_LIVE = 110074
BELOW_MIN_NOTIONAL = 110094

PRICE_BAND = Decimal("0.02")
MAX_ACTIVE_ORDERS = 500

_QUANTITY_UNIT = 10**8
_PRICE_UNIT = 10**4


def check_position_idx(position_idx: int) -> None:
    """Only one-way positions exist, so only index 0."""
    if position_idx != 0:
        raise Refused(BAD_PARAMETER, "position idx not match position mode")


def check_link_id(account: Account, order_link_id: str) -> None:
    if not order_link_id:
        return
    if not is_valid_order_link_id(order_link_id):
        raise Refused(BAD_PARAMETER, "params error: orderLinkId must be 1 to 36 of [A-Za-z0-9_-]")
    if order_link_id in account.by_link_id:
        raise Refused(DUPLICATE_LINK_ID, "OrderLinkedID is duplicate")


def check_market(market: Market) -> None:
    if not market.has_price:
        raise Refused(NOT_LIVE, f"This contract is not live: {market.instrument.symbol} has no price yet")


def accepted_quantity(request: OrderRequest, market: Market, holding: Holding) -> Decimal:
    """The quantity the order will have: as asked, or cut to the position when reduce-only."""
    instrument = market.instrument
    quantity, closable = request.quantity, holding.closable(request.side)
    closes_all = quantity == 0 and request.reduce_only and request.close_on_trigger
    if closes_all:
        quantity = closable
    elif quantity <= 0 or not instrument.is_on_step(quantity):
        raise Refused(BAD_PARAMETER, "Qty invalid")
    if request.reduce_only:
        if holding.quantity == 0:
            raise Refused(REDUCE_ONLY, "current position is zero, cannot fix reduce-only order qty")
        if closable == 0:
            raise Refused(REDUCE_ONLY, "reduce-only order has same side with current position")
        quantity = min(quantity, closable)
        if quantity < instrument.min_quantity and quantity != closable:
            raise Refused(BAD_PARAMETER, _too_small(quantity, instrument.min_quantity))
        return quantity
    check_quantity_limits(quantity, request.order_type, market)
    return quantity


def check_quantity_limits(quantity: Decimal, order_type: OrderType, market: Market) -> None:
    instrument = market.instrument
    if quantity < instrument.min_quantity:
        raise Refused(BAD_PARAMETER, _too_small(quantity, instrument.min_quantity))
    is_market = order_type is OrderType.MARKET
    limit = instrument.max_market_quantity if is_market else instrument.max_limit_quantity
    if quantity > limit:
        raise Refused(
            BAD_PARAMETER,
            "The number of contracts exceeds maximum limit allowed: too large, "
            f"order_qty:{_raw(quantity, _QUANTITY_UNIT)} > max_qty:{_raw(limit, _QUANTITY_UNIT)}",
        )


def check_limit_price(price: Decimal, side: Side, market: Market) -> None:
    """A buy far above the mark, a sell far below it, or a price the instrument does not have."""
    instrument = market.instrument
    if price <= 0 or not instrument.is_on_tick(price):
        raise Refused(BAD_PARAMETER, "params error: Price invalid")
    band = market.mark_price * (1 + side.sign * PRICE_BAND)
    too_far = side.sign * (price - band) > 0
    if too_far or not instrument.min_price <= price <= instrument.max_price:
        raise Refused(PRICE_OUT_OF_RANGE, "Order price exceeds the allowable range.")


def check_notional(price: Decimal, quantity: Decimal, market: Market) -> None:
    instrument = market.instrument
    if price * quantity < instrument.min_notional:
        text = f"Order does not meet minimum order value {instrument.min_notional}{instrument.quote}"
        raise Refused(BELOW_MIN_NOTIONAL, text)


def check_stop_prices(
    *, take_profit: Decimal | None, stop_loss: Decimal | None, direction: int, base: Decimal, market: Market
) -> None:
    """Both on a tick and on their side of the base price: a take profit ahead of the position, a stop loss behind."""
    for name, price, way in (("TakeProfit", take_profit, direction), ("StopLoss", stop_loss, -direction)):
        if price is None:
            continue
        if price <= 0 or not market.instrument.is_on_tick(price):
            raise Refused(BAD_PARAMETER, f"params error: {name} invalid")
        if way * (price - base) <= 0:
            side, relation = "Buy" if direction > 0 else "Sell", "higher" if way > 0 else "lower"
            raise Refused(
                BAD_PARAMETER,
                f"{name}:{_raw(price, _PRICE_UNIT)} set for {side} position should be {relation} than "
                f"base_price:{_raw(base, _PRICE_UNIT)}??LastPrice",
            )


def _too_small(quantity: Decimal, limit: Decimal) -> str:
    return (
        "The number of contracts exceeds minimum limit allowed: too small, "
        f"order_qty:{_raw(quantity, _QUANTITY_UNIT)} < min_qty:{_raw(limit, _QUANTITY_UNIT)}"
    )


def _raw(value: Decimal, unit: int) -> int:
    """As Bybit's matching engine writes it into messages: quantities in 1e-8, prices in 1e-4 units."""
    return int(value * unit)
