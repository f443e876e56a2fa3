"""What one match does to the order, the position, the balance and the log."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId
from paper_exchange.engine import stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.events import Execution, Transaction
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO, round_amount, round_cost
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_LOG_TYPES = {ExecType.TRADE: "TRADE", ExecType.BUST: "LIQUIDATION", ExecType.FUNDING: "SETTLEMENT"}


def settle(
    venue: Venue,
    account: Account,
    order: WorkingOrder,
    *,
    price: Decimal,
    quantity: Decimal,
    is_maker: bool,
    at: datetime,
    seq: int,
    exec_type: ExecType = ExecType.TRADE,
) -> None:
    """One execution of an order: told, booked, in the log. The order and position are told when the match is over."""
    market = venue.markets[order.symbol]
    holding = account.holding(market)
    value = price * quantity
    fee_rate = market.fee_rate(is_maker=is_maker)
    fee = round_cost(value * fee_rate)
    closed = min(quantity, holding.closable(order.side))
    pnl = round_amount((price - holding.entry_price) * -order.side.sign * closed) if closed else ZERO
    closed_pnl = holding.apply(order.side, price, quantity, fee, pnl, closed, at)
    holding.seq = seq
    order.fill(quantity, value, fee, closed_pnl, at)
    account.reserve(order)
    exec_id = ExecId(venue.ids.make("execution", account.uid, order.order_id, order.fill_count))
    execution = Execution(
        uid=account.uid,
        symbol=order.symbol,
        position_idx=order.position_idx,
        exec_id=exec_id,
        exec_time=at,
        seq=seq,
        exec_type=exec_type,
        side=order.side,
        price=price,
        quantity=quantity,
        value=value,
        fee=fee,
        fee_rate=fee_rate,
        fee_currency=market.instrument.quote,
        is_maker=is_maker,
        closed_size=closed,
        exec_pnl=pnl,
        leaves_quantity=order.leaves_quantity,
        order_id=order.order_id,
        order_link_id=order.order_link_id,
        order_type=order.order_type.value,
        order_price=ZERO if order.price is None else order.price,
        order_quantity=order.quantity,
        create_type=order.create_type,
        stop_order_type=order.stop_order_type,
        mark_price=market.mark_price,
    )
    book_execution(venue, account, holding, execution)


def book_execution(venue: Venue, account: Account, holding: Holding, execution: Execution) -> None:
    """Put an execution into the balance, the log and the account's executions, and tell it."""
    is_funding = execution.exec_type is ExecType.FUNDING
    funding = -execution.fee if is_funding else ZERO
    fee = ZERO if is_funding else execution.fee
    change = execution.exec_pnl + funding - fee
    account.balance += change
    account.executions.append(execution)
    account.transactions.append(
        Transaction(
            uid=account.uid,
            id=venue.ids.make("transaction", account.uid, execution.exec_id),
            time=execution.exec_time,
            type=_LOG_TYPES[execution.exec_type],
            symbol=execution.symbol,
            side=execution.side,
            quantity=execution.quantity,
            size=holding.quantity,
            price=execution.price,
            cash_flow=execution.exec_pnl,
            funding=funding,
            fee=fee,
            change=change,
            balance=account.balance,
            currency=execution.fee_currency,
            fee_rate=execution.fee_rate,
            trade_id=execution.exec_id,
            order_id=execution.order_id,
            order_link_id=execution.order_link_id,
        )
    )
    venue.events.append(execution)


def finish_match(venue: Venue, account: Account, order: WorkingOrder, before: Decimal, at: datetime) -> None:
    """After the executions of one match: tell the order, bring stops in line with the position, tell it and the wallet.

    `before` is the signed position before the match.
    """
    if not order.is_open:
        venue.release(account, order)
    venue.tell_order(order)
    market = venue.markets[order.symbol]
    holding = account.holding(market)
    if before != 0 and holding.quantity * before <= 0:
        stops.clear(venue, account, holding, triggered=order, at=at)
        _cancel_reduce_only(venue, account, holding, closing=order, before=before, at=at)
    elif holding.quantity != before:
        stops.resize(venue, holding, at)
    if order.takes_stops and holding.side is order.side:
        order.takes_stops = False
        stops.attach(venue, account, holding, order, at)
    _watch(market, account, holding)
    venue.tell_position(account, holding, at)
    venue.tell_wallet(account, at)


def _cancel_reduce_only(
    venue: Venue, account: Account, holding: Holding, *, closing: WorkingOrder, before: Decimal, at: datetime
) -> None:
    """The position they were to reduce is gone: resting reduce-only orders against it end."""
    for order in list(account.open_orders.get(holding.symbol, {}).values()):
        against = order.side.sign * before < 0
        if order is not closing and order.reduce_only and against and not order.is_stop and not order.is_pending:
            cancel(venue, account, order, at, cancel_type="CancelByReduceOnly")


def _watch(market: Market, account: Account, holding: Holding) -> None:
    key = (account.uid, holding.position_idx)
    if holding.quantity == 0:
        market.holders.pop(key, None)
    else:
        market.holders[key] = (account, holding)
