"""The one thread that writes live state to Redis: positions, orders, wallets, committed fills, health."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import redis
import structlog

from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.fill_rows import RecordedFill
from alpha.live import bus, order_stream
from alpha.live import positions as live_rows
from alpha.live.connection import LIVE_ERRORS
from alpha.live.health import ListenerHealth, write_listener_health
from alpha.live.order_stream import order_to_json
from alpha.live.positions import LivePosition
from alpha.live.wallet import LiveWallet, write_wallet
from alpha.live.wire import now
from websocket_listener.attribution import AccountOwners
from websocket_listener.latency import LatencyWindow
from websocket_listener.live_positions import Disagreement, LivePositions, Row
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.order_board import OrderBoard
from websocket_listener.publisher import Publisher
from websocket_listener.writer import Committed

log = structlog.get_logger()
_T = TypeVar("_T")
_TICK_S = 0.25
_CONFIRM_S = 1.0
_ORDERS_KEPT_WHILE_AWAY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Orders, positions and wallet as the exchange told them, by stream or REST."""

    account: AccountName
    orders: tuple[Order, ...] = ()
    positions: tuple[ExchangePosition, ...] = ()
    wallet: WalletBalance | None = None


@dataclass(slots=True)
class AccountLive:
    """What is live of one account."""

    owners: AccountOwners
    positions: LivePositions
    board: OrderBoard
    wallet: LiveWallet | None = None


@dataclass(slots=True)
class _Unwritten:
    """What Redis has not been told yet."""

    positions: dict[tuple[BotId, Symbol, int], LivePosition] = field(default_factory=dict)
    orders: deque[tuple[BotId | None, Order]] = field(default_factory=lambda: deque(maxlen=_ORDERS_KEPT_WHILE_AWAY))
    wallets: dict[AccountName, LiveWallet] = field(default_factory=dict)
    open_orders: set[AccountName] = field(default_factory=set)
    committed: deque[Committed] = field(default_factory=lambda: deque(maxlen=1_000))


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


