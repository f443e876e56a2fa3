from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpha.domain.ids import AccountName
from alpha.service.degraded import DegradedModes
from websocket_listener.account_session import WELL, AccountSession, AccountState, Role
from websocket_listener.latency import LatencyWindow
from websocket_listener.leadership import Leadership
from websocket_listener.live_state import LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.writer import Writer


class Status:
    """What /healthz answers: heard from the exchange, able to write to both stores, and every account either recorded
    here or by another listener."""

    def __init__(
        self,
        sessions: Mapping[AccountName, AccountSession],
        leadership: Leadership,
        writer: Writer,
        live: LiveState,
        fill_to_commit: LatencyWindow,
        metrics: ListenerMetrics,
        degraded: DegradedModes,
    ) -> None:
        self._sessions, self._leadership = sessions, leadership
        self._writer, self._live = writer, live
        self._fill_to_commit, self._metrics, self._degraded = fill_to_commit, metrics, degraded

    def __call__(self) -> dict[str, Any]:
        for name, session in self._sessions.items():
            self._metrics.live.labels(name).set(session.state is AccountState.LIVE)
            self._metrics.leader.labels(name).set(session.role is Role.LEADER)
        well = all(session.state in WELL for session in self._sessions.values())
        self._metrics.backlog.set(self._writer.backlog)
        self._metrics.dropped.set(self._writer.dropped)
        return {
            "ok": well and self._writer.available and self._live.available,
            "ledger": self._writer.available,
            "redis": self._live.available,
            "backlog": self._writer.backlog,
            "dropped": self._writer.dropped,
            "degraded": self._degraded.now(),
            "accounts": {
                name: {**session.status(), "holder": self._leadership.holder_of(name)}
                for name, session in self._sessions.items()
            },
            "latency": {
                "fill_to_commit_ms": self._fill_to_commit.summary().as_json(),
                "fill_to_redis_ms": self._live.fill_to_redis.summary().as_json(),
            },
        }
