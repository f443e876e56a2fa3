"""The network between the parts of a drill: TCP proxies that can be cut, silenced and restored."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from enum import Enum, auto, unique

from alpha.local.errors import StartFailed
from alpha.local.ports import LOOPBACK, free_port

_CHUNK = 1 << 16
_STARTS_WITHIN_S = 5.0


@unique
class LinkState(Enum):
    OPEN = auto()
    CUT = auto()
    """Connections are reset, new ones too."""
    SILENT = auto()
    """Nothing passes and nothing is reset; what was sent meanwhile arrives when the link opens again, as TCP would
    deliver it after a network that came back."""


class Link:
    """One proxy: from a port of its own to a server. Its state may be set from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target_port: int) -> None:
        self.port = free_port()
        self._loop, self._target_port = loop, target_port
        self._state = LinkState.OPEN
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._transports: set[asyncio.WriteTransport] = set()
        self._server: asyncio.Server | None = None

    def set(self, state: LinkState) -> None:
        """Returns when it is so."""
        asyncio.run_coroutine_threadsafe(self._set(state), self._loop).result(_STARTS_WITHIN_S)

    async def open(self) -> None:
        """Listens from now on."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def close(self) -> None:
        """Listens no more and resets what is connected."""
        await self._set(LinkState.CUT)
        if self._server is not None:
            self._server.close()

    async def _set(self, state: LinkState) -> None:
        self._state = state
        if state is LinkState.SILENT:
            self._flowing.clear()
            return
        if state is LinkState.CUT:
            for transport in self._transports:
                _reset(transport)
        self._flowing.set()

    def _is_cut(self) -> bool:
        return self._state is LinkState.CUT

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer.transport}
        try:
            await self._flowing.wait()
            if self._is_cut():
                return
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
            ends.add(there_writer.transport)
            if self._is_cut():
                return
            self._transports.update(ends)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, there_writer))
                group.create_task(self._carry(there_reader, writer))
        except* OSError:
            pass
        finally:
            self._transports.difference_update(ends)
            for transport in ends:
                _reset(transport)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            chunk = await reader.read(_CHUNK)
            await self._flowing.wait()
            if not chunk:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()


class Network:
    """The links of a drill, carried by a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._links: list[Link] = []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Resets every connection and ends the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_STARTS_WITHIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STARTS_WITHIN_S)

    def link(self, target_port: int) -> Link:
        """A new link to a loopback port, open. Raises StartFailed."""
        link = Link(self._loop, target_port)
        try:
            asyncio.run_coroutine_threadsafe(link.open(), self._loop).result(_STARTS_WITHIN_S)
        except OSError as error:
            raise StartFailed(f"the drill's network cannot listen on port {link.port}: {error}") from error
        self._links.append(link)
        return link

    def restore(self) -> None:
        """Opens every link."""
        for link in self._links:
            link.set(LinkState.OPEN)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _close(self) -> None:
        for link in self._links:
            await link.close()
        # Until none is left: a connection that was being accepted becomes a task of its own.
        while tasks := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _reset(transport: asyncio.WriteTransport) -> None:
    """Ends a connection with RST and not with FIN, as a network that is cut does once it is noticed."""
    raw = transport.get_extra_info("socket")
    if raw is not None and not transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
