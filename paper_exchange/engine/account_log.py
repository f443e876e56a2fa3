from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from alpha.domain.fill import ExecType
from paper_exchange.engine.events import Execution, Transaction
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.members import FUNDING, TRADE
from paper_exchange.engine.money import ZERO

_TYPES: Final = {
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

    Rows are written as they happen in short, and in full when somebody asks. `executions` are all of the account.
    """

    __slots__ = ("_balances", "_rows", "_sizes", "executions")

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        # beside each execution what it left; columns, because a tuple for each row would be a load for the collector
        self._sizes: list[Decimal] = []
        self._balances: list[Decimal] = []
        self._rows: list[Transaction] = []

    def put(self, execution: Execution, size: Decimal, balance: Decimal) -> None:
        """`size` is the signed position and `balance` the balance that the execution left."""
        self.executions.append(execution)
        self._sizes.append(size)
        self._balances.append(balance)

    def rows(self, ids: Ids) -> Sequence[Transaction]:
        for number in range(len(self._rows), len(self.executions)):
            row = _row(ids, self.executions[number], self._sizes[number], self._balances[number])
            self._rows.append(row)
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
