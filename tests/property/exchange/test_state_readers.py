"""The quick readers of orders and positions and the patient one: where both read a thing they read the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from alpha.exchange.parse import parse_private
from alpha.exchange.wire_message import read_message
from tests.property.exchange.test_execution_readers import VALUES
from tests.unit.exchange.wire import ACCOUNT, execution, order, position

WORDS = [
    "Filled",
    "New",
    "Unknown",
    "PartiallyFilledCanceled",
    "Market",
    "None",
    "linear",
    "inverse",
    "spot",
    "UNKNOWN",
]
_MORE: st.SearchStrategy[Any] = st.one_of(VALUES, st.sampled_from(WORDS))


def _rows(make: Callable[..., dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    fields = sorted(make())

    @st.composite
    def rows(draw: st.DrawFn) -> dict[str, Any]:
        item = make(**draw(st.dictionaries(st.sampled_from(fields), _MORE, max_size=3)))
        for name in draw(st.sets(st.sampled_from(fields), max_size=2)):
            item.pop(name, None)
        return item

    return rows()


ORDER_TOPICS = ["order", "order.linear", "order.inverse", "order.spot", "orders"]
POSITION_TOPICS = ["position", "position.linear", "position.option", "positions"]


def _bytes(topic: str, items: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"id": "1", "topic": topic, "creationTime": 1795219423790, "data": items})


def _agree(message: bytes) -> None:
    quick = read_message(message, ACCOUNT)
    if quick is None:
        return
    patient = parse_private(orjson.loads(message), ACCOUNT)
    assert not patient.unreadable
    assert (quick.topic.partition(".")[0], quick.created_at) == (patient.topic, patient.created_at)
    assert (tuple(quick.fills), tuple(quick.orders)) == (patient.fills, patient.orders)
    assert tuple(quick.positions) == patient.positions


@given(st.lists(_rows(order), max_size=3), st.sampled_from(ORDER_TOPICS))
def test_the_readers_agree_on_orders(items: list[dict[str, Any]], topic: str) -> None:
    _agree(_bytes(topic, items))


@given(st.lists(_rows(position), max_size=3), st.sampled_from(POSITION_TOPICS))
def test_the_readers_agree_on_positions(items: list[dict[str, Any]], topic: str) -> None:
    _agree(_bytes(topic, items))


def test_the_usual_frames_are_read_quickly() -> None:
    for topic, item in {"order": order(), "position": position(), "execution": execution()}.items():
        message = _bytes(topic, [item])
        assert read_message(message, ACCOUNT) is not None
        _agree(message)


def test_what_is_none_of_them_is_left_alone() -> None:
    for message in (
        b"",
        b"\xff",
        b"[]",
        b'{"op":"pong"}',
        b'{"topic":"wallet","data":[]}',
        b'{"topic":"',
        b'{"topic":"o',
    ):
        assert read_message(message, ACCOUNT) is None
