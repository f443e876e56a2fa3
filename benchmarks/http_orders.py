"""Market orders end to end: over keep-alive HTTP into the paper exchange, matched, in its journal, answered."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from alpha.local.loopback_http import status_of
from alpha.local.ports import free_port
from benchmarks.figures import Figure, Section, Unit, at_least, at_most
from benchmarks.scene import BenchmarkFailed

_CONNECTIONS = 8
_START_S, _CLIENT_S = 30.0, 300.0


def measure(*, quick: bool) -> Section:
    """Raises BenchmarkFailed when the exchange does not start or refuses an order."""
    count = 4_000 if quick else 20_000
    with _exchange() as server:
        before = server.cpu_s()
        found = server.measured(count)
        cpu_s = server.cpu_s() - before
    how = (
        f"{count:,} signed requests that ask for nothing, then as many market orders, by a client of bare sockets in a "
        f"process of its own over {_CONNECTIONS} connections; medians over one. Orders match when they are sent, and "
        "are in the journal before they are answered. Server and client share the machine."
    )
    ratio = found["order_ms"] / found["empty_ms"]
    requests = 2 * (count + count // 4)
    figures = (
        Figure("market orders", found["order_rate"], Unit.ORDERS_PER_S, at_least(4_000)),
        Figure("requests that ask for nothing, to it", found["empty_rate"] / found["order_rate"], Unit.TIMES),
        Figure("one order, median", found["order_ms"], Unit.MS),
        Figure("the same, to a request that asks for nothing", ratio, Unit.TIMES, at_most(3)),
        Figure("processor time of the server for a request, mean of both", cpu_s / requests * 1e6, Unit.US),
    )
    return Section("http-orders", "Orders over HTTP", how, figures)


@dataclass(frozen=True, slots=True)
class _Server:
    """A running exchange."""

    process: subprocess.Popen[bytes]
    port: int
    key: str
    secret: str

    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def measured(self, count: int) -> dict[str, float]:
        arguments = [str(self.port), self.key, self.secret, str(count), str(_CONNECTIONS)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_client", *arguments],
            capture_output=True,
            text=True,
            timeout=_CLIENT_S,
            check=False,
        )
        if done.returncode:
            raise BenchmarkFailed(done.stderr.strip().splitlines()[-1])
        found: dict[str, float] = json.loads(done.stdout)
        return found


@contextmanager
def _exchange() -> Iterator[_Server]:
    with tempfile.TemporaryDirectory(prefix="alpha-bench-") as name:
        folder, port, key, secret = Path(name), free_port(), secrets.token_hex(9), secrets.token_hex(18)
        account = {"name": "bench", "uid": 1, "api_key": key, "api_secret": secret, "balance_usdt": "10000000"}
        (folder / "accounts.json").write_text(json.dumps([account]))
        arguments = ["--port", str(port), "--accounts", str(folder / "accounts.json"), "--symbols", "BTCUSDT"]
        arguments += ["--journal", str(folder / "journal.jsonl"), "--speed", "300", "--match", "at-once"]
        process = subprocess.Popen(
            [sys.executable, "-m", "paper_exchange", *arguments, "--lockstep", "off"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(process, f"http://127.0.0.1:{port}/healthz")
            yield _Server(process, port, key, secret)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_S
    while status_of(url) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkFailed("the paper exchange does not start")
        time.sleep(0.05)
