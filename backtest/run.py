"""One backtest: the bot as it is live, on the sequence of the paper exchange in lockstep.

For every bar: funding and the path inside it with its fills and liquidations; the fills are handled; what the platform
holds is told; the closed bars are observed and decided on; orders wait for the next bar's open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from alpha.bot.broker import Outcome as Answer
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.environment import Environment
from alpha.bot.fill import BotFill
from alpha.bot.gate import Gate
from alpha.bot.gated_broker import GatedBroker
from alpha.bot.host import AnyStrategy, StrategyHost
from alpha.bot.intent import Intent
from alpha.bot.progress import Progress
from alpha.bot.risk_limits import RiskLimits
from alpha.candles.store import CandleStore
from alpha.domain.arithmetic import accounting
from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.fill import ExecutionOrder, Fill
from alpha.domain.ids import Symbol
from backtest.accounting import AccountHistory, Books
from backtest.errors import BacktestRefused
from backtest.outcome import Asked, Outcome
from backtest.plan import Plan
from backtest.port import UID, EnginePort
from backtest.recordings import Recordings, read_recordings
from backtest.replay import Replay
from backtest.settled_heap import settle, settled_heap
from backtest.stream import AccountStream
from backtest.surroundings import Surroundings
from backtest.timeline import Timeline
from backtest.told import Told
from backtest.translation import fill_of, reason_of_fill
from paper_exchange.engine import Engine, EngineAccount

Ticked = Callable[[int, int], object]
"""Told now and then how many of how many bars are done."""

_TICK_EVERY: Final = 8192
"""Bars of all symbols together."""
_LONGEST = timedelta(days=36_525)


def run_backtest(plan: Plan, store: CandleStore, *, ticked: Ticked | None = None, every_bar: bool = False) -> Outcome:
    """Raises BacktestRefused, CandlesUnavailable, CandleConflict, or the strategy's own StrategyRefused.

    `every_bar` makes the engine walk every bar, also those that change nothing: slower and the same.
    """
    return backtest_on(plan, recordings_for(plan, store), ticked=ticked, every_bar=every_bar)


def recordings_for(plan: Plan, store: CandleStore) -> Recordings:
    """What the plan needs of the store: its period and the warm-up before it. Raises as `run_backtest` does."""
    if plan.start is not None and plan.end is not None and plan.start >= plan.end:
        raise BacktestRefused(f"the period from {plan.start:%Y-%m-%d %H:%M} to {plan.end:%Y-%m-%d %H:%M} is empty")
    instruments = {symbol: plan.markets[symbol].instrument for symbol in plan.symbols}
    interval, history = wanted(plan)
    since = None if plan.start is None else plan.start - history
    return read_recordings(store, instruments, interval, since=since, until=plan.end)


def backtest_on(
    plan: Plan, recordings: Recordings, *, ticked: Ticked | None = None, every_bar: bool = False
) -> Outcome:
    """The same on recordings that were read before, which may reach further than the plan's period."""
    with accounting(), settled_heap():
        return _Run(plan, recordings, ticked, every_bar).run()


def wanted(plan: Plan) -> tuple[timedelta, timedelta]:
    """The interval of the bars to be fed, and how much history before the first decision.

    Raises BacktestRefused when either is longer than anything that could be recorded.
    """
    try:
        strategy = plan.strategy(
            params=plan.params,
            state=plan.strategy.State(),
            symbols=plan.symbols,
            broker=_NoBroker(),  # type: ignore[arg-type]
            environment=Environment.BACKTEST,
        )
        interval, history = strategy.interval, strategy.history
    except OverflowError as error:
        raise BacktestRefused(
            f"{plan.strategy.__name__} cannot reckon with these parameters: {error}; one of them is far too large"
        ) from error
    if max(interval, history) > _LONGEST:
        raise BacktestRefused(
            f"{plan.strategy.__name__} looks back {_duration(history)} on bars of {interval} hours, longer than "
            "anything recorded: lower its warm-up or the length of its bars"
        )
    return interval, history


def _execution_order(fill: Fill) -> ExecutionOrder:
    return fill.execution_order


def _never_pause(_: float) -> None:
    """Nothing is waited for here."""


def _unseen(done: int, bars: int) -> None:
    """Nobody watches."""


class _NoBroker:
    """For a strategy that is only asked what it needs."""


class _Journal:
    """Every order the bot meant to send, in memory: a backtest that ends half way is run again."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}

    def record(self, order_link_id: str, intent: Intent) -> None:
        if order_link_id not in self.asked:
            self.asked[order_link_id] = Asked(order_link_id, intent)

    def settle(self, order_link_id: str, outcome: Answer) -> None:
        self.asked[order_link_id].answer = outcome


class _Notebook:
    """Keeps what the strategy tells."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def alert(self, kind: str, text: str, *, symbol: Symbol | None, market_time: datetime) -> None:
        self.told.append(Told(market_time, kind, text, symbol))


