"""Starting is resuming: from the saved cursor and state to where the bot may decide again."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import structlog

from alpha.bot.broker import Outcome, OutcomeStatus
from alpha.bot.exchange_port import ExchangePort
from alpha.bot.fill import BotFill
from alpha.bot.history import KlineSource, closed_bars, rounds_of
from alpha.bot.host import AnyStrategy, StrategyHost
from alpha.bot.larger_bars import floor_to
from alpha.bot.ledger_link import LedgerLink
from alpha.bot.order_in_flight import OrderInFlight
from alpha.bot.ports import IntentJournal
from alpha.bot.progress import Progress
from alpha.config.registry import BotConfig
from alpha.domain.bar import Bar
from alpha.domain.ids import BotId, ExecId, Symbol
from alpha.domain.order import Order
from alpha.domain.order_link_id import OrderLinkId
from alpha.ledger.connection import Connection
from alpha.ledger.fills import RecordedFill
from alpha.ledger.intents import unsettled_intents
from alpha.ledger.reading import bot_head, fills_after, open_books

log = structlog.get_logger()

_BOOK_READS = 5
_FILLS_OF_A_BAR = 500


def adopt_orders(
    progress: Progress, bot: BotConfig, link: LedgerLink, port: ExchangePort, journal: IntentJournal
) -> None:
    """Know again every order that may be alive: note what became of intents that were left open, and take over what the
    exchange has open under this bot's tag. Raises LedgerError or ExchangeError.

    An order that ended meanwhile is not taken over: how many of its fills were handled before is not known here, and
    the gate compares the position with the fills anyway.
    """
    for stored in link.run(lambda connection: unsettled_intents(connection, bot.id)):
        link_id = stored.intent.order_link_id
        if progress.orders.get(link_id) is not None:
            continue
        if port.find_order(stored.intent.symbol, link_id) is None:
            journal.settle(link_id, Outcome(status=OutcomeStatus.REFUSED, text="the exchange does not know it"))
        else:
            journal.settle(link_id, Outcome(status=OutcomeStatus.ACCEPTED))
    for order in port.open_orders():
        if is_of_bot(order, bot):
            progress.orders.sent(_in_flight(order))
            progress.orders.reported(order)


def is_of_bot(order: Order, bot: BotConfig) -> bool:
    """Whether the order carries this bot's tag: others on the account are none of its business."""
    tag = OrderLinkId.parse(order.order_link_id)
    return tag is not None and tag.code == bot.code


def catch_up_fills(host: StrategyHost, progress: Progress, bot: BotConfig, link: LedgerLink) -> int:
    """Handle what was filled while the bot was down. Answers how many fills. Raises LedgerError."""
    handled = 0
    while fills := link.run(lambda connection: fills_after(connection, bot.id, progress.cursor)):
        for recorded in fills:
            handled += host.fill(bot_fill(recorded))
    return handled


def recent_executions(link: LedgerLink, bot: BotId, cursor: int) -> list[ExecId]:
    """The last fills handled, as many as a bar can have. Raises LedgerError."""
    fills = link.run(lambda connection: fills_after(connection, bot, max(cursor - _FILLS_OF_A_BAR, 0)))
    return [recorded.fill.exec_id for recorded in fills if (recorded.bot_seq or 0) <= cursor]


def bot_fill(recorded: RecordedFill) -> BotFill:
    return BotFill(seq=recorded.bot_seq or 0, fill=recorded.fill, reason=recorded.attribution.reason)


def held_by_ledger(bot: BotConfig, link: LedgerLink) -> tuple[int, dict[Symbol, Decimal]]:
    """The bot's number of fills and the signed positions its books make of them and of what was there before the
    platform. Raises LedgerError."""

    def read(connection: Connection) -> tuple[int, dict[Symbol, Decimal]]:
        for _ in range(_BOOK_READS):
            head = bot_head(connection, bot.id)
            books = [book for book in open_books(connection, bot.account) if book.key.bot == bot.id]
            if bot_head(connection, bot.id) == head:
                break
        return head, {book.key.symbol: book.position.quantity for book in books}

    return link.run(read)


def warm_up_larger(host: StrategyHost, progress: Progress, source: KlineSource, until: datetime) -> None:
    """The longer bars of symbols that are new to the state, from history; the fed bars after them follow as missed
    rounds. Raises ExchangeError."""
    strategy = host.strategy
    if not strategy.larger_intervals:
        return
    begin = _built_from(strategy, until)
    found = []
    for symbol in strategy.symbols:
        if symbol in progress.observed and strategy.knows(symbol):
            continue
        progress.observed.pop(symbol, None)
        for interval, count in strategy.larger_intervals.items():
            progress.forming.pop((symbol, interval), None)
            found.append((interval, closed_bars(source, symbol, interval, begin - count * interval, begin)))
    for interval, bars in found:  # only now: what was observed cannot be asked for again
        host.warm_up_larger(interval, bars)


def missed_rounds(
    strategy: AnyStrategy, progress: Progress, source: KlineSource, until: datetime
) -> list[tuple[Bar, ...]]:
    """The closed bars no indicator has seen yet, as rounds: the warm-up of a symbol that is new to the state, and for
    the others what came since. Raises ExchangeError."""
    found: dict[Symbol, list[Bar]] = {}
    for symbol in strategy.symbols:
        since = progress.observed.get(symbol)
        if since is None or not strategy.knows(symbol):
            progress.observed.pop(symbol, None)
            # At least one: what has seen no bar at all would not know where to go on reading.
            since = until - max(strategy.warm_up_bars, 1) * strategy.interval
            if strategy.larger_intervals:
                since = min(since, _built_from(strategy, until))
        found[symbol] = closed_bars(source, symbol, strategy.interval, since, until)
    return rounds_of(found, strategy.symbols)


def _built_from(strategy: AnyStrategy, until: datetime) -> datetime:
    """Where longer bars stop being taken from history. One that has just closed is built, so that the newest round
    completes it and it can be decided on."""
    return floor_to(until - strategy.interval, max(strategy.larger_intervals))


def _in_flight(order: Order) -> OrderInFlight:
    return OrderInFlight(
        order_link_id=order.order_link_id,
        symbol=order.symbol,
        quantity=order.quantity,
        price=order.price or order.average_price or Decimal(0),
        opens_risk=not order.reduce_only,
        order_type=order.order_type,
        sent_at=order.created_at,
        # Fills that the cursor has passed already are not heard again.
        heard=order.filled_quantity,
    )
