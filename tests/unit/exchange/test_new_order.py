from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from alpha.exchange.new_order import NewOrder


@pytest.mark.parametrize(
    "changes",
    [
        {"order_link_id": ""},
        {"order_link_id": "has space"},
        {"order_link_id": "x" * 37},
        {"quantity": Decimal(0)},
        {"price": Decimal(5)},
        {"order_type": OrderType.LIMIT},
    ],
    ids=str,
)
def test_an_order_that_cannot_be_sent(changes: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "symbol": Symbol("BTCUSDT"),
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal("0.001"),
        "order_link_id": "ss-en-1",
    }
    NewOrder(**good)
    with pytest.raises(InvalidValue):
        NewOrder(**good | changes)
