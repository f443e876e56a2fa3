"""Looks at the platform every few seconds and alerts what is new and what is over."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol, TypeVar

import structlog

from alpha.domain.errors import AlphaError
from alpha.ledger.alerts import Severity
from alpha.ledger.concerns import close_concern, open_concern, open_concerns
from alpha.ledger.connection import Connection, connect
from alpha.ledger.controls import load_controls
from alpha.ledger.foreign_orders import foreign_orders
from alpha.ledger.sync_status import statuses
from alpha.live.connection import LIVE_ERRORS
from alpha.live.glance import Glance, Watched, take_glance
from telegram_manager.context import APPLICATION, Context
from telegram_manager.notifier.key_ends import KeyEnds
from telegram_manager.notifier.watches import Concern, Looked, View, look

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 5.0
_FIRST_LOOK_S = 15.0

T = TypeVar("T")


class Alerting(Protocol):
    def alert(self, kind: str, text: str, *, severity: Any = ..., **fields: Any) -> None: ...


class Watching:
    """A thread of its own. Bots get a moment to start before the first look."""

    def __init__(self, context: Context, alerts: Alerting, *, first_look_s: float = _FIRST_LOOK_S) -> None:
        self._context, self._alerts = context, alerts
        self._first_look_s = first_look_s
        self._began_s: dict[tuple[str, str], float] = {}
        desk = context.desk
        self.keys = None if desk is None else KeyEnds(desk.exchange, context.registry, first_s=first_look_s)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
        self.trouble = ""
        """Why nothing is watched at the moment; "" for well."""

    def start(self) -> None:
        self._thread.start()
        if self.keys is not None:
            self.keys.start()

    def stop(self) -> None:
        self._stopping.set()
        if self.keys is not None:
            self.keys.ask_to_end()
        if self._thread.is_alive():
            self._thread.join(10)
        if self.keys is not None:
            self.keys.stop()

    def look_once(self) -> Looked:
        """One look, with what is to be alerted alerted. Raises LedgerUnavailable: what was told before is not known."""
        with closing(connect(self._context.settings.dsn(), f"{APPLICATION}-watches")) as connection:
            looked = look(self._view(connection))
            self._tell(connection, looked)
        return looked

    def _run(self) -> None:
        self._stopping.wait(self._first_look_s)
        while not self._stopping.is_set():
            try:
                self.look_once()
                self.trouble = ""
            except AlphaError as error:
                self.trouble = str(error)
                log.warning("watches_wait", error=str(error))
            except Exception:
                self.trouble = "a fault of the program, see the log"
                log.exception("watching_failed")
            self._stopping.wait(_LOOK_EVERY_S)

    def _view(self, connection: Connection) -> View:
        context = self._context
        return View(
            at=context.clock(),
            registry=context.registry,
            glance=self._glance(),
            controls=_known(lambda: load_controls(connection)),
            foreign=_known(lambda: foreign_orders(connection)),
            syncs=_known(lambda: statuses(connection)),
            keys=None if self.keys is None else self.keys.known(),
            disk=self._disk(),
        )

    def _glance(self) -> Glance | None:
        registry = self._context.registry
        watched = [
            Watched(
                bot.id,
                bot.redis_db,
                tuple(
                    (symbol, index)
                    for symbol in bot.symbols
                    for index in ((1, 2) if registry.account(bot.account).position_mode == "hedge" else (0,))
                ),
            )
            for bot in registry.bots.values()
        ]
        try:
            return take_glance(self._context.settings.redis(), list(registry.accounts), watched)
        except LIVE_ERRORS:
            return None

    def _disk(self) -> tuple[int, int] | None:
        try:
            # A container has no home of its own: then the disk of the nearest folder above that there is.
            home = self._context.settings.alpha_home.absolute()
            usage = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists()))
        except (OSError, StopIteration):
            return None
        return usage.free, usage.total

    def _tell(self, connection: Connection, looked: Looked) -> None:
        told = open_concerns(connection)
        now_s = time.monotonic()
        current = {(concern.kind, concern.subject): concern for concern in looked.concerns}
        self._began_s = {key: self._began_s.get(key, now_s) for key in current}
        for key, concern in current.items():
            lasts = now_s - self._began_s[key] >= concern.after_s
            if lasts and key not in told and open_concern(connection, *key, concern.text):
                self._alert(concern)
        for key, text in told.items():
            kind, subject = key
            if key not in current and looked.knows(kind, subject):
                close_concern(connection, kind, subject)
                self._alerts.alert(f"{kind}_over", f"over: {text}", severity=Severity.INFO)

    def _alert(self, concern: Concern) -> None:
        self._alerts.alert(
            concern.kind,
            concern.text,
            severity=concern.severity,
            account=concern.account,
            bot=concern.bot,
            subject=concern.subject,
        )


def _known(read: Callable[[], T]) -> T | None:
    """None for what could not be read; the other watches go on."""
    try:
        return read()
    except AlphaError as error:
        log.warning("watch_without_view", error=str(error))
        return None
