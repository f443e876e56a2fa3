from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import final

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.exchange.wire_message import read_message, state_topic
from alpha.ledger.fill_rows import FillSource
from alpha.live.wire import now
from websocket_listener.write_queue import Heard


@final
class OneRead:
    """What one read of the socket has brought so far, in the order it was told. Under load that is many frames.

    `at` is the wall time at which its first frame was there, None before. `states` are messages with orders or
    positions that nobody has read yet. Of the wallet only the last word counts.
    """

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.fills: list[Heard] = []
        self.orders: list[Order] = []
        self.positions: list[ExchangePosition] = []
        self.states: list[bytes] = []
        self.wallet: WalletBalance | None = None

    @property
    def holds_anything(self) -> bool:
        return bool(self.fills or self.states or self.orders or self.positions or self.wallet is not None)

    def begin(self) -> datetime:
        """When the read began, which is now if nothing has come of it before."""
        if self.at is None:
            self.at = now()
        return self.at

    def take_messages(
        self, messages: list[bytes], account: AccountName, otherwise: Callable[[bytes], None]
    ) -> list[str]:
        """Executions are read from the bytes of their message; orders and positions, of which each of them brings one,
        are left unread until the fills are on their way. What is neither, or has not the usual shape, goes to
        `otherwise`, in its turn. Answers the topics of all others."""
        topics: list[str] = []
        for message in messages:
            topic = state_topic(message)
            if topic is not None:
                self.begin()
                self.states.append(message)
                topics.append(topic)
                continue
            frame = read_message(message, account)
            if frame is None:
                otherwise(message)
                continue
            self.take(self.begin(), frame.created_at, frame.fills, frame.orders, frame.positions)
            topics.append(frame.topic)
        return topics

    def handed_over(self) -> OneRead:
        """What was brought so far, of which this one keeps nothing."""
        brought = OneRead()
        brought.at, self.at = self.at, None
        brought.fills, self.fills = self.fills, brought.fills
        brought.orders, self.orders = self.orders, brought.orders
        brought.positions, self.positions = self.positions, brought.positions
        brought.states, self.states = self.states, brought.states
        brought.wallet, self.wallet = self.wallet, None
        return brought

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
