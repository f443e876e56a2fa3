"""An embedded Valkey: a server of our own on a loopback port, without any installation."""

from __future__ import annotations

import secrets
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from alpha.live.connection import RedisAddress
from alpha.local.binaries import valkey_program
from alpha.local.children import Child
from alpha.local.data_directory import prepare_home, remove_server_directory, server_directory
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.ports import LOOPBACK, free_port
from alpha.local.private_file import write_private
from alpha.local.service_user import service_user
from alpha.local.waiting import never, wait_until_ready

DATABASES = 64

_START_WITHIN_S = 10.0
_RETRY_EVERY_S = 0.1
_PORT_TAKEN = "Failed listening on port"


class EmbeddedValkey:
    """Valkey as a child process: 64 databases, a random password, nothing on disk, no eviction.

    A server that died and is started again is empty, on its old port and with its old password: what it held is
    rebuilt from the ledger. It ends with this process. Start and stop must be called by the main thread.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.port = 0
        self._secret = secrets.token_urlsafe(24)
        self._user = service_user()
        self._directory: Path | None = None
        self._program: Path | None = None
        self._child: Child | None = None

    def address(self) -> RedisAddress:
        """How to connect."""
        return RedisAddress(host=LOOPBACK, port=self.port, password=self._secret)

    @property
    def child(self) -> Child | None:
        """The process, from `start` to `stop`."""
        return self._child

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether the server process exists."""
        return self._child is not None and self._child.running

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.home / "logs" / "valkey.log"

    def start(self, interrupted: Callable[[], bool] = never) -> None:
        """Starts the server and returns when it accepts connections.

        Raises StartFailed with the server's own words, ServerNotFound, or StartInterrupted.
        """
        prepare_home(self.home, self._user)
        self._program = self._program or valkey_program(self._user)
        self._directory = self._directory or server_directory(self.home, "valkey", self._user)
        keep_port = self.port != 0
        give_up = time.monotonic() + _START_WITHIN_S
        while True:
            if not keep_port:
                self.port = free_port()
            try:
                wait_until_ready(self.begin(), self.ready, within_s=_START_WITHIN_S, interrupted=interrupted)
                return
            except StartFailed as failed:
                if _PORT_TAKEN not in str(failed) or time.monotonic() > give_up:
                    raise
            if interrupted():
                raise StartInterrupted("stopped while valkey was starting")
            time.sleep(_RETRY_EVERY_S)

    def begin(self) -> Child:
        """Starts the process of a server that was ready before, on its port, and does not wait."""
        if self._directory is None or self._program is None:
            raise StartFailed("valkey was never started")
        # In a file and not among the arguments, which every user of the machine can read.
        configuration = self._directory / "valkey.conf"
        write_private(
            configuration,
            "\n".join(
                (
                    f"bind {LOOPBACK}",
                    f"port {self.port}",
                    f"requirepass {self._secret}",
                    'save ""',
                    "appendonly no",
                    f"databases {DATABASES}",
                    "maxmemory-policy noeviction",
                    f"dir {self._directory}",
                    "daemonize no",
                    "",
                )
            ),
            self._user,
        )
        self._child = Child(
            "valkey",
            [str(self._program), str(configuration)],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            log=self.log,
            user=self._user,
            cwd=Path("/"),
            stop_signal=signal.SIGTERM,
            orphan_signal=signal.SIGKILL,
        )
        self._child.start()
        return self._child

    def ready(self) -> bool:
        """Whether the running server answers."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return False
        return answer.startswith((b"-NOAUTH", b"+PONG"))

    def stop(self, grace_s: float = 2.0) -> None:
        """Ends the server. Its data is gone."""
        child, self._child = self._child, None
        if child is not None:
            child.stop(grace_s)

    def remove(self) -> None:
        """Stops the server and deletes its files."""
        self.stop()
        remove_server_directory(self._directory or server_directory(self.home, "valkey", self._user))
        self._directory = None
