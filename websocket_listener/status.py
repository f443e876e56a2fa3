from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpha.domain.ids import AccountName
from websocket_listener.account_session import AccountSession, AccountState
from websocket_listener.latency import LatencyWindow
from websocket_listener.live_state import LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.writer import Writer


class Status:
    """What /healthz answers: heard from the exchange, and able to write to both stores."""

    def __init__(
        self,
        sessions: Mapping[AccountName, AccountSession],
        writer: Writer,
        live: LiveState,
        fill_to_commit: LatencyWindow,
        metrics: ListenerMetrics,
    ) -> None:
        self._sessions, self._writer, self._live = sessions, writer, live
        self._fill_to_commit, self._metrics = fill_to_commit, metrics

    def __call__(self) -> dict[str, Any]:
        live = {name: session.state is AccountState.LIVE for name, session in self._sessions.items()}
        for name, is_live in live.items():
            self._metrics.live.labels(name).set(is_live)
        self._metrics.backlog.set(self._writer.backlog)
        self._metrics.dropped.set(self._writer.dropped)
        return {
            "ok": all(live.values()) and self._writer.available and self._live.available,
            "ledger": self._writer.available,
            "redis": self._live.available,
            "backlog": self._writer.backlog,
            "dropped": self._writer.dropped,
            "accounts": {name: session.status() for name, session in self._sessions.items()},
            "latency": {
                "fill_to_commit_ms": self._fill_to_commit.summary().as_json(),
                "fill_to_redis_ms": self._live.fill_to_redis.summary().as_json(),
            },
        }
