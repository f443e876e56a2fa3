"""Whether nothing was lost, doubled or mistaken. Pure: evidence in, verdict out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from alpha.domain.fill import ExecType
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.trade import Trade
from alpha.domain.trade_book import TradeBook
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.local.drill.fold import Folded, RoundTrip, fold_journal
from alpha.local.drill.follower import Seen
from alpha.local.journal import JournalEntry

# The ledger divides to 28 digits and the drill not at all (docs/decisions.md): far less than this lies in between.
MILLIONTH_OF_A_CENT = Fraction(1, 10**8)

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What everybody says when the market stands still. Positions are signed quantities.

    `owners`: whose a fill of an account in a symbol is. `tags`: what the load knows of the order link ids it made.
    `seen`: what each bot was told, in the order of its telling; `streams`: what its stream holds now. `proven`: up to
    when each account is proven; `market_time`: when the market stopped. `epoch_falls`: fills that a
    fenced listener wrote after its successor had begun. `drifts`: what the ledger calls a disagreement
    still. `raw_events`: what it kept because it could not be read or stored.
    """

    journal: Sequence[JournalEntry]
    owners: Mapping[tuple[AccountName, Symbol], BotId]
    tags: Mapping[str, tuple[BotId, Reason]]
    ledger: Sequence[RecordedFill]
    books: Sequence[TradeBook]
    trades: Sequence[Trade]
    exchange_positions: Mapping[tuple[str, str], Decimal]
    reported_positions: Mapping[tuple[str, str], Decimal]
    live_positions: Mapping[tuple[BotId, Symbol], Decimal | None]
    seen: Mapping[BotId, Sequence[Seen]]
    streams: Mapping[BotId, Sequence[Seen]]
    proven: Mapping[AccountName, datetime | None]
    market_time: datetime
    epoch_falls: Sequence[str]
    open_orders: Sequence[str]
    drifts: Sequence[str]
    raw_events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A way in which the platform's word is not the exchange's, and where."""

    what: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        more = "" if len(self.where) <= _SHOWN else f" and {len(self.where) - _SHOWN} more"
        return f"{len(self.where)} {self.what}: {', '.join(self.where[:_SHOWN])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Equal when there is no difference."""

    executed: int
    recorded: int
    lost: int
    doubled: int
    misattributed: int
    recovered: int
    trades: int
    positions: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


def judge(evidence: Evidence) -> Verdict:
    """Compares everything with the journal."""
    executed = {entry.exec_id: entry for entry in evidence.journal}
    copies = Counter(row.fill.exec_id for row in evidence.ledger)
    recorded: dict[str, RecordedFill] = {row.fill.exec_id: row for row in evidence.ledger}
    folded = fold_journal(evidence.journal)
    found: dict[str, list[str]] = {
        "fills lost": [exec_id for exec_id in executed if exec_id not in recorded],
        "fills doubled": [str(exec_id) for exec_id, count in copies.items() if count > 1],
        "fills that the exchange never made": [exec_id for exec_id in recorded if exec_id not in executed],
        "fills that differ from what was executed": list(_differing(executed, recorded)),
        "fills with another bot's name or another reason": list(_misattributed(evidence, executed)),
        "books that differ from the executions": list(_wrong_books(evidence, folded)),
        "round trips that differ from the executions": list(_wrong_trades(evidence, folded)),
        "positions that differ": list(_wrong_positions(evidence, folded)),
        "streams that are not their bot's fills": list(_wrong_streams(evidence)),
        "places where the epoch falls along a bot's fills": list(evidence.epoch_falls),
        "accounts not proven to the end": [
            f"{account}: {until}, market {evidence.market_time}"
            for account, until in evidence.proven.items()
            if until is None or until < evidence.market_time
        ],
        "orders that the ledger believes open": list(evidence.open_orders),
        "disagreements left open in the ledger": list(evidence.drifts),
        "messages that could not be read or stored": [f"{evidence.raw_events}"] if evidence.raw_events else [],
    }
    differences = tuple(Difference(what=what, where=tuple(where)) for what, where in found.items() if where)
    counts = {difference.what: len(difference.where) for difference in differences}
    return Verdict(
        executed=len(evidence.journal),
        recorded=len(evidence.ledger),
        lost=counts.get("fills lost", 0),
        doubled=sum(count - 1 for count in copies.values()),
        misattributed=counts.get("fills with another bot's name or another reason", 0),
        recovered=sum(1 for row in evidence.ledger if row.source is FillSource.RECOVERY),
        trades=len(evidence.trades),
        positions=len(evidence.live_positions),
        differences=differences,
    )


def _differing(executed: Mapping[str, JournalEntry], recorded: Mapping[str, RecordedFill]) -> Iterator[str]:
    for exec_id in executed.keys() & recorded.keys():
        fill, true = recorded[exec_id].fill, executed[exec_id]
        said = {
            "account": (true.account, fill.account),
            "symbol": (true.symbol, fill.symbol),
            "side": (true.side, fill.side.value),
            "price": (true.price, fill.price),
            "quantity": (true.quantity, fill.quantity),
            "fee": (true.fee, fill.fee),
            "type": (true.exec_type, fill.exec_type.value),
            "order": (true.order_id, fill.order_id),
            "order link id": (true.order_link_id, fill.order_link_id),
            "time": (true.exec_time, fill.exec_time),
        }
        for name, (truth, told) in said.items():
            if truth != told:
                yield f"{exec_id} {name}: {truth} executed, {told} in the ledger"


