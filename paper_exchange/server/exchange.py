"""The exchange behind the wire: engine, market and accounts, and what must be written down before it counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, TypeVar

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.accounts import Accounts, ExchangeAccount
from paper_exchange.engine import Engine, Execution, FeeRates, OrderBook, OrderState, Refused, Transaction
from paper_exchange.engine.events import Event
from paper_exchange.faults.lag import ExecutionLag
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import Klines
from paper_exchange.market.source import MarketSource, MarketStep
from paper_exchange.market.tape import PublicTrade, Tape
from paper_exchange.market.tickers import Ticker, ticker
from paper_exchange.server.execution_index import ExecutionIndex
from paper_exchange.server.journal import Journal
from paper_exchange.server.order_index import OrderIndex
from paper_exchange.server.paging import Place
from paper_exchange.server.params import BAD_PARAMETER
from paper_exchange.server.time_index import TimeIndex
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
        at_once: bool = False,
        has_risk_tiers: bool = True,
    ) -> None:
        """With `at_once` an order meets the book when it is sent, not at the open of the next bar. Without risk tiers a
        position of any size may have the highest leverage."""
        self.listings = listings
        self.accounts = accounts
        self.source = source
        self._seed = seed
        self._journal = journal
        self._at_once = at_once
        self._has_risk_tiers = has_risk_tiers
        self._log: InputLog | None = None
        self.lag: ExecutionLag | None = None
        """Set by the server when faults may be asked for: which executions are not to be listed yet."""
        self._begin()

    def _begin(self) -> None:
        """As it is before the first step and the first request."""
        opening = Klines(self.source, lambda: self.source.start)
        self.steps = 0
        self.engine = Engine(
            instruments={symbol: listing.instrument for symbol, listing in self.listings.items()},
            fees={
                symbol: FeeRates(taker=listing.taker_fee, maker=listing.maker_fee)
                for symbol, listing in self.listings.items()
            },
            seed=self._seed,
            start=self.source.start,
            prices={symbol: opening.last_price(symbol) for symbol in self.listings},
            volumes={symbol: opening.last_volume(symbol) for symbol in self.listings},
            risk_tiers=(
                {symbol: listing.risk_tiers for symbol, listing in self.listings.items()}
                if self._has_risk_tiers
                else None
            ),
        )
        for account in self.accounts.all:
            self.engine.open_account(account.for_engine())
        self.klines = Klines(self.source, lambda: self.engine.now)
        self.tape = Tape([listing.instrument for listing in self.listings.values()])
        self._events: list[Event] = []
        self._unwritten: list[Execution] = []
        """What the journal could not take yet."""
        self._untold: list[Event] = []
        """What nobody may be told before the journal has those."""
        self._unfinished: MarketStep | None = None
        """The step whose executions may be among those."""
        self._indexes: dict[int, ExecutionIndex] = {}
        self._order_indexes: dict[int, OrderIndex] = {}
        self._transaction_indexes: dict[int, TimeIndex[Transaction]] = {}

    @property
    def now(self) -> datetime:
        """The market time."""
        return self.engine.now

    def restore(self, log: InputLog) -> int:
        """Does again all that the log holds, tells nobody, and writes to the log from now on. Gives the steps done.

        Raises StateUnusable.
        """
        self._log = None
        executions: list[Execution] = []
        for given in log.inputs():
            step = None
            if isinstance(given, Step):
                step = self._redo_step()
            else:
                with suppress(Refused):
                    self._apply(given)
            made = _executions(self.engine.take_events())
            self.tape.add(made, step)
            executions += made
        self._journal.write(executions)
        self._log = log
        return self.steps

    def save(self, name: str) -> None:
        """Keeps what the exchange is now. Raises StateUnusable without a state folder."""
        self._kept_log().save(name)

    def return_to(self, name: str) -> None:
        """Becomes what was saved under the name, its journal as well. Raises StateUnusable when nothing was."""
        log = self._kept_log()
        log.return_to(name)
        self._begin()
        self._journal.begin_anew()
        self.restore(log)

    def accept(self, request: Request[T]) -> T:
        """Gives the engine a client's request. Raises Refused, and then nothing was changed.

        What is refused is kept as well: it is part of what the engine was asked, and doing it again is refused again.
        """
        self._keep(request)
        try:
            return self._apply(request)
        finally:
            self._collect()

    def trade_now(self, orders: TradeNow) -> Traded:
        """Market orders matched at once, one after the other. Executions are in the journal when it returns."""
        self._keep(orders)
        outcomes = orders.apply(self.engine)
        return Traded(outcomes, self._collect())

    def advance(self) -> MarketStep | None:
        """Moves the market by one bar; None when it has no more. Executions are in the journal when it returns.

        Raises Unwritable while what has to be kept cannot be; called again it goes on where it was.
        """
        step = self._unfinished
        if step is None:
            step = self.source.step(self.steps)
            if step is None:
                return None
            self._keep(Step())
            self._step(step)
            self._unfinished = step
            self._take(step)
        self._write_down()
        self._unfinished = None
        return step

    @property
    def has_news(self) -> bool:
        """Whether something happened that was not published yet."""
        return bool(self._events)

    def take_events(self) -> list[Event]:
        """What happened since the last call, to be published."""
        events, self._events = self._events, []
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

    def transaction_index(self, uid: int) -> TimeIndex[Transaction]:
        """The whole log of an account; what one millisecond holds is ordered as it was booked, so balances add up."""
        index = self._transaction_indexes.setdefault(uid, TimeIndex())
        known = len(index)
        added = self.engine.transactions(uid)[known:]
        index.place([(Place(to_ms(row.time), number), row) for number, row in enumerate(added, start=known)])
        return index

    def order_index(self, uid: int) -> OrderIndex:
        """All orders of an account, as order/history needs them."""
        index = self._order_indexes.get(uid)
        if index is None:
            index = self._order_indexes[uid] = OrderIndex(self.engine, uid)
        return index

    def listed_executions(self, account: ExchangeAccount) -> Callable[[Execution], bool]:
        """Whether one of its executions is in execution/list already, for one answer: true, but for a fault."""
        return _all_listed if self.lag is None else self.lag.listed(account.name)

    def ticker(self, symbol: Symbol) -> Ticker:
        engine = self.engine
        return ticker(
            self.source,
            self.listings[symbol],
            self.now,
            book=engine.order_book(symbol, 1),
            mark=engine.mark_price(symbol),
            index=engine.index_price(symbol),
        )

    def order_book(self, symbol: Symbol, depth: int) -> OrderBook:
        """The book as the next market order would meet it, the accounts' own orders included."""
        return self.engine.order_book(symbol, depth)

    def recent_trades(self, symbol: Symbol, limit: int) -> list[PublicTrade]:
        """Newest first, at most 1,000."""
        return self.tape.newest(symbol, limit)

    def close(self) -> None:
        self._journal.close()
        if self._log is not None:
            self._log.close()

    def _collect(self) -> int:
        """Takes what the engine tells, executions into the journal first. How many executions there were."""
        executions = self._take()
        self._write_down()
        return executions

    def _take(self, step: MarketStep | None = None) -> int:
        events = self.engine.take_events()
        executions = _executions(events)
        if executions or step is not None:
            self.tape.add(executions, step)
        self._unwritten += executions
        self._untold += events
        return len(executions)

    def _write_down(self) -> None:
        self._journal.write(self._unwritten)
        self._unwritten.clear()
        self._events += self._untold
        self._untold.clear()

    def _apply(self, request: Request[T]) -> T:
        outcome = request.apply(self.engine)
        if self._at_once:
            self.engine.match_now()
        return outcome

    def _step(self, step: MarketStep) -> None:
        self.engine.step(step.bars, marks=step.marks, funding=step.funding, index=step.indexes)
        self.steps += 1

    def _redo_step(self) -> MarketStep:
        step = self.source.step(self.steps)
        if step is None:
            raise StateUnusable(f"the kept state has more than the {self.steps} bars of this market")
        self._step(step)
        return step

    def _kept_log(self) -> InputLog:
        if self._log is None:
            raise StateUnusable("only an exchange with a state folder can be saved; start it with --state")
        return self._log

    def _keep(self, given: Request[object] | Step) -> None:
        if self._log is not None:
            self._log.append(given)


def _all_listed(execution: Execution) -> bool:  # noqa: ARG001
    return True


def _executions(events: list[Event]) -> list[Execution]:
    return [event for event in events if isinstance(event, Execution)]
