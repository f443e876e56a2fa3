"""What a standby has heard of an account, for the moment in which it has to go on with it."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.positions import age
from websocket_listener.write_queue import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Fills in the order they came; of each order and position, and of the wallet, the latest report."""

    fills: tuple[Heard, ...] = ()
    orders: tuple[Order, ...] = ()
    positions: tuple[ExchangePosition, ...] = ()
    wallet: WalletBalance | None = None


class StandbyMemory:
    """Bounded in time and number. What falls out of it is recovered over REST like everything else that a new holder
    has not heard itself; what is in it bridges the exchange's lag in showing executions over REST."""

    def __init__(
        self,
        *,
        kept_s: float = 60.0,
        max_fills: int = 20_000,
        max_orders: int = 5_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept_s, self._max_orders, self._clock = kept_s, max_orders, clock
        self._fills: deque[tuple[float, Heard]] = deque(maxlen=max_fills)
        self._orders: OrderedDict[OrderId, tuple[float, Order]] = OrderedDict()
        self._positions: dict[tuple[Symbol, int], tuple[float, ExchangePosition]] = {}
        self._wallet: tuple[float, WalletBalance] | None = None

    def heard(
        self,
        *,
        fills: Sequence[Heard] = (),
        orders: Iterable[Order] = (),
        positions: Iterable[ExchangePosition] = (),
        wallet: WalletBalance | None = None,
    ) -> None:
        at_s = self._clock()
        self._fills.extend((at_s, fill) for fill in fills)
        for order in orders:
            self._orders[order.order_id] = (at_s, order)
            self._orders.move_to_end(order.order_id)
        for position in positions:
            row = (position.symbol, position.position_idx)
            known = self._positions.get(row)
            if known is None or age(known[1]) <= age(position):
                self._positions[row] = (at_s, position)
        if wallet is not None:
            self._wallet = (at_s, wallet)
        self._forget()

    def recall(self) -> Remembered:
        """Everything that is still remembered; it is forgotten by this."""
        self._forget()
        since_s = self._clock() - self._kept_s
        remembered = Remembered(
            fills=tuple(fill for _, fill in self._fills),
            orders=tuple(order for _, order in self._orders.values()),
            positions=tuple(position for at_s, position in self._positions.values() if at_s >= since_s),
            wallet=self._wallet[1] if self._wallet is not None and self._wallet[0] >= since_s else None,
        )
        self._fills.clear()
        self._orders.clear()
        self._positions.clear()
        self._wallet = None
        return remembered

    @property
    def size(self) -> int:
        """How many fills and orders are remembered."""
        return len(self._fills) + len(self._orders)

    def _forget(self) -> None:
        since_s = self._clock() - self._kept_s
        while self._fills and self._fills[0][0] < since_s:
            self._fills.popleft()
        while self._orders and (len(self._orders) > self._max_orders or next(iter(self._orders.values()))[0] < since_s):
            self._orders.popitem(last=False)
