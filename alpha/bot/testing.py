"""For tests of strategies: bars, an instrument, and a broker that writes down what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from alpha.bot.broker import Broker, HeldPosition, Outcome, OutcomeStatus
from alpha.bot.environment import Environment
from alpha.bot.loading import load_params
from alpha.bot.result import Performance
from alpha.bot.strategy import Strategy, StrategyState
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import TimeInForce
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side

START = datetime(2025, 10, 14, 12, tzinfo=UTC)
BTC = Symbol("BTCUSDT")
YES = Outcome(status=OutcomeStatus.ACCEPTED, order_link_id="id")
NO = Outcome(status=OutcomeStatus.REFUSED, code="110007", text="ab not enough for new order")

AnyStrategy = TypeVar("AnyStrategy", bound=Strategy[Any, Any])


def an_instrument(symbol: Symbol = BTC) -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=Decimal("0.1"),
        min_price=Decimal("0.1"),
        max_price=Decimal(2_000_000),
        quantity_step=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_limit_quantity=Decimal(1000),
        max_market_quantity=Decimal(100),
        min_notional=Decimal(5),
        max_leverage=Decimal(100),
    )


def a_bar(
    close: str | float | Decimal,
    *,
    end: datetime = START,
    symbol: Symbol = BTC,
    interval: timedelta = timedelta(minutes=5),
    open: str | float | Decimal | None = None,
    high: str | float | Decimal | None = None,
    low: str | float | Decimal | None = None,
    volume: str | float | Decimal = 10,
) -> Bar:
    """The bar that ends at `end`; what is not said of its prices is the close."""
    first, last = _money(close if open is None else open), _money(close)
    return Bar(
        symbol=symbol,
        interval=interval,
        start=end - interval,
        open=first,
        high=max(first, last) if high is None else _money(high),
        low=min(first, last) if low is None else _money(low),
        close=last,
        volume=_money(volume),
        turnover=last * _money(volume),
    )


def bars_of(closes: Sequence[str | float], *, symbol: Symbol = BTC, end: datetime = START) -> list[Bar]:
    """5-minute bars with these closes, the first of which ends at `end`."""
    return [a_bar(close, end=end + n * timedelta(minutes=5), symbol=symbol) for n, close in enumerate(closes)]


def a_strategy(
    kind: type[AnyStrategy],
    broker: Broker,
    *,
    symbols: tuple[Symbol, ...] = (BTC,),
    state: StrategyState | None = None,
    environment: Environment = Environment.PAPER,
    **changes: Any,
) -> AnyStrategy:
    """The strategy with its parameters file and these changes of it."""
    return kind(
        params=load_params(kind, changes),
        state=kind.State() if state is None else state,
        symbols=symbols,
        broker=broker,
        environment=environment,
    )


def feed(strategy: Strategy[Any, Any], bars: Sequence[Bar]) -> None:
    """Each bar observed and decided on, with the broker's clock at its end."""
    for bar in bars:
        if isinstance(strategy.broker, MemoryBroker):
            strategy.broker.now = bar.end
        strategy.observe(bar)
        strategy.on_round([bar])


@dataclass(frozen=True)
class Sent:
    """One order asked for."""

    symbol: Symbol
    side: Side
    quantity: Decimal
    reason: Reason
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None


@dataclass
class MemoryBroker:
    """A Broker whose answers are attributes. Orders do not fill by themselves: say `hold` what is held after them."""

    now: datetime = START
    funds: Decimal | None = Decimal(10_000)
    result: Performance | None = None
    marks: dict[Symbol, Decimal] = field(default_factory=dict)
    positions: dict[Symbol, HeldPosition | None] = field(default_factory=dict)
    answer: Outcome = YES
    leverage_answer: Outcome = YES
    stop_answer: Outcome = YES
    sent: list[Sent] = field(default_factory=list)
    trailing: list[tuple[Symbol, Decimal, Decimal | None]] = field(default_factory=list)
    stop_losses: list[tuple[Symbol, Decimal]] = field(default_factory=list)
    take_profits: list[tuple[Symbol, Decimal]] = field(default_factory=list)
    leverage: dict[Symbol, Decimal] = field(default_factory=dict)
    alerts: list[tuple[str, Symbol | None]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def hold(
        self,
        symbol: Symbol,
        quantity: str,
        price: str = "0",
        *,
        stop_loss: str | None = "1",
        take_profit: str | None = None,
        trailing_stop: str | None = None,
        mark: str | None = None,
    ) -> HeldPosition:
        """What is held from now on."""
        position = Position(Decimal(quantity), Decimal(price)) if Decimal(quantity) else FLAT
        held = HeldPosition(
            symbol=symbol,
            position=position,
            mark_price=_or_none(mark),
            stop_loss=_or_none(stop_loss),
            take_profit=_or_none(take_profit),
            trailing_stop=_or_none(trailing_stop),
        )
        self.positions[symbol] = held
        return held

    def made(self, *, today: str = "0", week: str = "0", month: str = "0", drawdown: str = "0") -> None:
        """What performance() answers from now on, in percent."""
        self.result = Performance(
            at=self.now,
            result_usdt=Decimal(0),
            today_percent=Decimal(today),
            week_percent=Decimal(week),
            month_percent=Decimal(month),
            drawdown_percent=Decimal(drawdown),
        )

    def instrument(self, symbol: Symbol) -> Instrument:
        return an_instrument(symbol)

    def position(self, symbol: Symbol) -> HeldPosition | None:
        return self.positions.get(symbol, HeldPosition(symbol=symbol, position=FLAT))

    def equity(self) -> Decimal | None:
        return self.funds

    def performance(self) -> Performance | None:
        return self.result

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        return self.marks.get(symbol)

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
        self.sent.append(Sent(symbol, side, quantity, reason, take_profit, stop_loss))
        return self.answer

    def limit(
        self,
        symbol: Symbol,
        side: Side,
        quantity: Decimal,
        price: Decimal,  # noqa: ARG002
        *,
        reason: Reason = Reason.ENTRY,
        time_in_force: TimeInForce = TimeInForce.GTC,  # noqa: ARG002
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
    ) -> Outcome:
        return self.market(symbol, side, quantity, reason=reason, take_profit=take_profit, stop_loss=stop_loss)

    def close(self, symbol: Symbol, reason: Reason) -> Outcome:
        held = self.position(symbol)
        if held is None or held.position.direction is None:
            return Outcome(status=OutcomeStatus.DENIED, code="flat")
        return self.market(symbol, held.position.direction.entry_side.opposite, held.position.size, reason=reason)

    def stop_loss(self, symbol: Symbol, price: Decimal) -> Outcome:
        self.stop_losses.append((symbol, price))
        return self.stop_answer

    def take_profit(self, symbol: Symbol, price: Decimal) -> Outcome:
        self.take_profits.append((symbol, price))
        return self.stop_answer

    def trailing_stop(self, symbol: Symbol, distance: Decimal, *, activation_price: Decimal | None = None) -> Outcome:
        self.trailing.append((symbol, distance, activation_price))
        return self.stop_answer

    def cancel(self, symbol: Symbol, order_link_id: str) -> Outcome:  # noqa: ARG002
        return YES

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> Outcome:
        if self.leverage_answer.accepted:
            self.leverage[symbol] = leverage
        return self.leverage_answer

    def alert(self, kind: str, text: str, *, symbol: Symbol | None = None) -> None:
        self.alerts.append((kind, symbol))
        self.texts.append(text)


def _money(value: str | float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _or_none(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _is_a_broker(broker: MemoryBroker) -> Broker:
    return broker
