"""The one thread that writes live state to Redis: positions, orders, wallets, committed fills, health."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final, TypeVar, final

import redis
import structlog

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName, BotId, OrderId
from alpha.domain.order import Order
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.drift import EntryBlocks
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.fills import RecordResult
from alpha.live.connection import LIVE_ERRORS
from alpha.live.health import ListenerHealth
from alpha.live.wire import now
from websocket_listener.account_live import AccountLive
from websocket_listener.attribution import AccountOwners
from websocket_listener.latency import LatencyWindow, milliseconds_since_frames
from websocket_listener.live_output import Confirmation, LiveOutput
from websocket_listener.live_positions import Disagreement, Row
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.position_drift import accepted_differences
from websocket_listener.unread_states import UnreadStates

log = structlog.get_logger()
_T = TypeVar("_T")
_TICK_S = 0.25
_CONFIRM_S = 1.0
COMMIT_AWAITED_S: Final = 0.003
"""How long what was heard waits for the commit of the fill that it came with."""


@final
@dataclass(init=False, slots=True)
class Heard:
    """Orders, positions and wallet as the exchange told them, by stream or REST; `unread` are more orders and
    positions, which are read by whoever takes this."""

    account: Final[AccountName]
    orders: Final[tuple[Order, ...]]
    positions: Final[tuple[ExchangePosition, ...]]
    wallet: Final[WalletBalance | None]
    unread: Final[UnreadStates | None]

    def __init__(
        self,
        *,
        account: AccountName,
        orders: tuple[Order, ...] = (),
        positions: tuple[ExchangePosition, ...] = (),
        wallet: WalletBalance | None = None,
        unread: UnreadStates | None = None,
    ) -> None:
        self.account = account
        self.orders = orders
        self.positions = positions
        self.wallet = wallet
        self.unread = unread


class NotHeld(AlphaError):
    """The account is not held by this process (any more): another listener writes its live state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHooks:
    """What the live state asks and tells. Called on its thread; must not block."""

    health: Callable[[AccountName], ListenerHealth]
    settled: Callable[[AccountName], bool]
    """Whether fold and exchange may be compared: live, nothing waiting for the ledger."""
    on_hole: Callable[[], None]
    on_orders: Callable[[list[tuple[Order, BotId | None]]], None]
    on_positions: Callable[[list[ExchangePosition]], None]
    on_drift: Callable[[AccountName, Disagreement, bool], None]
    """A drift began (True) or is over (False)."""
    on_fenced: Callable[[AccountName], None] = lambda _: None
    """Redis refused our epoch of an account, which is dropped: another listener has taken it."""
    holds: Callable[[AccountName], bool] = lambda _: True
    """Whether the account is ours as far as can be known: the lease was renewed lately, or the ledger is away and
    nobody could have taken it. Asked before an emptied database is claimed."""
    on_told: Callable[[RecordResult], None] = lambda _: None
    """A batch that was handed in is in Redis, unless that is away: for what its way to the bots must not wait for.
    It may itself have waited for Redis as long as that lets one wait: what is urgent is told elsewhere."""


