"""Corrections of whose a fill is: wished for by a person, or by an order that told its bot after its fill.

A wish is a row of fill_assignments. Whoever holds the account's head takes it up: the fill changes its owner and both
books are folded again in one transaction, so that there is no moment at which books and fills disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extras import execute_values

from alpha.domain.errors import Misconfigured
from alpha.domain.fill import ExecutionOrder, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey
from alpha.exchange.settle_coin import settle_coin
from alpha.ledger.audit import add_audit_event
from alpha.ledger.batch_rows import write_batch
from alpha.ledger.books import load_books, refold
from alpha.ledger.connection import Connection, Cursor, LedgerRefused, transaction
from alpha.ledger.fill_rows import SELECT_RECORDED, RecordedFill, recorded_of_row
from alpha.ledger.folding import ClosedTrade
from alpha.ledger.heads import bump_books_versions

_AT_ONCE = 500
_IDENTITY = ("exec_id", "symbol", "account", "category", "exec_time")
_SAME_FILL = " AND ".join(f"{name} = %s" for name in _IDENTITY)


class UnknownFill(LedgerRefused, Misconfigured):
    """The ledger holds no such fill, or more than one of the name."""


class NotAssignable(LedgerRefused, Misconfigured):
    """The fill cannot be that bot's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A wish that a fill be counted as a bot's, and why the fill happened."""

    fill: RecordedFill
    bot: BotId
    reason: Reason
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an assignment. `before` is the bot that owned the fill until then, None for nobody; when it is not
    `done`, `detail` says why and nothing has changed. `at` is the database's clock."""

    number: int
    account: AccountName
    symbol: Symbol
    exec_id: ExecId
    bot: BotId
    before: BotId | None
    by: str
    why: str
    done: bool
    detail: str
    at: datetime


def find_fill(
    connection: Connection, exec_id: str, *, account: AccountName | None = None, symbol: Symbol | None = None
) -> RecordedFill:
    """The fill of this execution id with the owner that counts. Raises UnknownFill when there is none, or several."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {SELECT_RECORDED} FROM trading.owned_fills WHERE exec_id = %(exec_id)s"
            " AND (%(account)s::text IS NULL OR account = %(account)s)"
            " AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)",
            {"exec_id": exec_id, "account": account, "symbol": symbol},
        )
        found = [recorded_of_row(row) for row in cursor.fetchall()]
    if not found:
        raise UnknownFill(f"the ledger holds no execution {exec_id}; look into trading.fills for its exec_id")
    if len(found) > 1:
        where = ", ".join(f"{each.fill.account} {each.fill.symbol}" for each in found)
        raise UnknownFill(f"several fills are named {exec_id} ({where}): say --account or --symbol")
    return found[0]


def unattributed_fills(connection: Connection, account: AccountName | None = None) -> list[RecordedFill]:
    """The fills that nobody owns, oldest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {SELECT_RECORDED} FROM trading.fills AS f WHERE bot IS NULL"
            " AND (%(account)s::text IS NULL OR account = %(account)s)"
            " AND NOT EXISTS (SELECT FROM trading.fill_owners AS o WHERE o.exec_id = f.exec_id AND o.symbol = f.symbol"
            " AND o.account = f.account AND o.category = f.category AND o.exec_time = f.exec_time)"
            " ORDER BY exec_time, seq",
            {"account": account},
        )
        return [recorded_of_row(row) for row in cursor.fetchall()]


def request_assignment(connection: Connection, assignment: Assignment) -> int:
    """Writes the wish and its audit event; answers its number. A commander's.

    Raises NotAssignable when the bot does not trade on the fill's account, or owns the fill already.
    """
    fill = assignment.fill.fill
    owned = assignment.fill.attribution
    if (owned.bot, owned.reason) == (assignment.bot, assignment.reason):
        raise NotAssignable(f"{fill.exec_id} is {assignment.bot}'s already, for reason {assignment.reason}")
    with transaction(connection) as cursor:
        if trouble := _unfit(cursor, assignment.bot, fill):
            raise NotAssignable(trouble)
        (number,) = insert_assignments(cursor, [assignment])
        add_audit_event(
            connection,
            actor=assignment.by,
            action="assign_fill",
            subject=fill.exec_id,
            why=assignment.why,
            detail={
                "assignment": number,
                "account": fill.account,
                "symbol": fill.symbol,
                "from": owned.bot,
                "to": assignment.bot,
                "reason": assignment.reason.value,
            },
        )
    return number


def insert_assignments(cursor: Cursor, assignments: Sequence[Assignment]) -> list[int]:
    """The wishes alone; answers their numbers in order."""
    rows = execute_values(
        cursor,
        f"INSERT INTO trading.fill_assignments ({', '.join(_IDENTITY)}, bot, reason, by, why) VALUES %s RETURNING id",
        [
            (
                *(getattr(each.fill.fill, name) for name in _IDENTITY),
                each.bot,
                each.reason.value,
                each.by,
                each.why,
            )
            for each in assignments
        ],
        fetch=True,
    )
    return sorted(number for (number,) in rows)


def accounts_waiting(connection: Connection, accounts: Collection[AccountName]) -> set[AccountName]:
    """Which of the accounts have an assignment that nobody has taken up."""
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT DISTINCT a.account {_WAITING}", (sorted(accounts),))
        return {account for (account,) in cursor.fetchall()}


