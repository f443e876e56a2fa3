from __future__ import annotations

from alpha.domain.ids import AccountName
from alpha.exchange.wire_execution import read_execution_frame
from alpha.exchange.wire_fields import ReadFrame
from alpha.exchange.wire_states import read_order_frame, read_position_frame

# Where the topic stands, whatever stands before it (https://bybit-exchange.github.io/docs/v5/websocket/private/execution).
_MARK, _MARKED_WITHIN = b'"topic":"', 200
_READERS = {
    b"e": read_execution_frame,
    b"o": read_order_frame,
    b"p": read_position_frame,
}
"""Readers by the first letter of their topic."""


def read_message(message: bytes, account: AccountName) -> ReadFrame | None:
    """The executions, orders or positions of a message of the private stream; None when it is something else, or not
    all of it has the usual shape: `parse_private` then says what it is."""
    found = message.find(_MARK, 0, _MARKED_WITHIN)
    if found < 0:
        return None
    begins = found + len(_MARK)
    read = _READERS.get(message[begins : begins + 1])
    return None if read is None else read(message, account)
