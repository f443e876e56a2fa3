"""The exchange behind the wire: engine, market and accounts, and what must be written down before it counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, TypeVar

from alpha.domain.ids import Symbol
from paper_exchange.accounts import Accounts, ExchangeAccount
from paper_exchange.engine import Engine, Execution, FeeRates, OrderState, Refused
from paper_exchange.engine.events import Event
from paper_exchange.faults.lag import ExecutionLag
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import Klines
from paper_exchange.market.source import MarketSource, MarketStep
from paper_exchange.market.tickers import Ticker, ticker
from paper_exchange.server.execution_index import ExecutionIndex
from paper_exchange.server.journal import Journal
from paper_exchange.server.params import BAD_PARAMETER
from paper_exchange.state import InputLog, Request, StateUnusable, Step, TradeNow

T = TypeVar("T")


class Traded(NamedTuple):
    """What became of orders that were matched at once: each order or its refusal, and the number of executions."""

    outcomes: list[OrderState | Refused]
    executions: int


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
        self.lag: ExecutionLag | None = None
        """Set by the server when faults may be asked for: which executions are not to be listed yet."""
        self._indexes: dict[int, ExecutionIndex] = {}

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

    def trade_now(self, orders: TradeNow) -> Traded:
        """Market orders matched at once, one after the other. Executions are in the journal when it returns."""
        self._keep(orders)
        outcomes = orders.apply(self.engine)
        return Traded(outcomes, self._collect())

    def advance(self) -> MarketStep | None:
        """Moves the market by one bar; None when it has no more. Executions are in the journal when it returns."""
        step = self.source.step(self.steps)
        if step is None:
            return None
        self._keep(Step())
        self._step(step)
        self._collect()
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

    def execution_index(self, uid: int) -> ExecutionIndex:
        """All executions of an account, as execution/list needs them."""
        index = self._indexes.setdefault(uid, ExecutionIndex())
        index.add(self.engine.executions(uid, since=len(index)))
        return index

    def listed_executions(self, account: ExchangeAccount) -> Callable[[Execution], bool]:
        """Whether one of its executions is in execution/list already, for one answer: true, but for a fault."""
        return _all_listed if self.lag is None else self.lag.listed(account.name)

    def ticker(self, symbol: Symbol) -> Ticker:
        return ticker(self.source, self.listings[symbol], self.now)

    def close(self) -> None:
        self._journal.close()
        if self._log is not None:
            self._log.close()

    def _collect(self) -> int:
        """Takes what the engine tells, executions into the journal first. How many executions there were."""
        events = self.engine.take_events()
        executions = _executions(events)
        self._journal.write(executions)
        self._told += events
        return len(executions)

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


def _all_listed(execution: Execution) -> bool:  # noqa: ARG001
    return True


def _executions(events: list[Event]) -> list[Execution]:
    return [event for event in events if isinstance(event, Execution)]
