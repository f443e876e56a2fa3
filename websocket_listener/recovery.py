"""What the stream did not bring, read over REST from the end of what is proven; and the proof of completeness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from alpha.config.errors import ConfigError
from alpha.domain.errors import AlphaError, InvariantViolated
from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol
from alpha.domain.trade import BookKey
from alpha.exchange.account_state import WalletBalance
from alpha.exchange.backoff import Backoff
from alpha.exchange.errors import ExchangeAuthError, UnknownMessage
from alpha.exchange.executions import walk_executions
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.books import books_of_account
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.coverage import CoverageKind, add_interval, proven_until
from alpha.ledger.equity import add_equity_snapshot
from alpha.ledger.fill_rows import FillSource
from alpha.ledger.heads import take_account
from alpha.ledger.opening_positions import OpeningPosition, adopt_positions
from alpha.ledger.orders import open_orders
from alpha.ledger.reading import exec_ids_at_any_time, exec_ids_between
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener import live_state
from websocket_listener.account_session import FINAL, AccountSession, AccountState, KeepRaw
from websocket_listener.account_snapshot import ask_everything, ask_positions
from websocket_listener.live_state import LiveState
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Writer

log = structlog.get_logger()

# https://bybit-exchange.github.io/docs/v5/order/execution: executions of the last two years can be asked for.
REACH = timedelta(days=730)
_ALERT_AFTER = 3
_PATIENCE_S = 0.5
_EQUITY_EVERY_S = 60.0
_T = TypeVar("_T")
_ExecKey = tuple[Symbol, ExecId]
_Identity = tuple[Symbol, ExecId, datetime]


class NothingProven(AlphaError):
    """The account was taken and its coverage is gone."""


class MarketSetBack(AlphaError):
    """The exchange's market clock is before what its ledger is proven up to."""


@dataclass(frozen=True, slots=True)
class Look:
    """A first reading of [proven, until): what was there, and when (monotonic) it was read to its last page."""

    since: datetime
    until: datetime
    found: frozenset[_Identity]
    read_at_s: float


