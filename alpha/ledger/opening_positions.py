from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extras import execute_values

from alpha.domain.clock import require_aware
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, ExecId
from alpha.domain.position import Position
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.ledger.connection import Connection, LedgerRefused, transaction
from alpha.ledger.heads import lock_heads

OPENING = ExecId("opening")
"""Stands where a round trip that began before us would have the id of its first fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningPosition:
    """What a book held when the platform first saw its account; a flat one says that it held nothing.

    `seq` is the exchange's of that report (None where it does not say), `at` its market time.
    """

    key: BookKey
    position: Position
    seq: int | None
    at: datetime

    def __post_init__(self) -> None:
        require_aware(self.at)

    def includes(self, fill: Fill) -> bool:
        """Whether the fill is in this position already. It is recorded, but not folded."""
        if self.seq is not None and self.seq >= 0:
            return fill.seq <= self.seq
        return fill.exec_time < self.at

    def book(self) -> TradeBook:
        """The book to fold on."""
        return TradeBook(key=self.key).with_opening(self.position, at=self.at, name=OPENING)


def adopt_positions(
    connection: Connection, openings: Sequence[OpeningPosition], epochs: Mapping[AccountName, int]
) -> list[OpeningPosition]:
    """Stores what the books held at an account's first contact and returns those that are new.

    A book that has an opening position, or fills, keeps what it has: adopting again changes nothing. Raises Fenced.
    """
    from alpha.ledger.books import load_books, save_books

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
        save_books(cursor, [opening.book() for opening in new])
    return new
