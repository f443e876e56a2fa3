"""The paper exchange as a process of its own, and a hand on its administration."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.support import eventually, free_port

PROJECT_ROOT = Path(__file__).parent.parent
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


_watched: dict[Path, int] = {}
"""Files of what is wrong with answers and frames, and how much of each was read."""


def new_field_problems() -> list[str]:
    """What the field table holds against answers and frames of all exchanges since the last call."""
    found = []
    for file, read in list(_watched.items()):
        if file.exists():
            text = file.read_text()
            found += text[read:].splitlines()
            _watched[file] = len(text)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAccount:
    """One account of the exchange under test. Its name is that of the registry's account."""

    __test__ = False

    name: str
    uid: int
    api_key: str
    api_secret: str = field(repr=False)
    balance_usdt: str = "10000"


class Admin:
    """The administration port. Raises requests.RequestException."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["X-Admin-Token"] = token

    def state(self) -> dict[str, Any]:
        return self._call("GET", "/admin/state")

    def run(self, bars: int) -> dict[str, Any]:
        """Lets the market move by so many bars and answers when it stands still again."""
        return self._call("POST", "/admin/run", {"bars": bars})

    def pause(self, *, when_position_open: bool = False, within_bars: int = 0) -> dict[str, Any]:
        body = {"when_position_open": when_position_open, "within_bars": within_bars}
        return self._call("POST", "/admin/pause", body)

    def resume(self) -> dict[str, Any]:
        return self._call("POST", "/admin/resume")

    def drop_sockets(self, account: str | None = None) -> int:
        """How many private sockets were cut."""
        dropped: int = self._call("POST", "/admin/drop-sockets", {"account": account})["dropped"]
        return dropped

    def trade(self, orders: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Market orders executed and published at once: `{"executions", "orders", "refused"}`."""
        return self._call("POST", "/admin/trade", {"orders": list(orders)})

    def arm(self, *faults: dict[str, Any], seed: int = 1) -> list[dict[str, Any]]:
        """Faults from now on; gives their rows of the report."""
        armed: list[dict[str, Any]] = self._call("POST", "/admin/faults", {"seed": seed, "faults": list(faults)})[
            "faults"
        ]
        return armed

    def faults(self) -> dict[str, Any]:
        return self._call("GET", "/admin/faults")

    def end_faults(self) -> dict[str, Any]:
        return self._call("DELETE", "/admin/faults")

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Any other request of the administration: `post("step", steps=3)`."""
        return self._call("POST", f"/admin/{path}", body)

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._session.request(method, self.url + path, json=body, timeout=60)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


class ExchangeProcess:
    """`python -m paper_exchange` on free ports, with accounts `shortseller` and `canary` unless others are given.

    Every answer and frame is compared with the field table; what is wrong fails the test that saw it.

    Begins paused: `admin.run(bars)` moves the market by an exact number of bars, `admin.resume()` lets it go. The same
    object can be killed and started again; with `state` it then goes on where it was.
    """

    def __init__(
        self,
        folder: Path,
        *,
        symbols: Sequence[str] = SYMBOLS,
        speed: float = 6000.0,
        seed: int = 1,
        accounts: Sequence[str] = ("shortseller", "canary"),
        balance_usdt: str = "10000",
        candles: Path | None = None,
        state: bool = False,
        lockstep: str = "soft",
        paused: bool = True,
        program: str = "tests.checked_exchange",
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._program = program
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port = free_port(), free_port()
        self.rest_url = f"http://127.0.0.1:{self.port}"
        self.private_url = f"ws://127.0.0.1:{self.port}/v5/private"
        self.public_url = f"ws://127.0.0.1:{self.port}/v5/public/linear"
        self.journal = folder / "journal.jsonl"
        self.log = folder / "exchange.log"
        self.field_problems = folder / "field-problems.txt"
        _watched.setdefault(self.field_problems, 0)
        self.accounts = {
            name: TestAccount(
                name=name,
                uid=uid,
                api_key=secrets.token_hex(9),
                api_secret=secrets.token_hex(18),
                balance_usdt=balance_usdt,
            )
            for uid, name in enumerate(accounts, start=100_001)
        }
        self.admin = Admin(f"http://127.0.0.1:{self.admin_port}", secrets.token_urlsafe(12))
        self._process: subprocess.Popen[bytes] | None = None
        accounts_file = folder / "accounts.json"
        accounts_file.write_text(
            json.dumps(
                [
                    {
                        "name": account.name,
                        "uid": account.uid,
                        "api_key": account.api_key,
                        "api_secret": account.api_secret,
                        "balance_usdt": account.balance_usdt,
                        "position_mode": "one_way",
                    }
                    for account in self.accounts.values()
                ]
            )
        )
        self.arguments = ["--port", str(self.port), "--admin-port", str(self.admin_port)]
        self.arguments += ["--accounts", str(accounts_file), "--speed", str(speed), "--symbols", ",".join(symbols)]
        self.arguments += ["--journal", str(self.journal), "--lockstep", lockstep]
        self.arguments += ["--seed", str(seed)] if candles is None else ["--candles", str(candles)]
        if state:
            self.arguments += ["--state", str(folder / "state")]
        if paused:
            self.arguments.append("--paused")
        self.arguments += options

    @property
    def pid(self) -> int:
        assert self._process is not None, "the exchange was not started"
        return self._process.pid

    def start(self) -> None:
        """Returns when both ports answer. Raises RuntimeError with the log when it ends instead."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ALPHA_", "BYBIT_"))},
            "ALPHA_EXCHANGE_ADMIN_TOKEN": self.admin.token,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, str(self.field_problems), *self.arguments],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, within_s=90, what="the paper exchange to answer")

    def stop(self) -> int:
        """Ends it with SIGTERM and gives its exit code."""
        assert self._process is not None, "the exchange was not started"
        self._process.terminate()
        return self._process.wait(timeout=20)

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        assert self._process is not None, "the exchange was not started"
        self._process.kill()
        self._process.wait(timeout=20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: what is sent to it meanwhile waits in its sockets."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def executions(self) -> list[dict[str, Any]]:
        """The journal: what the engine did, oldest first."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def executions_that_are_whole(self) -> list[dict[str, Any]]:
        """The same of an exchange that was killed, which may have been writing."""
        whole, _, _ = self.journal.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def __enter__(self) -> ExchangeProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=20)
        self.admin.close()

    def _answers(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"the paper exchange ended with {code}:\n{self.log.read_text()}")
        try:
            self.admin.state()
        except requests.RequestException:
            return False
        return True
