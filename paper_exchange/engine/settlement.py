"""What one match does to the order, the position, the balance and the log."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId
from alpha.domain.order import OrderType
from paper_exchange.engine import stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.account_log import change_of
from paper_exchange.engine.bankruptcy import bankruptcy_price_on_tick
from paper_exchange.engine.closed_pnl import Close
from paper_exchange.engine.events import Execution
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.ids import execution_id
from paper_exchange.engine.members import TRADE
from paper_exchange.engine.money import ZERO, round_amount, round_cost
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_TYPE_NAMES: Final = {order_type: order_type.value for order_type in OrderType}


def settle(
    venue: Venue,
    account: Account,
    order: WorkingOrder,
    price: Decimal,
    quantity: Decimal,
    at: datetime,
    seq: int,
    is_maker: bool = False,
    exec_type: ExecType = TRADE,
) -> None:
    """One execution of an order: told, booked, in the log. The order and position are told when the match is over."""
    side = order.side
    holding = order.holding
    market = holding.market
    fee_rate = market.fees.maker if is_maker else market.fees.taker
    value = price * quantity
    fee = round_cost(value * fee_rate)
    closed = pnl = ZERO
    closable = holding.closable(side)
    if closable:
        closed = closable if closable < quantity else quantity
        pnl = _price_pnl(holding, price, closed)
        if exec_type is TRADE and account.balance + pnl < fee:
            price = _not_behind_bankruptcy(account, holding, price, fee_rate)
            value = price * quantity
            fee = round_cost(value * fee_rate)
            pnl = _price_pnl(holding, price, closed)
    entry_price = holding.entry_price
    open_fee = holding.apply(side, price, quantity, fee, pnl, closed, at)
    holding.seq = seq
    account.changed(holding)
    closed_pnl = ZERO
    if closed:
        close_fee = fee if closed == quantity else round_amount(fee * closed / quantity)
        closed_pnl = pnl - open_fee - close_fee
    left = order.fill(quantity, value, fee, closed_pnl, at)
    # by place, because msgspec looks keywords up one by one: with this many of them that takes ten times as long
    execution = Execution(
        order.uid,
        order.symbol,
        order.position_idx,
        ExecId(execution_id(order.order_id, order.fill_count)),
        at,
        seq,
        exec_type,
        side,
        price,
        quantity,
        value,
        fee,
        fee_rate,
        market.instrument.quote,
        is_maker,
        closed,
        pnl,
        left,
        order.order_id,
        order.order_link_id,
        _TYPE_NAMES[order.order_type],
        ZERO if order.price is None else order.price,
        order.quantity,
        order.create_type,
        order.stop_order_type,
        market.mark_price,
    )
    if closed:
        account.closed_pnl.put(Close(execution, entry_price, open_fee, holding.leverage))
    book_execution(venue, account, holding, execution)


def book_execution(venue: Venue, account: Account, holding: Holding, execution: Execution) -> None:
    """Put an execution into the balance, the log and the account's executions, and tell it."""
    balance = account.balance = account.balance + change_of(execution)
    account.log.put(execution, holding.quantity, balance)
    venue.audience.execution(execution)


def _price_pnl(holding: Holding, price: Decimal, closed: Decimal) -> Decimal:
    entry_price = holding.entry_price
    return round_amount((entry_price - price if holding.is_short else price - entry_price) * closed)


def _not_behind_bankruptcy(account: Account, holding: Holding, price: Decimal, fee_rate: Decimal) -> Decimal:
    """The price, or where it would leave the account owing, the bankruptcy price of the position.

    The insurance fund stands in for the rest, as it does on a takeover (that Bybit does so for a close of one's own is
    UNCONFIRMED; there a price so far off would have been taken over before).
    """
    equity, _ = account.backing(holding)
    bankrupt = bankruptcy_price_on_tick(holding, equity, fee_rate)
    return max(price, bankrupt) if holding.quantity > ZERO else min(price, bankrupt)


def finish_match(venue: Venue, account: Account, order: WorkingOrder, before: Decimal, at: datetime) -> None:
    """After the executions of one match: tell the order, bring stops in line with the position, tell it and the wallet.

    `before` is the signed position before the match.
    """
    if order.is_open:
        account.reserve(order)
    else:
        venue.release(account, order)
    venue.tell_order(account, order)
    holding = order.holding
    stops.follow(venue, account, holding, order, before, at)
    venue.tell_position(account, holding, at)
    venue.tell_wallet(account, at)
