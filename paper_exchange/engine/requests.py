"""What a client may ask of the engine. Sizes are in base units, prices and amounts in the quote currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side

PositionMode = Literal["one_way", "hedge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAccount:
    """An account as it is opened: its number and its first deposit in the settle coin."""

    uid: int
    balance: Decimal
    position_mode: PositionMode = "one_way"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """Fractions of the notional: 0.00055 is 0.055 %. A maker rate below 0 is a rebate."""

    taker: Decimal
    maker: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order. `price` is None for a market order (ignored if given, as Bybit does; its time in force is IOC).

    `quantity` 0 with both `reduce_only` and `close_on_trigger` closes the whole position. `take_profit` and `stop_loss`
    are set on the position when the order first fills.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStop:
    """Stops of a position: None leaves one as it is, 0 removes it.

    `trailing_stop` is a distance in price, not a level; `active_price` is the last price from which it trails (None: at
    once). An `active_price` without `trailing_stop` changes the activation of the trailing stop that is there.
    """

    symbol: Symbol
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: Decimal | None = None
    active_price: Decimal | None = None
    position_idx: int = 0