class _Run:
    def __init__(self, plan: Plan, recordings: Recordings, ticked: Ticked | None, every_bar: bool) -> None:
        self._plan = plan
        self._recordings = recordings
        self._ticked = ticked or _unseen
        self._timeline = timeline = Timeline(recordings.tapes, recordings.interval)
        self._begin = begin = self._first_decision()
        self._length = len(timeline) if plan.end is None else timeline.index_of(to_ms(plan.end - timeline.interval) + 1)
        if self._length <= begin + 1:
            raise BacktestRefused(
                f"the period ends before anything can be decided: {plan.strategy.__name__} is ready at "
                f"{self._end_of(begin):%Y-%m-%d %H:%M} UTC"
            )
        self._stream = AccountStream()
        self._engine = engine = Engine(
            instruments={symbol: plan.markets[symbol].instrument for symbol in plan.symbols},
            fees={symbol: plan.markets[symbol].fees for symbol in plan.symbols},
            seed=plan.seed,
            start=self._end_of(begin),
            liquidity=plan.liquidity,
            prices={
                symbol: lane.tape.price(lane.tape.close[lane.latest[begin]])
                for symbol, lane in timeline.lanes.items()
                if lane.latest[begin] >= 0
            },
            audience=self._stream,
            risk_tiers={
                symbol: tiers for symbol in plan.symbols if (tiers := plan.markets[symbol].risk_tiers) is not None
            },
        )
        engine.open_account(EngineAccount(uid=UID, balance=plan.balance))
        self._replay = Replay(engine, recordings, timeline, every_bar=every_bar)
        self._progress = progress = Progress(Checkpoint(), 0)
        self._surroundings = surroundings = Surroundings(
            replay=self._replay,
            progress=progress,
            instruments=engine.instruments,
            capital=plan.capital,
        )
        self._notebook = _Notebook()
        self._journal = _Journal()
        limits = RiskLimits(limits=plan.limits, progress=progress, prices=surroundings)
        self._broker = broker = GatedBroker(
            bot=plan.bot,
            code=plan.code,
            run=plan.run,
            gate=Gate(plan.limits, surroundings, limits),
            orders=progress.orders,
            port=EnginePort(self._replay, plan.account),
            journal=self._journal,
            view=surroundings,
            alerts=self._notebook,
            entry_sent=progress.entry_sent,
            pause=_never_pause,
            limits=limits,
        )
        strategy: AnyStrategy = plan.strategy(
            params=plan.params,
            state=plan.strategy.State(),
            symbols=plan.symbols,
            broker=broker,
            environment=Environment.BACKTEST,
        )
        self._strategy = strategy
        self._tick_every = max(_TICK_EVERY // len(plan.symbols), 1)
        self._host = StrategyHost(strategy=strategy, broker=broker, progress=progress)
        self._books = Books(plan.bot, plan.account)
        self._account = AccountHistory(begin, plan.balance)
        self._tradable_from = self._when_tradable(strategy.minimum_history)

    def run(self) -> Outcome:
        begin, length = self._begin, self._length
        for first, last in self._timeline.runs(0, begin):
            self._observe(first, last)
        self._replay.begin(begin)
        self._host.start(self._end_of(begin))
        self._host.positions([held for s in self._plan.symbols if (held := self._surroundings.position(s)) is not None])
        self._progress.catching_up = False
        for first, last in self._timeline.runs(begin, length):
            self._host.rounds(self._rounds(first, last))
        self._host.stop()
        return self._outcome()

    def _observe(self, first: int, last: int) -> None:
        """The warm-up: seen and not traded on."""
        for number, bars in enumerate(self._timeline.bars(first, last), start=1):
            self._host.round(bars, trade=False)
            if number % self._tick_every == 0:
                settle()

    def _rounds(self, first: int, last: int) -> Iterator[tuple[Bar, ...]]:
        """The bars of every index; before they are given out what happens in them, and when the next are asked for
        what the decision on them led to, is handled."""
        replay, length = self._replay, self._length
        changes = sorted(each for each in self._changes_of_tradability() if first <= each < last)
        changes.append(length)
        tick_at = index = first
        replay.wake_at = first
        for block in self._timeline.blocks(first, last):
            for bars in block:
                # One comparison for all that is rare: most bars are decided on and nothing else.
                if index >= replay.wake_at:
                    self._drain(index - 1)
                    replay.index = index
                    if index >= tick_at:
                        self._ticked(index, length)
                        settle()
                        tick_at = index + self._tick_every
                    if index >= replay.next_step and index > self._begin and replay.pass_to(index, bars):
                        self._handle(index)
                    if index == changes[0]:
                        self._note_tradability(changes.pop(0))
                    replay.wake_at = min(tick_at, replay.next_step, changes[0])
                replay.closed(index, bars)
                yield bars
                index += 1
        self._drain(last - 1)

    def _handle(self, index: int) -> None:
        """What one step or request led to, in the order in which a live bot hears of it: orders, fills, positions."""
        reports, executions, held = self._stream.take()
        progress, host = self._progress, self._host
        for report in reports:
            progress.orders.reported(report)
        for position in held:
            self._surroundings.told(position)
        if executions:
            account, books = self._plan.account, self._books
            fills = [fill_of(execution, account) for execution in executions]
            if len({fill.symbol for fill in fills}) > 1:
                # What several symbols filled at one instant is numbered as the ledger numbers it.
                fills.sort(key=_execution_order)
            for fill in fills:
                numbered = BotFill(progress.cursor + 1, fill, reason_of_fill(fill))
                books.take(numbered)
                host.fill(numbered)
            self._account.balance(index, self._engine.balance(UID))
            for position in held:
                self._account.position(index, position.symbol, position.position)
        if held:
            host.positions(held)

    def _drain(self, index: int) -> None:
        """What was answered to the requests of a decision, until nothing more is said."""
        while self._stream.has_news:
            self._handle(index)

    def _first_decision(self) -> int:
        """The index of the bar at whose close trading begins: the one that ends at the start asked for, or where the
        first symbol has its warm-up behind it."""
        plan, timeline = self._plan, self._timeline
        _, history = wanted(plan)
        first, interval = self._recordings.first, timeline.interval
        start = first + history if plan.start is None else plan.start
        index = max(timeline.index_of(to_ms(start - interval)), 0)
        if index >= len(timeline) - 1:
            have = self._recordings.end - first
            raise BacktestRefused(
                f"too little history: {plan.strategy.__name__} looks back {_duration(history)} before it decides, and "
                f"the candles of {', '.join(plan.symbols)} cover {_duration(have)} in the period"
            )
        return index

    def _when_tradable(self, history: timedelta) -> dict[Symbol, list[tuple[int, int]]]:
        """For each symbol the stretches [index, index) in which its indicators have not seen enough bars in a row:
        after its first bar, and after every hole."""
        timeline, found = self._timeline, {}
        for symbol, tape in self._recordings.tapes.items():
            begins = [tape.start_of(0), *[gap.end for gap in self._recordings.gaps if gap.symbol == symbol]]
            # At a close `history` after the first bar's open all the bars in between were seen.
            found[symbol] = [
                (timeline.index_of(to_ms(at)), timeline.index_of(to_ms(at + history - timeline.interval)))
                for at in begins
            ]
        return found

    def _changes_of_tradability(self) -> set[int]:
        return {index for stretches in self._tradable_from.values() for pair in stretches for index in pair} | {
            self._begin
        }

    def _note_tradability(self, index: int) -> None:
        for symbol, stretches in self._tradable_from.items():
            if any(first <= index < last for first, last in stretches):
                self._surroundings.not_tradable[symbol] = "its indicators have not seen enough bars in a row"
            else:
                self._surroundings.not_tradable.pop(symbol, None)

    def _outcome(self) -> Outcome:
        last = self._length - 1
        self._ticked(self._length, self._length)
        self._replay.index = last
        engine = self._replay.catch_up()
        held = [self._surroundings.position(symbol) for symbol in self._plan.symbols]
        return Outcome(
            plan=self._plan,
            recordings=self._recordings,
            start=self._end_of(self._begin),
            end=self._end_of(last),
            bars=last - self._begin,
            asked=list(self._journal.asked.values()),
            fills=self._books.fills,
            trades=self._books.trades,
            open=[each for each in held if each is not None and not each.is_flat],
            curve=self._account.curve(self._timeline, last),
            balance=engine.balance(UID),
            equity=round(engine.equity(UID), 8),
            first_tradable=self._first_tradable_bars(),
            denials=dict(self._broker.denials.counts),
            told=self._notebook.told,
        )

    def _first_tradable_bars(self) -> dict[Symbol, datetime | None]:
        """When each symbol's first bar that could be traded on closed, None if none did."""
        found: dict[Symbol, datetime | None] = {}
        for symbol, stretches in self._tradable_from.items():
            index = max(self._begin, stretches[0][0])
            for first, last in stretches:
                if index >= first:
                    index = max(index, last)
            found[symbol] = self._end_of(index) if index < self._length else None
        return found

    def _start_of(self, index: int) -> datetime:
        return from_ms(int(self._timeline.starts_ms[index]))

    def _end_of(self, index: int) -> datetime:
        return self._start_of(index) + self._timeline.interval


def _duration(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.1f} days"
