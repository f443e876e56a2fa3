"""Books that change other than by the fills that are recorded: assignments taken up, rebuilds followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from alpha.domain.ids import AccountName
from alpha.domain.trade_book import TradeBook
from alpha.ledger.assignments import Outcome, accounts_waiting, apply_assignments
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, Fenced, transaction
from alpha.ledger.heads import books_versions, lock_heads
from alpha.service.alerts import AlertWriter

log = structlog.get_logger()
ASSIGNED = "fill_assigned"
"""Kind of the alert and of the event that tell each of the two bots."""


class BooksFollower(Protocol):
    """Who keeps books in memory, and tells of events. Called on the writer's thread; must not block."""

    def books_changed(self, account: AccountName, books: Sequence[TradeBook]) -> None:
        """All books of the account as the ledger has them now."""

    def event(self, account: AccountName, event: Mapping[str, object]) -> None:
        """Something for whoever follows the bus."""


class BookChanges:
    """Takes up what waits in fill_assignments of the accounts that this process holds, and has everybody follow whose
    books' version was raised, by itself or by another process. On the writer's thread, between two batches."""

    def __init__(self, alerts: AlertWriter, follower: BooksFollower) -> None:
        self._alerts, self._follower = alerts, follower
        self._followed: dict[AccountName, tuple[int, int]] = {}

    def take_turn(self, connection: Connection, epochs: Mapping[AccountName, int]) -> None:
        """`epochs` are the accounts this process holds."""
        if not epochs:
            return
        for account in sorted(accounts_waiting(connection, epochs.keys())):
            self._take_up(connection, account, epochs[account])
        for account, version in books_versions(connection, epochs.keys()).items():
            mark = (epochs[account], version)
            if self._followed.get(account) != mark:
                self._follower.books_changed(account, books_of_account(connection, account))
                self._followed[account] = mark

    def _take_up(self, connection: Connection, account: AccountName, epoch: int) -> None:
        try:
            with transaction(connection) as cursor:
                lock_heads(cursor, {account: epoch})
                outcomes = apply_assignments(cursor, [account])
        except Fenced:
            return  # whoever holds the account takes them up
        for outcome in outcomes:
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        log.info(
            "assignment_taken_up",
            assignment=outcome.number,
            exec_id=outcome.exec_id,
            before=outcome.before,
            bot=outcome.bot,
            done=outcome.done,
            detail=outcome.detail,
        )
        if not outcome.done:
            self._alerts.alert(
                "assignment_refused",
                f"execution {outcome.exec_id} was not given to {outcome.bot}: {outcome.detail}",
                account=outcome.account,
                bot=outcome.bot,
                assignment=outcome.number,
            )
            return
        self._follower.event(outcome.account, event_of(outcome))
        for bot in dict.fromkeys((outcome.before, outcome.bot)):
            if bot is not None:
                verb = "now counts as" if bot == outcome.bot else "counts no more as"
                self._alerts.alert(
                    ASSIGNED,
                    f"execution {outcome.exec_id} {verb} {bot}'s ({outcome.detail}), by {outcome.by}: {outcome.why}; "
                    "its books were folded again",
                    severity="info",
                    account=outcome.account,
                    bot=bot,
                    assignment=outcome.number,
                    exec_id=outcome.exec_id,
                )


def event_of(outcome: Outcome) -> dict[str, object]:
    """The message on the bus, one for both bots."""
    return {
        "kind": ASSIGNED,
        "assignment": outcome.number,
        "account": outcome.account,
        "symbol": outcome.symbol,
        "exec_id": outcome.exec_id,
        "from": outcome.before,
        "to": outcome.bot,
        "by": outcome.by,
        "why": outcome.why,
        "at": outcome.at.isoformat(),
    }
