"""What a bot with `symbols: all` trades: asked of the exchange when a process begins, and again while it runs.

A symbol that is listed later is taken in by beginning anew: every process that has to know of it (feed, listener,
bot, command centre, exporter) ends in order, its supervisor starts it, and starting is resuming. So it is with what
was not known at the start, when the exchange did not answer: it is asked until it does. Nothing is done about one
that is listed no more: no bar of it closes any more, so nothing is entered, and what is held in it the exchange
settles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from alpha.config.addresses import endpoints
from alpha.config.errors import ConfigError
from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.errors import ExchangeError
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import LedgerError, connect
from alpha.ledger.registry import symbols_of_bot
from alpha.service.health import HealthServer
from alpha.service.shutdown import StopSignal

log = structlog.get_logger()

LOOKED_EVERY = timedelta(hours=4)
# Not as the bars of four hours close: bots decide then, and every process begins anew at the same time.
_OFFSET = timedelta(minutes=30)
_AGAIN_AFTER_S = 2.0
_AGAIN_AT_MOST_S = 30.0
_ASKED_TO_END_EVERY_S = 1.0

Ask = Callable[[], frozenset[Symbol]]


def listed(settings: Settings, registry: Registry) -> Registry:
    """With what the exchange lists now, where a bot trades all of it. Needs no key. Raises ExchangeError."""
    return registry.listing(_asking(settings, registry)()) if registry.trades_all else registry


def listed_when_answered(settings: Settings, registry: Registry, stop: StopSignal, *, port: int = 0) -> Registry:
    """As `listed`, however long the exchange is away; as it was when told to stop meanwhile. While it waits, /healthz
    on the port says so."""
    return _when_answered(lambda: listed(settings, registry), stop, settings, port) or registry


def known_when_answered(settings: Settings, registry: Registry, stop: StopSignal, *, port: int = 0) -> Registry:
    """As `listed_or_recorded`, however long both are away: for who can do without the exchange and not without both. A
    ledger without a record of the bots has answered, too."""
    return _when_answered(lambda: _listed_or_recorded(settings, registry), stop, settings, port) or registry


def listed_or_recorded(settings: Settings, registry: Registry) -> Registry:
    """As `listed`, for whoever must begin also while the exchange is away: then what the ledger says of the bots. Where
    neither answers nobody knows, and it is said in the log."""
    try:
        return _listed_or_recorded(settings, registry)
    except LedgerError as error:
        log.warning("listing_unknown", error=str(error))
        return registry


def _listed_or_recorded(settings: Settings, registry: Registry) -> Registry:
    """Raises LedgerError when neither answers."""
    try:
        return listed(settings, registry)
    except ExchangeError as error:
        log.warning("listing_not_answered", error=str(error))
    with closing(connect(settings.pooled_dsn(), "listing", statement_timeout_s=5, pooled=settings.pooled)) as ledger:
        return registry.listing(
            symbol for bot in registry.bots.values() if bot.trades_all for symbol in symbols_of_bot(ledger, bot.id)
        )


def _when_answered(ask: Callable[[], Registry], stop: StopSignal, settings: Settings, port: int) -> Registry | None:
    """None when told to stop before."""
    with ExitStack() as ending:
        pause_s = 0.0
        while not stop.wait(pause_s):
            try:
                return ask()
            except (ExchangeError, LedgerError) as error:
                if not pause_s:
                    log.warning("waiting_for_listing", error=str(error))
                    status = partial(_waiting, str(error))
                    ending.callback(HealthServer(port, status, host=settings.health_host).start().stop)
            pause_s = _longer(pause_s)
    return None


def _waiting(trouble: str) -> dict[str, object]:
    return {"ok": False, "state": "waiting_for_listing", "trouble": trouble}


def _longer(pause_s: float) -> float:
    return min(max(2 * pause_s, _AGAIN_AFTER_S), _AGAIN_AT_MOST_S)


class ListingWatch:
    """Ends a process in order once the exchange lists a symbol that it does not know, so that it begins with it."""

    def __init__(
        self, settings: Settings, registry: Registry, stop: StopSignal, *, may_end: Callable[[], bool] = lambda: True
    ) -> None:
        """`registry` as `listed` made it, or another of these; nothing is watched where no bot trades all. `may_end` is
        asked until it allows the process to end."""
        self._stop, self._may_end = stop, may_end
        self._known = frozenset(registry.symbols)
        self._ask = _asking(settings, registry) if registry.trades_all else None

    def start(self) -> ListingWatch:
        """Looks on in a thread that ends with the process. Returns itself."""
        if self._ask is not None:
            threading.Thread(target=self._watch, name="listing-watch", daemon=True).start()
        return self

    def look(self) -> bool:
        """Once. False when the exchange did not answer."""
        try:
            new = (self._ask() if self._ask is not None else frozenset()) - self._known
        except ExchangeError as error:
            log.warning("listing_not_answered", error=str(error))
            return False
        if new:
            log.info("symbols_listed", symbols=sorted(new), hint="this process begins anew, with them")
            while not self._may_end() and not self._stop.wait(_ASKED_TO_END_EVERY_S):
                pass
            self._stop.set()
        return True

    def _watch(self) -> None:
        # Soon after the start, too: what it began with may be an old record, or nothing.
        pause_s = again_s = _AGAIN_AFTER_S
        while not self._stop.wait(pause_s):
            if self.look():
                pause_s, again_s = _seconds_to_next_look(datetime.now(UTC)), _AGAIN_AFTER_S
            else:
                pause_s, again_s = again_s, _longer(again_s)


def _seconds_to_next_look(now: datetime) -> float:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (now - midnight - _OFFSET) % LOOKED_EVERY
    return (LOOKED_EVERY - passed).total_seconds()


def _asking(settings: Settings, registry: Registry) -> Ask:
    """Asks where the bots trade that trade all: one market for all of them. Raises ConfigError."""
    places = {
        where.rest_url: where
        for bot in registry.bots.values()
        if bot.trades_all
        for where in (endpoints(registry.account(bot.account), settings),)
    }
    if len(places) > 1:
        raise ConfigError(
            f"bots with `symbols: all` trade at {' and '.join(sorted(places))}: one list of symbols serves all bots, "
            "so give them accounts of one exchange"
        )
    (place,) = places.values()

    def ask() -> frozenset[Symbol]:
        with closing(ExchangeClient(AccountName("market"), place)) as client:
            return frozenset(client.listed())

    return ask
