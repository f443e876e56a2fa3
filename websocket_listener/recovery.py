"""What the stream did not bring, read over REST from the end of what is proven; and the proof of completeness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar

import structlog

from alpha.config.errors import ConfigError
from alpha.domain.errors import AlphaError, InvariantViolated
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, ExecId
from alpha.domain.order import Order
from alpha.domain.position import ZERO
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import WalletBalance
from alpha.exchange.backoff import Backoff
from alpha.exchange.errors import ExchangeAuthError, ExchangeRateLimited
from alpha.exchange.executions import MOST_IN_WINDOW, ExecutionWindow, Readers, walk_windows
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.coverage import (
    CoverageKind,
    Interval,
    add_interval,
    first_contact,
    intervals,
    is_doubted_after,
    proven_end,
    proven_until,
    unproven_stretches,
)
from alpha.ledger.equity import add_equity_snapshot
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.orders import open_orders
from alpha.ledger.partitions import ensure_months_ahead, month_of
from alpha.ledger.reading import exec_ids_at_any_time, exec_ids_between, filled_by_order
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener import live_state
from websocket_listener.account_session import FINAL, AccountSession, AccountState, KeepRaw
from websocket_listener.account_snapshot import ask_everything, ask_positions
from websocket_listener.heard_executions import ExecKey
from websocket_listener.live_state import LiveState
from websocket_listener.past import Reading, Stretch, fingerprint, reading_of, unread
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Writer

log = structlog.get_logger()

# https://bybit-exchange.github.io/docs/v5/order/execution: executions of the last two years can be asked for.
REACH = timedelta(days=730)
_ALERT_AFTER = 3
_PATIENCE_S = 0.5
_EQUITY_EVERY_S = 60.0
_LONGEST_WAIT_S = 600.0
# Executions that all accounts together may hold while they read, beside those that are read ahead: at a start, or
# after a burst, all of them do so.
_ROWS_OF_ALL = 20_000
# How long a look works on a past that is being backfilled before it looks at the present again.
_PAST_AT_ONCE_S = 10.0
# A look at the newest orders of a window: the ones whose executions may be late.
_ORDERS_ASKED = 500
_DOUBTS_TOLD = 5
_BURST_PER_S, _BACKLOG_OF_BURST = 1_000, 1_000
_HEARD_NOTED_EVERY_S = 30.0
_MONTH_MADE_AHEAD = timedelta(days=2)
_POSITIONS_DIFFER = "the exchange's positions are not those of the fills"
_UNREADABLE = "executions cannot be read or stored; they are in trading.raw_events"
# Bybit allows 500 connections in five minutes, and a stream that loses single messages gets no better by haste.
_REPLACED_EVERY_S = 20.0
_T = TypeVar("_T")


def rows_at_once(accounts: int) -> int:
    """How many executions each of so many accounts may hold at once while it reads."""
    return min(MOST_IN_WINDOW, max(1, _ROWS_OF_ALL // accounts))


class NothingProven(AlphaError):
    """The account was taken and its coverage is gone."""


class MarketSetBack(AlphaError):
    """The exchange's market clock is before what its ledger is proven up to."""


