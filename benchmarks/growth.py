"""A ledger of years: what questions, batches and rebuilding cost, and the same questions without rollups."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median

from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fill_rows import HeardFill
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.rebuild import rebuild_account
from alpha.ledger.rollup_check import check_days
from alpha.ledger.rollups import fold_closed_days, pack_indexes, rebuild_rollups
from benchmarks.figures import Figure, Section, Unit, at_least, at_most
from benchmarks.growth_ledger import ROUND, GrowthLedger
from benchmarks.growth_store import FreshLedgers, KeptLedgers, Ledgers, Progress, vacuum
from benchmarks.scene import BenchmarkFailed
from benchmarks.servers import Servers

_FULL = 10_000_000
_QUICK = 200_000
_SMALL = 100_000
_BATCH = 100
_ASKED = 15
_DAYS_APPENDED = 4
"""The first of them is not counted: it fills caches."""
_ROUNDS = 12
_PACKING_WITHIN_S = 600
_BATCHES_OF_ROUND = 10
_ENOUGH = 10_000
"""Fills of a month, that what its first pages take does not count."""
_HOW = (
    "{fills:,} fills of 50 bots with five symbols each over three years, {origin}; closed days are folded, "
    "the last is open. Questions: median of {asked}, with planning, the round trip and all rows fetched; naive: GROUP "
    "BY over fills, median of three. Appending: a day's fills of all bots through the recorder at batches of 100, in "
    "turn here and on the first 100,000 fills of the same ledger. Cost of the rollups: such batches with no triggers, "
    "in turn. On disk: generated months have indexes as packing leaves them; a month that only the recorder wrote "
    "grows larger until the nightly job packs it: from 256 MB of fills on once the month is over."
)


def measure(
    servers: Servers,
    *,
    quick: bool,
    fills: int | None = None,
    keep_in: Path | None = None,
    progress: Progress = lambda _: None,
) -> Section:
    """With so many fills, else ten million. They take eight gigabytes while it runs, and as many again in the folder
    `keep_in`, where they stay for another run; without it nothing stays."""
    if keep_in is None:
        return _measured(FreshLedgers(servers, progress), _whole(quick, fills), progress)
    with KeptLedgers(keep_in, progress) as ledgers:
        return _measured(ledgers, _whole(quick, fills), progress)


def keep(folder: Path, *, quick: bool, fills: int | None, progress: Progress) -> None:
    """Generates what `measure` finds there then."""
    with KeptLedgers(folder, progress) as ledgers:
        whole = _whole(quick, fills)
        ledgers.keep(_beginning(whole))
        ledgers.keep(whole)


def _whole(quick: bool, fills: int | None) -> GrowthLedger:
    size = (fills or (_QUICK if quick else _FULL)) // ROUND * ROUND
    return GrowthLedger(fills=size, full=size)


def _beginning(whole: GrowthLedger) -> GrowthLedger:
    return GrowthLedger(fills=min(_SMALL, whole.fills), full=whole.full)


def _measured(ledgers: Ledgers, ledger: GrowthLedger, progress: Progress) -> Section:
    figures: list[Figure] = []
    small = _beginning(ledger)
    with (
        ledgers.opened(small) as owner_of_small,
        closing(connect(owner_of_small, "bench")) as beginning,
        ledgers.opened(ledger) as owner,
        closing(connect(owner, "bench", statement_timeout_s=3600)) as connection,
    ):
        parts: tuple[tuple[str, Callable[[], list[Figure]]], ...] = (
            ("folding days", lambda: _folding(connection)),
            ("questions", lambda: _questions(connection, ledger)),
            ("sizes", lambda: _sizes(connection, ledger)),
            ("rebuilding", lambda: _rebuilding(connection, ledger)),
            ("appending", lambda: _appending(connection, ledger, beginning, small)),
            ("the cost of rollups", lambda: _cost(connection, ledger)),
            ("sizes of what was written", lambda: _written_sizes(connection, ledger)),
            ("rollups anew", lambda: _rollups(connection)),
        )
        for what, measured in parts:
            progress(what)
            figures += measured()
    how = _HOW.format(fills=ledger.fills, origin=ledgers.origin(ledger), asked=_ASKED)
    return Section("growth", "A ledger of three years", how, tuple(figures))


def _folding(connection: Connection) -> list[Figure]:
    began = time.perf_counter()
    days = fold_closed_days(connection)
    took_s = time.perf_counter() - began
    # Years of days were folded at once: otherwise a day's rows are, and autovacuum keeps up with them.
    vacuum(connection, "trading.bot_symbol_days", "trading.bot_days", "trading.portfolio_days")
    return [Figure("folding a closed day", took_s * 1000 / days, Unit.MS)]


def _questions(connection: Connection, ledger: GrowthLedger) -> list[Figure]:
    last = ledger.time(ledger.fills - 1).date()
    bot = "growth_bot_07"
    sums = "count(*), sum(notional), sum(fee) FILTER (WHERE exec_type <> 'Funding')"
    month, year = last - timedelta(days=29), last - timedelta(days=364)
    questions = (
        (
            "one bot's last 30 days",
            10.0,
            f"SELECT * FROM trading.bot_daily_performance WHERE bot = '{bot}' AND day >= '{month}' ORDER BY day",
            f"SELECT (exec_time AT TIME ZONE 'UTC')::date, {sums} FROM trading.fills"
            f" WHERE bot = '{bot}' AND exec_time >= '{month}' GROUP BY 1 ORDER BY 1",
        ),
        (
            "one bot's year",
            10.0,
            f"SELECT * FROM trading.bot_daily_performance WHERE bot = '{bot}' AND day >= '{year}' ORDER BY day",
            f"SELECT (exec_time AT TIME ZONE 'UTC')::date, {sums} FROM trading.fills"
            f" WHERE bot = '{bot}' AND exec_time >= '{year}' GROUP BY 1 ORDER BY 1",
        ),
        (
            "the portfolio's days over all time",
            40.0,
            "SELECT * FROM trading.portfolio_daily_performance ORDER BY day",
            f"SELECT (exec_time AT TIME ZONE 'UTC')::date, {sums} FROM trading.fills GROUP BY 1 ORDER BY 1",
        ),
    )
    figures = []
    for what, bound, rolled_up, naive in questions:
        answer, ms = _asked(connection, rolled_up, _ASKED)
        naive_answer, naive_ms = _asked(connection, naive, 3)
        if len(answer) != len(naive_answer):
            raise BenchmarkFailed(f"{what}: {len(answer)} days by the view, {len(naive_answer)} by the fills")
        figures += [
            Figure(what, ms, Unit.MS, at_most(bound)),
            Figure(f"{what}, naive GROUP BY over fills", naive_ms, Unit.MS),
            Figure(f"{what}, naive to it", naive_ms / ms, Unit.TIMES),
        ]
    return figures


def _asked(connection: Connection, question: str, times: int) -> tuple[list[tuple[object, ...]], float]:
    """The rows, and the median of the milliseconds, once warm."""
    taken = []
    rows: list[tuple[object, ...]] = []
    for _ in range(times + 1):
        began = time.perf_counter()
        with transaction(connection) as cursor:
            cursor.execute(question)
            rows = cursor.fetchall()
        taken.append((time.perf_counter() - began) * 1000)
    return rows, median(taken[1:])


def _sizes(connection: Connection, ledger: GrowthLedger) -> list[Figure]:
    middle = ledger.time(ledger.fills // 2)
    with transaction(connection) as cursor:
        cursor.execute(f"DELETE FROM trading.packed_indexes WHERE name LIKE 'fills_{middle:%Y_%m}_%'")
    began = time.perf_counter()
    packed = pack_indexes(connection, within_s=_PACKING_WITHIN_S)
    packing_s = time.perf_counter() - began
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('trading.trades'), pg_total_relation_size('trading.bot_symbol_days')"
            " + pg_total_relation_size('trading.bot_days') + pg_total_relation_size('trading.portfolio_days')"
        )
        ((trades, rollups),) = cursor.fetchall()
    return [
        Figure(
            "a fill on disk with all indexes, closed months packed",
            _fill_bytes(connection, "pg_total_relation_size") / ledger.fills,
            Unit.BYTES,
            at_most(600),
        ),
        Figure("of it its row", _fill_bytes(connection, "pg_table_size") / ledger.fills, Unit.BYTES),
        Figure("round trips, per fill", trades / ledger.fills, Unit.BYTES),
        Figure("rollups, per fill", rollups / ledger.fills, Unit.BYTES),
        Figure("packing an index of a month", packing_s * 1000 / packed, Unit.MS),
    ]


def _written_sizes(connection: Connection, ledger: GrowthLedger) -> list[Figure]:
    """Of a month that begins after what was generated, so that nobody but the recorder has written it: as it grew, and
    as the following night leaves it. Then the whole ledger with it."""
    following = (ledger.end.replace(day=1) + timedelta(days=32)).replace(day=1)
    month = f"trading.fills_{following:%Y_%m}"
    with transaction(connection) as cursor:
        cursor.execute("SELECT coalesce(sum(fills), 0) FROM trading.account_head")
        ((fills,),) = cursor.fetchall()
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (month,))
        ((there,),) = cursor.fetchall()
        of_month = 0
        if there:
            cursor.execute(f"SELECT count(*) FROM {month}")
            ((of_month,),) = cursor.fetchall()
    figures = []
    if of_month >= _ENOUGH:
        grown = _bytes(connection, month) / of_month
        pack_indexes(connection, within_s=_PACKING_WITHIN_S)
        packed = _bytes(connection, month) / of_month
        figures = [
            Figure("a fill of a month as the recorder has written it", grown, Unit.BYTES),
            Figure("a fill of that month after the night", packed, Unit.BYTES, at_most(600)),
        ]
    whole = _fill_bytes(connection, "pg_total_relation_size") / float(fills)
    return [*figures, Figure("a fill of the whole ledger with all indexes", whole, Unit.BYTES, at_most(600))]


def _bytes(connection: Connection, table: str) -> float:
    with transaction(connection) as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", (table,))
        ((size,),) = cursor.fetchall()
    return float(size)


def _fill_bytes(connection: Connection, of_table: str) -> float:
    with transaction(connection) as cursor:
        cursor.execute(f"SELECT sum({of_table}(relid)) FROM pg_partition_tree('trading.fills')")
        ((size,),) = cursor.fetchall()
    return float(size)


def _rebuilding(connection: Connection, ledger: GrowthLedger) -> list[Figure]:
    account = ledger.accounts[0]
    rebuilt = rebuild_account(connection, account)
    if rebuilt.differing or rebuilt.fills != ledger.fills // len(ledger.accounts):
        raise BenchmarkFailed(f"rebuilding {account} found {len(rebuilt.differing)} books to differ")
    day = (ledger.end - timedelta(days=40)).date()
    began = time.perf_counter()
    wrong = check_days(connection, day, day)
    check_s = time.perf_counter() - began
    if wrong:
        raise BenchmarkFailed(f"the rollups are wrong: {wrong[0]}")
    return [
        Figure("rebuilding books and round trips", rebuilt.fills / rebuilt.seconds, Unit.FILLS_PER_S, at_least(50_000)),
        Figure("checking a day of all bots against its fills", check_s, Unit.S),
    ]


def _rollups(connection: Connection) -> list[Figure]:
    """The last that is done: days are folded no more afterwards."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT sum(fills) FROM trading.account_head")
        ((fills,),) = cursor.fetchall()
    began = time.perf_counter()
    rebuild_rollups(connection)
    return [Figure("making all rollups anew", float(fills) / (time.perf_counter() - began), Unit.FILLS_PER_S)]


