"""What a client may ask of the engine. Sizes are in base units, prices and amounts in the quote currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Literal

import msgspec

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side

PositionMode = Literal["one_way", "hedge"]
MarginMode = Literal["cross", "isolated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAccount:
    """An account as it is opened: its number, its first deposit in the settle coin and its modes.

    `position_mode` is that of every symbol until it is switched.
    """

    uid: int
    balance: Decimal
    position_mode: PositionMode = "one_way"
    margin_mode: MarginMode = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """Fractions of the notional: 0.00055 is 0.055 %. A maker rate below 0 is a rebate."""

    taker: Decimal
    maker: Decimal


@unique
class TriggerBy(StrEnum):
    """The price that a trigger watches."""

    LAST = "LastPrice"
    MARK = "MarkPrice"
    INDEX = "IndexPrice"


@unique
class TpslMode(StrEnum):
    """Whether a take profit or stop loss closes the whole position at market, or a part of it that it names."""

    FULL = "Full"
    PARTIAL = "Partial"


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new order. `price` is None for a market order (ignored if given, as Bybit does; its time in force is IOC).

    `quantity` 0 with both `reduce_only` and `close_on_trigger` closes the whole position. A `trigger_price` makes the
    order conditional: it sleeps until the price named by `trigger_by` rises (`trigger_direction` 1) or falls (2) to it.

    `take_profit` and `stop_loss` are put on the position when the order fills: once and for the whole of it (Full), or
    for as much as this order has filled (Partial, where each may be a limit order with a price of its own).
    `slippage_tolerance` bounds a market order by ticks or percent from the best price of the book
    (`slippage_tolerance_type` "TickSize" or "Percent").
    """

    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    order_link_id: str = ""
    reduce_only: bool = False
    close_on_trigger: bool = False
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    position_idx: int = 0
    trigger_price: Decimal | None = None
    trigger_direction: int = 0
    trigger_by: TriggerBy = TriggerBy.LAST
    tpsl_mode: TpslMode = TpslMode.FULL
    tp_trigger_by: TriggerBy = TriggerBy.LAST
    sl_trigger_by: TriggerBy = TriggerBy.LAST
    tp_order_type: OrderType = OrderType.MARKET
    sl_order_type: OrderType = OrderType.MARKET
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None
    slippage_tolerance_type: str = ""
    slippage_tolerance: Decimal | None = None


class OrderAmendment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What shall change of an open order; None leaves it. `quantity` is the total, a price of 0 takes the stop away."""

    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tpsl_mode: TpslMode | None = None
    tp_trigger_by: TriggerBy | None = None
    sl_trigger_by: TriggerBy | None = None
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None


class TradingStop(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Stops of a position. In mode Full None leaves one as it is and 0 removes it; Partial adds a pair of its own.

    `trailing_stop` is a distance in price, not a level; `active_price` is the last price from which it trails (None: at
    once). An `active_price` without `trailing_stop` changes the activation of the trailing stop that is there.
    `tp_size` and `sl_size` belong to Partial (default: the size of the position), as do limit orders.
    """

    symbol: Symbol
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: Decimal | None = None
    active_price: Decimal | None = None
    position_idx: int = 0
    tpsl_mode: TpslMode = TpslMode.FULL
    tp_trigger_by: TriggerBy | None = None
    sl_trigger_by: TriggerBy | None = None
    tp_size: Decimal | None = None
    sl_size: Decimal | None = None
    tp_order_type: OrderType = OrderType.MARKET
    sl_order_type: OrderType = OrderType.MARKET
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None
