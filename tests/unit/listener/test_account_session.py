"""One account's stream: when it counts as live, and what becomes of fills that waited."""

from __future__ import annotations

import threading
from typing import Any

from alpha.config.credentials import Credentials
from alpha.domain.side import Side
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.stream import StreamState
from alpha.ledger.fill_rows import FillSource
from alpha.live.wire import now
from tests.unit.domain.fills import a_fill
from tests.unit.listener.accounts import alone, an_account
from websocket_listener.account_session import AccountSession, AccountState, SessionConfig
from websocket_listener.timing import RecoveryTiming
from websocket_listener.write_queue import Heard


class Recording:
    """Takes fills in place of the writer."""

    def __init__(self) -> None:
        self.fills: list[Heard] = []

    def record(self, fills: list[Heard], *, droppable: bool = False) -> None:  # noqa: ARG002
        self.fills += fills


def a_session(writer: Recording) -> AccountSession:
    config = SessionConfig(
        account=an_account(),
        endpoints=paper_endpoints("http://127.0.0.1:1"),
        credentials=Credentials(key="key", secret="secret"),
        owners=alone(),
        timing=RecoveryTiming(lag_s=0.0, look_every_s=1.0, settle_s=1.0),
    )
    nobody: Any = None
    taking: Any = writer
    return AccountSession(config, taking, nobody, nobody, nobody)


def heard(n: int) -> Heard:
    return Heard(fill=a_fill(Side.BUY, "1", at="100", n=n), source=FillSource.STREAM, received_at=now())


class BreaksWhileAsked(threading.Event):
    """The connection breaks, on the event loop's thread, just after it was found to be up."""

    def __init__(self, session: AccountSession) -> None:
        super().__init__()
        self._session = session
        self.breaking = threading.Thread(target=session.on_state, args=(StreamState.STALE, "cut off"))

    def is_set(self) -> bool:
        found = super().is_set()
        self.breaking.start()
        self.breaking.join(0.2)
        return found


def test_an_account_whose_stream_breaks_while_it_becomes_live_is_not_live() -> None:
    session = a_session(Recording())
    session.connected = breaking = BreaksWhileAsked(session)
    session.on_state(StreamState.SUBSCRIBED, "")
    session.live(session.generation)
    breaking.breaking.join(5)
    assert session.state is AccountState.STALE


def test_fills_wait_for_the_gap_before_them() -> None:
    writer = Recording()
    session = a_session(writer)
    session.on_state(StreamState.SUBSCRIBED, "")
    assert session.held.offer([heard(1)])
    session.release()
    assert [one.fill.seq for one in writer.fills] == [1]


def test_fills_are_not_folded_before_the_position_they_changed_is_adopted() -> None:
    # given a first start that ends before it could ask for the positions
    writer = Recording()
    session = a_session(writer)
    session.adopting = True
    session.on_state(StreamState.SUBSCRIBED, "")
    assert session.held.offer([heard(1)])
    # when
    session.release()
    # then
    assert writer.fills == []
