"""A position drift that is over is closed by whoever sees the agreement, and told only if there was one."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from decimal import Decimal
from typing import Any

from alpha.domain.ids import AccountName
from alpha.domain.position import ZERO
from alpha.ledger.connection import Connection
from alpha.ledger.drift import DriftKind, Finding, add_drift, blocked_bots
from tests.integration.ledger.heard import BOT, MAIN
from tests.unit.domain.fills import BTCUSDT
from websocket_listener.bookkeeping import Bookkeeping
from websocket_listener.live_positions import Disagreement

AGREED = Disagreement(symbol=BTCUSDT, position_idx=0, bots=(BOT,), exchange_quantity=ZERO, fold_quantity=ZERO)


class AtOnce:
    """Does the writer's jobs, and takes the alerts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.alerts: list[str] = []

    def run(self, work: Any, *, account: AccountName) -> Future[Any]:
        assert account == MAIN
        done: Future[Any] = Future()
        done.set_result(work(self._connection))
        return done

    def alert(self, kind: str, *_: object, **__: object) -> None:
        self.alerts.append(kind)


def test_a_disagreement_is_told_and_forbids_entries(writer: Connection) -> None:
    differs = replace(AGREED, exchange_quantity=Decimal(2))
    outside: Any = AtOnce(writer)
    books = Bookkeeping(outside, outside)
    books.use(outside)
    books.drifted(MAIN, differs, began=True)
    assert blocked_bots(writer) == {BOT}
    assert outside.alerts == ["position_drift"]


def test_agreement_ends_the_drift_of_an_earlier_process_and_is_told_once(writer: Connection) -> None:
    # given a drift that a listener found before it was killed
    finding = Finding(kind=DriftKind.POSITION, account=MAIN, bot=BOT, symbol=BTCUSDT, subject="BTCUSDT:0", detail={})
    add_drift(writer, [finding])
    assert blocked_bots(writer) == {BOT}
    outside: Any = AtOnce(writer)
    books = Bookkeeping(outside, outside)
    books.use(outside)
    # when the next one sees fold and exchange agree, twice
    books.drifted(MAIN, AGREED, began=False)
    books.drifted(MAIN, AGREED, began=False)
    # then
    assert blocked_bots(writer) == frozenset()
    assert outside.alerts == ["position_agrees"]
