"""What one read of the socket has brought, and what of it the next one keeps."""

from __future__ import annotations

import orjson

from tests.unit.domain.fills import MAIN
from tests.unit.exchange import wire
from tests.unit.listener.accounts import a_wallet, an_order, said
from websocket_listener.one_read import OneRead


def test_of_what_was_handed_over_nothing_is_kept() -> None:
    read = OneRead()
    began_at = read.begin()
    told = [orjson.dumps(wire.frame("execution", wire.execution())), orjson.dumps(wire.frame("order", wire.order()))]
    assert read.take_messages(told, MAIN, lambda _: None) == ["execution", "order"]
    read.take(began_at, began_at, [], [an_order()], [said("1")])
    read.wallet = a_wallet("1")
    brought = read.handed_over()
    assert (brought.at, brought.wallet, brought.states) == (began_at, a_wallet("1"), told[1:])
    assert (len(brought.fills), brought.orders, brought.positions) == (1, [an_order()], [said("1")])
    assert brought.holds_anything
    assert all_of(read) == all_of(OneRead())
    assert not read.holds_anything
    assert read.begin() > began_at


def all_of(read: OneRead) -> tuple[object, ...]:
    return read.at, read.fills, read.orders, read.positions, read.states, read.wallet