def _misattributed(evidence: Evidence, executed: Mapping[str, JournalEntry]) -> Iterator[str]:
    for row in evidence.ledger:
        fill, told = row.fill, row.attribution
        if fill.exec_id not in executed:
            continue
        owner = evidence.owners[(fill.account, fill.symbol)]
        by_hand = Reason.FUNDING if fill.exec_type is ExecType.FUNDING else Reason.MANUAL
        bot, reason = evidence.tags.get(fill.order_link_id, (owner, by_hand))
        if (told.bot, told.reason) != (bot, reason):
            yield f"{fill.exec_id} is {bot}'s ({reason}), not {told.bot}'s ({told.reason})"


def _wrong_books(evidence: Evidence, folded: Mapping[tuple[str, str], Folded]) -> Iterator[str]:
    books = {(book.key.account, book.key.symbol, book.key.bot): book for book in evidence.books}
    for (account, symbol), true in folded.items():
        owner = evidence.owners[(AccountName(account), Symbol(symbol))]
        book = books.pop((AccountName(account), Symbol(symbol), owner), None)
        if book is None:
            yield f"{account} {symbol}: no book"
            continue
        said = {
            "quantity": (true.quantity, book.position.quantity),
            "entry price": (true.entry_price, book.position.entry_price),
            "realized": (true.realized, book.realized_pnl),
            "fees": (true.fees, book.fees),
            "funding": (true.funding, book.funding),
            "fills": (Fraction(true.fills), Decimal(book.fill_count)),
        }
        for name, (truth, told) in said.items():
            if not _same(truth, told):
                yield f"{account} {symbol} {name}: {float(truth):.8g} executed, {told} in the ledger"
    yield from (f"{account} {symbol}: a book of {bot}" for account, symbol, bot in books)


def _wrong_trades(evidence: Evidence, folded: Mapping[tuple[str, str], Folded]) -> Iterator[str]:
    told: dict[tuple[str, str, str], Trade] = {}
    for trade in evidence.trades:
        key = (trade.key.account, trade.key.symbol, trade.first_exec_id)
        if key in told:
            yield f"{trade.first_exec_id} is there twice"
        told[key] = trade
    for (account, symbol), state in folded.items():
        for trip in state.closed:
            found = told.pop((account, symbol, trip.first), None)
            if found is None:
                yield f"{account} {symbol} from {trip.first}: missing"
            elif not _same_trip(trip, found):
                yield f"{account} {symbol} from {trip.first}: other sums or another end"
    yield from (f"{account} {symbol} from {first}: never happened" for account, symbol, first in told)


def _same_trip(trip: RoundTrip, trade: Trade) -> bool:
    sums = ((trip.gross, trade.gross_pnl), (trip.fees, trade.fees), (trip.funding, trade.funding))
    return trip.last == trade.last_exec_id and all(_same(truth, told) for truth, told in sums)


def _same(truth: Fraction, told: Decimal) -> bool:
    return abs(truth - Fraction(told)) < MILLIONTH_OF_A_CENT


def _wrong_positions(evidence: Evidence, folded: Mapping[tuple[str, str], Folded]) -> Iterator[str]:
    flat = Decimal(0)
    for (account, symbol), bot in evidence.owners.items():
        row = (account, symbol)
        state = folded.get(row)
        said = {
            "exchange": evidence.exchange_positions.get(row, flat),
            "executions": flat if state is None else state.quantity,
            "exchange as stored": evidence.reported_positions.get(row, flat),
            "Redis": evidence.live_positions[(bot, symbol)],
        }
        if len({None if quantity is None else Fraction(quantity) for quantity in said.values()}) > 1:
            yield f"{account} {symbol}: " + ", ".join(f"{who} {_number(size)}" for who, size in said.items())


def _number(quantity: Decimal | Fraction | None) -> str:
    return "unknown" if quantity is None else f"{float(quantity):.8g}"


def _wrong_streams(evidence: Evidence) -> Iterator[str]:
    fills: defaultdict[BotId | None, list[Seen]] = defaultdict(list)
    for row in evidence.ledger:
        fills[row.attribution.bot].append((row.bot_seq, row.fill.exec_id))
    for bot, seen in evidence.seen.items():
        true = sorted(fills[bot], key=lambda each: each[0] or 0)
        if (wrong := _first_difference(true, seen)) is not None:
            yield f"{bot} was told {wrong}"
        if (wrong := _first_difference(true[-len(evidence.streams[bot]) :], evidence.streams[bot])) is not None:
            yield f"the stream of {bot} holds {wrong}"
        if [number for number, _ in true] != list(range(1, len(true) + 1)):
            yield f"the numbers of {bot}'s fills have a gap or a repeat"


def _first_difference(true: Sequence[Seen], told: Sequence[Seen]) -> str | None:
    for place, (expected, found) in enumerate(zip(true, told, strict=False)):
        if expected != found:
            return f"{found} for {expected} at place {place + 1}"
    if len(true) != len(told):
        return f"{len(told)} fills of {len(true)}"
    return None
