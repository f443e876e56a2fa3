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
BELIEVED_AFTER_S = 10.0
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

    Until it has answered, as after a takeover while it answers nothing, a row is what the stream has told of it since,
    or the fold where an earlier holder has left nothing newer. Such a row is shown as never confirmed: exits know what
    is held, and nothing opens risk on it.

    A row never goes back to a state before one that was shown: neither in itself nor to before what an earlier holder
    of the account has left in Redis (`inherited`). `changed` are the rows to be shown, until `shown` says that they
    were.
    """

    def __init__(self, owners: AccountOwners, *, epoch: int) -> None:
        self._owners = owners
        self._epoch = epoch
        self._exchange: dict[Row, ExchangePosition] = {}
        self._asked = False
        self._books: dict[BookKey, TradeBook] = {}
        self._differs_since: dict[Row, float] = {}
        self._differs_by: dict[Row, tuple[Decimal, float]] = {}
        self._drifted: dict[Row, Decimal] = {}
        self._accepted: frozenset[tuple[Row, Decimal]] = frozenset()
        self._agreed_while_blocked: set[Row] = set()
        self._unagreed: set[Row] = set()
        self._blocked: frozenset[BotId] = frozenset()
        self._bots_of: dict[Row, list[BotId]] = {}
        for bot, symbol, position_idx in owners.rows:
            self._bots_of.setdefault((symbol, position_idx), []).append(bot)
        self._changed: set[Row] = set()
        self._inherited: dict[Row, float] = {}
        self._anew: set[Row] = set()
        self._left: dict[tuple[BotId, Symbol, int], int] = {}
        self._shown_until: dict[tuple[BotId, Symbol, int], tuple[int, datetime]] = {}

    def inherited(self, rows: Iterable[LivePosition], at_s: float) -> None:
        """What Redis holds of our rows, read at `at_s` (monotonic): nothing older may replace it.

        An exchange that goes on telling an older state of it for `BELIEVED_AFTER_S` is believed all the same: it has
        begun anew, as a paper exchange does.
        """
        for shown in rows:
            row = (shown.symbol, shown.position_idx)
            mark = (shown.seq, shown.changed_at)
            if self._owners.is_shared:
                key = (shown.bot, *row)
                self._left[key] = max(shown.seq, self._left.get(key, NEVER_TRADED))
                self._shown_until[key] = max(mark, self._shown_until.get(key, mark))
                continue
            held = self._exchange.get(row)
            if held is None or (_seq(held), held.updated_at) < mark:
                self._exchange[row] = self._as_said(shown)
                self._inherited[row] = at_s
                self._changed.add(row)

    def heard(self, positions: Iterable[ExchangePosition]) -> None:
        """The exchange's word from the stream. Older words are dropped."""
        for position in positions:
            self._take(position)

    def asked(self, positions: Iterable[ExchangePosition], known_before: dict[Row, int], at_s: float = 0.0) -> None:
        """The exchange's answer about all positions, asked when we knew `known_before` (see `seqs`).

        A row that was open then and is not mentioned is flat, unless the stream has said something newer meanwhile.
        """
        told = list(positions)
        mentioned = {(position.symbol, position.position_idx) for position in told}
        for position in told:
            if not self._take(position):
                self._believe_at_last(position, at_s)
        for row, seq in known_before.items():
            held = self._exchange[row]
            if row not in mentioned and _seq(held) == seq:
                self._inherited.pop(row, None)
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
        self.show_all()

    def folded(self, books: Iterable[TradeBook]) -> None:
        """The books as they are after a commit."""
        for book in books:
            self._books[book.key] = book
            row = (book.key.symbol, book.key.position_idx)
            self._agree(row)
            if (self._owners.is_shared or not self._asked) and row in self._bots_of:
                self._changed.add(row)

    def seqs(self) -> dict[Row, int]:
        """What is known of each row now, to be given to `asked` with the answer."""
        return {row: _seq(position) for row, position in self._exchange.items()}

    def rows(self) -> list[LivePosition]:
        """The live position of every row of the account's bots of which something is known."""
        return self._rows_of(self._bots_of)

    def changed(self) -> list[LivePosition]:
        """The rows that have to be shown, as they are now."""
        return self._rows_of(self._changed)

    @property
    def has_changed(self) -> bool:
        return bool(self._changed) and (self._asked or any(self._is_provisional(row) for row in self._changed))

    @property
    def anew(self) -> frozenset[Row]:
        """Changed rows that replace whatever is shown of them."""
        return frozenset(self._anew)

    def shown(self, rows: Iterable[LivePosition]) -> None:
        """Rows, as `changed` gave them, that are shown now. In between nothing may have changed."""
        for shown in rows:
            row = (shown.symbol, shown.position_idx)
            self._changed.discard(row)
            self._anew.discard(row)

    def show_all(self) -> None:
        """Everything has to be shown again."""
        self._changed.update(self._bots_of)

    def marks(self) -> dict[BotId, list[tuple[Row, bool]]]:
        """Every row by bot, and whether nothing may open risk on it."""
        if not self._asked:
            return {}
        blocked = self._blocked | self._drifting_bots()
        found: dict[BotId, list[tuple[Row, bool]]] = {bot.id: [] for bot in self._owners.bots}
        for row, bots in self._bots_of.items():
            for bot in bots:
                found[bot].append((row, bot in blocked))
        return found

    def judge(self, at_s: float, settle_s: float) -> tuple[list[Disagreement], list[Disagreement]]:
        """Which rows drifted and which agree again, since the last call. Among the latter are, once, rows of bots that
        the ledger blocks, and rows whose difference a person accepted: that may be a drift that an earlier process
        found and that is over.

        A row has drifted when exchange and fold have held different quantities for longer than `settle_s`, the time in
        which fills are in flight or recovered; it drifts anew when they differ by another quantity for as long. `at_s`
        is a monotonic clock. Call it while the account is live and the ledger takes fills, and `unsettle` otherwise.
        """
        began, ended = [], []
        for row in self._compared_rows():
            apart = self._apart(row)
            if not apart:
                self._forget_difference(row)
                over_since_before = row not in self._agreed_while_blocked and self._ledger_names(row)
                if row in self._drifted or over_since_before:
                    self._drifted.pop(row, None)
                    self._agreed_while_blocked.add(row)
                    ended.append(self._difference(row))
            elif self._has_drifted(row, apart, at_s, settle_s):
                self._drifted[row] = apart
                began.append(self._difference(row))
        return began, ended

    def block(self, bots: frozenset[BotId], accepted: frozenset[tuple[Row, Decimal]] = frozenset()) -> None:
        """The bots that may open no risk for a disagreement in the ledger, and the differences that a person accepted
        as they are."""
        before = self._blocked | self._drifting_bots()
        if (self._blocked, self._accepted) != (bots, accepted):
            self._agreed_while_blocked.clear()
        self._blocked, self._accepted = bots, accepted
        changed = before ^ (self._blocked | self._drifting_bots())
        self._changed.update(row for row, bots in self._bots_of.items() if changed.intersection(bots))

    def differs_for_s(self, at_s: float) -> float:
        """How long the longest disagreement has lasted: of fold and exchange, or of the exchange and what an earlier
        holder has left in Redis."""
        return max((at_s - since for since in (*self._differs_since.values(), *self._inherited.values())), default=0.0)

    def watch(self) -> None:
        """Begin to watch whether the exchange's positions and those of the fills agree, see `have_agreed`."""
        self._unagreed = {row for row in self._compared_rows() if self._apart(row)}

    def have_agreed(self) -> bool:
        """Whether each row has agreed at some moment since `watch`, or differs by what a person accepted. Under a
        steady stream of fills the fold is always a little behind, so no single moment can be asked for."""
        return all((row, self._apart(row)) in self._accepted for row in self._unagreed)

    def unsettle(self) -> None:
        """Fills are missing for a known cause (recovering, ledger away): what differs now differs from now on only."""
        self._differs_since.clear()
        self._differs_by.clear()

    @property
    def drifted(self) -> frozenset[Row]:
        """The rows that have drifted by as much as nobody has accepted."""
        return frozenset(row for row, quantity in self._drifted.items() if (row, quantity) not in self._accepted)

    def _has_drifted(self, row: Row, quantity: Decimal, at_s: float, settle_s: float) -> bool:
        differs_since = self._differs_since.setdefault(row, at_s)
        by, by_since = self._differs_by.get(row, (None, at_s))
        if by != quantity:
            self._differs_by[row] = (quantity, by_since := at_s)
        if row not in self._drifted:
            return at_s - differs_since > settle_s
        return self._drifted[row] != quantity and at_s - by_since > settle_s

    def _ledger_names(self, agreed: Row) -> bool:
        """Whether the ledger may hold a drift about a row that agrees."""
        is_blocked = bool(self._blocked) and bool(self._blocked & self._blocked_by(self._difference(agreed)))
        return is_blocked or any(accepted == agreed for accepted, _ in self._accepted)

    def _forget_difference(self, row: Row) -> None:
        self._differs_since.pop(row, None)
        self._differs_by.pop(row, None)

    def _drifting_bots(self) -> frozenset[BotId]:
        """Bots that a drift found here blocks, until the ledger says so."""
        return frozenset(bot for row in self.drifted for bot in self._blocked_by(self._difference(row)))

    def _blocked_by(self, difference: Disagreement) -> frozenset[BotId]:
        """The row's own bot, or every bot of the account where it is no single bot's."""
        bots = difference.bots
        return frozenset(bots if len(bots) == 1 else [bot.id for bot in self._owners.bots])

    def _take(self, position: ExchangePosition) -> bool:
        """False when something newer is known of the row."""
        row = (position.symbol, position.position_idx)
        held = self._exchange.get(row)
        if held is not None and (_seq(position), position.updated_at) < (_seq(held), held.updated_at):
            return False
        self._exchange[row] = position
        self._inherited.pop(row, None)
        if row in self._bots_of:
            self._changed.add(row)
        self._agree(row)
        return True

    def _believe_at_last(self, position: ExchangePosition, at_s: float) -> None:
        row = (position.symbol, position.position_idx)
        if row in self._inherited and at_s - self._inherited[row] > BELIEVED_AFTER_S:
            del self._exchange[row]
            self._take(position)
            self._anew.add(row)

    def _as_said(self, shown: LivePosition) -> ExchangePosition:
        return ExchangePosition(
            account=self._owners.account,
            category="linear",
            symbol=shown.symbol,
            position_idx=shown.position_idx,
            position=shown.position,
            mark_price=shown.mark_price,
            unrealized_pnl=shown.unrealized_pnl or ZERO,
            liq_price=shown.liq_price,
            take_profit=shown.take_profit,
            stop_loss=shown.stop_loss,
            trailing_stop=shown.trailing_stop,
            leverage=None,
            seq=shown.seq,
            updated_at=shown.changed_at,
        )

    def _agree(self, row: Row) -> None:
        """Agreement in between ends a difference, also when it is over before the next judgement."""
        if (row in self._differs_since or row in self._unagreed) and not self._apart(row):
            self._forget_difference(row)
            self._unagreed.discard(row)

    def _is_provisional(self, row: Row) -> bool:
        """Whether something newer is known of the row than what was left of it, before the exchange was asked."""
        if not self._owners.is_shared:
            said = self._exchange.get(row)
            if said is not None and row not in self._inherited:
                return True
            book = self._sole_book(*row)
            return book is not None and _last_seq(book) > (NEVER_TRADED if said is None else _seq(said))
        return any(
            _last_seq(book) > self._left.get((key.bot, *row), NEVER_TRADED)
            for key, book in self._books.items()
            if (key.symbol, key.position_idx) == row
        )

    def _rows_of(self, rows: Iterable[Row]) -> list[LivePosition]:
        if not self._asked:
            rows = [row for row in rows if self._is_provisional(row)]
        blocked = self._blocked | self._drifting_bots()
        return [self._row(bot, row, bot in blocked) for row in rows for bot in self._bots_of.get(row, ())]

    def _row(self, bot: BotId, row: Row, drifted: bool) -> LivePosition:
        symbol, position_idx = row
        said = self._exchange.get(row)
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
            drifted=drifted,
            seq=seq,
            epoch=self._epoch,
            changed_at=changed_at,
            updated_at=now() if self._asked else EPOCH,
        )

    def _held(
        self, bot: BotId, symbol: Symbol, position_idx: int, said: ExchangePosition | None
    ) -> tuple[Position, int, datetime]:
        if self._owners.is_shared:
            book = self._books.get(
                BookKey(bot=bot, account=self._owners.account, symbol=symbol, position_idx=position_idx)
            )
            position = FLAT if book is None else book.position
            mark = (NEVER_TRADED, EPOCH)
            if book is not None and book.last is not None:
                mark = (book.last.seq, book.last.exec_time)
            # A correction may leave a book with an earlier last fill than before: it is newer than what was shown.
            key = (bot, symbol, position_idx)
            mark = self._shown_until[key] = max(mark, self._shown_until.get(key, mark))
            return position, *mark
        book = None if self._asked else self._sole_book(symbol, position_idx)
        if book is not None and _last_seq(book) > (NEVER_TRADED if said is None else _seq(said)):
            # At the same `seq` the exchange's own word is the newer one.
            return book.position, _last_seq(book), EPOCH
        if said is None:
            return FLAT, NEVER_TRADED, EPOCH
        return said.position, _seq(said), said.updated_at

    def _sole_book(self, symbol: Symbol, position_idx: int) -> TradeBook | None:
        """The one book of a row; several, as of a bot that was there before, make no position of anybody's."""
        books = self._folded_into((symbol, position_idx))
        return books[0] if len(books) == 1 else None

    def _compared_rows(self) -> set[Row]:
        ours = {(symbol, idx) for _, symbol, idx in self._owners.rows}
        ours.update((key.symbol, key.position_idx) for key in self._books)
        return ours | set(self._exchange) if self._asked else set()

    def _folded_into(self, row: Row) -> list[TradeBook]:
        symbol, position_idx = row
        return [b for key, b in self._books.items() if key.symbol == symbol and key.position_idx == position_idx]

    def _apart(self, row: Row) -> Decimal:
        """By how much the exchange's quantity of a row is above that of the fold. Asked of every row every second."""
        said = self._exchange.get(row)
        folded = sum([book.position.quantity for book in self._folded_into(row)], ZERO)
        return (said.position.quantity if said else ZERO) - folded

    def _difference(self, row: Row) -> Disagreement:
        symbol, position_idx = row
        books = self._folded_into(row)
        said = self._exchange.get(row)
        bots = {bot for bot, *of in self._owners.rows if tuple(of) == row} | {book.key.bot for book in books}
        return Disagreement(
            symbol=symbol,
            position_idx=position_idx,
            bots=tuple(sorted(bots)),
            exchange_quantity=said.position.quantity if said else ZERO,
            fold_quantity=sum([book.position.quantity for book in books], ZERO),
        )


def _seq(position: ExchangePosition) -> int:
    return NEVER_TRADED if position.seq is None else position.seq


def _last_seq(book: TradeBook) -> int:
    return NEVER_TRADED if book.last is None else book.last.seq