class Recovery:
    """The thread of one account that asks the exchange.

    After every (re)connect: read what is not proven, record it, release the live fills that waited, ask for positions
    and open orders; then the account is live. While live, look again every few seconds: whatever was missed is
    recorded, and what two looks, the exchange's lag apart, agree on is proven - unless the stream, the exchange's word
    on orders or positions, or the ledger itself says that something is missing in both.

    Only what is not proven is read, wherever it lies in the past. It is read window by window, so that memory stays
    flat however much there is, and each window is recorded, and later proven, by itself.
    """

    def __init__(
        self,
        session: AccountSession,
        client: ExchangeClient,
        writer: Writer,
        live: LiveState,
        *,
        holder: str,
        identify: Callable[[AccountSession], None],
        keep_raw: KeepRaw,
        alerts: AlertWriter,
        readers: Readers,
    ) -> None:
        self._session, self._client, self._writer, self._live = session, client, writer, live
        self._holder, self._identify, self._keep_raw, self._alerts = holder, identify, keep_raw, alerts
        self._timing = session.config.timing
        self._readers = readers
        self._rows = rows_at_once(session.config.accounts)
        self._account = session.name
        self._stopping = threading.Event()
        self._backoff = Backoff(first_s=0.2, cap_s=5.0)
        self._recovered = 0
        self._failures = 0
        self._alerted = ""
        self._readings: list[Reading] = []
        """What was read once and is not proven, oldest first."""
        self._next_equity_s = 0.0
        self._heard_from: datetime | None = None
        """Market time from which the present connection is known to have been live; None while it is not."""
        self._heard_until: datetime | None = None
        self._live_since_s = 0.0
        self._next_replacement_s = 0.0
        self._looked_at_s = 0.0
        self._found_nothing = False
        self._past_is_open = False
        self._months: set[date] = set()
        self._next_heard_s = 0.0
        self._heard_noted: datetime | None = None
        self._counted = (0.0, 0)
        """When the executions of the stream were last counted (monotonic), and how many there were."""
        self._thread = threading.Thread(target=self._run, name=f"recovery-{self._account}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `join` waits for it."""
        self._stopping.set()
        self._session.news.set()

    def join(self, within_s: float) -> None:
        self._thread.join(within_s)

    def _run(self) -> None:
        session = self._session
        if not self._until_done(lambda: self._identify(session)):
            return
        session.open()
        while not self._stopping.is_set():
            if not session.taken.wait(_PATIENCE_S):
                continue
            session.news.clear()
            generation = session.generation
            if session.taken_epoch != session.epoch:
                self._until_done(self._prepare, while_generation=generation)
            elif session.state in FINAL:
                break
            elif not session.connected.is_set():
                session.news.wait(_PATIENCE_S)
            elif generation != self._recovered:
                if self._until_done(lambda: self._recover(generation), while_generation=generation):  # noqa: B023
                    self._recovered = generation
            else:
                if not self._is_better_put_off():
                    self._until_done(self._look, while_generation=generation)
                    self._looked_at_s = time.monotonic()
                # A new connection, or another holder, does not wait for the next look.
                session.news.wait(self._timing.look_every_s)

    def _is_better_put_off(self) -> bool:
        """A look reads every fill again that is not proven. In the middle of a burst this takes the time in which they
        are to be recorded, and moves no more than the proven edge: better a little later, all at once. And of an
        account where nothing happens there is nothing to find but what the stream has lost."""
        now_s, heard = time.monotonic(), self._session.heard_executions.count
        since_s, before = self._counted
        self._counted = (now_s, heard)
        if heard - before > _BURST_PER_S * (now_s - since_s) or self._writer.backlog > _BACKLOG_OF_BURST:
            return now_s - self._looked_at_s < self._timing.put_off_s
        is_quiet = heard == before and self._found_nothing and not self._session.trouble
        return is_quiet and now_s - self._looked_at_s < self._timing.quiet_look_every_s - 1

    def _until_done(self, work: Callable[[], None], *, while_generation: int | None = None) -> bool:
        """Try until it is done, the connection it is for is gone, or the process ends."""
        while not self._stopping.is_set():
            if while_generation is not None and while_generation != self._session.generation:
                return False
            try:
                work()
            except CancelledError:
                return False
            except ConfigError as error:
                # It cannot be mended by trying, for example one UID under two names.
                self._trouble(str(error), urgent=True)
                self._session.change(AccountState.REFUSED, str(error))
                return False
            except ExchangeRateLimited as error:
                self._trouble(str(error), urgent=error.is_of_address)
                self._pause(min(error.retry_after_s, _LONGEST_WAIT_S), while_generation)
            except AlphaError as error:
                self._trouble(str(error), urgent=isinstance(error, ExchangeAuthError))
            except Exception:
                log.exception("recovery_failed", account=self._account)
                self._trouble("recovery failed, see the listener's log")
            else:
                self._backoff.reset()
                self._failures = 0
                return True
            self._pause(self._backoff.next_delay_s(), while_generation)
        return False

    def _pause(self, for_s: float, while_generation: int | None) -> None:
        """Waits; an account that was taken, or a connection that was replaced, is not kept waiting."""
        session, until_s = self._session, time.monotonic() + for_s
        epoch = session.taken_epoch
        while not self._stopping.is_set() and (left_s := until_s - time.monotonic()) > 0:
            if session.taken_epoch != epoch or while_generation not in (None, session.generation):
                return
            self._stopping.wait(min(left_s, _PATIENCE_S))

    def _trouble(self, text: str, *, urgent: bool = False) -> None:
        """Say what is wrong: in status at once, to a person when it lasts."""
        self._failures += 1
        self._session.trouble = text
        log.warning("recovery_waits", account=self._account, reason=text, failures=self._failures)
        if text != self._alerted and (urgent or self._failures >= _ALERT_AFTER):
            self._alerted = text
            self._alerts.alert("recovery", text, severity="error", account=self._account)

    def _prepare(self) -> None:
        """Begin to record an account that was taken: with its books and orders as the holder before left them."""
        session, epoch = self._session, self._session.taken_epoch

        def load(connection: Connection) -> tuple[list[TradeBook], list[Order], datetime | None]:
            books = books_of_account(connection, self._account)
            orders = [order for order, _ in open_orders(connection, self._account)]
            return books, orders, proven_until(connection, self._account)

        # Nobody else can write for the account since it was taken: what is read now is the last word.
        books, orders, proven = self._wait_for(self._writer.run(load))
        self._writer.add_account(session.config.owners, epoch, books)
        self._live.add_account(session.config.owners, epoch, books, orders)
        self._readings.clear()
        self._heard_from = None
        if not session.lead(epoch, proven):
            self._writer.drop_account(self._account)
            self._live.drop_account(self._account)
            return
        log.info(
            "account_taken",
            account=self._account,
            epoch=epoch,
            proven_until=proven,
            environment=session.config.endpoints.environment,
        )

    def _recover(self, generation: int) -> None:
        session = self._session
        began_s = time.monotonic()
        self._note_heard_until_break()
        if session.adopting:
            self._adopt()
        self._make_months(self._client.market_time())
        until, recorded = self._read_unproven(past=False)
        session.release()
        self._refresh()
        if session.live(generation):
            self._heard_from, self._live_since_s = until, time.monotonic()
            self._next_heard_s = 0.0
            session.recoveries += 1
        log.info(
            "account_recovered",
            account=self._account,
            since=session.proven_until,
            until=until,
            executions=recorded,
            seconds=round(time.monotonic() - began_s, 3),
        )

    def _make_months(self, at: datetime) -> None:
        """Making the place for a month's fills takes as long as ten commits: not when the first of them is there."""
        months = {month_of(at), month_of(at + _MONTH_MADE_AHEAD)}
        if not months <= self._months:
            self._ledger(lambda connection: ensure_months_ahead(connection, months))
            self._months = months

    def _look(self) -> None:
        generation = self._session.generation
        if self._differs_for_s() > self._timing.settle_s / 2:
            # A frame of the position stream may have been lost as well as a fill: before it is called drift, ask.
            self._refresh()
        if time.monotonic() >= self._next_equity_s:
            # The stream tells of trades and funding, not of what the marks do to the equity.
            wallet = self._client.wallet()
            self._live.put(live_state.Heard(account=self._account, wallet=wallet))
            self._note_equity(wallet, self._client.market_time())
        if self._readings:
            self._pause(self._readings[-1].read_at_s + self._timing.lag_s - time.monotonic(), generation)
        until, count = self._read_unproven(past=True)
        nothing = count == 0 and all(reading.found.count == 0 for reading in self._readings)
        self._found_nothing = nothing and not self._past_is_open
        if self._session.connected.is_set() and generation == self._session.generation:
            # The end was fixed before the reading, and the connection has lasted until after it.
            self._note_heard(until)

    def _read_unproven(self, *, past: bool = True) -> tuple[datetime, int]:
        """Read everything that is not proven up to now, and record it: a second time what was read once already, which
        may prove it. The end is fixed before the reading, so what happens meanwhile belongs to the next look. Answers
        that end, and how many executions were read for the first time.

        What lies before the first contact is a backfill: it comes after everything else, a part of it with each look,
        so that it holds up neither the bots nor the proof of what happens now. Without `past` it is left alone.
        """
        said = self._ledger(lambda connection: intervals(connection, self._account))
        until = self._client.market_time()
        every = self._stretches(said, until)
        contact = first_contact(said)
        stretches = [each for each in every if contact is None or each[1] > contact or each == every[-1]]
        self._past_is_open = len(stretches) < len(every)
        self._readings = [each for each in self._readings if any(each.lies_in(stretch) for stretch in every)]
        count = self._read_stretches(stretches, said, until)
        if past and self._past_is_open:
            enough_s = time.monotonic() + _PAST_AT_ONCE_S
            count += self._read_stretches(
                [each for each in every if each not in stretches], said, until, enough_s=enough_s
            )
        self._readings.sort(key=lambda reading: reading.start)
        self._say_how_it_stands()
        return until, count

    def _read_stretches(
        self, stretches: Sequence[Stretch], said: Sequence[Interval], until: datetime, *, enough_s: float | None = None
    ) -> int:
        """Read what is not proven of these stretches, until it is `enough_s` (monotonic) at the latest. Answers how
        many executions were read for the first time."""
        last_statement = max(interval.number for interval in said)
        known = tuple(each for each in self._readings if any(each.lies_in(stretch) for stretch in stretches))
        due = [reading for reading in known if time.monotonic() - reading.read_at_s >= self._timing.lag_s]
        gaps = [reading for reading in due if not self._was_heard(reading)]
        if gaps:
            # Nobody listened in a gap, so all that can speak for what happened there are the positions it led to.
            self._refresh()
            self._wait_for(self._live.call(lambda: self._live.watch_agreement(self._account)))
        for reading in due:
            if enough_s is None or time.monotonic() < enough_s:
                self._look_again(reading, last_statement, is_gap=reading in gaps)
        count = 0
        for stretch in stretches:
            for part in unread(stretch, [each for each in known if each.lies_in(stretch)]):
                count += self._read(part, stretch, until, enough_s)
        return count

    def _stretches(self, said: Sequence[Interval], until: datetime) -> list[Stretch]:
        """What has to be read. From the ledger each time: another service may have doubted an interval meanwhile."""
        edge = proven_end(said)
        if edge is None:
            raise NothingProven(f"account {self._account} has no proven interval to recover from")
        self._note_edge(edge)
        newest = max(interval.end for interval in said if interval.kind is CoverageKind.PROVEN)
        if until < newest:
            raise MarketSetBack(
                f"the market clock of {self._account} is {until.isoformat()} but its ledger is proven to "
                f"{newest.isoformat()}: the exchange has lost its past, so use another database for it"
            )
        oldest = until - REACH
        stretches = unproven_stretches(said, until)
        for start, end in stretches:
            if start < oldest:
                self._say_unreachable(start, min(end, oldest))
        return [(max(start, oldest), end) for start, end in stretches if end >= oldest]

    def _read(self, part: Stretch, stretch: Stretch, until: datetime, enough_s: float | None) -> int:
        """Read for the first time; answers how many executions there were."""
        count = 0
        for window in walk_windows(self._client, *part, readers=self._readers, most=self._rows):
            read_at_s = time.monotonic()
            whole = self._take(window)
            reading = reading_of(window, stretch, until, read_at_s, whole=whole)
            if reading.start < reading.limit:
                self._readings.append(reading)
            count += len(window.fills)
            if enough_s is not None and read_at_s > enough_s:
                break
        return count

    def _look_again(self, reading: Reading, last_statement: int, *, is_gap: bool) -> None:
        """The second reading of a window, and the proof when nothing speaks against it."""
        if is_gap:
            self._check_it_answers()
        read_at_s = time.monotonic()
        windows = list(walk_windows(self._client, reading.start, reading.end, most=self._rows))
        told = [fill for window in windows for fill in reading.counted(window.fills)]
        if is_gap or not told:
            self._check_it_answers()
        found = fingerprint(told)
        if reading.read_at_s > self._live_since_s:
            self._check_stream(told)
        if found == reading.found and reading.whole and not any(window.unreadable for window in windows):
            keys = {(fill.symbol, fill.exec_id) for fill in told}
            doubt = self._prove(reading, keys, last_statement, is_gap=is_gap)
            self._record([fill for window in windows for fill in window.fills if fill.exec_time >= reading.limit])
        else:
            doubt = "the exchange's list still changes"
        self._readings.remove(reading)
        if not doubt:
            return
        holed = [window for window in windows if not self._take(window)]
        if holed:
            doubt = _UNREADABLE
        log.info("not_proven", account=self._account, since=reading.start, until=reading.limit, reason=doubt)
        self._readings.append(
            replace(reading, found=found, read_at_s=read_at_s, whole=not holed, doubts=reading.doubts + 1, doubt=doubt)
        )

    def _check_it_answers(self) -> None:
        """An exchange in trouble may answer every list as empty, and two empty lists are equal. A symbol's positions
        always have a row: raises UnknownMessage when even that is not told."""
        self._client.positions_of(self._session.config.owners.rows[0][1])

    def _was_heard(self, reading: Reading) -> bool:
        """Whether the stream has been live for all of it, and so would have told what REST does not."""
        session = self._session
        is_up = session.connected.is_set() and session.generation == self._recovered
        return is_up and self._heard_from is not None and self._heard_from <= reading.start

    def _take(self, window: ExecutionWindow) -> bool:
        """Record what a window brought; whether all of it could be read and stored."""
        for error in window.unreadable:
            self._keep_raw(self._account, "execution", error)
        refused = self._record(window.fills)
        return not window.unreadable and not refused

    def _check_stream(self, counted: Iterable[Fill]) -> None:
        """Executions of a time when the stream said to be live, which REST has shown for as long as it lags itself and
        the stream has not told: it has lost its subscriptions, whatever it answers to pings."""
        since = self._heard_from
        if since is None:
            return
        untold = [
            fill.exec_id
            for fill in counted
            if fill.exec_time > since
            and fill.exec_type.moves_position
            and self._session.heard_executions.lacks((fill.symbol, fill.exec_id))
        ]
        if untold and time.monotonic() >= self._next_replacement_s:
            self._next_replacement_s = time.monotonic() + _REPLACED_EVERY_S
            log.warning("stream_deaf", account=self._account, executions=len(untold), first=untold[0])
            self._session.replace_stream(f"{len(untold)} executions were on REST and not on the stream")

    def _record(self, fills: Sequence[Fill]) -> list[ExecId]:
        """Hand the fills that are not known to be in the ledger to the writer, and wait until they are there; answers
        those it refused."""
        lacking = self._session.known_fills.lacking(fills)
        if not lacking:
            return []
        received_at = now()
        heard = [Heard(fill=fill, source=FillSource.RECOVERY, received_at=received_at) for fill in lacking]
        submission = self._writer.record(heard)
        if submission is None:
            raise InvariantViolated("recovered fills were let go")
        while not submission.done.wait(_PATIENCE_S):
            if self._stopping.is_set():
                raise CancelledError
        if submission.fenced:
            # Whoever holds the account now recovers it.
            raise CancelledError
        return submission.refused

    def _note_edge(self, since: datetime) -> None:
        """An edge that moved back means doubt in the ledger, or an older one: nothing counts as known to be there."""
        known = self._session.proven_until
        if known is not None and since < known:
            log.warning("proven_edge_moved_back", account=self._account, since=since, before=known)
            self._session.known_fills.forget_all()
        self._session.proven_until = since

    def _prove(self, reading: Reading, told: set[ExecKey], last_statement: int, *, is_gap: bool) -> str:
        """The interval is proven when nothing else knows of an execution that the exchange did not tell twice, and the
        ledger holds exactly what it told. Answers what speaks against it, "" when it is proven."""
        if unseen := self._session.heard_executions.untold_by(told, reading.start, reading.limit):
            return f"{unseen} executions heard on the stream are not in the exchange's list"
        if 0 < self._differs_for_s() < 2 * self._timing.settle_s:
            # A difference that lasts is drift, which has a row of its own and holds nothing else up.
            return _POSITIONS_DIFFER
        if is_gap and not self._wait_for(self._live.call(lambda: self._live.have_agreed(self._account))):
            # In a gap it is most likely a fill that is still missing, so it waits for agreement or for a person.
            return _POSITIONS_DIFFER
        newest = self._client.order_history(reading.start, reading.end, most=_ORDERS_ASKED)
        if newest:
            # Orders that came and went while nobody listened are told here for the first time.
            self._live.put(live_state.Heard(account=self._account, orders=tuple(newest)))
        ended = [order for order in newest if order.filled_quantity > 0 and order.updated_at < reading.limit]

        def prove(connection: Connection) -> tuple[str, set[ExecKey]]:
            with transaction(connection):
                held = exec_ids_between(connection, self._account, reading.start, reading.limit)
                # A fill that was told with two times is there once, under the first of them, and is drift.
                lacking = told - held
                lacking -= exec_ids_at_any_time(connection, self._account, lacking)
                if lacking:
                    return f"{len(lacking)} fills are gone from the ledger", lacking
                if untold := held - told:
                    return f"{len(untold)} fills of the ledger are not in the exchange's list", set()
                if late := _not_all_filled(connection, self._account, ended):
                    return f"{late} orders were filled by more than the exchange's list says", set()
                if is_doubted_after(connection, self._account, last_statement, reading.start, reading.proves_to):
                    return "doubted while it was read", set()
                add_interval(connection, self._account, CoverageKind.PROVEN, reading.start, reading.proves_to)
                return "", set()

        doubt, lacking = self._ledger(prove)
        if doubt:
            self._session.known_fills.forget(lacking)
            return doubt
        if self._session.proven_until is not None and reading.start <= self._session.proven_until:
            self._session.proven_until = max(self._session.proven_until, reading.proves_to)
        self._session.known_fills.forget_before(reading.limit)
        self._session.heard_executions.forget_between(reading.start, reading.limit)
        return ""

    def _say_how_it_stands(self) -> None:
        """What lasts is told to a person; what passes within a few looks is not."""
        lasting = [each for each in self._readings if not each.whole or each.doubts >= _DOUBTS_TOLD]
        if not lasting:
            self._session.trouble = self._alerted = ""
            return
        worst = max(lasting, key=lambda each: (not each.whole, each.doubts))
        self._trouble(f"not proven since {worst.start.isoformat()}: {worst.doubt or _UNREADABLE}", urgent=True)

    def _differs_for_s(self) -> float:
        return self._wait_for(self._live.call(lambda: self._live.differs_for_s(self._account)))

    def _say_unreachable(self, since: datetime, until: datetime) -> None:
        """The exchange keeps no executions so old: what is not proven of them stays so."""
        log.error("history_unreachable", account=self._account, since=since, until=until)
        self._trouble(f"executions from {since} to {until} are older than the exchange keeps", urgent=True)
        self._ledger(lambda connection: add_interval(connection, self._account, CoverageKind.UNREACHABLE, since, until))

    def _adopt(self) -> None:
        """First contact: what is held now was held before us. Fills of the stream wait until that is stored."""
        owners = self._session.config.owners
        at = self._client.market_time()
        openings = []
        for said in ask_positions(self._client, owners):
            bot = owners.sole_owner(said.symbol, said.position_idx)
            if bot is None:
                self._alerts.alert(
                    "position_of_nobody",
                    f"{said.position.quantity} {said.symbol} were held before the first start and are no bot's",
                    account=self._account,
                )
                continue
            key = BookKey(bot=bot, account=self._account, symbol=said.symbol, position_idx=said.position_idx)
            openings.append(OpeningPosition(key=key, position=said.position, seq=said.seq, at=at))
        epochs = {self._account: self._session.epoch}

        def adopt(connection: Connection) -> None:
            # Together: openings without the time from which fills are recovered would lose those in between.
            with transaction(connection):
                adopt_positions(connection, openings, epochs)
                add_interval(connection, self._account, CoverageKind.PROVEN, at, at)

        self._ledger(adopt)
        books = self._ledger(lambda connection: books_of_account(connection, self._account))
        self._writer.add_account(owners, self._session.epoch, books)
        self._wait_for(self._live.call(lambda: self._live.folded(self._account, books)))
        self._session.adopting = False
        self._session.proven_until = at
        adopted = [opening for opening in openings if not opening.position.is_flat]
        log.info("account_adopted", account=self._account, at=at, open_positions=len(adopted))

    def _refresh(self) -> None:
        """Positions, open orders and wallet as the exchange has them, for the live state."""
        known_rows, known_orders = self._wait_for(self._live.call(lambda: self._live.what_is_open(self._account)))
        snapshot = ask_everything(self._client, self._session.config.owners, known_orders)
        self._live.put(live_state.Heard(account=self._account, orders=snapshot.orders, wallet=snapshot.wallet))
        self._wait_for(
            self._live.call(lambda: self._live.refreshed(self._account, snapshot.positions, known_rows, snapshot.ended))
        )
        self._note_equity(snapshot.wallet, snapshot.at)

    def _note_equity(self, wallet: WalletBalance, at: datetime) -> None:
        self._next_equity_s = time.monotonic() + _EQUITY_EVERY_S
        self._ledger(lambda connection: add_equity_snapshot(connection, wallet, at=at, source="listener"))
        self._make_months(at)

    def _ledger(self, work: Callable[[Connection], _T]) -> _T:
        """Work on the writer's connection, after the fills handed in before it; waits while PostgreSQL is away. Raises
        Fenced, with nothing done, when another process has taken the account."""
        return self._wait_for(self._writer.run(work, account=self._account))

    def _wait_for(self, result: Future[_T]) -> _T:
        """Raises CancelledError when the process ends meanwhile."""
        while not self._stopping.is_set():
            done, _ = wait([result], timeout=_PATIENCE_S)
            if done:
                return result.result()
        raise CancelledError

    def _note_heard_until_break(self) -> None:
        """The connection before this one was heard at least until the last execution it brought."""
        newest = self._session.heard_executions.until_break
        if self._heard_until is not None:
            until = self._heard_until if newest is None else max(newest, self._heard_until)
            if until != self._heard_noted:
                self._note_heard(until, has_ended=True)
        self._heard_from = self._heard_until = None

    def _note_heard(self, until: datetime, *, has_ended: bool = False) -> None:
        """The stream has been live since `_heard_from`, in market time; the interval grows with the looks."""
        since = self._heard_from
        if since is None or until <= since:
            return
        self._heard_until = until
        if time.monotonic() < self._next_heard_s and not has_ended:
            return
        self._next_heard_s, self._heard_noted = time.monotonic() + _HEARD_NOTED_EVERY_S, until
        # Not waited for: it says nothing about completeness.
        self._writer.run(
            lambda connection: add_interval(
                connection, self._account, CoverageKind.HEARD, since, until, detail=self._holder
            ),
            account=self._account,
        )


def _not_all_filled(connection: Connection, account: AccountName, orders: Sequence[Order]) -> int:
    """How many of the orders, which have ended, were filled by more than the ledger's fills of them."""
    if not orders:
        return 0
    since = min(order.created_at for order in orders)
    held = filled_by_order(connection, account, [order.order_id for order in orders], since)
    return sum(1 for order in orders if held.get(order.order_id, ZERO) < order.filled_quantity)
