from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

from alpha.domain.ids import AccountName, BotId
from alpha.domain.trade import BookKey
from alpha.ledger.books import HeldBook, load_books
from alpha.ledger.connection import Cursor
from alpha.ledger.heads import LockedHeads


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Mark:
    """An account's head as the last commit of this recorder left it. While it is the same nobody else has recorded
    fills or changed books, and what is remembered is what the ledger holds."""

    epoch: Final[int]
    books_version: Final[int]
    fills: Final[int]

    def __init__(self, epoch: int, books_version: int, fills: int) -> None:
        self.epoch = epoch
        self.books_version = books_version
        self.fills = fills


class BooksMemory:
    """The books of each account, and the number of each bot's last fill, as this recorder's commits left them.

    What a batch made is remembered when its commit is known, never before. So memory may be behind the ledger, after a
    commit whose answer was lost or when somebody else has recorded, and its mark shows that; it is never ahead.
    """

    def __init__(self) -> None:
        self._marks: dict[AccountName, Mark] = {}
        self._books: dict[AccountName, dict[BookKey, HeldBook]] = {}
        self._numbers: dict[BotId, int] = {}

    def check(self, heads: LockedHeads, epochs: Mapping[AccountName, int]) -> None:
        """Forgets what may have changed since it was remembered. The heads stay locked while the rest is used."""
        marks = marks_of(heads, epochs, {})
        self.forget([account for account, mark in marks.items() if self._marks.get(account) != mark])

    def books(self, cursor: Cursor, keys: Iterable[BookKey]) -> dict[BookKey, HeldBook]:
        """The books of these keys, from the ledger where they are not remembered."""
        found: dict[BookKey, HeldBook] = {}
        missing: list[BookKey] = []
        for key in keys:
            held = self._books.get(key.account, {}).get(key)
            if held is None:
                missing.append(key)
            else:
                found[key] = held
        return found | load_books(cursor, missing) if missing else found

    def numbers(self, cursor: Cursor, bots: Iterable[BotId]) -> dict[BotId, int]:
        """The number of each bot's last fill, 0 for a bot without one."""
        wanted = sorted(bots)
        missing = [bot for bot in wanted if bot not in self._numbers]
        read: dict[BotId, int] = {}
        if missing:
            cursor.execute(
                "SELECT bot, last_seq FROM trading.bot_heads WHERE bot = ANY(%s) ORDER BY bot FOR UPDATE", (missing,)
            )
            read = dict(cursor.fetchall())
        return {bot: read.get(bot, 0) if bot in missing else self._numbers[bot] for bot in wanted}

    def mark(self, account: AccountName) -> Mark | None:
        """The account's head as this recorder's last commit left it; None when it is not known."""
        return self._marks.get(account)

    def has(self, keys: Iterable[BookKey], bots: Iterable[BotId]) -> bool:
        """Whether nothing needs to be read for these books and for the numbers of these bots, who have some already."""
        return all(key in self._books.get(key.account, ()) for key in keys) and all(
            self._numbers.get(bot) for bot in bots
        )

    def committed(
        self, marks: Mapping[AccountName, Mark], *, books: Iterable[HeldBook], numbers: Mapping[BotId, int]
    ) -> None:
        """Takes over what a batch made: the heads of its accounts, its books, and its bots' last numbers."""
        self._marks.update(marks)
        for held in books:
            self._books.setdefault(held.book.key.account, {})[held.book.key] = held
        self._numbers.update(numbers)

    def forget(self, accounts: Iterable[AccountName]) -> None:
        """The next batch of these accounts reads their books again. The numbers of all bots are forgotten with them:
        which bots are an account's is not known here."""
        for account in accounts:
            self._marks.pop(account, None)
            self._books.pop(account, None)
            self._numbers.clear()


def marks_of(
    heads: LockedHeads, epochs: Mapping[AccountName, int], gained: Mapping[AccountName, int]
) -> dict[AccountName, Mark]:
    """What the heads will be like once their accounts have gained so many fills."""
    return {
        account: Mark(epochs[account], heads.books_versions[account], fills + gained.get(account, 0))
        for account, fills in heads.fills.items()
    }