class Recovery:
    """The thread of one account that asks the exchange.

    After every (re)connect: read what is not proven, record it, release the live fills that waited, ask for positions
    and open orders; then the account is live. While live, look again every few seconds: whatever was missed is
    recorded, and what two looks, the exchange's lag apart, agree on is proven.
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
    ) -> None:
        self._session, self._client, self._writer, self._live = session, client, writer, live
        self._holder, self._identify, self._keep_raw, self._alerts = holder, identify, keep_raw, alerts
        self._timing = session.config.timing
        self._account = session.name
        self._stopping = threading.Event()
        self._backoff = Backoff(first_s=0.2, cap_s=5.0)
        self._recovered = 0
        self._failures = 0
        self._alerted = ""
        self._last_look: Look | None = None
        self._next_equity_s = 0.0
        self._heard_from: datetime | None = None
        self._heard_until: datetime | None = None
        self._thread = threading.Thread(target=self._run, name=f"recovery-{self._account}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `join` waits for it."""
        self._stopping.set()
        self._session.connected.set()

    def join(self, within_s: float) -> None:
        self._thread.join(within_s)

    def _run(self) -> None:
        if not self._until_done(self._prepare):
            return
        while not self._stopping.is_set():
            self._session.connected.wait()
            if self._stopping.is_set() or self._session.state in FINAL:
                break
            generation = self._session.generation
            if generation != self._recovered:
                if self._until_done(lambda: self._recover(generation), while_generation=generation):  # noqa: B023
                    self._recovered = generation
            else:
                self._until_done(self._look, while_generation=generation)
                self._stopping.wait(self._timing.look_every_s)

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
            except AlphaError as error:
                self._trouble(str(error), urgent=isinstance(error, ExchangeAuthError))
            except Exception:
                log.exception("recovery_failed", account=self._account)
                self._trouble("recovery failed, see the listener's log")
            else:
                self._backoff.reset()
                self._failures = 0
                return True
            self._stopping.wait(self._backoff.next_delay_s())
        return False

    def _trouble(self, text: str, *, urgent: bool = False) -> None:
        """Say what is wrong: in status at once, to a person when it lasts."""
        self._failures += 1
        self._session.trouble = text
        log.warning("recovery_waits", account=self._account, reason=text, failures=self._failures)
        if text != self._alerted and (urgent or self._failures >= _ALERT_AFTER):
            self._alerted = text
            self._alerts.alert("recovery", text, severity="error", account=self._account)

    def _prepare(self) -> None:
        """Make the account ours, before its stream is opened."""
        session = self._session
        self._identify(session)
        epoch = self._ledger(lambda connection: take_account(connection, self._account, self._holder))
        books = self._ledger(lambda connection: books_of_account(connection, self._account))
        orders = self._ledger(lambda connection: open_orders(connection, self._account))
        session.proven_until = self._proven_until()
        session.adopting = session.proven_until is None
        session.epoch = epoch
        self._writer.add_account(session.config.owners, epoch, books)
        self._live.add_account(session.config.owners, epoch, books, [order for order, _ in orders])
        session.prepare_done()
        log.info(
            "account_taken",
            account=self._account,
            epoch=epoch,
            proven_until=session.proven_until,
            environment=session.config.endpoints.environment,
        )

    def _recover(self, generation: int) -> None:
        session = self._session
        began_s = time.monotonic()
        self._heard_from = None
        if session.adopting:
            self._adopt()
        look, recorded = self._read_unproven()
        session.release()
        self._refresh()
        if session.live(generation):
            self._heard_from = look.until
        log.info(
            "account_recovered",
            account=self._account,
            since=look.since,
            until=look.until,
            executions=recorded,
            seconds=round(time.monotonic() - began_s, 3),
        )

    def _look(self) -> None:
        if self._wait_for(self._live.call(lambda: self._live.differs_for_s(self._account))) > self._timing.settle_s / 2:
            # A frame of the position stream may have been lost as well as a fill: before it is called drift, ask.
            self._refresh()
        if time.monotonic() >= self._next_equity_s:
            # The stream tells of trades and funding, not of what the marks do to the equity.
            wallet = self._client.wallet()
            self._live.put(live_state.Heard(account=self._account, wallet=wallet))
            self._note_equity(wallet, self._client.market_time())
        before = self._last_look
        if before is not None and time.monotonic() - before.read_at_s < self._timing.lag_s:
            self._stopping.wait(self._timing.lag_s)
        look, _ = self._read_unproven()
        self._note_heard()
        if before is None or look.since < before.since or before.until <= look.since:
            return
        first = {identity for identity in before.found if identity[2] >= look.since}
        again = {identity for identity in look.found if identity[2] < before.until}
        if again != first:
            log.info("executions_came_late", account=self._account, count=len(again ^ first))
            return
        self._prove(look.since, before.until, {(symbol, exec_id) for symbol, exec_id, _ in again})

    def _read_unproven(self) -> tuple[Look, int]:
        """Read from the end of the last proven interval to now and record it. The end is fixed before the reading, so
        what happens meanwhile belongs to the next look."""
        since = self._proven_until()
        until = self._client.market_time()
        if since is None:
            raise NothingProven(f"account {self._account} has no proven interval to recover from")
        self._note_edge(since)
        if until < since:
            raise MarketSetBack(
                f"the market clock of {self._account} is {until.isoformat()} but its ledger is proven to "
                f"{since.isoformat()}: the exchange has lost its past, so use another database for it"
            )
        if until - since > REACH:
            since = self._skip_unreachable(since, until - REACH)
        found: set[_Identity] = set()
        unreadable: list[UnknownMessage] = []
        refused: list[ExecId] = []
        count = 0
        for fills in walk_executions(self._client, since, until, on_unreadable=unreadable.append):
            refused += self._record(fills)
            found.update((fill.symbol, fill.exec_id, fill.exec_time) for fill in fills if fill.exec_time < until)
            count += len(fills)
        for error in unreadable:
            self._keep_raw(self._account, "execution", error)
        self._heard_until = until
        look = Look(since, until, frozenset(found), time.monotonic())
        # A row that cannot be read or stored leaves a hole, and an interval with a hole is never proven.
        complete = not unreadable and not refused
        self._last_look = look if complete else None
        if complete:
            self._session.trouble = self._alerted = ""
        else:
            self._trouble(
                f"{len(unreadable) + len(refused)} executions since {since.isoformat()} cannot be read or stored; "
                "they are in trading.raw_events",
                urgent=True,
            )
        return look, count

    def _record(self, fills: list[Fill]) -> list[ExecId]:
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
        return submission.refused

    def _note_edge(self, since: datetime) -> None:
        """An edge that moved back means doubt in the ledger, or an older one: nothing counts as known to be there."""
        known = self._session.proven_until
        if known is not None and since < known:
            log.warning("proven_edge_moved_back", account=self._account, since=since, before=known)
            self._session.known_fills.forget_all()
            self._session.proven_until = since

    def _prove(self, since: datetime, until: datetime, told: set[_ExecKey]) -> None:
        """The interval is proven when the ledger holds what the exchange told of it. What it turns out to lack is
        recorded by the next look."""

        def prove(connection: Connection) -> set[_ExecKey]:
            with transaction(connection):
                lacking = told - exec_ids_between(connection, self._account, since, until)
                # A fill that was told with two times is there once, under the first of them, and is drift.
                lacking -= exec_ids_at_any_time(connection, self._account, lacking)
                if not lacking:
                    add_interval(connection, self._account, CoverageKind.PROVEN, since, until)
                return lacking

        lacking = self._ledger(prove)
        if lacking:
            log.error("fills_gone_from_ledger", account=self._account, since=since, until=until, count=len(lacking))
            self._session.known_fills.forget(lacking)
            return
        self._session.proven_until = until
        self._session.known_fills.forget_before(until)

    def _proven_until(self) -> datetime | None:
        """Asked of the ledger each time: another service may have put an interval in doubt meanwhile."""
        return self._ledger(lambda connection: proven_until(connection, self._account))

    def _skip_unreachable(self, since: datetime, until: datetime) -> datetime:
        """The exchange keeps no executions so old: what is not proven of them stays so."""
        log.error("history_unreachable", account=self._account, since=since, until=until)
        self._trouble(f"executions from {since} to {until} are older than the exchange keeps", urgent=True)
        self._ledger(lambda connection: add_interval(connection, self._account, CoverageKind.UNREACHABLE, since, until))
        return until

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

    def _ledger(self, work: Callable[[Connection], _T]) -> _T:
        """Work on the writer's connection, after the fills handed in before it; waits while PostgreSQL is away."""
        return self._wait_for(self._writer.run(work))

    def _wait_for(self, result: Future[_T]) -> _T:
        """Raises CancelledError when the process ends meanwhile."""
        while not self._stopping.is_set():
            done, _ = wait([result], timeout=_PATIENCE_S)
            if done:
                return result.result()
        raise CancelledError

    def _note_heard(self) -> None:
        """The stream has been live since `heard_from`, in market time; the interval grows with every look."""
        since, until = self._heard_from, self._heard_until
        if since is None or until is None or until <= since:
            return
        # Not waited for: it says nothing about completeness.
        self._writer.run(
            lambda connection: add_interval(
                connection, self._account, CoverageKind.HEARD, since, until, detail=self._holder
            )
        )
