from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from alpha.domain.fill import Fill
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.fill_rows import FillSource
from websocket_listener.write_queue import Heard


@dataclass(slots=True)
class OneRead:
    """What one read of the socket has brought so far, in the order it was told. Under load that is many frames.

    `at` is the wall time at which its first frame was there, None before. Of the wallet only the last word counts.
    """

    at: datetime | None = None
    fills: list[Heard] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    positions: list[ExchangePosition] = field(default_factory=list)
    wallet: WalletBalance | None = None

    @property
    def holds_anything(self) -> bool:
        return bool(self.fills or self.orders or self.positions or self.wallet is not None)

    def take(
        self,
        received_at: datetime,
        created_at: datetime,
        fills: Iterable[Fill],
        orders: Iterable[Order],
        positions: Iterable[ExchangePosition],
    ) -> None:
        """A frame, created at `created_at` (the exchange's wall clock)."""
        for fill in fills:
            self.fills.append(Heard(fill, FillSource.STREAM, received_at, created_at))
        self.orders += orders
        self.positions += positions
