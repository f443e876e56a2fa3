"""What the bots of one account hold now, from the exchange's word and from the fold of the ledger's fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import EPOCH
from alpha.domain.ids import BotId, Symbol
from alpha.domain.position import FLAT, ZERO, Position
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition
from alpha.live.positions import LivePosition
from alpha.live.wire import now
from websocket_listener.attribution import AccountOwners

NEVER_TRADED = -1
Row = tuple[Symbol, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """The exchange and the fold of our fills hold different quantities (signed, base units) of one symbol side."""

    symbol: Symbol
    position_idx: int
    bots: tuple[BotId, ...]
    exchange_quantity: Decimal
    fold_quantity: Decimal

    @property
    def quantity(self) -> Decimal:
        return self.exchange_quantity - self.fold_quantity


class LivePositions:
    """Live positions of one account. One thread owns it; it does no I/O.

    On an account of its own a bot's position is the exchange's word, and the fold is compared with it. On a shared
    account the position is the fold, because the exchange knows nothing of our bots; mark, liquidation price and stops
    are the exchange's still, since no two bots trade the same side of a symbol. A row of which nothing is known is
    absent; once the exchange was asked, what it does not mention is flat, and that is said explicitly.
    """

    def __init__(self, owners: AccountOwners, *, epoch: int) -> None:
        self._owners = owners
        self._epoch = epoch
        self._exchange: dict[Row, ExchangePosition] = {}
        self._asked = False
        self._books: dict[BookKey, TradeBook] = {}
        self._differs_since: dict[Row, float] = {}
        self._drifted: set[Row] = set()
        self._agreed_while_blocked: set[Row] = set()
        self._blocked: frozenset[BotId] = frozenset()

    def heard(self, positions: Iterable[ExchangePosition]) -> list[LivePosition]:
        """The exchange's word from the stream; answers the rows that may have changed. Older words are dropped."""
        return self._rows_of([row for position in positions if (row := self._take(position)) is not None])

    def asked(self, positions: Iterable[ExchangePosition], known_before: dict[Row, int]) -> list[LivePosition]:
        """The exchange's answer about all positions, asked when we knew `known_before` (see `seqs`).

        A row that was open then and is not mentioned is flat, unless the stream has said something newer meanwhile.
        """
        told = list(positions)
        mentioned = {(position.symbol, position.position_idx) for position in told}
        for position in told:
            self._take(position)
        for row, seq in known_before.items():
            held = self._exchange[row]
            if row not in mentioned and _seq(held) == seq and not held.position.is_flat:
                self._exchange[row] = replace(
                    held,
                    position=FLAT,
                    unrealized_pnl=ZERO,
                    liq_price=None,
                    take_profit=None,
                    stop_loss=None,
                    trailing_stop=None,
                )
        self._asked = True
        return self.rows()

    def folded(self, books: Iterable[TradeBook]) -> list[LivePosition]:
        """The books as they are after a commit; answers the rows whose position is the fold."""
        rows = []
        for book in books:
            self._books[book.key] = book
            rows.append((book.key.symbol, book.key.position_idx))
            self._agree(rows[-1])
        return self._rows_of(rows) if self._owners.is_shared else []

    def seqs(self) -> dict[Row, int]:
        """What is known of each row now, to be given to `asked` with the answer."""
        return {row: _seq(position) for row, position in self._exchange.items()}

    def rows(self) -> list[LivePosition]:
        """The live position of every row of the account's bots of which something is known."""
        found = (self._row(bot, symbol, idx) for bot, symbol, idx in self._owners.rows)
        return [row for row in found if row is not None]

    def judge(self, at_s: float, settle_s: float) -> tuple[list[Disagreement], list[Disagreement]]:
        """Which rows drifted and which agree again, since the last call. Among the latter are, once, rows of bots that
        the ledger blocks: what blocks them may be a drift that an earlier process found and that is over.

        A row has drifted when exchange and fold have held different quantities for longer than `settle_s`, the time in
        which fills are in flight or recovered. `at_s` is a monotonic clock. Call it while the account is live and the
        ledger takes fills, and `unsettle` otherwise.
        """
        began, ended = [], []
        for row in self._compared_rows():
            difference = self._difference(row)
            if not difference.quantity:
                self._differs_since.pop(row, None)
                over_since_before = row not in self._agreed_while_blocked and self._blocked.intersection(
                    difference.bots
                )
                if row in self._drifted or over_since_before:
                    self._drifted.discard(row)
                    self._agreed_while_blocked.add(row)
                    ended.append(difference)
            elif at_s - self._differs_since.setdefault(row, at_s) > settle_s and row not in self._drifted:
                self._drifted.add(row)
                began.append(difference)
        return began, ended

    def block(self, bots: frozenset[BotId]) -> list[LivePosition]:
        """The bots that may open no risk for a disagreement in the ledger; answers the rows that this changes."""
        changed = self._blocked ^ bots
        if changed:
            self._agreed_while_blocked.clear()
        self._blocked = bots
        return [row for row in self.rows() if row.bot in changed]

    def differs_for_s(self, at_s: float) -> float:
        """How long the longest disagreement has lasted."""
        return max((at_s - since for since in self._differs_since.values()), default=0.0)

    def unsettle(self) -> None:
        """Fills are missing for a known cause (recovering, ledger away): what differs now differs from now on only."""
        self._differs_since.clear()

    @property
    def drifted(self) -> frozenset[Row]:
        return frozenset(self._drifted)

    def _take(self, position: ExchangePosition) -> Row | None:
        row = (position.symbol, position.position_idx)
        held = self._exchange.get(row)
        if held is not None and (_seq(position), position.updated_at) < (_seq(held), held.updated_at):
            return None
        self._exchange[row] = position
        self._agree(row)
        return row

    def _agree(self, row: Row) -> None:
        """Agreement in between ends a difference, also when it is over before the next judgement."""
        if row in self._differs_since and not self._difference(row).quantity:
            del self._differs_since[row]

    def _rows_of(self, rows: Iterable[Row]) -> list[LivePosition]:
        wanted = set(rows)
        found = (self._row(bot, symbol, idx) for bot, symbol, idx in self._owners.rows if (symbol, idx) in wanted)
        return [row for row in found if row is not None]

    def _row(self, bot: BotId, symbol: Symbol, position_idx: int) -> LivePosition | None:
        if not self._asked:
            return None
        said = self._exchange.get((symbol, position_idx))
        position, seq, changed_at = self._held(bot, symbol, position_idx, said)
        mark_price = said.mark_price if said else None
        return LivePosition(
            bot=bot,
            symbol=symbol,
            position_idx=position_idx,
            position=position,
            mark_price=mark_price,
            unrealized_pnl=None if mark_price is None else position.unrealized_pnl(mark_price),
            liq_price=said.liq_price if said else None,
            stop_loss=said.stop_loss if said else None,
            take_profit=said.take_profit if said else None,
            trailing_stop=said.trailing_stop if said else None,
            drifted=(symbol, position_idx) in self._drifted or bot in self._blocked,
            seq=seq,
            epoch=self._epoch,
            changed_at=changed_at,
            updated_at=now(),
        )

    def _held(
        self, bot: BotId, symbol: Symbol, position_idx: int, said: ExchangePosition | None
    ) -> tuple[Position, int, datetime]:
        if self._owners.is_shared:
            key = BookKey(bot=bot, account=self._owners.account, symbol=symbol, position_idx=position_idx)
            book = self._books.get(key)
            if book is None:
                return FLAT, NEVER_TRADED, EPOCH
            if book.last is None:
                return book.position, NEVER_TRADED, EPOCH
            return book.position, book.last.seq, book.last.exec_time
        if said is None:
            return FLAT, NEVER_TRADED, EPOCH
        return said.position, _seq(said), said.updated_at

    def _compared_rows(self) -> set[Row]:
        ours = {(symbol, idx) for _, symbol, idx in self._owners.rows}
        ours.update((key.symbol, key.position_idx) for key in self._books)
        return ours | set(self._exchange) if self._asked else set()

    def _difference(self, row: Row) -> Disagreement:
        symbol, position_idx = row
        books = [book for key, book in self._books.items() if (key.symbol, key.position_idx) == row]
        said = self._exchange.get(row)
        bots = {bot for bot, *of in self._owners.rows if tuple(of) == row} | {book.key.bot for book in books}
        return Disagreement(
            symbol=symbol,
            position_idx=position_idx,
            bots=tuple(sorted(bots)),
            exchange_quantity=said.position.quantity if said else ZERO,
            fold_quantity=sum((book.position.quantity for book in books), ZERO),
        )


def _seq(position: ExchangePosition) -> int:
    return NEVER_TRADED if position.seq is None else position.seq
