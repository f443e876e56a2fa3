"""The Broker that strategies get: gate, order id, journal, sending and finding out, over exchangeable ports."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from alpha.bot.broker import HeldPosition, Outcome, OutcomeStatus
from alpha.bot.decision import Decision
from alpha.bot.delivery import DUPLICATE, Delivery
from alpha.bot.denials import Denials
from alpha.bot.errors import BotError, JournalUnavailable
from alpha.bot.gate import Deny, Gate
from alpha.bot.intent import Intent
from alpha.bot.order_counter import OrderCounter
from alpha.bot.order_in_flight import OrderInFlight
from alpha.bot.orders_in_flight import OrdersInFlight
from alpha.bot.ports import AlertPort, IntentJournal, MarketView, OrderPort
from alpha.bot.result import ZERO, LimitStanding, Performance
from alpha.bot.risk_limits import RiskLimits
from alpha.domain.bar import Bar
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import BotId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.order_link_id import is_bot_code, order_link_id_for
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.errors import ExchangeError, ExchangeRefused, ExchangeUnknown
from alpha.exchange.new_order import NewOrder, TradingStop

log = structlog.get_logger()

_NOT_MODIFIED: Final = frozenset({34040, 110043})
"""Stops and leverage that are already as asked (https://bybit-exchange.github.io/docs/v5/error)."""
_NOTHING_TO_REDUCE: Final = "110017"
_MARKET: Final = OrderType.MARKET


class GatedBroker:
    """One per bot. The runner opens a decision around each hook (`deciding`); outside of one it refuses to act."""

    def __init__(
        self,
        *,
        bot: BotId,
        code: str,
        run: str,
        gate: Gate,
        orders: OrdersInFlight,
        port: OrderPort,
        journal: IntentJournal,
        view: MarketView,
        alerts: AlertPort,
        entry_sent: Callable[[datetime], None],
        pause: Callable[[float], object],
        counter: OrderCounter | None = None,
        limits: RiskLimits | None = None,
    ) -> None:
        """`limits` are those the gate keeps, for what was made and how far each is used; without them nothing is
        valued. Raises InvalidValue for a code that cannot begin an order's id."""
        if not is_bot_code(code):
            raise InvalidValue(f"bot code {code!r} must be 2 to 6 of [a-z0-9]")
        self._bot = bot
        self._code = code
        self._run = run
        self._gate = gate
        self._orders = orders
        self._port = port
        self._journal = journal
        self._view = view
        self._alerts = alerts
        self._limits = limits
        self._entry_sent = entry_sent
        self._delivery = Delivery(port, orders, pause)
        # Bound once: behind the lazy one lies a look-up for every order.
        self._log = log.bind()
        self.decision: Decision | None = None
        """What is being decided, None outside of a hook: the strategy may ask for nothing then."""
        self.newest: dict[Symbol, Bar] = {}
        """The newest bar of each symbol: its close is what a market order is judged by."""
        self._counter = counter or OrderCounter()
        self.denials = Denials(self._counter.denied)

    def deciding(self, decision: Decision) -> AbstractContextManager[None]:
        """The hook called inside acts at this decision's time and under its ids. To be entered at once."""
        self.decision = decision
        return _UntilDecided(self)

    def begin_round(self, at: datetime) -> None:
        """Before anything is decided on bars that end at the time."""
        if self._limits is not None:
            self._limits.begin_round(at)

    def end_round(self) -> None:
        """After everything is decided."""
        if self._limits is not None:
            self._limits.look_if_due()

    def limit_standings(self) -> list[LimitStanding]:
        return [] if self._limits is None else self._limits.standings()

    @property
    def now(self) -> datetime:
        return self._current.now

    def instrument(self, symbol: Symbol) -> Instrument:
        return self._view.instrument(symbol)

    def position(self, symbol: Symbol) -> HeldPosition | None:
        return self._view.position(symbol)

    def equity(self) -> Decimal | None:
        return self._view.equity()

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        return self._view.mark_price(symbol)

    def performance(self) -> Performance | None:
        return None if self._limits is None else self._limits.performance(self.now)

    def market(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        *,
        reason: Reason = Reason.ENTRY,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        instrument = self._view.instrument(symbol)
        rounded = instrument.round_quantity(min(quantity, instrument.max_market_quantity))
        return self._send(instrument, side, rounded, reason, _MARKET, None, None, take_profit, stop_loss)

    def limit(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        reason: Reason = Reason.ENTRY,
        time_in_force: TimeInForce = TimeInForce.GTC,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        instrument = self._view.instrument(symbol)
        rounded = instrument.round_quantity(min(quantity, instrument.max_limit_quantity))
        at = instrument.round_limit_price(price, side)
        return self._send(instrument, side, rounded, reason, OrderType.LIMIT, at, time_in_force, take_profit, stop_loss)

    def close(self, symbol: Symbol, reason: Reason) -> Outcome:
        if reason.opens_risk:
            raise InvalidValue(f"{symbol}: {reason.value} is no reason to close a position")
        held = self.position(symbol) or self._ask_position(symbol)
        if held is None or held.position.direction is None:
            # It was asked for: when the event is handled again after a crash there may be nothing left to close.
            self._current.next_ordinal(symbol, reason)
            if held is None:
                return _denied("position_unknown", f"{symbol}: nobody can say what is held")
            return _denied("flat", f"{symbol}: there is no position to close")
        return self.market(symbol, held.position.direction.entry_side.opposite, held.position.size, reason=reason)

    def stop_loss(self, symbol: Symbol, price: Decimal) -> Outcome:
        rounded = self.instrument(symbol).round_price(price)
        return self._set_stop(TradingStop(symbol=symbol, stop_loss=rounded), lambda held: held.stop_loss == rounded)

    def take_profit(self, symbol: Symbol, price: Decimal) -> Outcome:
        rounded = self.instrument(symbol).round_price(price)
        return self._set_stop(TradingStop(symbol=symbol, take_profit=rounded), lambda held: held.take_profit == rounded)

    def trailing_stop(self, symbol: Symbol, distance: Decimal, *, activation_price: Decimal | None = None) -> Outcome:
        instrument = self.instrument(symbol)
        rounded = max(instrument.round_price(distance), instrument.tick_size)
        active = None if activation_price is None else instrument.round_price(activation_price)
        return self._set_stop(
            TradingStop(symbol=symbol, trailing_stop=rounded, active_price=active),
            lambda held: held.trailing_stop == rounded,
        )

    def cancel(self, symbol: Symbol, order_link_id: str) -> Outcome:
        try:
            self._port.cancel_order(symbol, order_link_id)
        except ExchangeRefused as refused:
            if refused.is_order_gone:
                return Outcome(status=OutcomeStatus.ACCEPTED, code="gone", order_link_id=order_link_id)
            return self._failed(refused, order_link_id)
        except ExchangeError as error:
            return self._failed(error, order_link_id)
        return Outcome(status=OutcomeStatus.ACCEPTED, order_link_id=order_link_id)

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> Outcome:
        try:
            self._port.set_leverage(symbol, leverage)
        except ExchangeRefused as refused:
            if refused.code not in _NOT_MODIFIED:
                return self._failed(refused)
        except ExchangeError as error:
            return self._failed(error)
        return Outcome(status=OutcomeStatus.ACCEPTED)

    def alert(self, kind: str, text: str, *, symbol: Symbol | None = None) -> None:
        self._alerts.alert(kind, text, symbol=symbol, market_time=self.now)

    @property
    def _current(self) -> Decision:
        if self.decision is None:
            raise BotError("a strategy acts inside its hooks only (on_start, on_bar, on_fill, on_position, on_stop)")
        return self.decision

    def _send(
        self,
        instrument: Instrument,
        side: Side,
        quantity: Decimal,
        reason: Reason,
        order_type: OrderType,
        price: Decimal | None,
        time_in_force: TimeInForce | None,
        take_profit: Decimal | None,
        stop_loss: Decimal | None,
    ) -> Outcome:
        decision, symbol = self._current, instrument.symbol
        # The ordinal counts what the strategy asked for, not what passed: a denial of an earlier request must not
        # change the ids of later ones.
        ordinal = decision.next_ordinal(symbol, reason)
        if quantity <= ZERO:
            return _denied("too_small", f"{symbol}: the quantity is below one step")
        try:
            intent = Intent(
                symbol,
                side,
                quantity,
                reason,
                order_type,
                decision.instant,
                decision.now,
                self._newest_price(symbol),
                price,
                time_in_force,
                None if take_profit is None else instrument.round_price(take_profit),
                None if stop_loss is None else instrument.round_price(stop_loss),
            )
        except InvalidValue as invalid:
            self._log.warning("order_invalid", symbol=symbol, error=str(invalid))
            return _denied("invalid", str(invalid))
        run = f"{self._run}/{decision.scope_of(reason)}" if decision.names else self._run
        order_link_id = order_link_id_for(self._code, self._bot, run, symbol, decision.instant, reason, ordinal)
        verdict = self._gate.check(intent)
        if isinstance(verdict, Deny):
            self.denials.denied(symbol, verdict)
            if self._limits is not None:
                self._limits.refused(verdict, decision.now)
            return _denied(verdict.code, verdict.text)
        try:
            self._journal.record(order_link_id, intent)
        except JournalUnavailable as error:
            if reason.opens_risk:
                deny = Deny("journal_unavailable", str(error))
                self.denials.denied(symbol, deny)
                return _denied(deny.code, deny.text)
            # An exit must not wait for a database; the fill will be recorded and carries the id.
            self._log.warning("exit_sent_without_journal", symbol=symbol, order_link_id=order_link_id, error=str(error))
        if reason.opens_risk:
            self.denials.allowed(symbol)
            self._entry_sent(decision.now)
        return self._deliver(order_link_id, intent)

    def _deliver(self, order_link_id: str, intent: Intent) -> Outcome:
        symbol, quantity, order_type, opens_risk = (
            intent.symbol,
            intent.quantity,
            intent.order_type,
            intent.reason.opens_risk,
        )
        expected = intent.reference_price or ZERO
        is_new = self._orders.sent(
            OrderInFlight(order_link_id, symbol, quantity, expected, opens_risk, order_type, intent.decided_at)
        )
        order = NewOrder(
            symbol,
            intent.side,
            order_type,
            quantity,
            order_link_id,
            intent.price,
            intent.time_in_force,
            not opens_risk,
            False,
            intent.take_profit,
            intent.stop_loss,
        )
        began = time.perf_counter()
        outcome = self._delivery.deliver(order)
        self._counter.sent(outcome.status, outcome.code, time.perf_counter() - began)
        if outcome.code:
            if is_new and outcome.code == DUPLICATE:
                self._orders.was_there_before(order_link_id)
            if not opens_risk and outcome.code == _NOTHING_TO_REDUCE:
                outcome = replace(outcome, code="flat")
        self._journal.settle(order_link_id, outcome)
        if outcome.accepted and not self._log.is_enabled_for(logging.INFO):
            return outcome
        emit = self._log.info if outcome.accepted else self._log.warning
        emit(
            "order_" + outcome.status.value,
            order_link_id=order_link_id,
            symbol=intent.symbol,
            side=intent.side.value,
            quantity=str(intent.quantity),
            order_reason=intent.reason.value,
            market_time=intent.decided_at.isoformat(),
            code=outcome.code,
            text=outcome.text,
        )
        return outcome

    def _set_stop(self, stop: TradingStop, is_set: Callable[[HeldPosition], bool]) -> Outcome:
        try:
            self._port.set_trading_stop(stop)
        except ExchangeRefused as refused:
            if refused.code not in _NOT_MODIFIED:
                return self._failed(refused)
        except ExchangeUnknown:
            # Reading it back below tells what became of it.
            pass
        except ExchangeError as error:
            return self._failed(error)
        held = self._ask_position(stop.symbol)
        if held is not None and is_set(held):
            return Outcome(status=OutcomeStatus.ACCEPTED)
        text = f"{stop.symbol}: the exchange does not show the stop that was set"
        self._log.warning("stop_not_verified", symbol=stop.symbol)
        return Outcome(status=OutcomeStatus.UNKNOWN, code="not_verified", text=text)

    def _newest_price(self, symbol: Symbol) -> Decimal | None:
        bar = self.newest.get(symbol)
        return self.mark_price(symbol) if bar is None else bar.close

    def _ask_position(self, symbol: Symbol) -> HeldPosition | None:
        try:
            return self._port.position(symbol)
        except ExchangeError as error:
            self._log.warning("position_not_answered", symbol=symbol, error=str(error))
            return None

    def _failed(self, error: ExchangeError, order_link_id: str | None = None) -> Outcome:
        self._log.warning("request_failed", operation=error.operation, error=str(error))
        if isinstance(error, ExchangeRefused):
            return Outcome(
                status=OutcomeStatus.REFUSED, code=str(error.code), text=error.text, order_link_id=order_link_id
            )
        status = OutcomeStatus.UNKNOWN if isinstance(error, ExchangeUnknown) else OutcomeStatus.NOT_SENT
        return Outcome(status=status, code="exchange", text=str(error), order_link_id=order_link_id)


class _UntilDecided:
    __slots__ = ("_broker",)

    def __init__(self, broker: GatedBroker) -> None:
        self._broker = broker

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._broker.decision = None


def _denied(code: str, text: str) -> Outcome:
    return Outcome(status=OutcomeStatus.DENIED, code=code, text=text)
