"""The exchange behind the wire: engine, market and accounts, and what must be written down before it counts."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from alpha.domain.ids import Symbol
from paper_exchange.accounts import Accounts
from paper_exchange.engine import Engine, Execution, FeeRates, Refused
from paper_exchange.engine.events import Event
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import Klines
from paper_exchange.market.source import MarketSource, MarketStep
from paper_exchange.market.tickers import Ticker, ticker
from paper_exchange.server.journal import Journal
from paper_exchange.server.params import BAD_PARAMETER
from paper_exchange.state import InputLog, Request, StateUnusable, Step

T = TypeVar("T")


class Exchange:
    """One exchange from its start to now. Not thread-safe: the server's one event loop calls it."""

    def __init__(
        self,
        *,
        source: MarketSource,
        listings: dict[Symbol, Listing],
        accounts: Accounts,
        seed: int,
        journal: Journal,
    ) -> None:
        self.listings = listings
        self.accounts = accounts
        self.source = source
        self.steps = 0
        opening = Klines(source, lambda: source.start)
        self.engine = Engine(
            instruments={symbol: listing.instrument for symbol, listing in listings.items()},
            fees={
                symbol: FeeRates(taker=listing.taker_fee, maker=listing.maker_fee)
                for symbol, listing in listings.items()
            },
            seed=seed,
            start=source.start,
            prices={symbol: opening.last_price(symbol) for symbol in listings},
        )
        for account in accounts.all:
            self.engine.open_account(account.for_engine())
        self.klines = Klines(source, lambda: self.engine.now)
        self._journal = journal
        self._log: InputLog | None = None
        self._told: list[Event] = []

    @property
    def now(self) -> datetime:
        """The market time."""
        return self.engine.now

    def restore(self, log: InputLog) -> int:
        """Does again all that the log holds, tells nobody, and writes to the log from now on. Gives the steps done.

        Raises StateUnusable.
        """
        for given in log.inputs():
            if isinstance(given, Step):
                self._redo_step()
            else:
                with suppress(Refused):
                    given.apply(self.engine)
        self._journal.write(_executions(self.engine.take_events()))
        self._log = log
        return self.steps

    def accept(self, request: Request[T]) -> T:
        """Gives the engine a client's request. Raises Refused, and then nothing was changed.

        What is refused is kept as well: it is part of what the engine was asked, and doing it again is refused again.
        """
        self._keep(request)
        return request.apply(self.engine)

    def advance(self) -> MarketStep | None:
        """Moves the market by one bar; None when it has no more. Executions are in the journal when it returns."""
        step = self.source.step(self.steps)
        if step is None:
            return None
        self._keep(Step())
        self._step(step)
        events = self.engine.take_events()
        self._journal.write(_executions(events))
        self._told += events
        return step

    def take_events(self) -> list[Event]:
        """What happened since the last call, to be published."""
        events, self._told = [*self._told, *self.engine.take_events()], []
        return events

    def listing(self, symbol: str) -> Listing:
        """Raises Refused (10001) for a symbol that is not listed."""
        listing = self.listings.get(Symbol(symbol))
        if listing is None:
            raise Refused(BAD_PARAMETER, f"params error: symbol invalid {symbol}")
        return listing

    def ticker(self, symbol: Symbol) -> Ticker:
        return ticker(self.source, self.listings[symbol], self.now)

    def close(self) -> None:
        self._journal.close()
        if self._log is not None:
            self._log.close()

    def _step(self, step: MarketStep) -> None:
        self.engine.step(step.bars, marks=step.marks, funding=step.funding)
        self.steps += 1

    def _redo_step(self) -> None:
        step = self.source.step(self.steps)
        if step is None:
            raise StateUnusable(f"the kept state has more than the {self.steps} bars of this market")
        self._step(step)

    def _keep(self, given: Request[object] | Step) -> None:
        if self._log is not None:
            self._log.append(given)


def _executions(events: list[Event]) -> list[Execution]:
    return [event for event in events if isinstance(event, Execution)]
