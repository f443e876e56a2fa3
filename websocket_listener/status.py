from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from alpha.domain.ids import AccountName
from alpha.service.degraded import DegradedModes
from websocket_listener.account_session import WELL, AccountSession, AccountState, Role
from websocket_listener.latency import LatencyWindow
from websocket_listener.leadership import Leadership
from websocket_listener.live_state import LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.writer import Writer

_STUCK_AFTER_S = 15.0
"""A piece of work of the writer takes milliseconds. A PostgreSQL that keeps the connection and answers nothing ends no
statement, so that nothing fails either."""
_TOO_MANY_WAITING = 10_000
"""Fills that wait for the ledger. It writes as many in a second or two; when more wait it does not keep up."""


class Status:
    """What /healthz answers: heard from the exchange, able to write to both stores and keeping up, and every account
    either recorded here or by another listener."""

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
        self._fill_to_commit, self._degraded = fill_to_commit, degraded
        for name, session in sessions.items():
            metrics.live.labels(name).set_function(partial(_is_live, session))
            metrics.leader.labels(name).set_function(partial(_is_leader, session))
            # There from 0 on: a rule sees no increase in what begins at 1.
            metrics.conflicts.labels(name)
            metrics.raw_events.labels(name)
            metrics.connections.set_function(name, partial(getattr, session, "connections"))
            metrics.recoveries.set_function(name, partial(getattr, session, "recoveries"))
            metrics.stream_age.labels(name).set_function(partial(getattr, session, "silent_for_s"))
        metrics.backlog.set_function(lambda: writer.backlog)
        metrics.dropped.set_function(lambda: writer.dropped)

    def __call__(self) -> dict[str, Any]:
        ledger = self._writer.available and self._writer.busy_for_s < _STUCK_AFTER_S
        well = all(session.state in WELL for session in self._sessions.values())
        return {
            "ok": well and ledger and self._live.available and self._writer.backlog < _TOO_MANY_WAITING,
            "ledger": ledger,
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


def _is_live(session: AccountSession) -> float:
    return session.state is AccountState.LIVE


def _is_leader(session: AccountSession) -> float:
    return session.role is Role.LEADER
