"""What works less well than it should: named once, told to a person when it lasts, and taken back when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from alpha.live.connection import LIVE_ERRORS, STATE_DB, RedisAddress, open_redis
from alpha.live.degraded import write_degraded
from alpha.service.causes import Cause, cause_of

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 0.5
_TELL_REDIS_EVERY_S = 2.0
_TOLD_AFTER_S = 3.0


class Alerting(Protocol):
    def alert(self, kind: str, text: str, *, severity: Any = ..., **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradedMode:
    """A part of a service that does not work as it should. `text` is what was said last, `since` wall clock."""

    part: str
    cause: Cause
    text: str
    since: datetime

    def as_json(self) -> dict[str, str]:
        return {
            "part": self.part,
            "cause": self.cause.value,
            "text": self.text,
            "advice": self.cause.advice,
            "since": self.since.isoformat(),
        }


Troubles = Callable[[], Mapping[str, str]]
"""What is wrong now: part ("ledger", "redis", "account canary") -> its own words, "" for well."""


class DegradedModes:
    """Asks the parts of a service what troubles them, every half second, in a thread of its own.

    A trouble is logged at once. When it lasts for seconds, since connections come and go, it is alerted, under its
    cause and with what to do. The same cause is told once until it is over, and its end is told too.
    """

    def __init__(self, service: str, troubles: Troubles, alerts: Alerting, redis: RedisAddress | None = None) -> None:
        self._service, self._troubles, self._alerts = service, troubles, alerts
        self._redis = None if redis is None else open_redis(redis, STATE_DB, timeout_s=1.0)
        self._modes: dict[str, DegradedMode] = {}
        self._began_s: dict[str, float] = {}
        self._told: dict[str, Cause] = {}
        self._tell_redis_at_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="degraded", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)
        if self._redis is not None:
            self._redis.close()

    def now(self) -> list[dict[str, str]]:
        """The degraded modes, for status; from any thread."""
        return [mode.as_json() for mode in list(self._modes.values())]

    def look(self) -> None:
        """Ask once."""
        at_s = time.monotonic()
        troubles = {part: text for part, text in self._troubles().items() if text}
        for part, text in troubles.items():
            self._degraded(part, text, at_s)
        for part in [part for part in self._modes if part not in troubles]:
            self._healed(part, at_s)

    def _degraded(self, part: str, text: str, at_s: float) -> None:
        cause = cause_of(text)
        before = self._modes.get(part)
        # The next attempt may say less than the first, as when a closed connection is used again.
        if before is not None and cause is Cause.UNKNOWN:
            cause = before.cause
        if before is None or before.cause is not cause:
            self._began_s.setdefault(part, at_s)
            log.warning("degraded", part=part, cause=cause.value, text=text, advice=cause.advice)
        since = datetime.now(UTC) if before is None else before.since
        self._modes[part] = DegradedMode(part=part, cause=cause, text=text, since=since)
        if at_s - self._began_s[part] >= _TOLD_AFTER_S and self._told.get(part) is not cause:
            self._told[part] = cause
            self._alerts.alert(
                cause.value if cause is not Cause.UNKNOWN else "degraded",
                f"{part}: {text}. {cause.advice}",
                severity="error",
                part=part,
            )

    def _healed(self, part: str, at_s: float) -> None:
        mode = self._modes.pop(part)
        lasted_s = round(at_s - self._began_s.pop(part), 1)
        log.info("healed", part=part, cause=mode.cause.value, seconds=lasted_s)
        if self._told.pop(part, None) is not None:
            self._alerts.alert(
                "healed",
                f"{part} works again after {lasted_s:.0f} s of {mode.cause.value}",
                severity="info",
                part=part,
                cause=mode.cause.value,
            )

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            try:
                self.look()
            except Exception:
                log.exception("degraded_failed")
            self._tell_redis()

    def _tell_redis(self) -> None:
        if self._redis is None or time.monotonic() < self._tell_redis_at_s:
            return
        self._tell_redis_at_s = time.monotonic() + _TELL_REDIS_EVERY_S
        with suppress(*LIVE_ERRORS):  # then this is one of the modes, and /healthz tells
            write_degraded(self._redis, self._service, self.now())
