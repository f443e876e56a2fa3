"""A ledger of years, generated inside PostgreSQL: fills, the round trips and books that they fold into, and the heads.

Fill `i` is of bot `i % 50`. Each bot trades its five symbols in turn, a round trip at a time: two buys, two sells. All
follows from `i`, in SQL here and in Python for the fills that are appended later, and it is a ledger like any other:
rebuilding it from its fills finds no difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import md5, sha256
from uuid import UUID

from alpha.domain.fill import Attribution, AttributionMethod, ExecType, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fills import FillSource, HeardFill

BOTS, SYMBOLS, FILLS_OF_TRIP, BOTS_OF_ACCOUNT = 50, 5, 4, 5
ROUND = BOTS * SYMBOLS * FILLS_OF_TRIP
"""Fills after which every bot is flat."""
START = datetime(2023, 1, 1, tzinfo=UTC)
DAYS = 3 * 365
QUANTITY = Decimal("0.5")
_TAKER, _MAKER = Decimal("0.00055"), Decimal("0.0002")


@dataclass(frozen=True, slots=True)
class GrowthLedger:
    """`fills` of them, spaced as in a ledger of `full` fills over the years: with fewer it is the beginning of that."""

    fills: int
    full: int

    def __post_init__(self) -> None:
        if self.fills % ROUND:
            raise ValueError(f"every bot is flat after a multiple of {ROUND} fills, which {self.fills} is not")

    @property
    def step_ms(self) -> int:
        return DAYS * 86_400_000 // self.full

    @property
    def of_a_day(self) -> int:
        """Fills of a day, up to whole batches of a hundred."""
        return max(100, self.full // DAYS // 100 * 100)

    def time(self, number: int) -> datetime:
        return START + timedelta(milliseconds=number * self.step_ms)

    @property
    def end(self) -> datetime:
        return self.time(self.fills)

    @property
    def accounts(self) -> list[AccountName]:
        return [AccountName(f"growth_{n:02}") for n in range(BOTS // BOTS_OF_ACCOUNT)]

    def load(
        self, connection: Connection, *others: Connection, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        """Fills an empty ledger, a month at a time on each of the connections. As its owner."""
        months = deque(self._months())
        with ThreadPoolExecutor(1 + len(others)) as at_once:
            # Raises what a month did.
            list(at_once.map(lambda each: self._load_months(each, months, progress), (connection, *others)))
        with transaction(connection) as cursor:
            cursor.execute("SET LOCAL work_mem = '256MB'")
            progress("generating round trips")
            cursor.execute(_TRADES, self._scale | {"trips": self.fills // (BOTS * FILLS_OF_TRIP)})
            cursor.execute(_BOOKS)
            cursor.execute(_HEADS)
            cursor.execute(_PACKED)
            progress("summing days")
            cursor.execute("SELECT trading.rebuild_rollups()")

    @property
    def _scale(self) -> dict[str, object]:
        return {"step": self.step_ms, "start": START}

    def _months(self) -> Iterator[tuple[datetime, datetime, int, int]]:
        """Each month's start, the next one's, and its first and last fill."""
        first = 0
        while first < self.fills:
            month = self.time(first).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            following = (month + timedelta(days=32)).replace(day=1)
            end = min(self.fills, -(-int((following - START).total_seconds() * 1000) // self.step_ms))
            yield month, following, first, end - 1
            first = end

    def _load_months(
        self,
        connection: Connection,
        months: deque[tuple[datetime, datetime, int, int]],
        progress: Callable[[str], None],
    ) -> None:
        """Months that nobody else has taken. Each is filled before it is the ledger's: its indexes are made at once
        and no trigger counts it, which for millions of fills are minutes."""
        with transaction(connection) as cursor:
            cursor.execute(_FUNCTIONS)
        while True:
            try:
                month, following, first, last = months.popleft()
            except IndexError:
                return
            progress(f"generating fills of {month:%B %Y}")
            table = f"trading.fills_{month:%Y_%m}"
            with transaction(connection) as cursor:
                cursor.execute(f"CREATE TABLE {table} (LIKE trading.fills INCLUDING ALL EXCLUDING INDEXES)")
                cursor.execute(_FILLS.format(table=table), self._scale | {"first": first, "last": last})
                cursor.execute(
                    f"ALTER TABLE trading.fills ATTACH PARTITION {table} FOR VALUES FROM (%s) TO (%s)",
                    (month, following),
                )
                cursor.execute("SELECT trading.protect_fills_partition(%s::regclass)", (table,))

    def next_fills(self, first: int, count: int) -> Iterator[HeardFill]:
        """Fills `first` and following as the listener hands them over: what `load` would have made of these numbers."""
        for number in range(first, first + count):
            bot, k = number % BOTS, number // BOTS
            trip, leg = divmod(k, FILLS_OF_TRIP)
            symbol = trip % SYMBOLS
            price = Decimal(10_000 * (symbol + 1) + (trip * 7919 + leg * 31) % 997) / 10
            rate = _MAKER if leg in (0, 2) else _TAKER
            digest = md5(f"fill {number}".encode()).hexdigest()
            fill = Fill(
                account=AccountName(f"growth_{bot // BOTS_OF_ACCOUNT:02}"),
                category="linear",
                symbol=Symbol(f"S{bot % BOTS_OF_ACCOUNT}{symbol}USDT"),
                exec_id=ExecId(str(UUID(digest))),
                exec_time=self.time(number),
                seq=number,
                exec_type=ExecType.TRADE,
                side=Side.BUY if leg < 2 else Side.SELL,
                price=price,
                quantity=QUANTITY,
                notional=price * QUANTITY,
                fee=price * QUANTITY * rate,
                fee_rate=rate,
                fee_currency="USDT",
                is_maker=leg in (0, 2),
                closed_quantity=Decimal(0) if leg < 2 else QUANTITY,
                leaves_quantity=Decimal(0),
                order_id=OrderId(str(UUID(md5(f"order {number}".encode()).hexdigest()))),
                order_link_id=f"b{bot:02}-{'en' if leg < 2 else 'tp'}-{digest[:20]}",
                order_type="Limit" if leg in (0, 2) else "Market",
                create_type="CreateByUser",
                stop_order_type="",
                mark_price=price,
            )
            yield HeardFill(
                fill=fill,
                attribution=Attribution(
                    bot=BotId(f"growth_bot_{bot:02}"),
                    reason=Reason.ENTRY if leg < 2 else Reason.TAKE_PROFIT,
                    method=AttributionMethod.TAG,
                ),
                source=FillSource.STREAM,
                received_at=fill.exec_time,
                frame_at=fill.exec_time,
            )


_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION pg_temp.price(symbol bigint, trip bigint, leg bigint) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS $$ SELECT (10000 * (symbol + 1) + (trip * 7919 + leg * 31) % 997) / 10.0 $$;
CREATE OR REPLACE FUNCTION pg_temp.fee(symbol bigint, trip bigint, leg bigint) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS $$ SELECT pg_temp.price(symbol, trip, leg) * {QUANTITY}
        * CASE WHEN leg IN (0, 2) THEN {_MAKER} ELSE {_TAKER} END $$;
CREATE OR REPLACE FUNCTION pg_temp.bot(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'growth_bot_' || lpad(n::text, 2, '0') $$;
CREATE OR REPLACE FUNCTION pg_temp.account(bot bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'growth_' || lpad((bot / {BOTS_OF_ACCOUNT})::text, 2, '0') $$;
CREATE OR REPLACE FUNCTION pg_temp.symbol(bot bigint, n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'S' || bot % {BOTS_OF_ACCOUNT} || n || 'USDT' $$;
CREATE OR REPLACE FUNCTION pg_temp.at(start timestamptz, step bigint, i bigint) RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT start + (i * step) * interval '1 millisecond' $$;
CREATE OR REPLACE FUNCTION pg_temp.exec_id(i bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT md5('fill ' || i)::uuid::text $$;
"""

