from __future__ import annotations

from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.frames import CONT, DATA_OPCODES, TEXT, Frame
from websockets.protocol import Event


class DirectConnection(ClientConnection):
    """A connection that hands over each text message the moment it is there.

    The library's own queue, and waking up a reader for every message in it, take longer than reading the message does.
    Messages come in their order: as long as one waits in the queue, the later ones go there too.
    """

    _take: Callable[[bytes], None] | None = None
    _queued = 0

    def hand_over(self, take: Callable[[bytes], None]) -> None:
        """From now on text messages go to `take`, which must not raise, but for those that `next_message` answers."""
        self._take = take

    async def next_message(self) -> bytes:
        """The next message that was not handed over: one that came before, or in fragments. Raises ConnectionClosed."""
        message = await self.recv(decode=False)
        self._queued -= 1
        return message

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.opcode is TEXT and event.fin and not self._queued and self._take is not None:
                self._take(bytes(event.data))
                return
            self._queued += event.opcode is not CONT
        super().process_event(event)
