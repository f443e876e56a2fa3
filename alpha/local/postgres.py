"""An embedded PostgreSQL: a server of our own on a loopback port, without any installation."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from alpha.ledger.connection import Dsn
from alpha.local.binaries import postgres_programs
from alpha.local.children import Child
from alpha.local.data_directory import prepare_home, remove_server_directory, server_directory
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.ports import LOOPBACK, free_port
from alpha.local.private_file import write_private
from alpha.local.service_user import service_user
from alpha.local.waiting import never, wait_until_ready

DATABASE = "trading_db"
OWNER = "trading_user"

_START_WITHIN_S = 30.0
_RETRY_EVERY_S = 0.25
# The path of a unix socket has room for about 100 bytes; homes are often longer.
_SOCKETS = Path("/tmp")
# A server killed with -9 leaves backends which notice within moments; until then a new one refuses to start.
_OLD_BACKENDS = "pre-existing shared memory block"
_OLD_SERVER = "lock file"
_PORT_TAKEN = "Address already in use"


class EmbeddedPostgres:
    """PostgreSQL as a child process, with its data below `home` and a database `trading_db` owned by `trading_user`.

    Passwords are random and scram-hashed; the server listens on loopback and on a unix socket. It ends with this
    process. With `durable=False` it does not wait for the disk, for data that need not survive the machine.
    Start and stop must be called by the main thread.
    """

    def __init__(self, home: Path, *, major: int = 18, durable: bool = True, max_connections: int = 100) -> None:
        self.home = home.absolute()
        self.major = major
        self.port = 0
        self._durable = durable
        self._max_connections = max_connections
        self._user = service_user()
        self._directory: Path | None = None
        self._programs: Path | None = None
        self._child: Child | None = None
        self._log_start = 0

    def dsn(self, user: str = OWNER, password: str | None = None, *, dbname: str = DATABASE) -> Dsn:
        """How to connect. Without arguments as the owner of the database, who may do everything."""
        return Dsn(
            host=LOOPBACK,
            port=self.port,
            dbname=dbname,
            user=user,
            password=self._password() if password is None else password,
        )

    @property
    def child(self) -> Child | None:
        """The process, from `start` to `stop`."""
        return self._child

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return None if self._child is None else self._child.pid

    @property
    def running(self) -> bool:
        """Whether the server process exists."""
        return self._child is not None and self._child.running

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.home / "logs" / "postgres.log"

    def start(self, interrupted: Callable[[], bool] = never) -> None:
        """Starts the server and returns when it accepts connections; makes data directory and database when missing.

        A server that died is started again on its old port. Raises StartFailed with the server's own words,
        ServerNotFound, or StartInterrupted when `interrupted()` becomes true.
        """
        prepare_home(self.home, self._user)
        self._programs = self._programs or postgres_programs(self.major, self._user)
        self._directory = self._directory or server_directory(self.home, f"postgres-{self.major}", self._user)
        if not (self._data / "PG_VERSION").exists():
            self._make_data_directory(interrupted)
        keep_port = self.port != 0
        give_up = time.monotonic() + _START_WITHIN_S
        while True:
            if not keep_port:
                self.port = free_port()
            try:
                wait_until_ready(self.begin(), self.ready, within_s=_START_WITHIN_S, interrupted=interrupted)
                break
            except StartFailed as failed:
                passing = any(
                    words in str(failed) or words in self._recent_log()
                    for words in (_OLD_BACKENDS, _OLD_SERVER, _PORT_TAKEN)
                )
                if not passing or time.monotonic() > give_up:
                    raise
            if interrupted():
                raise StartInterrupted("stopped while postgres was starting")
            time.sleep(_RETRY_EVERY_S)
        self._make_database(interrupted)

    def begin(self) -> Child:
        """Starts the process of a server that was ready before, on its port, and does not wait.

        The process may end again at once while backends of its predecessor are still leaving; try again then.
        """
        sockets = self._socket_directory
        self._make_socket_directory(sockets)
        argv = [str(self._tool("postgres")), "-D", str(self._data)]
        for name, value in self._server_settings(sockets).items():
            argv += ["-c", f"{name}={value}"]
        self._child = Child(
            "postgres",
            argv,
            env=_tool_environment(),
            log=self.log,
            user=self._user,
            cwd=Path("/"),
            stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, keeps what was committed
            orphan_signal=signal.SIGQUIT,  # immediate shutdown: its backends end with it; the next start recovers
        )
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._child.start()
        return self._child

    def has_data(self) -> bool:
        """Whether a server was made in this home before."""
        return self._password_file.exists()

    def ready(self) -> bool:
        """Whether the running server accepts connections."""
        # The postmaster writes its state into the eighth line of its pid file; reading it needs no connection.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self.pid) and lines[7].strip() == "ready"

    def stop(self, grace_s: float = 3.0) -> None:
        """Ends the server: a fast shutdown, after `grace_s` an immediate one, then SIGKILL. Data stays."""
        child, self._child = self._child, None
        if child is None:
            return
        child.ask_to_stop()
        if not child.wait(grace_s):
            child.send(signal.SIGQUIT)
            if not child.wait(0.5):
                child.kill()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._socket_directory)

    def remove(self) -> None:
        """Stops the server and deletes its data."""
        self.stop()
        remove_server_directory(self._directory or server_directory(self.home, f"postgres-{self.major}", self._user))
        self._directory = None
        self._password_file.unlink(missing_ok=True)

    @property
    def _data(self) -> Path:
        if self._directory is None:
            raise StartFailed("postgres was never started")
        return self._directory / "data"

    @property
    def _password_file(self) -> Path:
        return self.home / f"postgres-{self.major}.password"

    @property
    def _socket_directory(self) -> Path:
        place = hashlib.sha256(os.fsencode(self._data)).hexdigest()[:12]
        return _SOCKETS / f"alpha-pg-{os.geteuid()}-{place}"

    def _password(self) -> str:
        try:
            return self._password_file.read_text().strip()
        except FileNotFoundError:
            raise StartFailed(
                f"{self._password_file} is missing, so its data cannot be opened; restore it or remove {self.home}"
            ) from None

    def _run(self, name: str, argv: list[str], env: dict[str, str], interrupted: Callable[[], bool]) -> Child:
        """One of PostgreSQL's tools, to its end."""
        tool = Child(name, argv, env=env, log=self.log.with_name(f"{name}.log"), user=self._user, cwd=Path("/"))
        tool.start()
        try:
            wait_until_ready(tool, lambda: tool.exit_code is not None, within_s=60, interrupted=interrupted)
        finally:
            tool.kill()
        return tool

    def _make_data_directory(self, interrupted: Callable[[], bool]) -> None:
        # Made under a name that nobody had before and renamed when complete: an initdb that was interrupted leaves
        # nothing half-made, and what it started may write on under the earlier name for a moment.
        for left_behind in self._data.parent.glob("data.new*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        making = Path(tempfile.mkdtemp(prefix="data.new-", dir=self._data.parent))
        if self._user is not None:
            self._user.own(making)
        password = secrets.token_urlsafe(24)
        handed_over = self._data.with_name("password.new")
        write_private(handed_over, password, self._user)
        try:
            initdb = self._run(
                "initdb",
                [
                    str(self._tool("initdb")),
                    f"--pgdata={making}",
                    f"--username={OWNER}",
                    f"--pwfile={handed_over}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    *(() if self._durable else ("--no-sync",)),
                ],
                _tool_environment(),
                interrupted,
            )
        finally:
            handed_over.unlink()
        if initdb.exit_code != 0:
            raise StartFailed(f"initdb failed: {initdb.last_words()} (log: {initdb.log})")
        write_private(self._password_file, password)
        making.rename(self._data)

    def _server_settings(self, sockets: Path) -> dict[str, str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(sockets),
            "max_connections": str(self._max_connections),
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "shared_buffers": "64MB",
            "max_wal_size": "256MB",
            "log_min_messages": "warning",
        }
        if self._durable:
            return settings
        # Only what a crash of the machine can lose. synchronous_commit stays on: without it a server killed with -9
        # forgets transactions whose commit it has confirmed, and everything else relies on that word.
        return settings | {"fsync": "off", "full_page_writes": "off"}

    def _recent_log(self) -> str:
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")
        return ""

    def _make_socket_directory(self, sockets: Path) -> None:
        uid = os.geteuid() if self._user is None else self._user.uid
        sockets.mkdir(mode=0o700, exist_ok=True)
        found = sockets.lstat()
        if sockets.is_symlink() or found.st_uid not in (uid, os.geteuid()):
            raise StartFailed(f"{sockets} belongs to somebody else (uid {found.st_uid}); remove it and start again")
        if self._user is not None:
            self._user.own(sockets)

    def _make_database(self, interrupted: Callable[[], bool]) -> None:
        made = self._data.with_name("database.made")
        if made.exists():
            return
        self.create_database(DATABASE, interrupted=interrupted)
        made.touch()

    def create_database(
        self, name: str, *, template: str | None = None, interrupted: Callable[[], bool] = never
    ) -> None:
        """Makes a database, as a copy of `template` when given (nobody may be connected to it). Raises StartFailed."""
        argv = [str(self._tool("createdb")), "--maintenance-db=postgres", "--no-password"]
        argv += [] if template is None else [f"--template={template}"]
        created = self._run("createdb", [*argv, name], self._client_environment(), interrupted)
        if created.exit_code != 0 and "already exists" not in created.last_words():
            raise StartFailed(f"cannot make database {name}: {created.last_words()}")

    def drop_database(self, name: str) -> None:
        """Removes a database and ends the sessions on it. Raises StartFailed."""
        argv = [str(self._tool("dropdb")), "--maintenance-db=postgres", "--no-password", "--if-exists", "--force", name]
        dropped = self._run("dropdb", argv, self._client_environment(), never)
        if dropped.exit_code != 0:
            raise StartFailed(f"cannot remove database {name}: {dropped.last_words()}")

    def _tool(self, name: str) -> Path:
        if self._programs is None:
            self._programs = postgres_programs(self.major, self._user)
        return self._programs / name

    def _client_environment(self) -> dict[str, str]:
        return _tool_environment() | {
            "PGHOST": LOOPBACK,
            "PGPORT": str(self.port),
            "PGUSER": OWNER,
            "PGPASSWORD": self._password(),
        }


def _tool_environment() -> dict[str, str]:
    # LC_ALL=C keeps the server's messages in English: they are read above.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
