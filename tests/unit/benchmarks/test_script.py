"""What the simulator tells must be what the listener understands, the same by stream and by REST."""

from __future__ import annotations

from decimal import Decimal

import orjson

from alpha.domain.ids import Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.exchange.parse import parse_fill, parse_position, parse_private
from benchmarks.cast import cast
from benchmarks.script import START, Script

ROLE = cast(1)[0]
SCRIPT = Script(ROLE, START)


def frames_of(wire: bytes) -> list[dict[str, object]]:
    """The JSON of unmasked WebSocket frames with a 16 bit length (RFC 6455, section 5.2)."""
    found = []
    while wire:
        assert wire[:2] == b"\x81\x7e"
        end = 4 + int.from_bytes(wire[2:4], "big")
        found.append(orjson.loads(wire[4:end]))
        wire = wire[end:]
    return found


def test_a_fill_comes_with_its_order_and_its_position_all_made_when_they_are_sent():
    frames = frames_of(SCRIPT.frames(0, with_states=True).at(1_767_571_200_123))
    assert [frame["topic"] for frame in frames] == ["execution", "order", "position"]
    assert {frame["creationTime"] for frame in frames} == {1_767_571_200_123}
    fill, order, position = (parse_private(frame, ROLE.account) for frame in frames)
    assert fill.fills[0].order_id == order.orders[0].order_id
    assert order.orders[0].status.is_terminal
    assert position.positions[0].position.quantity == fill.fills[0].quantity == Decimal("0.01")


def test_stream_and_rest_tell_the_same_fill():
    streamed = parse_private(frames_of(SCRIPT.frames(7, with_states=False).at(1_767_571_200_123))[0], ROLE.account)
    listed = parse_fill(orjson.loads(SCRIPT.rest_row(7)), ROLE.account, "linear")
    assert not streamed.fills[0].differences(listed)


def test_every_second_fill_closes_the_position_of_its_symbol():
    # fills 0 and 1 are BTCUSDT, 2 and 3 ETHUSDT, 4 and 5 SOLUSDT, 6 BTCUSDT again
    sizes = [SCRIPT.position(Symbol("BTCUSDT"), fills).size for fills in (0, 1, 2, 6, 7, 8)]
    assert sizes == [0, Decimal("0.01"), 0, 0, Decimal("0.01"), 0]
    rows = SCRIPT.rest_positions(3)
    assert [parse_position(row, ROLE.account, "linear").symbol for row in rows] == ["ETHUSDT"]


def test_order_ids_are_tags_of_the_bot_and_never_the_same():
    tags = [SCRIPT.execution(number).order_link_id for number in range(500)]
    assert len(set(tags)) == 500
    assert {tag.code for text in tags if (tag := OrderLinkId.parse(text))} == {ROLE.code}
    assert all(OrderLinkId.parse(text) for text in tags)