def apply_assignments(cursor: Cursor, accounts: Collection[AccountName]) -> list[Outcome]:
    """Takes up what waits of the accounts, whose heads are locked, oldest first: owners, books, round trips. Whoever
    keeps their books in memory reads them again."""
    cursor.execute(
        f"SELECT a.id, {', '.join('a.' + name for name in _IDENTITY)}, a.bot, a.reason, a.by, a.why {_WAITING}"
        " ORDER BY a.id LIMIT %s",
        (sorted(accounts), _AT_ONCE),
    )
    dirty: dict[BookKey, ExecutionOrder] = {}
    outcomes = []
    for number, *identity, bot, reason, by, why in cursor.fetchall():
        before, detail, changed = _change_owner(cursor, number, identity, bot, reason)
        for key, order in changed.items():
            dirty[key] = min(order, dirty.get(key, order))
        cursor.execute(
            "INSERT INTO trading.assignment_outcomes (assignment, done, bot_before, detail) VALUES (%s, %s, %s, %s)"
            " RETURNING at",
            (number, bool(changed), before, detail),
        )
        ((at,),) = cursor.fetchall()
        outcomes.append(
            Outcome(
                number=number,
                account=identity[2],
                symbol=identity[1],
                exec_id=identity[0],
                bot=bot,
                before=before,
                by=by,
                why=why,
                done=bool(changed),
                detail=detail,
                at=at,
            )
        )
    if dirty:
        _refold(cursor, dirty)
    return outcomes


def outcome_of(connection: Connection, number: int) -> Outcome | None:
    """What became of an assignment; None while it waits."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT a.account, a.symbol, a.exec_id, a.bot, o.bot_before, a.by, a.why, o.done, o.detail, o.at"
            " FROM trading.fill_assignments AS a JOIN trading.assignment_outcomes AS o ON o.assignment = a.id"
            " WHERE a.id = %s",
            (number,),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    account, symbol, exec_id, bot, before, by, why, done, detail, at = row
    return Outcome(
        number=number,
        account=account,
        symbol=symbol,
        exec_id=exec_id,
        bot=bot,
        before=before,
        by=by,
        why=why,
        done=done,
        detail=detail,
        at=at,
    )


_WAITING = (
    "FROM trading.fill_assignments AS a WHERE a.account = ANY(%s)"
    " AND NOT EXISTS (SELECT FROM trading.assignment_outcomes AS o WHERE o.assignment = a.id)"
)


def _change_owner(
    cursor: Cursor, number: int, identity: Sequence[object], bot: BotId, reason: str
) -> tuple[BotId | None, str, dict[BookKey, ExecutionOrder]]:
    """The owner before, a sentence, and which books have to be folded again from where: none when it was refused."""
    cursor.execute(f"SELECT {SELECT_RECORDED} FROM trading.owned_fills WHERE {_SAME_FILL}", tuple(identity))
    row = cursor.fetchone()
    if row is None:
        return None, "the ledger holds no such fill", {}
    recorded = recorded_of_row(row)
    before, fill = recorded.attribution.bot, recorded.fill
    if before == bot and recorded.attribution.reason == reason:
        return before, f"it was {bot}'s already", {}
    if trouble := _unfit(cursor, bot, fill):
        return before, trouble, {}
    cursor.execute(
        f"INSERT INTO trading.fill_owners ({', '.join(_IDENTITY)}, bot, reason, assignment)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        f" ON CONFLICT ({', '.join(_IDENTITY)}) DO UPDATE SET bot = excluded.bot, reason = excluded.reason,"
        " assignment = excluded.assignment, at = clock_timestamp()",
        (*identity, bot, reason, number),
    )
    keys = {
        BookKey(bot=owner, account=fill.account, symbol=fill.symbol, position_idx=recorded.position_idx)
        for owner in (before, bot)
        if owner is not None
    }
    sentence = f"{fill.side} {fill.quantity} {fill.symbol} at {fill.price}: {before or 'nobody'} to {bot}"
    return before, sentence, dict.fromkeys(keys, fill.execution_order)


def _refold(cursor: Cursor, since: dict[BookKey, ExecutionOrder]) -> None:
    closed: list[ClosedTrade] = []
    books = []
    for key, held in load_books(cursor, since).items():
        again = refold(cursor, held, since=since[key])
        books.append(again.book)
        closed.extend(again.closed)
    write_batch(cursor, books=books, trades=closed)
    bump_books_versions(cursor, {key.account for key in since})


def _unfit(cursor: Cursor, bot: BotId, fill: Fill) -> str:
    """Why the bot cannot own the fill, "" when it can: a book is of one account, one category and one currency."""
    cursor.execute("SELECT account, category FROM trading.bots WHERE bot = %s", (bot,))
    row = cursor.fetchone()
    if row is None:
        return f"no bot {bot} was ever registered"
    account, category = row
    if account != fill.account:
        return f"{bot} trades on account {account}, and the fill is one of account {fill.account}"
    if category != fill.category:
        return f"{bot} trades category {category}, and the fill is of category {fill.category}"
    coin = settle_coin(fill.category, fill.symbol)
    if fill.fee_currency != coin:
        return f"the fill's fee is in {fill.fee_currency}, and the books of {fill.symbol} are in {coin}"
    return ""
