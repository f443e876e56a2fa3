"""Many bots with many positions, each on an account of its own, for measuring how long a rebuild takes."""

from __future__ import annotations

from dataclasses import replace

from alpha.config.registry import AccountConfig
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.connection import Connection
from alpha.ledger.heads import take_account
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.live import fill_stream, positions
from alpha.live.connection import BUS_DB, STATE_DB, RedisAddress, open_redis
from alpha.live.health import ListenerHealth
from alpha.live.wire import now
from tests.integration.listener.heard import heard
from tests.support import Database
from tests.unit.domain.fills import MAIN
from tests.unit.listener.accounts import a_bot, an_account, said
from websocket_listener.attribution import AccountOwners
from websocket_listener.live_state import LiveHooks, LiveState
from websocket_listener.metrics import ListenerMetrics
from websocket_listener.reconcile import Reconciler
from websocket_listener.writer import Writer


class ManyBots:
    """`bots` bots, each with an open position in each of `symbols` symbols and `fills` fills."""

    def __init__(
        self, database: Database, ledger: Connection, address: RedisAddress, *, bots: int, symbols: int, fills: int
    ) -> None:
        self._fills = fills
        self._symbols = [Symbol(f"COIN{n}USDT") for n in range(symbols)]
        # Databases 10 to 12 are the platform's.
        self._owners = [self._owner(n, 13 + n) for n in range(bots)]
        self._clients = {owner.bots[0].id: open_redis(address, owner.bots[0].redis_db) for owner in self._owners}
        dsn = database.dsn("ledger_writer")
        hooks = LiveHooks(
            health=_health,
            settled=lambda _: False,
            on_hole=lambda: self._reconciler.hurry(),
            on_orders=lambda _: None,
            on_positions=lambda _: None,
            on_drift=lambda *_: None,
        )
        state, bus = open_redis(address, STATE_DB), open_redis(address, BUS_DB)
        self._live = LiveState(self._clients, state, bus, hooks, ListenerMetrics(), settle_s=60)
        self._writer = Writer(dsn, on_committed=self._live.put, on_refused=lambda _: None, on_fenced=lambda _: None)
        self._reconciler = Reconciler(dsn, self._clients, self._live.epochs, on_blocked=lambda _: None)
        self._register(ledger)
        self._writer.start()
        self._live.start()
        self._reconciler.start()
        for owner in self._owners:
            epoch = take_account(ledger, owner.account, "tests")
            self._writer.add_account(owner, epoch, [])
            self._live.add_account(owner, epoch, [])
            self._hold(owner)
            self._writer.record([self._heard(owner.account, n) for n in range(fills)])

    def complete(self) -> bool:
        """Whether Redis holds every position and every stream to its end."""
        for bot, client in self._clients.items():
            assert fill_stream.last_seq(client, bot) == self._fills
            rows = [positions.read(client, bot, symbol) for symbol in self._symbols]
            assert all(row is not None and row.is_fresh() and row.position.size == 1 for row in rows)
        return True

    def flush(self) -> None:
        next(iter(self._clients.values())).flushall()

    def stop(self) -> None:
        self._writer.stop(1.0)
        self._live.stop()
        self._reconciler.stop()
        for client in self._clients.values():
            client.close()

    def _owner(self, n: int, database: int) -> AccountOwners:
        account = AccountName(f"account-{n}")
        bot = a_bot(BotId(f"bot_{n:03}"), *self._symbols, code=f"b{n}", redis_db=database, account=account)
        config: AccountConfig = an_account(name=account)
        return AccountOwners(config, [bot])

    def _register(self, ledger: Connection) -> None:
        accounts = [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)]
        accounts += [RegisteredAccount(account=owner.account, kind=AccountKind.PAPER) for owner in self._owners]
        registered = [
            RegisteredBot(
                bot=bot.id,
                code=bot.code,
                account=bot.account,
                strategy=bot.strategy,
                symbols=list(bot.symbols),
                redis_db=bot.redis_db,
            )
            for owner in self._owners
            for bot in owner.bots
        ]
        sync_registry(ledger, accounts, registered)

    def _hold(self, owner: AccountOwners) -> None:
        told = tuple(replace(said("1", symbol=symbol), account=owner.account) for symbol in self._symbols)
        self._live.call(lambda: self._live.refreshed(owner.account, told, {}, frozenset())).result(10)

    def _heard(self, account: AccountName, n: int):  # type: ignore[no-untyped-def]
        return heard(n, symbol=self._symbols[n % len(self._symbols)], account=account)


def _health(account: AccountName) -> ListenerHealth:
    return ListenerHealth(
        account=account,
        state="live",
        since=now(),
        epoch=1,
        last_frame_at=None,
        proven_until=None,
        backlog=0,
        drifted=False,
        updated_at=now(),
    )
