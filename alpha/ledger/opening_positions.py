"""What accounts held when the platform first saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName
from alpha.domain.position import Position
from alpha.domain.trade import BookKey
from alpha.ledger.batch_rows import write_batch
from alpha.ledger.books import load_books
from alpha.ledger.connection import Connection, LedgerRefused, transaction
from alpha.ledger.folding import OPENING, OpeningPosition
from alpha.ledger.heads import bump_books_versions, lock_heads

__all__ = ["OPENING", "OpeningPosition", "adopt_positions", "openings_of"]


def adopt_positions(
    connection: Connection, openings: Sequence[OpeningPosition], epochs: Mapping[AccountName, int]
) -> list[OpeningPosition]:
    """Stores what the books held at an account's first contact and returns those that are new.

    A book that has an opening position, or fills, keeps what it has: adopting again changes nothing. Raises Fenced.
    """
    if not openings:
        return []
    accounts = {opening.key.account for opening in openings}
    with transaction(connection) as cursor:
        lock_heads(cursor, {account: epochs.get(account) for account in accounts})
        held = load_books(cursor, [opening.key for opening in openings])
        new = [
            opening
            for opening in openings
            if held[opening.key].opening is None and held[opening.key].book.fill_count == 0
        ]
        if len({opening.key for opening in new}) != len(new):
            raise LedgerRefused("two opening positions for one book")
        if not new:
            return []
        execute_values(
            cursor,
            "INSERT INTO trading.opening_positions"
            " (account, bot, symbol, position_idx, quantity, entry_price, seq, at) VALUES %s",
            [
                (
                    opening.key.account,
                    opening.key.bot,
                    opening.key.symbol,
                    opening.key.position_idx,
                    opening.position.quantity,
                    opening.position.entry_price,
                    opening.seq,
                    opening.at,
                )
                for opening in new
            ],
        )
        write_batch(cursor, books=[opening.book() for opening in new])
        bump_books_versions(cursor, {opening.key.account for opening in new})
    return new


def openings_of(connection: Connection, account: AccountName) -> list[OpeningPosition]:
    """What the account's books began with, flat ones included."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT bot, symbol, position_idx, quantity, entry_price, seq, at FROM trading.opening_positions"
            " WHERE account = %s ORDER BY bot, symbol, position_idx",
            (account,),
        )
        return [
            OpeningPosition(
                key=BookKey(bot=bot, account=account, symbol=symbol, position_idx=position_idx),
                position=Position(quantity, entry_price),
                seq=seq,
                at=at,
            )
            for bot, symbol, position_idx, quantity, entry_price, seq, at in cursor.fetchall()
        ]
