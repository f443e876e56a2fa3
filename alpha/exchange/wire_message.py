from __future__ import annotations

from alpha.domain.ids import AccountName
from alpha.exchange.wire_execution import read_execution_frame
from alpha.exchange.wire_fields import CATEGORIES, ReadFrame
from alpha.exchange.wire_states import read_order_frame, read_position_frame

# Where the topic stands, whatever else stands before it (https://bybit-exchange.github.io/docs/v5/websocket/private/execution).
_MARK, _MARKED_WITHIN = b'"topic":"', 200
_READERS = {
    b"e": read_execution_frame,
    b"o": read_order_frame,
    b"p": read_position_frame,
}
"""Readers by the first letter of their topic."""
_STATE_TOPICS = {
    f"{kind}{ending}".encode(): f"{kind}{ending}" for kind in ("order", "position") for ending in CATEGORIES
}


def state_topic(message: bytes) -> str | None:
    """The topic of a message of orders or positions, of which nothing else is read; None of any other message."""
    begins = _topic_begins(message)
    return None if begins < 0 else _STATE_TOPICS.get(message[begins : message.find(b'"', begins)])


def read_message(message: bytes, account: AccountName) -> ReadFrame | None:
    """The executions, orders or positions of a message of the private stream; None when it is something else, or not
    all of it has the usual shape: `parse_private` then says what it is."""
    begins = _topic_begins(message)
    read = None if begins < 0 else _READERS.get(message[begins : begins + 1])
    return None if read is None else read(message, account)


def _topic_begins(message: bytes) -> int:
    """Where the name of the topic begins; below 0 where it is not seen to be the message's own, and not that of
    something that the message begins with."""
    found = message.find(_MARK, 0, _MARKED_WITHIN)
    return found + len(_MARK) if found >= 0 and message.rfind(b"{", 0, found) == 0 else -1
