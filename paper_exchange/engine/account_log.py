from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from alpha.domain.fill import ExecType
from paper_exchange.engine.events import Execution, Transaction
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.members import FUNDING, TRADE
from paper_exchange.engine.money import ZERO

_TYPES = {
    TRADE: "TRADE",
    ExecType.BUST: "LIQUIDATION",
    ExecType.ADL: "ADL",
    FUNDING: "SETTLEMENT",
}


def change_of(execution: Execution) -> Decimal:
    """What an execution does to the balance. A funding payment is the `fee` of its execution."""
    return execution.exec_pnl - execution.fee


class AccountLog:
    """The transaction log of one account: one row per execution, oldest first.

    Rows are written as they happen in short, and in full when somebody asks.
    """

    __slots__ = ("_entries", "_rows")

    def __init__(self) -> None:
        self._entries: list[tuple[Execution, Decimal, Decimal]] = []
        self._rows: list[Transaction] = []

    def put(self, execution: Execution, size: Decimal, balance: Decimal) -> None:
        """`size` is the signed position and `balance` the balance that the execution left."""
        self._entries.append((execution, size, balance))

    def rows(self, ids: Ids) -> Sequence[Transaction]:
        for execution, size, balance in self._entries[len(self._rows) :]:
            self._rows.append(_row(ids, execution, size, balance))
        return list(self._rows)


def _row(ids: Ids, execution: Execution, size: Decimal, balance: Decimal) -> Transaction:
    is_funding = execution.exec_type is FUNDING
    return Transaction(
        uid=execution.uid,
        id=ids.make("transaction", str(execution.uid), execution.exec_id),
        time=execution.exec_time,
        type=_TYPES[execution.exec_type],
        symbol=execution.symbol,
        side=execution.side,
        quantity=execution.quantity,
        size=size,
        price=execution.price,
        cash_flow=execution.exec_pnl,
        funding=-execution.fee if is_funding else ZERO,
        fee=ZERO if is_funding else execution.fee,
        change=change_of(execution),
        balance=balance,
        currency=execution.fee_currency,
        fee_rate=execution.fee_rate,
        trade_id=execution.exec_id,
        order_id=execution.order_id,
        order_link_id=execution.order_link_id,
    )