class LiveState:
    """Owns everything live. Others hand in events and never wait for Redis.

    While Redis is away the state is kept here and written as a whole on its return; the fills' streams are then filled
    from the ledger by the reconciler.
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
        self._by_bot, self._state, self._bus = by_bot, state, bus_client
        self._hooks, self._metrics, self._settle_s = hooks, metrics, settle_s
        self._publisher = Publisher(by_bot, bus_client)
        self._accounts: dict[AccountName, AccountLive] = {}
        self._events: queue.SimpleQueue[Heard | Committed | Callable[[], None] | None] = queue.SimpleQueue()
        self._unwritten = _Unwritten()
        self._next_confirm = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="live-state", daemon=True)
        self.available = False
        """Whether Redis took what was last written."""
        self.fill_to_redis = LatencyWindow()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._events.put(None)
        self._thread.join(10)

    def add_account(
        self, owners: AccountOwners, epoch: int, books: Iterable[TradeBook], orders: Iterable[Order] = ()
    ) -> None:
        """`orders` are those the ledger has as open: the first refresh finds out which of them have ended since."""
        live = AccountLive(owners, LivePositions(owners, epoch=epoch), OrderBoard(owners))
        live.board.heard(orders)
        known = list(books)
        self.call(lambda: self._adopt(live, known))

    def put(self, event: Heard | Committed) -> None:
        self._events.put(event)

    def call(self, work: Callable[[], _T]) -> Future[_T]:
        """Do something on the live thread, in its turn."""
        result: Future[_T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is the caller's: the future carries it there
                result.set_exception(error)

        self._events.put(run)
        return result

    def what_is_open(self, account: AccountName) -> tuple[dict[Row, int], list[Order]]:
        """Rows and open orders as known now; to be asked before the exchange is."""
        live = self._accounts[account]
        return live.positions.seqs(), live.board.open_orders()

    def folded(self, account: AccountName, books: Iterable[TradeBook]) -> None:
        """Books that came to be outside of a commit of fills. On the live thread."""
        self._changed(self._accounts[account].positions.folded(books))

    def refreshed(
        self,
        account: AccountName,
        positions: tuple[ExchangePosition, ...],
        known_before: dict[Row, int],
        ended: frozenset[OrderId],
    ) -> None:
        """The exchange's answer about all positions (see `LivePositions.asked`), and which orders are open no
        longer. On the live thread."""
        live = self._accounts[account]
        self._changed(live.positions.asked(positions, known_before))
        self._hooks.on_positions(list(positions))
        live.board.ended(ended)
        self._unwritten.open_orders.add(account)

    def differs_for_s(self, account: AccountName) -> float:
        """How long fold and exchange have disagreed about some position of the account. On the live thread."""
        return self._accounts[account].positions.differs_for_s(time.monotonic())

    def blocked(self, bots: frozenset[BotId]) -> None:
        """Bots that a disagreement in the ledger forbids to open risk. On the live thread."""
        for live in self._accounts.values():
            self._changed(live.positions.block(bots))

    def _run(self) -> None:
        while not self._stopping:
            for event in self._next_events():
                try:
                    self._take(event)
                except Exception:
                    log.exception("live_event_failed")
            try:
                self._flush()
                self._tick()
            except LIVE_ERRORS as error:
                if self.available:
                    log.warning("redis_unavailable", reason=str(error))
                self.available = False
                # Events go on being taken; Redis is asked again a tick later.
                self._wait_while_away()
            except Exception:
                log.exception("live_state_failed")

    def _next_events(self) -> list[Heard | Committed | Callable[[], None]]:
        """Everything that waits, or nothing after a tick."""
        events = []
        try:
            event = self._events.get(timeout=_TICK_S)
            while True:
                if event is not None:
                    events.append(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return events

    def _wait_while_away(self) -> None:
        time.sleep(_TICK_S / 2)

    def _take(self, event: Heard | Committed | Callable[[], None]) -> None:
        if isinstance(event, Heard):
            self._take_heard(event)
        elif isinstance(event, Committed):
            self._take_committed(event)
        else:
            event()

    def _adopt(self, live: AccountLive, books: list[TradeBook]) -> None:
        live.positions.folded(books)
        self._accounts[live.owners.account] = live

    def _take_heard(self, heard: Heard) -> None:
        live = self._accounts[heard.account]
        if heard.orders:
            changed = live.board.heard(heard.orders)
            self._unwritten.orders.extend((bot, order) for order, bot in changed)
            self._hooks.on_orders(changed)
        if heard.positions:
            self._changed(live.positions.heard(heard.positions))
            self._hooks.on_positions(list(heard.positions))
        if heard.wallet is not None:
            live.wallet = _live_wallet(heard.wallet, now())
            self._unwritten.wallets[heard.account] = live.wallet

    def _take_committed(self, committed: Committed) -> None:
        self._unwritten.committed.append(committed)
        by_account: dict[AccountName, list[TradeBook]] = {}
        for key, book in committed.result.books.items():
            by_account.setdefault(key.account, []).append(book)
        for account, books in by_account.items():
            self._changed(self._accounts[account].positions.folded(books))

    def _changed(self, rows: Iterable[LivePosition]) -> None:
        for row in rows:
            self._unwritten.positions[(row.bot, row.symbol, row.position_idx)] = row

    def _flush(self) -> None:
        """Write what is unwritten. What was written is forgotten only afterwards; writing it again does no harm."""
        unwritten = self._unwritten
        if unwritten.positions:
            self._write_positions(unwritten.positions.values())
            unwritten.positions.clear()
        if unwritten.committed:
            self._publish([recorded for one in unwritten.committed for recorded in one.result.recorded])
            unwritten.committed.clear()
        if unwritten.orders:
            self._publish_orders(unwritten.orders)
            unwritten.orders.clear()
        for account in list(unwritten.open_orders):
            self._rewrite_open_orders(self._accounts[account])
            unwritten.open_orders.discard(account)
        for account in list(unwritten.wallets):
            write_wallet(self._state, unwritten.wallets[account])
            del unwritten.wallets[account]

    def _write_positions(self, rows: Iterable[LivePosition]) -> None:
        by_bot: dict[BotId, list[LivePosition]] = {}
        for row in rows:
            by_bot.setdefault(row.bot, []).append(row)
        for bot, mine in by_bot.items():
            live_rows.write(self._by_bot[bot], mine)

    def _publish(self, fills: list[RecordedFill]) -> None:
        if self._publisher.publish(fills):
            self._hooks.on_hole()
        published_at = now()
        for recorded in fills:
            if recorded.frame_at is not None:
                milliseconds = (published_at - recorded.frame_at).total_seconds() * 1000
                self.fill_to_redis.add(milliseconds)
                self._metrics.fill_to_redis.observe(milliseconds)

    def _publish_orders(self, orders: Iterable[tuple[BotId | None, Order]]) -> None:
        by_bot: dict[BotId, list[Order]] = {}
        told = []
        for bot, order in orders:
            told.append(order_to_json(order))
            if bot is not None:
                by_bot.setdefault(bot, []).append(order)
        for bot, mine in by_bot.items():
            order_stream.publish(self._by_bot[bot], bot, mine)
        bus.publish(self._bus, bus.ORDERS, told)

    def _tick(self) -> None:
        if time.monotonic() < self._next_confirm:
            return
        self._next_confirm = time.monotonic() + _CONFIRM_S
        for account, live in self._accounts.items():
            health = self._hooks.health(account)
            self._judge(account, live)
            if health.state == "live":
                self._confirm(live)
            write_listener_health(self._state, replace(health, drifted=bool(live.positions.drifted)))
        if not self.available:
            # Whatever was missed while Redis was away: everything is written again.
            self._rewrite_all()
            self._hooks.on_hole()
            log.info("redis_available")
        self.available = True

    def _judge(self, account: AccountName, live: AccountLive) -> None:
        if not self._hooks.settled(account):
            live.positions.unsettle()
            return
        began, ended = live.positions.judge(time.monotonic(), self._settle_s)
        for difference in began:
            self._hooks.on_drift(account, difference, True)
        for difference in ended:
            self._hooks.on_drift(account, difference, False)

    def _confirm(self, live: AccountLive) -> None:
        """Say that the positions are still so; when rows are not there (a flush) everything is written again."""
        by_bot: dict[BotId, list[LivePosition]] = {}
        for row in live.positions.rows():
            by_bot.setdefault(row.bot, []).append(row)
        missing = []
        for bot, rows in by_bot.items():
            missing += live_rows.confirm(self._by_bot[bot], rows, at=now())
        if missing:
            self._write_positions(missing)
            self._rewrite_open_orders(live)
            if live.wallet is not None:
                write_wallet(self._state, live.wallet)
            self._hooks.on_hole()

    def _rewrite_all(self) -> None:
        for live in self._accounts.values():
            self._write_positions(live.positions.rows())
            self._rewrite_open_orders(live)
            if live.wallet is not None:
                write_wallet(self._state, live.wallet)

    def _rewrite_open_orders(self, live: AccountLive) -> None:
        for bot in live.owners.bots:
            order_stream.replace_open_orders(self._by_bot[bot.id], bot.id, live.board.open_of(bot.id))


def _live_wallet(wallet: WalletBalance, at: datetime) -> LiveWallet:
    return LiveWallet(
        account=wallet.account,
        equity=wallet.equity,
        balance=wallet.balance,
        available=wallet.available,
        updated_at=at,
    )
