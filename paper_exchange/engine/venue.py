from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import Event, PositionState, Wallet
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.margin import bankruptcy_price, liquidation_price
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import round_amount
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.working_order import WorkingOrder


class Venue:
    """What all parts of the engine share: markets, accounts, the clock, ids, the book, and the events told so far.

    `pending` are the orders waiting for the next open, `arrived` those that were matched at this one and will rest.
    `unnamed` counts equal orders without a link id between two bars.
    """

    __slots__ = ("accounts", "arrived", "events", "ids", "liquidity", "markets", "now", "pending", "unnamed")

    def __init__(self, *, markets: dict[Symbol, Market], ids: Ids, liquidity: Liquidity, now: datetime) -> None:
        self.markets = markets
        self.ids = ids
        self.liquidity = liquidity
        self.now = now
        self.accounts: dict[int, Account] = {}
        self.pending: dict[str, tuple[Account, WorkingOrder]] = {}
        self.arrived: list[tuple[Account, WorkingOrder]] = []
        self.unnamed: Counter[tuple[str, ...]] = Counter()
        self.events: list[Event] = []

    def account(self, uid: int) -> Account:
        """Raises InvalidValue for an account that was never opened: who may ask is for the server to know."""
        account = self.accounts.get(uid)
        if account is None:
            raise InvalidValue(f"there is no account {uid}; open_account comes first")
        return account

    def market(self, symbol: Symbol) -> Market:
        market = self.markets.get(symbol)
        if market is None:
            raise Refused(10001, "params error: symbol invalid")
        return market

    def tell_order(self, order: WorkingOrder) -> None:
        self.events.append(order.refresh())

    def tell_position(self, account: Account, holding: Holding, at: datetime) -> None:
        self.events.append(position_state(account, holding, at))

    def tell_wallet(self, account: Account, at: datetime) -> None:
        self.events.append(wallet(account, at))

    def release(self, account: Account, order: WorkingOrder) -> None:
        """Take an order that has ended from everywhere it was waiting."""
        account.drop(order)
        self.pending.pop(order.order_id, None)
        self.markets[order.symbol].resting.pop(order.order_id, None)


def wallet(account: Account, at: datetime) -> Wallet:
    position_margin, order_margin = account.position_margin, account.order_margin()
    unrealized = account.unrealized_pnl
    equity, initial = account.balance + unrealized, position_margin + order_margin
    return Wallet(
        uid=account.uid,
        balance=account.balance,
        equity=round_amount(equity),
        available=round_amount(max(equity - initial, Decimal(0))),
        initial_margin=round_amount(initial),
        position_margin=round_amount(position_margin),
        order_margin=round_amount(order_margin),
        maintenance_margin=round_amount(account.maintenance_margin),
        unrealized_pnl=round_amount(unrealized),
        cumulative_realized_pnl=account.balance - account.opening_balance,
        updated_at=at,
    )


def position_state(account: Account, holding: Holding, at: datetime) -> PositionState:
    stops, trailing = holding.stops, holding.trailing
    take_profit, stop_loss = stops.get(StopKind.TAKE_PROFIT), stops.get(StopKind.STOP_LOSS)
    break_even = holding.break_even_price
    return PositionState(
        uid=account.uid,
        symbol=holding.symbol,
        position_idx=holding.position_idx,
        side=holding.side,
        size=holding.size,
        entry_price=holding.entry_price,
        value=round_amount(holding.size * holding.entry_price),
        mark_price=holding.market.mark_price,
        leverage=holding.leverage,
        initial_margin=round_amount(holding.initial_margin),
        maintenance_margin=round_amount(holding.maintenance_margin),
        unrealized_pnl=round_amount(holding.unrealized_pnl),
        current_realized_pnl=round_amount(holding.current_realized_pnl),
        cumulative_realized_pnl=round_amount(holding.cumulative_realized_pnl),
        break_even_price=None if break_even is None else holding.market.instrument.round_price(break_even),
        liq_price=liq_price(account, holding),
        bust_price=bust_price(account, holding),
        take_profit=None if take_profit is None else take_profit.trigger_price,
        stop_loss=None if stop_loss is None else stop_loss.trigger_price,
        trailing_stop=None if trailing is None else trailing.distance,
        active_price=None if trailing is None else trailing.active_price,
        trailing_level=None if trailing is None else trailing.level,
        status=holding.status,
        seq=holding.seq,
        opened_at=holding.opened_at,
        created_at=holding.created_at,
        updated_at=at,
    )


def exact_liq_price(account: Account, holding: Holding) -> Decimal | None:
    """The mark price, not rounded, at which this holding alone would bring the account to liquidation."""
    if holding.quantity == 0:
        return None
    return liquidation_price(
        holding.quantity,
        holding.market.mark_price,
        account.equity,
        account.maintenance_margin - holding.maintenance_margin,
        holding.maintenance_per_value,
    )


def liq_price(account: Account, holding: Holding) -> Decimal | None:
    """The same on a tick, None when it lies outside the prices the instrument can have."""
    return _on_market(exact_liq_price(account, holding), holding.market)


def bust_price(account: Account, holding: Holding) -> Decimal | None:
    """The price at which closing this holding would leave nothing of the account, None as for `liq_price`."""
    if holding.quantity == 0:
        return None
    market = holding.market
    price = bankruptcy_price(holding.quantity, market.mark_price, account.equity, market.fees.taker)
    return _on_market(price, market)


def _on_market(price: Decimal | None, market: Market) -> Decimal | None:
    instrument = market.instrument
    if price is None or not instrument.min_price <= price <= instrument.max_price:
        return None
    return instrument.round_price(price)