# Behind OFFSET a value is computed once, and not again wherever it is named.
_FILLS = f"""
INSERT INTO {{table}} (
    account, category, symbol, exec_id, exec_time, seq, exec_type, side, price, quantity, notional, fee, fee_rate,
    fee_currency, is_maker, closed_quantity, leaves_quantity, order_id, order_link_id, order_type, create_type,
    stop_order_type, mark_price, bot, reason, attribution, position_idx, bot_seq, source, frame_at, received_at,
    recorded_at, epoch)
SELECT
    pg_temp.account(bot), 'linear', pg_temp.symbol(bot, symbol), pg_temp.exec_id(i), at, i, 'Trade',
    CASE WHEN leg < 2 THEN 'Buy' ELSE 'Sell' END, price, {QUANTITY}, price * {QUANTITY}, pg_temp.fee(symbol, trip, leg),
    CASE WHEN leg IN (0, 2) THEN {_MAKER} ELSE {_TAKER} END, 'USDT', leg IN (0, 2),
    CASE WHEN leg < 2 THEN 0 ELSE {QUANTITY} END, 0, md5('order ' || i)::uuid::text,
    'b' || lpad(bot::text, 2, '0') || CASE WHEN leg < 2 THEN '-en-' ELSE '-tp-' END || left(md5('fill ' || i), 20),
    CASE WHEN leg IN (0, 2) THEN 'Limit' ELSE 'Market' END, 'CreateByUser', '', price, pg_temp.bot(bot),
    CASE WHEN leg < 2 THEN 'entry' ELSE 'take_profit' END, 'tag', 0, k + 1, 'stream',
    at + interval '40 milliseconds', at + interval '41 milliseconds', at + interval '43 milliseconds', 1
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
CROSS JOIN LATERAL (
    SELECT i %% {BOTS} AS bot, i / {BOTS} AS k, pg_temp.at(%(start)s, %(step)s, i) AS at OFFSET 0
) AS whose
CROSS JOIN LATERAL (SELECT k / {FILLS_OF_TRIP} AS trip, k %% {FILLS_OF_TRIP} AS leg OFFSET 0) AS place
CROSS JOIN LATERAL (SELECT trip %% {SYMBOLS} AS symbol OFFSET 0) AS what
CROSS JOIN LATERAL (SELECT pg_temp.price(symbol, trip, leg) AS price OFFSET 0) AS cost
"""

