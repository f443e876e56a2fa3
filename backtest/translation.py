"""The engine's words as those of the bots, as the listener makes them of the exchange's JSON."""

from __future__ import annotations

from typing import Final

from alpha.bot.broker import HeldPosition
from alpha.domain.fill import Fill
from alpha.domain.fill_reason import reason_of
from alpha.domain.ids import AccountName
from alpha.domain.order import Order
from alpha.domain.order_link_id import reason_told_by
from alpha.domain.position import FLAT, Position
from alpha.domain.reason import Reason
from paper_exchange.engine import Execution, OrderState, PositionState

CATEGORY: Final = "linear"


def fill_of(execution: Execution, account: AccountName) -> Fill:
    return Fill(
        account,
        CATEGORY,
        execution.symbol,
        execution.exec_id,
        execution.exec_time,
        execution.seq,
        execution.exec_type,
        execution.side,
        execution.price,
        execution.quantity,
        execution.value,
        execution.fee,
        execution.fee_rate,
        execution.fee_currency,
        execution.is_maker,
        execution.closed_size,
        execution.leaves_quantity,
        execution.order_id,
        execution.order_link_id,
        execution.order_type,
        execution.create_type,
        execution.stop_order_type,
        execution.mark_price,
    )


def reason_of_fill(fill: Fill) -> Reason:
    """By the bot's own tag, else by what the exchange says created the order."""
    return reason_told_by(fill.order_link_id) or reason_of(fill)


def order_of(state: OrderState, account: AccountName) -> Order:
    return Order(
        account=account,
        category=CATEGORY,
        symbol=state.symbol,
        order_id=state.order_id,
        order_link_id=state.order_link_id,
        side=state.side,
        order_type=state.order_type,
        time_in_force=str(state.time_in_force),
        status=state.status,
        price=state.price,
        quantity=state.quantity,
        filled_quantity=state.filled_quantity,
        average_price=state.average_price,
        reduce_only=state.reduce_only,
        position_idx=state.position_idx,
        create_type=state.create_type,
        stop_order_type=state.stop_order_type,
        trigger_price=state.trigger_price,
        take_profit=state.take_profit,
        stop_loss=state.stop_loss,
        reject_reason=state.reject_reason,
        cancel_type=state.cancel_type,
        created_at=state.created_at,
        updated_at=state.updated_at,
    )


def held_of(state: PositionState) -> HeldPosition:
    """With the mark price of the moment it was told."""
    quantity = state.quantity
    return HeldPosition(
        state.symbol,
        Position(quantity, state.entry_price) if quantity else FLAT,
        state.mark_price if quantity else None,
        state.stop_loss,
        state.take_profit,
        state.trailing_stop,
        state.seq,
    )
