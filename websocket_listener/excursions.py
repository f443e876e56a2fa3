"""Measures how far the price went while each round trip was open, from the closed bars that the feed keeps in Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import redis
import structlog

from alpha.domain.excursion import PriceRange, price_range
from alpha.domain.ids import AccountName, Symbol
from alpha.ledger.connection import Connection, Dsn, LedgerError, connect
from alpha.ledger.excursions import Unmeasured, save_excursions, traded_symbols, unmeasured_trades
from alpha.live import market
from alpha.live.connection import LIVE_ERRORS, LiveStateError

log = structlog.get_logger()
_EVERY_S = 5.0
_AGAIN_S = 600.0
_PAGE = 200


class Excursions:
    """A thread with a connection of its own: nothing waits for it. Round trips for which the feed's bars do not reach
    back, or have a hole, stay without.

    `accounts` are those this process holds; only they are measured.
    """

    def __init__(
        self, dsn: Dsn, state: redis.Redis, accounts: Callable[[], Collection[AccountName]], interval: timedelta
    ) -> None:
        self._dsn, self._state, self._accounts, self._interval = dsn, state, accounts, interval
        self._decided_until: datetime | None = None
        self._again_at_s = 0.0
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="excursions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def measure(self, connection: Connection, symbols: Collection[Symbol]) -> int:
        """One look at what closed since the last; answers how many were measured. Now and then everything is looked
        at again: a late fill may have changed a trip from before."""
        newest = {symbol: market.last_bar_start(self._state, symbol, self._interval) for symbol in symbols}
        starts = [start for start in newest.values() if start is not None]
        accounts = self._accounts()
        if not starts or not accounts:
            return 0
        since = max(starts) - market.KEPT * self._interval
        if time.monotonic() >= self._again_at_s:
            self.look_at_everything()
        if self._decided_until is not None:
            since = max(since, self._decided_until)
        measured, undecided = 0, [max(starts)]
        while page := unmeasured_trades(connection, accounts, since=since, limit=_PAGE):
            found = []
            for trade in page:
                start = newest.get(trade.key.symbol)
                if start is None:
                    continue
                if start + self._interval <= trade.closed_at:
                    # The bar in which it closed may lie inside, all but a moment, and has not come yet.
                    undecided.append(trade.closed_at)
                elif (extremes := self._extremes(trade)) is not None:
                    found.append((trade, extremes))
            save_excursions(connection, found)
            measured += len(found)
            if len(page) < _PAGE or page[-1].closed_at == since:
                break
            since = page[-1].closed_at
        self._decided_until = min(undecided)
        return measured

    def look_at_everything(self) -> None:
        """The next look is at everything that the feed's bars reach back to."""
        self._decided_until = None
        self._again_at_s = time.monotonic() + _AGAIN_S

    def _extremes(self, trade: Unmeasured) -> PriceRange | None:
        # One bar more at each end than can lie inside.
        after = trade.opened_at - self._interval
        most = (trade.closed_at - trade.opened_at) // self._interval + 3
        bars = market.read_bars(self._state, self._interval, {trade.key.symbol: after}, limit=most)
        return price_range(trade.opened_at, trade.closed_at, trade.prices, bars, self._interval)

    def _run(self) -> None:
        connection: Connection | None = None
        while not self._stopping.wait(_EVERY_S):
            try:
                if connection is None or connection.closed:
                    connection = connect(self._dsn, "alpha-listener-excursions")
                self.measure(connection, traded_symbols(connection, self._accounts()))
                self._failing = False
            except (LedgerError, LiveStateError, *LIVE_ERRORS) as error:
                if not self._failing:
                    log.warning("excursions_wait", reason=str(error))
                self._failing = True
                if isinstance(error, LedgerError) and connection is not None:
                    connection.close()
            except Exception:
                log.exception("excursions_failed")
        if connection is not None:
            connection.close()