# With equal quantities an average is half a sum, and has as few digits.
_TRADES = f"""
ALTER TABLE trading.trades DISABLE TRIGGER trades_are_counted;
INSERT INTO trading.trades (
    account, bot, symbol, position_idx, first_exec_id, last_exec_id, direction, opened_at, closed_at, quantity,
    entry_price, exit_price, gross_pnl, fees, funding, fill_count, entry_reason, exit_reason, last_seq,
    last_leaves_quantity, ends_flat, book_realized_pnl, book_fees, book_funding, book_fill_count)
SELECT
    pg_temp.account(bot), pg_temp.bot(bot), pg_temp.symbol(bot, symbol), 0, pg_temp.exec_id(i), pg_temp.exec_id(last),
    'long', pg_temp.at(%(start)s, %(step)s, i), pg_temp.at(%(start)s, %(step)s, last), {2 * QUANTITY},
    bought / 2, sold / 2, (sold - bought) * {QUANTITY}, fees, 0, {FILLS_OF_TRIP}, 'entry', 'take_profit', last, 0, true,
    sum((sold - bought) * {QUANTITY}) OVER book, sum(fees) OVER book, 0, {FILLS_OF_TRIP} * (trip / {SYMBOLS} + 1)
FROM generate_series(0, {BOTS} - 1) AS bot
CROSS JOIN generate_series(0::bigint, %(trips)s - 1) AS trip
CROSS JOIN LATERAL (SELECT
    trip %% {SYMBOLS} AS symbol,
    trip * {FILLS_OF_TRIP * BOTS} + bot AS i,
    trip * {FILLS_OF_TRIP * BOTS} + {3 * BOTS} + bot AS last
) AS place
CROSS JOIN LATERAL (SELECT
    pg_temp.price(symbol, trip, 0) + pg_temp.price(symbol, trip, 1) AS bought,
    pg_temp.price(symbol, trip, 2) + pg_temp.price(symbol, trip, 3) AS sold,
    pg_temp.fee(symbol, trip, 0) + pg_temp.fee(symbol, trip, 1) + pg_temp.fee(symbol, trip, 2)
        + pg_temp.fee(symbol, trip, 3) AS fees
) AS sums
WINDOW book AS (PARTITION BY bot, symbol ORDER BY trip)
ORDER BY last;
ALTER TABLE trading.trades ENABLE TRIGGER trades_are_counted
"""

_BOOKS = """
INSERT INTO trading.books (
    account, bot, symbol, position_idx, quantity, entry_price, realized_pnl, fees, funding, fill_count, last_exec_time,
    last_seq, last_leaves_quantity, last_exec_id)
SELECT DISTINCT ON (account, bot, symbol)
    account, bot, symbol, position_idx, 0, 0, book_realized_pnl, book_fees, book_funding, book_fill_count, closed_at,
    last_seq, last_leaves_quantity, last_exec_id
FROM trading.trades
ORDER BY account, bot, symbol, closed_at DESC
"""

_HEADS = """
INSERT INTO trading.account_head (account, epoch, holder, backend_pid, fills, last_exec_time, last_recorded_at)
SELECT account, 1, 'growth', 0, sum(fill_count), max(last_exec_time), clock_timestamp()
FROM trading.books GROUP BY account;
INSERT INTO trading.bot_heads (bot, last_seq) SELECT bot, sum(fill_count) FROM trading.books GROUP BY bot;
INSERT INTO trading.accounts (account, kind) SELECT account, 'paper' FROM trading.account_head;
"""

# Made at once on a whole month, as packing makes them.
_PACKED = """
INSERT INTO trading.packed_indexes (name, bytes_before, bytes)
SELECT i.relname, size.bytes, size.bytes
FROM pg_inherits AS part
JOIN pg_index AS x ON x.indrelid = part.inhrelid
JOIN pg_class AS i ON i.oid = x.indexrelid
CROSS JOIN LATERAL (SELECT pg_relation_size(i.oid) AS bytes) AS size
WHERE part.inhparent = 'trading.fills'::regclass AND i.relname ~ '^fills_[0-9]{4}_[0-9]{2}_'
"""

GENERATOR = sha256("".join((_FUNCTIONS, _FILLS, _TRADES, _BOOKS, _HEADS, _PACKED)).encode()).hexdigest()[:16]
"""Which one this is: another makes other rows of the same numbers."""
