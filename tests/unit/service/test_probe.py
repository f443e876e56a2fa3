from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alpha.service import probe
from alpha.service.health import HealthServer
from tests.support import free_port


@pytest.fixture
def said() -> dict[str, object]:
    return {"ok": True, "backlog": 0}


@pytest.fixture
def server(said: dict[str, object]) -> Iterator[HealthServer]:
    running = HealthServer(0, lambda: said, CollectorRegistry()).start()
    yield running
    running.stop()


def test_a_process_is_well_as_long_as_it_says_so(server: HealthServer, said: dict[str, object]) -> None:
    assert probe.ask(server.port) == (True, '{"ok":true,"backlog":0}')
    said |= {"ok": False, "backlog": 20_000}
    assert probe.ask(server.port) == (False, '{"ok":false,"backlog":20000}')


def test_a_process_that_does_not_answer_is_not_well() -> None:
    port = free_port()
    well, says = probe.ask(port)
    assert not well
    assert says.startswith(f"nothing answers on port {port}")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"+PONG\r\n"])
def test_what_speaks_something_else_is_not_well(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        well, says = probe.ask(server.getsockname()[1])
        thread.join()
    assert not well
    assert says.endswith("does not speak HTTP")


def test_the_check_of_a_container_needs_nothing_but_python(server: HealthServer, said: dict[str, object]) -> None:
    # As docker-compose.production.yml has it: isolated, and without the packages of the environment.
    line = [sys.executable, "-I", "-S", str(Path(probe.__file__)), str(server.port)]
    assert subprocess.run(line, capture_output=True, check=False).returncode == 0
    said["ok"] = False
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (1, '{"ok":false,"backlog":0}')
