"""Orders and positions as they came: who shows them reads them, so that a fill of the same read does not wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import orjson
import structlog

from alpha.domain.ids import AccountName
from alpha.domain.order import Order
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import parse_private
from alpha.exchange.wire_message import read_message, state_topic

log = structlog.get_logger()
_READ_HERE = frozenset({"order", "position"})


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
        """What cannot be read, for whatever reason, takes nothing else with it."""
        orders: list[Order] = []
        positions: list[ExchangePosition] = []
        for message in self._messages:
            try:
                self._read(message, orders, positions)
            except Exception as error:
                log.exception("state_not_read", account=self._account, topic=state_topic(message))
                self._keep(message, UnknownMessage(f"{type(error).__name__}: {error}", message))
        return orders, positions

    def _read(self, message: bytes, orders: list[Order], positions: list[ExchangePosition]) -> None:
        frame = read_message(message, self._account)
        if frame is not None:
            orders += frame.orders
            positions += frame.positions
            return
        try:
            # Of another shape than usual.
            told = parse_private(orjson.loads(message), self._account)
        except orjson.JSONDecodeError as not_json:
            self._keep(message, UnknownMessage(f"not JSON: {not_json}", message))
            return
        except UnknownMessage as unknown:
            self._keep(message, unknown)
            return
        if told.topic not in _READ_HERE:
            # It tells two topics, of which the first was looked at and the last counts.
            self._keep(message, UnknownMessage(f"it is of the topic {told.topic} as well", message))
            return
        orders += told.orders
        positions += told.positions
        for each in told.unreadable:
            self._keep(message, each)

    def _keep(self, message: bytes, unknown: UnknownMessage) -> None:
        self._unreadable(state_topic(message) or "", unknown)
