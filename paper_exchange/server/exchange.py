"""The exchange behind the doors: engine, market, journal and the log of inputs, moved on one step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

import orjson

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.accounts import PaperAccount
from paper_exchange.engine import (
    Engine,
    EngineAccount,
    Event,
    Execution,
    FeeRates,
    OrderRequest,
    OrderState,
    Refused,
    TradingStop,
)
from paper_exchange.market.instruments import Listing
from paper_exchange.market.source import MarketSource, MarketStep
from paper_exchange.state import Amend, Cancel, CancelAll, Input, InputLog, SetLeverage


class PaperExchange:
    """One engine on one market. Synchronous; whoever calls publishes what `take_events` tells.

    With an input log every accepted request is written before it is answered, and a start plays the log again, which
    ends in the same state because the engine is deterministic.
    """

    def __init__(
        self,
        *,
        accounts: Sequence[PaperAccount],
        listings: Mapping[Symbol, Listing],
        market: MarketSource,
        seed: int,
        journal: TextIO,
        inputs: InputLog | None = None,
    ) -> None:
        self.accounts = {account.uid: account for account in accounts}
        self.listings = dict(listings)
        self.market = market
        self.engine = Engine(
            instruments={symbol: listing.instrument for symbol, listing in self.listings.items()},
            fees={
                symbol: FeeRates(taker=listing.taker_fee, maker=listing.maker_fee)
                for symbol, listing in self.listings.items()
            },
            seed=seed,
            start=market.start,
            prices=_last_prices(market, self.listings),
        )
        for account in accounts:
            self.engine.open_account(
                EngineAccount(uid=account.uid, balance=account.balance_usdt, position_mode=account.position_mode)
            )
        self.steps = 0
        self.orders = 0
        self.executions = 0
        self.last_step: MarketStep | None = None
        self._journal = journal
        self._inputs = inputs
        self._events: list[Event] = []
        if inputs is not None:
            self._replay(inputs)

    @property
    def now(self) -> datetime:
        """Market time: the end of the last step."""
        return self.engine.now

    def step(self) -> MarketStep | None:
        """Moves the market on by one base interval. None at the end of the market."""
        step = self.market.step(self.steps)
        if step is None:
            return None
        self.engine.step(step.bars, marks=step.marks, funding=step.funding)
        self.steps += 1
        self.last_step = step
        if self._inputs is not None:
            self._inputs.stepped(self.steps)
        self._collect()
        return step

    @property
    def open_positions(self) -> int:
        """Positions of all accounts that are not flat."""
        return sum(1 for uid in self.accounts for state in self.engine.positions(uid) if state.side is not None)

    def take_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def place_order(self, uid: int, request: OrderRequest) -> OrderState:
        order: OrderState = self._apply(uid, request)
        return order

    def amend_order(self, uid: int, amend: Amend) -> OrderState:
        order: OrderState = self._apply(uid, amend)
        return order

    def cancel_order(self, uid: int, cancel: Cancel) -> OrderState:
        order: OrderState = self._apply(uid, cancel)
        return order

    def cancel_all(self, uid: int, cancel: CancelAll) -> list[OrderState]:
        orders: list[OrderState] = self._apply(uid, cancel)
        return orders

    def set_leverage(self, uid: int, change: SetLeverage) -> None:
        self._apply(uid, change)

    def set_trading_stop(self, uid: int, stop: TradingStop) -> None:
        self._apply(uid, stop)

    def _apply(self, uid: int, request: Input) -> Any:
        """Raises Refused; then nothing changed and nothing is logged."""
        done = self._do(uid, request)
        if self._inputs is not None:
            self._inputs.append(self.steps, uid, request)
        self._collect()
        return done

    def _do(self, uid: int, request: Input) -> Any:
        match request:
            case OrderRequest():
                order = self.engine.place_order(uid, request)
                self.orders += 1
                return order
            case Amend():
                return self.engine.amend_order(
                    uid,
                    request.symbol,
                    order_id=request.order_id,
                    order_link_id=request.order_link_id,
                    quantity=request.quantity,
                    price=request.price,
                )
            case Cancel():
                return self.engine.cancel_order(
                    uid, request.symbol, order_id=request.order_id, order_link_id=request.order_link_id
                )
            case CancelAll():
                return self.engine.cancel_all(uid, request.symbol)
            case SetLeverage():
                return self.engine.set_leverage(uid, request.symbol, request.leverage)
            case TradingStop():
                return self.engine.set_trading_stop(uid, request)

    def _collect(self) -> None:
        """Takes the engine's events; executions go to the journal before anybody hears of them."""
        events = self.engine.take_events()
        made = [event for event in events if isinstance(event, Execution)]
        if made:
            self.executions += len(made)
            self._journal.write("".join(self._journal_line(execution) for execution in made))
            self._journal.flush()
        self._events.extend(events)

    def _journal_line(self, made: Execution) -> str:
        row = {
            "uid": made.uid,
            "account": self.accounts[made.uid].name,
            "symbol": made.symbol,
            "exec_id": made.exec_id,
            "order_id": made.order_id,
            "order_link_id": made.order_link_id,
            "side": made.side.value,
            "price": format(made.price, "f"),
            "quantity": format(made.quantity, "f"),
            "fee": format(made.fee, "f"),
            "exec_type": made.exec_type.value,
            "exec_time": to_ms(made.exec_time),
            "seq": made.seq,
            "leaves": format(made.leaves_quantity, "f"),
            "closed": format(made.closed_size, "f"),
        }
        return orjson.dumps(row).decode() + "\n"

    def _replay(self, inputs: InputLog) -> None:
        for steps, uid, request in inputs.read():
            while self.steps < steps:
                self._step_again()
            if request is not None:
                self._do(uid, request)
                self._collect()
        # Nobody was there to hear it: clients ask over REST for what they missed.
        self._events.clear()

    def _step_again(self) -> None:
        step = self.market.step(self.steps)
        if step is None:
            raise Refused(10016, "the log of inputs is longer than the market")
        self.engine.step(step.bars, marks=step.marks, funding=step.funding)
        self.steps += 1
        self.last_step = step
        self._collect()


def _last_prices(market: MarketSource, listings: Mapping[Symbol, Listing]) -> dict[Symbol, Decimal]:
    """The close before the first step, so that orders can be judged before anything has moved."""
    prices = {}
    for symbol in listings:
        columns = market.columns(symbol)
        row = columns.row_of(market.start) - 1
        if row >= 0:
            prices[symbol] = columns.price(columns.close[row])
    return prices
