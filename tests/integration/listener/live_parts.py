"""Writer, live state and reconciler as the listener wires them, worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId
from alpha.domain.order import Order
from alpha.domain.trade_book import TradeBook
from alpha.exchange.account_state import ExchangePosition
from alpha.ledger.drift import EntryBlocks
from alpha.live import fill_stream, positions
from alpha.live.connection import BUS_DB, STATE_DB, RedisAddress, open_redis
from alpha.live.health import ListenerHealth
from alpha.live.wire import now
from tests.integration.listener.heard import heard
from tests.support import Database
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ETHUSDT, ONE, TWO, shared
from websocket_listener.attribution import AccountOwners
from websocket_listener.live_positions import Disagreement
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.reconcile import Reconciler
from websocket_listener.writer import Writer


class Parts:
    """Writer, live state and reconciler as the listener wires them, without a stream."""

    def __init__(self, database: Database, address: RedisAddress, owners: AccountOwners | None = None) -> None:
        self.owners = owners or shared()
        self.fenced: list[AccountName] = []
        self.holds = True
        self.on_holds_asked: Callable[[], None] = lambda: None
        self.on_orders: Callable[[Sequence[tuple[Order, BotId | None]]], None] = lambda _: None
        self.account_state = "live"
        self.drift: list[tuple[AccountName, Disagreement, bool]] = []
        self.settled = True
        self.judgements = 0
        self.by_bot = {ONE: open_redis(address, 0), TWO: open_redis(address, 3)}
        self.state = open_redis(address, STATE_DB)
        dsn = database.dsn("ledger_writer")
        hooks = LiveHooks(
            health=self._health,
            settled=lambda _: self._asked_settled(),
            on_hole=lambda: self.reconciler.hurry(),
            on_orders=lambda orders: self.on_orders(orders),
            on_positions=lambda _: None,
            on_drift=lambda account, difference, began: self.drift.append((account, difference, began)),
            on_fenced=self.fenced.append,
            holds=lambda _: self._asked_holds(),
        )
        self.live = LiveState(
            self.by_bot, self.state, open_redis(address, BUS_DB), hooks, ListenerMetrics(), settle_s=0.1
        )
        self.writer = Writer(dsn, on_committed=self.live.put, on_refused=lambda _: None, on_fenced=lambda _: None)
        self.reconciler = Reconciler(dsn, self.by_bot, self.live.epochs, on_blocked=self._blocked)

    def start(self, epoch: int | None = None) -> None:
        """With an epoch the account is ours from the start."""
        self.writer.start()
        self.live.start()
        self.reconciler.start()
        if epoch is not None:
            self.take(epoch)
            self.refresh()

    def take(self, epoch: int, books: Sequence[TradeBook] = ()) -> None:
        """The account has been taken in the ledger."""
        self.writer.add_account(self.owners, epoch, books)
        self.live.add_account(self.owners, epoch, books)

    def refresh(self, *told: ExchangePosition) -> None:
        """The exchange was asked for all positions."""
        known, _ = self.live.call(lambda: self.live.what_is_open(MAIN)).result(5)
        self.live.call(lambda: self.live.refreshed(MAIN, told, known, frozenset())).result(5)

    def stop(self) -> None:
        self.writer.stop(1.0)
        self.live.stop()
        self.reconciler.stop()
        for client in (*self.by_bot.values(), self.state):
            client.close()

    def record(self, *numbers: int) -> None:
        submission = self.writer.record([heard(n) for n in numbers])
        assert submission is not None
        assert submission.done.wait(30)

    def stream(self, bot: BotId = ONE) -> list[int]:
        return [fill.bot_seq or 0 for fill in fill_stream.read(self.by_bot[bot], bot, after=0, limit=10_000)]

    def held(self, bot: BotId = ONE) -> Decimal | None:
        found = positions.read(self.by_bot[bot], bot, BTCUSDT if bot == ONE else ETHUSDT)
        return None if found is None or not found.is_fresh() else found.position.quantity

    def _blocked(self, blocks: EntryBlocks) -> None:
        self.live.call(lambda: self.live.blocked(blocks))

    def _asked_settled(self) -> bool:
        self.judgements += 1
        return self.settled

    def _asked_holds(self) -> bool:
        self.on_holds_asked()
        return self.holds

    def _health(self, account: AccountName) -> ListenerHealth:
        return ListenerHealth(
            account=account,
            state=self.account_state,
            since=now(),
            epoch=1,
            last_frame_at=None,
            proven_until=None,
            backlog=0,
            drifted=False,
            updated_at=now(),
        )
