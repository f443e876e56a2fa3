from __future__ import annotations

import threading

import redis
import structlog

from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.controls import load_controls_version
from alpha.live.connection import LIVE_ERRORS
from alpha.live.controls import write_controls
from alpha.live.wire import now

log = structlog.get_logger()
_EVERY_S = 0.3


class ControlsMirror:
    """Copies `trading.controls` to Redis every 300 ms, so that a control stops entries within a second.

    When it cannot, the mirror in Redis grows old, and bots open no risk on an old mirror.
    """

    def __init__(self, dsn: Dsn, state: redis.Redis) -> None:
        self._dsn, self._state = dsn, state
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="controls-mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        connection: Connection | None = None
        while not self._stopping.wait(_EVERY_S):
            try:
                if connection is None or connection.closed:
                    connection = connect(self._dsn, "alpha-listener-controls", statement_timeout_s=2)
                read_at = now()
                version, controls = load_controls_version(connection)
                # An older one is not taken: another listener mirrors them too, and has read them since.
                write_controls(self._state, controls, version=version, at=read_at)
                self._failing = False
            except (LedgerError, *LIVE_ERRORS) as error:
                if not self._failing:
                    log.warning("controls_mirror_waits", reason=str(error))
                self._failing = True
                if isinstance(error, LedgerError) and connection is not None:
                    connection.close()
            except Exception:
                log.exception("controls_mirror_failed")
        if connection is not None:
            connection.close()
