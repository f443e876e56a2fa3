"""Members of the enumerations that every order asks for, as plain names.

CPython 3.11 looks a member up through its class by way of a descriptor, which takes twenty times as long as a global.
"""

from __future__ import annotations

from typing import Final

from alpha.domain.fill import ExecType
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.side import Side

BUY: Final = Side.BUY
SELL: Final = Side.SELL

MARKET: Final = OrderType.MARKET

IOC: Final = TimeInForce.IOC
FOK: Final = TimeInForce.FOK
POST_ONLY: Final = TimeInForce.POST_ONLY

NEW: Final = OrderStatus.NEW
UNTRIGGERED: Final = OrderStatus.UNTRIGGERED
PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
FILLED: Final = OrderStatus.FILLED
CANCELLED: Final = OrderStatus.CANCELLED
REJECTED: Final = OrderStatus.REJECTED

TRADE: Final = ExecType.TRADE
FUNDING: Final = ExecType.FUNDING
