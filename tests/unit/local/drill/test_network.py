"""A link between two parts: open, cut, silent, and open again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from alpha.local.drill.network import Link, LinkState, Network
from tests.support import eventually


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.heard: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while chunk := connection.recv(4096):
                    self.heard.append(chunk)
                    connection.sendall(chunk)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    network = Network()
    network.start()
    yield network.link(echo.port)
    network.close()


def dial(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=5)


def knock(link: Link) -> bytes:
    """Dials and waits for a word."""
    with dial(link) as client:
        return client.recv(16)


def test_an_open_link_carries_both_ways_and_the_end_of_one(link: Link) -> None:
    with dial(link) as client:
        client.sendall(b"here")
        assert client.recv(16) == b"here"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(16) == b""


def test_a_cut_resets_connections_and_new_ones_until_it_is_mended(link: Link) -> None:
    with dial(link) as client:
        client.sendall(b"here")
        assert client.recv(16) == b"here"
        link.set(LinkState.CUT)
        with pytest.raises(ConnectionResetError):
            client.recv(16)
    with pytest.raises(ConnectionResetError):
        knock(link)
    link.set(LinkState.OPEN)
    with dial(link) as again:
        again.sendall(b"back")
        assert again.recv(16) == b"back"


def test_a_silent_link_delivers_late_what_was_sent_meanwhile(link: Link, echo: Echo) -> None:
    with dial(link) as client, dial(link) as newcomer:
        client.sendall(b"before")
        assert client.recv(16) == b"before"
        link.set(LinkState.SILENT)
        client.sendall(b"during")
        newcomer.settimeout(0.3)
        newcomer.sendall(b"knock")
        with pytest.raises(TimeoutError):
            newcomer.recv(16)
        assert echo.heard == [b"before"]
        link.set(LinkState.OPEN)
        assert client.recv(16) == b"during"
        eventually(lambda: b"knock" in echo.heard, 5, "what was sent into the silence")


def test_a_network_that_ends_resets_who_waits_for_a_server_as_well() -> None:
    network = Network()
    network.start()
    with ExitStack() as held:
        # A server that takes nobody in: its queue is full, and the kernel lets further ones wait.
        server = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        link = network.link(server.getsockname()[1])
        client = held.enter_context(dial(link))
        for _ in range(3):
            link.set(LinkState.OPEN)  # by then the link has taken the client in
        network.close()
        with pytest.raises(ConnectionResetError):
            client.recv(16)
