"""Messages are handed over as the library itself reads them, however the socket cuts them into pieces."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from unittest.mock import MagicMock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State
from websockets.uri import parse_uri

from alpha.exchange.direct_connection import DirectConnection

_LENGTHS = st.sampled_from([0, 1, 5, 125, 126, 70_000])
_KINDS = st.sampled_from(["whole", "whole", "whole", "pong", "pong of told length", "in fragments"])
_TOLD = st.lists(st.tuples(_KINDS, _LENGTHS, _LENGTHS), max_size=12)
_CUTS = st.lists(st.integers(min_value=0, max_value=300_000), max_size=20)
_ILLEGAL = (b"\x88\x7e\x00\x80" + bytes(128), b"\x89\x7f" + (70_000).to_bytes(8) + bytes(70_000))
"""A close and a ping longer than 125 bytes, whole: the library refuses them when it has all of one."""


def _frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=False)


def _wire(kind: str, number: int, one: int, other: int) -> tuple[list[bytes], bytes]:
    """What a frame, or several, tell, and their bytes."""
    first, second = bytes([97 + number]) * one, bytes([65 + number]) * other
    if kind == "whole":
        return [first], _frame(Opcode.TEXT, first)
    if kind == "pong":
        return [], _frame(Opcode.PONG, b"1")
    if kind == "pong of told length":
        return [], b"\x8a\x7e\x00\x05hello"
    begin, end = _frame(Opcode.TEXT, first, fin=False), _frame(Opcode.CONT, second)
    return [first + second], begin + _frame(Opcode.PONG, b"2") + end


def _connected() -> DirectConnection:
    """As after the handshake."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"), max_size=None)
    connection = DirectConnection(protocol, ping_interval=None)
    connection.connection_made(MagicMock())
    protocol.state, protocol.parser = State.OPEN, Protocol.parse(protocol)
    next(protocol.parser)
    connection.response = MagicMock()
    return connection


def _cut(wire: bytes, cuts: list[int]) -> list[bytes]:
    bounds = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    return [wire[begin:end] for begin, end in pairwise(bounds)]


async def _heard(pieces: list[bytes], *, ends: State = State.OPEN) -> list[bytes]:
    connection = _connected()
    heard: list[bytes] = []
    reads: list[int] = []
    connection.hand_over(heard.extend, lambda: reads.append(len(heard)))

    async def read_the_rest() -> None:
        while True:
            heard.append(await connection.next_message())

    reader = asyncio.create_task(read_the_rest())
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(reads) == len(pieces)
    assert connection.protocol.state is ends
    reader.cancel()
    return heard


@given(_TOLD, _CUTS)
def test_however_it_is_cut_every_message_is_heard_once_and_in_order(
    told: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    frames = [_wire(kind, number, one, other) for number, (kind, one, other) in enumerate(told)]
    wire = b"".join(data for _, data in frames)
    assert asyncio.run(_heard(_cut(wire, cuts))) == [text for texts, _ in frames for text in texts]


@given(_TOLD, st.sampled_from(_ILLEGAL), _CUTS)
def test_an_illegal_control_frame_ends_the_connection_after_the_messages_before_it(
    told: list[tuple[str, int, int]], illegal: bytes, cuts: list[int]
) -> None:
    frames = [_wire(kind, number, one, other) for number, (kind, one, other) in enumerate(told)]
    wire = b"".join(data for _, data in frames) + illegal + _frame(Opcode.TEXT, b"never")
    expected = [text for texts, _ in frames for text in texts]
    assert asyncio.run(_heard(_cut(wire, cuts), ends=State.CLOSING)) == expected


@pytest.mark.parametrize("illegal", _ILLEGAL, ids=["close", "ping"])
def test_the_library_is_given_an_illegal_control_frame_as_it_comes(illegal: bytes) -> None:
    head, behind = illegal[:10], _frame(Opcode.TEXT, b"behind it")
    given_to_library: list[bytes] = []

    async def hear() -> None:
        connection = _connected()
        heard: list[bytes] = []
        connection.hand_over(heard.extend, lambda: None)
        read = connection.protocol.receive_data

        def receive(data: bytes) -> None:
            given_to_library.append(data)
            read(data)

        with patch.object(connection.protocol, "receive_data", receive):
            connection.data_received(_frame(Opcode.TEXT, b"one") + head)
            connection.data_received(behind)
        assert heard == [b"one"]

    asyncio.run(hear())
    assert given_to_library == [head, behind]


def test_a_ping_that_looks_like_a_text_is_none_wherever_it_is_cut() -> None:
    wire = _frame(Opcode.TEXT, b"one") + _frame(Opcode.PING, b"\x81\x02ab") + _frame(Opcode.TEXT, b"two")
    for cut in range(len(wire)):
        assert asyncio.run(_heard([wire[:cut], wire[cut:]])) == [b"one", b"two"], cut


def test_a_pong_amid_messages_is_all_that_the_library_is_given() -> None:
    # given a pong between two texts, and a read that ends within the second
    pong, last = _frame(Opcode.PONG, b"1"), _frame(Opcode.TEXT, b"two")
    given_to_library: list[bytes] = []

    async def hear() -> None:
        connection = _connected()
        heard: list[bytes] = []
        connection.hand_over(heard.extend, lambda: None)
        # when it is read in two pieces
        with patch.object(connection.protocol, "receive_data", given_to_library.append):
            connection.data_received(_frame(Opcode.TEXT, b"one") + pong + last[:3])
            connection.data_received(last[3:] + _frame(Opcode.TEXT, b"three"))
        # then the texts were handed over at once
        assert heard == [b"one", b"two", b"three"]

    asyncio.run(hear())
    assert given_to_library == [pong]
