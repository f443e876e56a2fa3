from __future__ import annotations

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from alpha.service.health import HealthServer, PortTaken


class Service:
    """Something whose health a test sets."""

    def __init__(self) -> None:
        self.status: dict[str, Any] | None = {"ok": True, "backlog": 0}
        self.registry = CollectorRegistry()

    def __call__(self) -> dict[str, Any]:
        if self.status is None:
            raise ValueError("cannot tell")
        return self.status


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def server(service: Service) -> Iterator[HealthServer]:
    server = HealthServer(0, service, service.registry).start()
    yield server
    server.stop()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_is_what_the_service_says(server: HealthServer, service: Service) -> None:
    code, body = get(server, "/healthz")
    assert (code, json.loads(body)) == (200, {"ok": True, "backlog": 0})
    service.status = {"ok": False, "backlog": 3}
    code, body = get(server, "/healthz")
    assert (code, json.loads(body)["backlog"]) == (503, 3)


def test_a_service_that_cannot_tell_is_ill(server: HealthServer, service: Service) -> None:
    service.status = None
    assert get(server, "/healthz")[0] == 503


def test_metrics_are_served_and_other_paths_are_not(server: HealthServer, service: Service) -> None:
    Counter("fills", "Fills stored", registry=service.registry).inc(2)
    code, body = get(server, "/metrics")
    assert code == 200
    assert "fills_total 2.0" in body
    assert get(server, "/secrets")[0] == 404


def test_a_taken_port_is_one_clear_sentence(server: HealthServer, service: Service) -> None:
    with pytest.raises(PortTaken, match="set another port, or 0"):
        HealthServer(server.port, service, service.registry)


def test_whoever_gives_up_waiting_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    asked, gone, answered = threading.Event(), threading.Event(), threading.Event()

    def status() -> dict[str, Any]:
        asked.set()
        gone.wait(30)
        answered.set()
        return {"ok": True, "much": "x" * 1_000_000}

    server = HealthServer(0, status, CollectorRegistry()).start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() cuts it off
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert asked.wait(30)
    gone.set()
    assert answered.wait(30)
    assert get(server, "/healthz")[0] == 200
    server.stop()
    assert capfd.readouterr().err == ""