class LiveState:
    """Owns everything live. Others hand in events and never wait for Redis.

    While Redis is away the state is kept here and written as a whole on its return; the fills' streams are then filled
    from the ledger by the reconciler. What is kept is bounded: the state itself, and what `BotLive` says.
    """

    def __init__(
        self,
        by_bot: Mapping[BotId, redis.Redis],
        state: redis.Redis,
        bus_client: redis.Redis,
        hooks: LiveHooks,
        metrics: ListenerMetrics,
        *,
        settle_s: float,
    ) -> None:
        self._hooks, self._metrics, self._settle_s = hooks, metrics, settle_s
        self._output = LiveOutput(by_bot, state, bus_client, may_create=hooks.holds)
        self._accounts: dict[AccountName, AccountLive] = {}
        self._orders_heard: list[tuple[Order, BotId | None]] = []
        self._positions_heard: list[ExchangePosition] = []
        self._committed: list[RecordResult] = []
        self._events: deque[Heard | RecordResult | Callable[[], None]] = deque()
        self._wakes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """One for each event that wakes the thread: whether it may wait for a commit that belongs to it."""
        self._adopted = False
        self._blocks: EntryBlocks | None = None
        self._epochs: dict[BotId, int] = {}
        self._next_confirm_s = 0.0
        self._stopping = False
        self._own_thread = threading.Thread(target=self._run, name="live-state", daemon=True)
        self.available = False
        """Whether Redis took what was last written."""
        self.trouble = ""
        """What it said instead, "" while it is available."""
        self.fill_to_redis = LatencyWindow()

    def start(self) -> None:
        self._own_thread.start()

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        self._own_thread.join(10)

    def add_account(
        self, owners: AccountOwners, epoch: int, books: Iterable[TradeBook], orders: Iterable[Order] = ()
    ) -> None:
        """The account is ours under this epoch, also again under a higher one. `orders` are those the ledger has as
        open: the first refresh finds out which of them have ended since."""
        live = AccountLive(owners, epoch)
        live.board.heard(orders)
        known = list(books)
        self.call(lambda: self._adopt(live, known))

    def drop_account(self, account: AccountName) -> None:
        """The account is another listener's: nothing is written for it any more once this has had its turn."""
        self.call(lambda: self._drop(account))

    def epoch_met(self, account: AccountName) -> int:
        """The highest epoch that Redis held when it refused ours; 0 when it never did. The account has to be taken
        above it: where no other listener is, the ledger is an older one than that which Redis was written from."""
        return self._output.epochs_met.get(account, 0)

    def epochs(self) -> Mapping[BotId, int]:
        """The bots whose databases are ours to write now, with the epoch. From any thread."""
        return self._epochs

    def put(self, event: Heard | RecordResult, *, wake: bool = True) -> None:
        """What belongs to an account that is not ours is let go. Without `wake` it waits for the next event that wakes
        the thread: who says so has to see to it that there is one soon."""
        self._events.append(event)
        if wake:
            self._wakes.put(isinstance(event, Heard))

    def wake(self) -> None:
        """Take what waits."""
        self._wakes.put(False)

    def call(self, work: Callable[[], _T]) -> Future[_T]:
        """Do something on the live thread, in its turn."""
        result: Future[_T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is the caller's: the future carries it there
                result.set_exception(error)

        self._events.append(run)
        self.wake()
        return result

    def what_is_open(self, account: AccountName) -> tuple[dict[Row, int], list[Order]]:
        """Rows and open orders as known now; to be asked before the exchange is."""
        live = self._held(account)
        return live.positions.seqs(), live.board.open_orders()

    def folded(self, account: AccountName, books: Iterable[TradeBook]) -> None:
        """Books that came to be outside of a commit of fills. On the live thread."""
        self._held(account).positions.folded(books)

    def event(self, account: AccountName, event: Mapping[str, object]) -> None:
        """Something that the followers of the bus should know. On the live thread."""
        self._held(account).bus_events.append(json.dumps(event, separators=(",", ":"), default=str))

    def refreshed(
        self,
        account: AccountName,
        positions: tuple[ExchangePosition, ...],
        known_before: dict[Row, int],
        ended: frozenset[OrderId],
    ) -> None:
        """The exchange's answer about all positions (see `LivePositions.asked`), and which orders are open no
        longer. On the live thread."""
        live = self._held(account)
        live.positions.asked(positions, known_before, time.monotonic())
        self._hooks.on_positions(list(positions))
        live.board.ended(ended)
        for bot in live.bots.values():
            bot.open_orders = True

    def differs_for_s(self, account: AccountName) -> float:
        """How long fold and exchange have disagreed about some position of the account. On the live thread."""
        return self._held(account).positions.differs_for_s(time.monotonic())

    def watch_agreement(self, account: AccountName) -> None:
        """See `LivePositions.watch`. On the live thread."""
        self._held(account).positions.watch()

    def have_agreed(self, account: AccountName) -> bool:
        """See `LivePositions.have_agreed`. On the live thread."""
        return self._held(account).positions.have_agreed()

    def blocked(self, blocks: EntryBlocks) -> None:
        """What disagreements in the ledger forbid. On the live thread."""
        self._blocks = blocks
        for live in self._accounts.values():
            self._block(live)

    def _run(self) -> None:
        while not (self._stopping and not self._events):
            for event in self._next_events():
                try:
                    self._take(event)
                except Exception:
                    log.exception("live_event_failed")
                if self._adopted:
                    # What an earlier holder has left in Redis is to be known before anything is heard or asked.
                    self._write_if_possible()
            is_written = self._write_if_possible()
            self._tell_of_committed()
            if not is_written:
                # Events go on being taken; Redis is asked again a tick later.
                time.sleep(_TICK_S / 2)
        self._output.close()

    def _write_if_possible(self) -> bool:
        self._adopted = False
        try:
            self._save_heard()
            self._write()
        except LIVE_ERRORS as error:
            if self.available:
                log.warning("redis_unavailable", reason=str(error))
            self.available, self.trouble = False, f"Redis: {error}"
            self._note_epochs()
            return False
        except Exception:
            log.exception("live_state_failed")
            return False
        return True

    def _tell_of_committed(self) -> None:
        committed, self._committed = self._committed, []
        for each in committed:
            try:
                self._hooks.on_told(each)
            except Exception:
                log.exception("committed_not_told")

    def _next_events(self) -> list[Heard | RecordResult | Callable[[], None]]:
        """Everything that waits, or nothing after a tick.

        An order and a position are told with the fill that changed them, which the writer is about to commit: all three
        are written in one step, and the writer is not held up by the writing of two of them.
        """
        try:
            awaits_commit = self._wakes.get(timeout=_TICK_S)
            until_s = time.monotonic() + COMMIT_AWAITED_S
            while True:
                left_s = until_s - time.monotonic() if awaits_commit else 0.0
                more = self._wakes.get(timeout=left_s) if left_s > 0 else self._wakes.get_nowait()
                awaits_commit = awaits_commit and more
        except queue.Empty:
            # Each event is there before its wake, so none that was woken for is left behind.
            return [self._events.popleft() for _ in range(len(self._events))]

    def _take(self, event: Heard | RecordResult | Callable[[], None]) -> None:
        if isinstance(event, Heard):
            self._take_heard(event)
        elif isinstance(event, RecordResult):
            self._take_committed(event)
        else:
            event()

    def _adopt(self, live: AccountLive, books: list[TradeBook]) -> None:
        live.positions.folded(books)
        self._block(live)
        self._accounts[live.owners.account] = live
        self._adopted = True

    def _drop(self, account: AccountName) -> None:
        self._accounts.pop(account, None)
        self._note_epochs()

    def _held(self, account: AccountName) -> AccountLive:
        live = self._accounts.get(account)
        if live is None:
            raise NotHeld(f"the live state of account {account} is not ours to write")
        return live

    def _block(self, live: AccountLive) -> None:
        if self._blocks is not None:
            live.positions.block(self._blocks.bots, accepted_differences(self._blocks, live.owners.account))

    def _take_heard(self, heard: Heard) -> None:
        live = self._accounts.get(heard.account)
        if live is None:
            return
        if heard.unread is not None:
            orders, positions = heard.unread.read()
            self._take_states(live, orders, positions)
        self._take_states(live, heard.orders, heard.positions)
        if heard.wallet is not None:
            live.heard_wallet(heard.wallet, now())

    def _take_states(self, live: AccountLive, orders: Sequence[Order], positions: Sequence[ExchangePosition]) -> None:
        if orders:
            changed = live.board.heard(orders)
            for order, bot in changed:
                live.reported(order, bot)
            self._orders_heard += changed
        if positions:
            live.positions.heard(positions)
            self._positions_heard += positions

    def _save_heard(self) -> None:
        """Once for all events that waited: of each order and position only the latest is stored."""
        if self._orders_heard:
            orders, self._orders_heard = self._orders_heard, []
            self._hooks.on_orders(orders)
        if self._positions_heard:
            positions, self._positions_heard = self._positions_heard, []
            self._hooks.on_positions(positions)

    def _take_committed(self, committed: RecordResult) -> None:
        self._committed.append(committed)
        for recorded in committed.recorded:
            live = self._accounts.get(recorded.fill.account)
            if live is not None:
                live.committed(recorded)
        by_account: dict[AccountName, list[TradeBook]] = {}
        for key, book in committed.books.items():
            by_account.setdefault(key.account, []).append(book)
        for account, books in by_account.items():
            live = self._accounts.get(account)
            if live is not None:
                live.positions.folded(books)

    def _write(self) -> None:
        """Write what waits, and every second how everything is."""
        at_s = time.monotonic()
        confirmation = None
        if at_s >= self._next_confirm_s:
            self._next_confirm_s = at_s + _CONFIRM_S
            confirmation = self._confirmation(at_s)
        written = self._output.write(self._accounts, at_s, confirmation)
        for account in written.fenced:
            self._accounts.pop(account, None)
            self._hooks.on_fenced(account)
        if written.hole or written.fenced:
            self._note_epochs()
        if not self.available:
            log.info("redis_available")
        self.available, self.trouble = True, ""
        if written.hole:
            self._hooks.on_hole()
        self._observe(written.published)

    def _confirmation(self, at_s: float) -> Confirmation:
        healths = []
        for account, live in self._accounts.items():
            health = self._hooks.health(account)
            self._judge(account, live, at_s)
            healths.append(replace(health, epoch=live.epoch, drifted=bool(live.positions.drifted)))
        is_live = frozenset(health.account for health in healths if health.state == "live")
        return Confirmation(at=now(), healths=tuple(healths), live=is_live)

    def _judge(self, account: AccountName, live: AccountLive, at_s: float) -> None:
        if not self._hooks.settled(account):
            live.positions.unsettle()
            return
        began, ended = live.positions.judge(at_s, self._settle_s)
        for difference in began:
            self._hooks.on_drift(account, difference, True)
        for difference in ended:
            self._hooks.on_drift(account, difference, False)

    def _note_epochs(self) -> None:
        """A new mapping each time: other threads read it."""
        self._epochs = {
            bot.bot: live.epoch for live in self._accounts.values() for bot in live.bots.values() if bot.claimed
        }

    def _observe(self, fills: list[RecordedFill]) -> None:
        if fills and (taken := milliseconds_since_frames(fills, now())):
            self.fill_to_redis.add(taken)
            self._metrics.fill_to_redis.observe(taken)
