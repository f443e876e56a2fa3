"""Bars, fills, instruments and an exchange that does as it is told, for tests of the bot SDK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.bot.broker import HeldPosition, Outcome
from alpha.bot.errors import JournalUnavailable
from alpha.bot.fill import BotFill
from alpha.bot.gate import Deny
from alpha.bot.intent import Intent
from alpha.bot.testing import an_instrument
from alpha.domain.bar import Bar
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, ExecId, OrderId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.new_order import NewOrder, TradingStop

BTC, ETH, SOL = Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT")
START = datetime(2025, 10, 14, 12, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


def a_bar(close: str | Decimal, *, n: int = 0, symbol: Symbol = BTC, volume: str = "10") -> Bar:
    """The bar whose end is `n` bars after START."""
    price = Decimal(close)
    return Bar(
        symbol=symbol,
        interval=FIVE_MINUTES,
        start=START + (n - 1) * FIVE_MINUTES,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(volume),
        turnover=price * Decimal(volume),
    )


def a_fill(
    side: Side,
    quantity: str,
    *,
    seq: int = 1,
    at: datetime = START,
    price: str = "100",
    symbol: Symbol = BTC,
    link_id: str = "",
    leaves: str = "0",
    fee: str = "0",
    reason: Reason = Reason.ENTRY,
    exec_type: ExecType = ExecType.TRADE,
) -> BotFill:
    size = Decimal(quantity)
    return BotFill(
        seq=seq,
        reason=reason,
        fill=Fill(
            account=AccountName("main"),
            category="linear",
            symbol=symbol,
            exec_id=ExecId(f"exec-{seq}"),
            exec_time=at,
            seq=seq,
            exec_type=exec_type,
            side=side,
            price=Decimal(price),
            quantity=size,
            notional=Decimal(price) * size,
            fee=Decimal(fee),
            fee_rate=Decimal("0.00055"),
            fee_currency="USDT",
            is_maker=False,
            closed_quantity=Decimal(0),
            leaves_quantity=Decimal(leaves),
            order_id=OrderId(f"order-{seq}"),
            order_link_id=link_id,
            order_type="Market",
            create_type="CreateByUser",
            stop_order_type="",
        ),
    )


def an_order(
    link_id: str, status: OrderStatus, *, filled: str = "0", quantity: str = "1", symbol: Symbol = BTC
) -> Order:
    return Order(
        account=AccountName("main"),
        category="linear",
        symbol=symbol,
        order_id=OrderId(f"id-{link_id}"),
        order_link_id=link_id,
        side=Side.SELL,
        order_type=OrderType.MARKET,
        time_in_force="IOC",
        status=status,
        price=None,
        quantity=Decimal(quantity),
        filled_quantity=Decimal(filled),
        average_price=None,
        reduce_only=False,
        position_idx=0,
        create_type="CreateByUser",
        stop_order_type="",
        trigger_price=None,
        take_profit=None,
        stop_loss=None,
        reject_reason="EC_NoError",
        cancel_type="UNKNOWN",
        created_at=START,
        updated_at=START,
    )


@dataclass
class Surroundings:
    """What the gate and the broker see, every value open to change; as it stands everything is in order."""

    risk: Deny | None = None
    position_trouble: Deny | None = None
    market_trouble: Deny | None = None
    order_trouble: Deny | None = None
    mark: Decimal | None = Decimal(100)
    notional: Decimal | None = Decimal(0)
    funds: Decimal | None = Decimal(10_000)
    entries: int = 0
    held: dict[Symbol, Position] = field(default_factory=dict)

    def may_open_risk(self) -> Deny | None:
        return self.risk

    def position_problem(self, symbol: Symbol) -> Deny | None:  # noqa: ARG002
        return self.position_trouble

    def market_problem(self, symbol: Symbol) -> Deny | None:  # noqa: ARG002
        return self.market_trouble

    def order_problem(self, symbol: Symbol) -> Deny | None:  # noqa: ARG002
        return self.order_trouble

    def mark_price(self, symbol: Symbol) -> Decimal | None:  # noqa: ARG002
        return self.mark

    def bot_notional(self) -> Decimal | None:
        return self.notional

    def equity(self) -> Decimal | None:
        return self.funds

    def entries_since(self, market_time: datetime) -> int:  # noqa: ARG002
        return self.entries

    def instrument(self, symbol: Symbol) -> Instrument:
        return an_instrument(symbol)

    def position(self, symbol: Symbol) -> HeldPosition | None:
        return HeldPosition(symbol=symbol, position=self.held.get(symbol, FLAT))


class ScriptedExchange:
    """Takes orders like an exchange does (an id once), after raising what the test has put into `faults`.

    A fault is raised instead of placing, or with `arrives=True` after the order was placed: an answer that was lost.
    """

    def __init__(self) -> None:
        self.placed: list[NewOrder] = []
        self.attempts: list[NewOrder] = []
        self.stops: list[TradingStop] = []
        self.cancelled: list[str] = []
        self.faults: list[tuple[Exception, bool]] = []
        self.deaf_to_queries = False
        self.shown = HeldPosition(symbol=BTC, position=FLAT)
        self.on_stop: Callable[[TradingStop], None] = self._apply_stop

    def fault(self, error: Exception, *, arrives: bool = False) -> None:
        self.faults.append((error, arrives))

    def place_order(self, order: NewOrder) -> OrderId:
        from alpha.exchange.errors import ExchangeRefused

        self.attempts.append(order)
        error, arrives = self.faults.pop(0) if self.faults else (None, True)
        if arrives:
            if any(known.order_link_id == order.order_link_id for known in self.placed):
                raise ExchangeRefused("duplicate", operation="place", code=110072, text="OrderLinkedID is duplicate")
            self.placed.append(order)
        if error is not None:
            raise error
        return OrderId(order.order_link_id)

    def find_order(self, symbol: Symbol, order_link_id: str) -> Order | None:
        from alpha.exchange.errors import ExchangeUnknown

        if self.deaf_to_queries:
            raise ExchangeUnknown("no answer", operation="find")
        for order in self.placed:
            if order.order_link_id == order_link_id:
                return replace(
                    an_order(order_link_id, OrderStatus.NEW, symbol=symbol, quantity=str(order.quantity)),
                    reduce_only=order.reduce_only,
                )
        return None

    def cancel_order(self, symbol: Symbol, order_link_id: str) -> None:  # noqa: ARG002
        self.cancelled.append(order_link_id)

    def set_trading_stop(self, stop: TradingStop) -> None:
        self.stops.append(stop)
        self.on_stop(stop)

    def _apply_stop(self, stop: TradingStop) -> None:
        self.shown = replace(
            self.shown,
            stop_loss=stop.stop_loss or self.shown.stop_loss,
            take_profit=stop.take_profit or self.shown.take_profit,
            trailing_stop=stop.trailing_stop or self.shown.trailing_stop,
        )

    def position(self, symbol: Symbol) -> HeldPosition:  # noqa: ARG002
        return self.shown

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None: ...


class MemoryJournal:
    def __init__(self) -> None:
        self.recorded: dict[str, Intent] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.is_down = False

    def record(self, order_link_id: str, intent: Intent) -> None:
        if self.is_down:
            raise JournalUnavailable("PostgreSQL is away")
        self.recorded[order_link_id] = intent

    def settle(self, order_link_id: str, outcome: Outcome) -> None:
        self.outcomes[order_link_id] = outcome


class Told:
    """Alerts a strategy gave."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, Symbol | None]] = []

    def alert(self, kind: str, text: str, *, symbol: Symbol | None, market_time: datetime) -> None:  # noqa: ARG002
        self.alerts.append((kind, symbol))
