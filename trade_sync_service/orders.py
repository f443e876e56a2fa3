"""Orders as the exchange lists them against those of the ledger. What is not known is read again by the listener."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from alpha.domain.order import Order, OrderStatus
from alpha.domain.position import ZERO
from alpha.exchange.listings import ORDERS
from alpha.exchange.walking import walk
from alpha.ledger.coverage import mark_unproven
from alpha.ledger.drift import DriftKind, Finding, add_drift, open_drift, resolve_drift
from alpha.ledger.orders import order_states
from alpha.ledger.sync_status import MILLISECOND
from trade_sync_service.comparison import Found, Sides, Stretch, grouped
from trade_sync_service.proven import is_proven, proven_stretches

_BY = "trade_sync_service"
_APART = timedelta(minutes=10)
_LOOK_AGAIN_S = 0.2


def compare_orders(sides: Sides, stretch: Stretch) -> Iterator[Found]:
    """Compares the ended orders of a stretch, by their creation. One whose end the ledger does not know makes the time
    of its creation unproven, once, so that the listener asks for it; the finding ends when the order is known."""
    account, ledger = sides.client.account, sides.ledger
    for window in walk(ORDERS, sides.client, stretch.start, stretch.end):
        if window.unreadable:
            raise window.unreadable[0]
        proven = proven_stretches(ledger, account)
        told = [order for order in window.rows if order.status.is_terminal]
        ended = [order for order in told if is_proven(proven, order.created_at)]
        unproven = [order.created_at for order in told if not is_proven(proven, order.created_at)]
        lacking = _lacking(sides, ended)
        opened = {each.finding.subject: each.number for each in open_drift(ledger, account) if _is_order(each.finding)}
        fresh = [order for order in lacking if order.order_id not in opened]
        add_drift(ledger, [_finding(order) for order in lacking])
        for start, end in grouped([order.created_at for order in fresh], _APART):
            # An instant would be doubted without being read: both ends of a doubt stay proven.
            why = "orders are not as the exchange lists them"
            mark_unproven(ledger, account, start - MILLISECOND, end + MILLISECOND, why)
        known = {order.order_id for order in ended} - {order.order_id for order in lacking}
        resolve_drift(
            ledger,
            [number for subject, number in opened.items() if subject in known],
            by=_BY,
            resolution="the ledger knows its end now",
        )
        yield Found(
            through=window.end,
            rows=len(window.rows),
            open_from=min(unproven, default=None),
            findings=len(lacking),
            detail=f"{len(lacking)} orders are not as the exchange lists them" if lacking else "",
        )


def _lacking(sides: Sides, ended: Sequence[Order]) -> list[Order]:
    """The orders whose end the ledger does not know, for as long as a difference may settle: the listener writes an
    order after its fills."""
    give_up = time.monotonic() + sides.timing.settle_s
    lacking = list(ended)
    while True:
        held = order_states(sides.ledger, sides.client.account, [order.order_id for order in lacking])
        lacking = [order for order in lacking if not _is_known(order, held.get(order.order_id))]
        if not lacking or time.monotonic() >= give_up:
            return lacking
        time.sleep(_LOOK_AGAIN_S)


def _is_known(order: Order, held: tuple[OrderStatus, object] | None) -> bool:
    if held is None:
        # What was never filled moved nothing, and the exchange forgets it within a day.
        return order.filled_quantity == ZERO
    status, filled = held
    return status.is_terminal and (filled == order.filled_quantity or status is OrderStatus.UNKNOWN)


def _is_order(finding: Finding) -> bool:
    return finding.kind is DriftKind.ORDER


def _finding(order: Order) -> Finding:
    return Finding(
        kind=DriftKind.ORDER,
        account=order.account,
        symbol=order.symbol,
        subject=order.order_id,
        detail={"status": order.status.value, "filled": str(order.filled_quantity), "link": order.order_link_id},
        blocks_entries=False,
    )
