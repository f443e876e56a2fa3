"""Gathering what exchange, ledger, Redis and bots say, once the market of a drill stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import EPOCH
from alpha.domain.ids import BotId, Symbol
from alpha.domain.reason import Reason
from alpha.ledger.books import all_books, trades_of_bot
from alpha.ledger.connection import connect
from alpha.ledger.coverage import proven_until
from alpha.ledger.drift import open_drift
from alpha.ledger.epochs import epoch_falls
from alpha.ledger.orders import open_orders
from alpha.ledger.positions import positions_of
from alpha.ledger.reading import fills_between, ledger_counts
from alpha.live import fill_stream, positions
from alpha.live.connection import open_redis
from alpha.local.drill.cast import owners
from alpha.local.drill.follower import Follower, Seen
from alpha.local.drill.judge import Evidence
from alpha.local.drill.stage import Stage
from alpha.local.exchange_admin import ExchangeState
from alpha.local.journal import read_journal

_FAR_FUTURE = datetime(9999, 1, 1, tzinfo=EPOCH.tzinfo)
_ALL = 1 << 30
_PAGE = 1_000


def settled(stage: Stage, market: ExchangeState, executed: int) -> bool:
    """Whether the ledger has as many fills as the exchange made and every account is proven to the market's time: a
    cheap look that saves gathering the evidence in vain. Raises LedgerError."""
    with closing(connect(stage.dsn("reader"), "drill")) as connection:
        return ledger_counts(connection).fills >= executed and all(
            (until := proven_until(connection, account)) is not None and until >= market.market_time
            for account in stage.registry.accounts
        )


def gather(
    stage: Stage,
    market: ExchangeState,
    followers: Sequence[Follower],
    tags: Mapping[str, tuple[BotId, Reason]],
) -> Evidence:
    """Everything the judge wants to know. Raises LedgerError, a member of LIVE_ERRORS or JournalUnreadable."""
    accounts, bots = stage.registry.accounts, stage.registry.bots
    with closing(connect(stage.dsn("reader"), "drill", 60)) as connection:
        return Evidence(
            journal=read_journal(stage.journal),
            owners=owners(stage.registry),
            tags=tags,
            ledger=[row for account in accounts for row in fills_between(connection, account, EPOCH, _FAR_FUTURE)],
            books=all_books(connection),
            trades=[trade for bot in bots for trade in trades_of_bot(connection, bot, _ALL)],
            exchange_positions=market.positions,
            reported_positions={
                (said.account, said.symbol): said.position.quantity
                for account in accounts
                for said in positions_of(connection, account)
            },
            live_positions={
                (bot.id, symbol): _live(stage, bot.id, bot.redis_db, symbol)
                for bot in bots.values()
                for symbol in bot.symbols
            },
            seen={follower.bot: follower.seen() for follower in followers},
            streams={bot.id: _stream(stage, bot.id, bot.redis_db) for bot in bots.values()},
            proven={account: proven_until(connection, account) for account in accounts},
            market_time=market.market_time,
            epoch_falls=[
                f"{fall.bot} {fall.bot_seq}: {fall.epoch} after {fall.before}" for fall in epoch_falls(connection)
            ],
            open_orders=[
                f"{order.account} {order.order_id} {order.status.value}"
                for account in accounts
                for order, _ in open_orders(connection, account)
            ],
            drifts=[
                f"{drift.finding.kind} {drift.finding.account} {drift.finding.subject} {dict(drift.finding.detail)}"
                for drift in open_drift(connection)
            ],
            raw_events=ledger_counts(connection).raw_events,
        )


def _live(stage: Stage, bot: BotId, redis_db: int, symbol: Symbol) -> Decimal | None:
    with open_redis(stage.redis_address(), redis_db) as client:
        row = positions.read(client, bot, symbol)
    return None if row is None else row.position.quantity


def _stream(stage: Stage, bot: BotId, redis_db: int) -> list[Seen]:
    """What the bot's stream holds, oldest first."""
    with open_redis(stage.redis_address(), redis_db) as client:
        held: list[Seen] = []
        after = max(0, fill_stream.first_seq(client, bot) - 1)
        while page := fill_stream.read(client, bot, after=after, limit=_PAGE):
            held += [(each.bot_seq, each.fill.exec_id) for each in page]
            after = page[-1].bot_seq or after
    return held