def _appending(
    connection: Connection, ledger: GrowthLedger, beginning: Connection, small: GrowthLedger
) -> list[Figure]:
    """Days of both ledgers in turn, so that whatever else the machine does meets both."""
    both = _days_appended_us(connection, ledger), _days_appended_us(beginning, small)
    days = [(next(both[0]), next(both[1])) for _ in range(_DAYS_APPENDED)]
    us, small_us = (median(taken) for taken in zip(*days[1:], strict=True))
    return [
        Figure(f"appending a day, a fill, at {small.fills:,}", small_us, Unit.US),
        Figure(f"appending a day, a fill, at {ledger.fills:,}", us, Unit.US),
        Figure("appending a day, to that of the small ledger", us / small_us, Unit.TIMES, at_most(1.2)),
    ]


def _days_appended_us(connection: Connection, ledger: GrowthLedger) -> Iterator[float]:
    """Microseconds for a fill of each of the days after the ledger's last, as often as asked."""
    recorder = _recorder(connection, ledger)
    for first in itertools.count(ledger.fills, ledger.of_a_day):
        batches = list(_batches(ledger, first, ledger.of_a_day))
        began = time.perf_counter()
        for batch in batches:
            recorder.record(batch)
        yield (time.perf_counter() - began) / ledger.of_a_day * 1e6


