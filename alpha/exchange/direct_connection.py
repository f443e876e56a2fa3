from __future__ import annotations

from collections.abc import Callable, Generator
from types import GeneratorType

from websockets.asyncio.client import ClientConnection
from websockets.frames import CONT, DATA_OPCODES, TEXT, Frame
from websockets.protocol import Event, State
from websockets.streams import StreamReader

from alpha.exchange.whole_texts import whole_texts

# https://www.rfc-editor.org/rfc/rfc6455#section-5.5: close, ping, pong, and how long they are at most.
_CONTROL = frozenset({0x88, 0x89, 0x8A})
_LONGEST_CONTROL = 125


class DirectConnection(ClientConnection):
    """A connection that hands over text messages the moment they are there, those of a read together.

    The library's own queue, and waking up a reader for every message in it, take longer than reading the message does;
    so does taking frames apart with the library's care for every kind of them. Nearly all are whole texts, which are
    told apart by their first bytes. Pings and pongs in between go to the library one by one, whole: left with half a
    frame, it would be given everything else until a read happens to end where a frame does. From the first frame of
    another kind on, what is there goes to the library. Messages come in their order: as long as one waits in the queue,
    the later ones go there too.
    """

    _take: Callable[[list[bytes]], None] | None = None
    _read_ended: Callable[[], None]
    _rest = b""
    """The beginning of a frame of which the end has not come yet."""
    _queued = 0

    def hand_over(self, take: Callable[[list[bytes]], None], read_ended: Callable[[], None]) -> None:
        """From now on text messages go to `take`, but for those that `next_message` answers. `read_ended` is called
        when all that one read of the socket has brought was handed over. Neither may raise."""
        self._take, self._read_ended = take, read_ended

    async def next_message(self) -> bytes:
        """The next message that was not handed over: one that came before, or in fragments. Raises ConnectionClosed."""
        message = await self.recv(decode=False)
        self._queued -= 1
        return message

    def post(self, *texts: bytes) -> None:
        """Sends a protocol ping and the texts, without waiting: a half-open connection takes what is sent until a
        buffer is full, which these never fill. On a connection that is ending nothing is sent."""
        if self.protocol.state is not State.OPEN:
            return
        self.protocol.send_ping(b"")
        for text in texts:
            self.protocol.send_text(text)
        self.send_data()

    def data_received(self, data: bytes) -> None:
        if self._take is None:
            super().data_received(data)
            return
        data, self._rest = self._rest + data, b""
        left = self._taken(data, self._take) if self._is_between_frames else data
        if left:
            super().data_received(left)
        self._read_ended()

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.opcode is TEXT and event.fin and not self._queued and self._take is not None:
                self._take([bytes(event.data)])
                return
            self._queued += event.opcode is not CONT
        super().process_event(event)

    @property
    def _is_between_frames(self) -> bool:
        """Whether the library waits for no end of a frame, and nobody for an earlier message or for its end."""
        protocol = self.protocol
        return not self._queued and _awaits_a_frame(protocol.parser) and protocol.state is State.OPEN

    def _taken(self, data: bytes, take: Callable[[list[bytes]], None]) -> bytes:
        """Hands over the whole texts that the data begins with, and keeps a frame that is not all there; answers what
        is left for the library."""
        begin = 0
        while True:
            texts, begin, is_begun_text = whole_texts(data, begin)
            if texts:
                take(texts)
            if is_begun_text:
                break
            length = data[begin + 1]
            if data[begin] not in _CONTROL or length > _LONGEST_CONTROL:
                return data[begin:]
            end = begin + 2 + length
            if end > len(data):
                break
            super().data_received(data[begin:end])
            if not self._is_between_frames:
                return data[end:]
            begin = end
        self._rest = data[begin:]
        return b""


def _awaits_a_frame(parser: Generator[None, None, None]) -> bool:
    """Whether the library's parser has consumed all of the frames that it began. It is a generator that asks others for
    bytes, and between two frames for whether there are any at all; an empty buffer says nothing, since the beginning of
    a frame is taken out of it before the rest has come."""
    innermost: object = parser
    while isinstance(innermost, GeneratorType) and innermost.gi_yieldfrom is not None:
        innermost = innermost.gi_yieldfrom
    return isinstance(innermost, GeneratorType) and innermost.gi_code is StreamReader.at_eof.__code__
