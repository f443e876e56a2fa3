"""Orders and positions as they came: who shows them reads them, so that a fill of the same read does not wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import orjson

from alpha.domain.ids import AccountName
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import PrivateMessage, parse_private
from alpha.exchange.wire_message import read_message, state_topic


@final
class UnreadStates:
    """Messages of the private stream whose topic is that of orders or positions, in the order they came.

    `unreadable` is told, on the thread that reads, of each message or entry that cannot be read, with its topic.
    """

    def __init__(
        self, account: AccountName, messages: Sequence[bytes], unreadable: Callable[[str, UnknownMessage], None]
    ) -> None:
        self._account, self._messages, self._unreadable = account, messages, unreadable

    def read(self) -> tuple[list[Order], list[ExchangePosition]]:
        orders: list[Order] = []
        positions: list[ExchangePosition] = []
        for message in self._messages:
            frame = read_message(message, self._account)
            if frame is not None:
                orders += frame.orders
                positions += frame.positions
            elif (told := self._read_patiently(message)) is not None:
                orders += told.orders
                positions += told.positions
        return orders, positions

    def _read_patiently(self, message: bytes) -> PrivateMessage | None:
        """A message of another shape than usual; None when it cannot be read at all."""
        topic = state_topic(message) or ""
        try:
            told = parse_private(orjson.loads(message), self._account)
        except UnknownMessage as unknown:
            self._unreadable(topic, unknown)
            return None
        except Exception as error:  # noqa: BLE001 - not JSON, or a failure of ours: either is kept raw and told
            self._unreadable(topic, UnknownMessage(f"{type(error).__name__}: {error}", message))
            return None
        for each in told.unreadable:
            self._unreadable(topic, each)
        return told