def _cost(connection: Connection, ledger: GrowthLedger) -> list[Figure]:
    """Batches with and without the triggers, in turn, so that whatever else the machine does meets both."""
    recorder = _recorder(connection, ledger)
    first = ledger.fills + _DAYS_APPENDED * ledger.of_a_day
    seconds = {True: 0.0, False: 0.0}
    for turn in range(_ROUNDS):
        for counting in (True, False) if turn % 2 else (False, True):
            with transaction(connection) as cursor:
                for table in ("fills", "trades"):
                    verb = "ENABLE" if counting else "DISABLE"
                    cursor.execute(f"ALTER TABLE trading.{table} {verb} TRIGGER {table}_are_counted")
            # One batch more, in which plans are made again.
            batches = list(_batches(ledger, first, (_BATCHES_OF_ROUND + 1) * _BATCH))
            first += (_BATCHES_OF_ROUND + 1) * _BATCH
            recorder.record(batches[0])
            began = time.perf_counter()
            for batch in batches[1:]:
                recorder.record(batch)
            seconds[counting] += time.perf_counter() - began
    fills = _ROUNDS * _BATCHES_OF_ROUND * _BATCH
    return [
        Figure("recorder at batches of 100", fills / seconds[True], Unit.FILLS_PER_S),
        Figure("recorder at batches of 100, without rollups", fills / seconds[False], Unit.FILLS_PER_S),
        Figure(
            "what the rollups cost of its rate", (1 - seconds[False] / seconds[True]) * 100, Unit.PERCENT, at_most(20)
        ),
    ]


def _recorder(connection: Connection, ledger: GrowthLedger) -> FillRecorder:
    epochs = {account: take_account(connection, account, "bench", ttl_s=3600) for account in ledger.accounts}
    return FillRecorder(connection, epochs)


def _batches(ledger: GrowthLedger, first: int, count: int) -> Iterator[list[HeardFill]]:
    """As they come: a batch has fills of every bot."""
    fills = list(ledger.next_fills(first, count))
    for start in range(0, count, _BATCH):
        yield fills[start : start + _BATCH]
