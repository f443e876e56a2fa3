"""The listeners of a drill: each a process behind links of its own to PostgreSQL, Redis and the exchange."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpha.local.children import Child
from alpha.local.drill.network import Link, LinkState
from alpha.local.loopback_http import json_of
from alpha.local.ports import LOOPBACK, free_port
from alpha.local.preflight import PROJECT

_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """How one listener reaches the rest."""

    postgres: Link
    redis: Link
    exchange: Link

    def set(self, part: str, state: LinkState) -> None:
        """`part` is postgres, redis or exchange."""
        link: Link = getattr(self, part)
        link.set(state)


class DrillListener:
    """One listener. `start`, `kill` and the signals belong to the main thread."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], links: Links, log: Path) -> None:
        self.name, self.links, self.log = name, links, log
        port = free_port()
        self._url = f"http://{LOOPBACK}:{port}/healthz"
        self._command, self._env = tuple(command), dict(env) | {"LISTENER_PORT": str(port)}
        self._child: Child | None = None
        self.expected = False
        """Whether it shall run; one that ended although it shall is started again."""
        self.ends: list[int] = []
        """Exit codes of ends that the drill did not bring about."""
        self.memory_kb: list[int] = []

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def start(self) -> None:
        self.expected = True
        self._child = Child(self.name, self._command, env=self._env, log=self.log, cwd=PROJECT)
        self._child.start()

    def kill(self) -> None:
        """kill -9."""
        self.expected = False
        if self._child is not None:
            self._child.kill()

    def freeze(self) -> None:
        """SIGSTOP: it neither runs nor ends."""
        if self._child is not None:
            self._child.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        if self._child is not None:
            self._child.send(signal.SIGCONT)

    def keep_running(self) -> None:
        """Starts it again when it ended by itself, and notes that it did."""
        if self.expected and self._child is not None and not self._child.running:
            self.ends.append(self._child.exit_code or 0)
            self.start()

    def last_words(self) -> str:
        return "" if self._child is None else self._child.last_words()

    def health(self) -> Mapping[str, Any]:
        """Its /healthz, empty when it does not answer."""
        return json_of(self._url) or {}

    def live_accounts(self) -> set[str]:
        """The accounts that it listens to and writes for now."""
        accounts: Mapping[str, Mapping[str, Any]] = self.health().get("accounts", {})
        return {name for name, account in accounts.items() if account.get("state") == "live"}

    def note_memory(self) -> None:
        """Takes down its resident memory, where the system tells it."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return
        if found := _RSS.search(status):
            self.memory_kb.append(int(found[1]))
