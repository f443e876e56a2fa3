"""Accounts with resting orders and open positions on the paper exchange, and a desk that commands them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.order import Order, OrderType
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.new_order import NewOrder, TradingStop
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Dsn
from alpha.live.connection import RedisAddress
from telegram_manager.bot_control.interface import BotControlError, BotState, RunState
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.exchange_pool import ClientFactory, client_factory
from tests.exchange_process import ExchangeProcess

BOTS_FILE = """
accounts:
  shortseller: {key_env: SHORTSELLER_KEY, secret_env: SHORTSELLER_SECRET}
  canary: {key_env: CANARY_KEY, secret_env: CANARY_SECRET}
bots:
  - {id: shortseller_001, code: ss, account: shortseller, strategy: "a:B", redis_db: 0, symbols: [BTCUSDT, ETHUSDT]}
  - {id: canary_001, code: cn1, account: canary, strategy: "a:B", redis_db: 3, symbols: [BTCUSDT], capital_usdt: 1000}
  - {id: canary_002, code: cn2, account: canary, strategy: "a:B", redis_db: 4, symbols: [ETHUSDT], capital_usdt: 1000}
"""
BTC, ETH, SOL = Symbol("BTCUSDT"), Symbol("ETHUSDT"), Symbol("SOLUSDT")
SHORTSELLER, CANARY = AccountName("shortseller"), AccountName("canary")
CANARY_1, CANARY_2 = BotId("canary_001"), BotId("canary_002")
SHORTSELLER_1 = BotId("shortseller_001")

LATE_S = 0.5
"""What is on its way is there after so long."""

AT_ONCE = ("--match", "at-once")


@dataclass
class NobodyRuns:
    """No process is looked after; what would be done is noted."""

    name: str = "nobody"
    follows_controls: bool = True
    asked: list[tuple[str, BotId]] = field(default_factory=list)
    running: set[BotId] = field(default_factory=set)
    unstoppable: set[BotId] = field(default_factory=set)
    restarts: bool = False
    lives: int = 1

    def states(self) -> Mapping[BotId, BotState]:
        states = {bot: RunState.RUNNING if bot in self.running else RunState.STOPPED for bot in BOTS}
        return {bot: BotState(bot=bot, state=state, life=str(self.lives)) for bot, state in states.items()}

    def start(self, bot: BotId) -> None:
        self.asked.append(("start", bot))
        self.running.add(bot)

    def stop(self, bot: BotId) -> None:
        self.asked.append(("stop", bot))
        if bot in self.unstoppable:
            raise BotControlError("does not stop")
        self.running.discard(bot)

    def restart(self, bot: BotId) -> None:
        self.asked.append(("restart", bot))
        self.lives += self.restarts

    def logs(self, bot: BotId, lines: int) -> list[str]:
        return [f"{bot} line {number}" for number in range(lines)]

    def close(self) -> None:
        """Nothing to close."""


BOTS = (SHORTSELLER_1, CANARY_1, CANARY_2)


@dataclass
class Alerts:
    """What a person would be told."""

    kinds: list[str] = field(default_factory=list)

    def alert(self, kind: str, text: str, *, severity: Any = "warning", **fields: Any) -> None:  # noqa: ARG002
        self.kinds.append(kind)


@dataclass
class Scene:
    """`desk()` makes what a process of the manager would have; two of them share nothing but servers and folder."""

    exchange: ExchangeProcess
    folder: Path
    dsn: Dsn
    redis: RedisAddress
    control: NobodyRuns = field(default_factory=NobodyRuns)
    alerts: Alerts = field(default_factory=Alerts)
    registry: Registry = field(init=False)

    def __post_init__(self) -> None:
        self.know(BOTS_FILE)
        self.clients: dict[AccountName, ExchangeClient] = {}
        self.desks: list[Desk] = []

    def know(self, bots_file: str) -> None:
        """Other accounts and bots."""
        path = self.folder / "bots.yaml"
        path.write_text(bots_file)
        self.registry = load_registry(path)

    @property
    def settings(self) -> Settings:
        return Settings(
            alpha_bots_file=self.folder / "bots.yaml",
            alpha_home=self.folder,
            alpha_paper_url=self.exchange.rest_url,
            postgres_host=self.dsn.host,
            postgres_port=self.dsn.port,
            postgres_db=self.dsn.dbname,
            postgres_user=self.dsn.user,
            postgres_password=self.dsn.password,
            redis_host=self.redis.host,
            redis_port=self.redis.port,
            redis_password=self.redis.password,
        )

    @property
    def environ(self) -> dict[str, str]:
        keys = self.exchange.accounts
        return {
            f"{name.upper()}_{what}": value
            for name in ("shortseller", "canary")
            for what, value in (("KEY", keys[name].api_key), ("SECRET", keys[name].api_secret))
        }

    @property
    def process_environment(self) -> dict[str, str]:
        """The same for a process of its own."""
        settings = self.settings
        return self.environ | {
            "ALPHA_ENV_FILE": "",
            "ALPHA_BOTS_FILE": str(settings.alpha_bots_file),
            "ALPHA_HOME": str(settings.alpha_home),
            "ALPHA_PAPER_URL": settings.alpha_paper_url,
            "POSTGRES_HOST": settings.postgres_host,
            "POSTGRES_PORT": str(settings.postgres_port),
            "POSTGRES_DB": settings.postgres_db,
            "POSTGRES_USER": settings.postgres_user,
            "POSTGRES_PASSWORD": settings.postgres_password.get_secret_value(),
            "REDIS_HOST": settings.redis_host,
            "REDIS_PORT": str(settings.redis_port),
            "REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        }

    def desk(self, clients: ClientFactory | None = None, **elsewhere: Any) -> Desk:
        """`elsewhere` replaces settings, for a server that is away."""
        desk = Desk.open(
            self.settings.model_copy(update=elsewhere),
            self.registry,
            self.environ,
            alerts=self.alerts,
            control=self.control,
            clients=clients,
        )
        desk.late_s = LATE_S
        self.desks.append(desk)
        for account in self.registry.accounts:
            desk.exchange.warm(account, (BTC, ETH, SOL))
        return desk

    def factory(self) -> ClientFactory:
        return client_factory(self.settings, self.registry, self.environ)

    def client(self, account: AccountName) -> ExchangeClient:
        """The account as its bot sees it."""
        if account not in self.clients:
            self.clients[account] = self.factory()(account)
        return self.clients[account]

    def holds(self, account: AccountName, symbol: Symbol, quantity: str, *, stop: bool = True) -> None:
        """A position of so much, matched at once; short when the quantity is below 0. With a stop 5 % away."""
        amount = Decimal(quantity)
        side = "Buy" if amount > 0 else "Sell"
        link_id = f"test-{secrets.token_hex(6)}"
        answer = self.exchange.admin.trade(
            [{"account": account, "symbol": symbol, "side": side, "qty": str(abs(amount)), "orderLinkId": link_id}]
        )
        assert not answer["refused"], answer
        if stop:
            client = self.client(account)
            price = self.price(account, symbol)
            away = price * (Decimal("0.95") if amount > 0 else Decimal("1.05"))
            instrument = client.instruments([symbol])[symbol]
            client.set_trading_stop(TradingStop(symbol=symbol, stop_loss=instrument.round_price(away)))

    def sends(
        self,
        account: AccountName,
        symbol: Symbol,
        side: Side,
        quantity: str,
        position_idx: int = 0,
        *,
        closes: bool = False,
        stop_loss: Decimal | None = None,
    ) -> None:
        """A market order of a client, matched at once."""
        self.client(account).place_order(
            NewOrder(
                symbol=symbol,
                side=side,
                order_type=OrderType.MARKET,
                quantity=Decimal(quantity),
                order_link_id=f"test-{secrets.token_hex(6)}",
                reduce_only=closes,
                position_idx=position_idx,
                stop_loss=stop_loss,
            )
        )

    def price(self, account: AccountName, symbol: Symbol) -> Decimal:
        price = self.client(account).ticker(symbol).last_price
        assert price is not None
        return price

    def rests(
        self,
        account: AccountName,
        symbol: Symbol,
        side: Side,
        quantity: str,
        code: str,
        reason: Reason = Reason.ENTRY,
        position_idx: int = 0,
    ) -> str:
        """A limit order far from the market, under the tag of the bot with this code. Gives its order link id."""
        client = self.client(account)
        price = self.price(account, symbol) * (Decimal("0.9") if side is Side.BUY else Decimal("1.1"))
        link_id = OrderLinkId.for_decision(
            code=code, bot=BotId(code), run=secrets.token_hex(4), symbol=symbol, bar=datetime.now(UTC), reason=reason
        )
        client.place_order(
            NewOrder(
                symbol=symbol,
                side=side,
                order_type=OrderType.LIMIT,
                quantity=Decimal(quantity),
                order_link_id=str(link_id),
                price=client.instruments([symbol])[symbol].round_price(price),
                reduce_only=not reason.opens_risk,
                position_idx=position_idx,
            )
        )
        return str(link_id)

    def open_orders(self, account: AccountName) -> list[Order]:
        """What is open there, stops included."""
        return self.client(account).open_orders()

    def entries(self, account: AccountName) -> list[Order]:
        """What rests there to open risk."""
        return [order for order in self.open_orders(account) if not order.stop_order_type and not order.reduce_only]

    def positions(self, account: AccountName) -> dict[Symbol, Decimal]:
        return {
            position.symbol: position.position.quantity
            for position in self.client(account).positions()
            if not position.position.is_flat
        }

    def is_flat(self, account: AccountName) -> bool:
        return not self.open_orders(account) and not self.positions(account)

    def clear(self) -> None:
        """Nothing is left on the accounts."""
        self.exchange.admin.end_faults()
        for account in (SHORTSELLER, CANARY):
            client = self.client(account)
            for held in client.positions():
                if not held.position.is_flat:
                    side = Side.SELL if held.position.quantity > 0 else Side.BUY
                    self.sends(account, held.symbol, side, str(held.position.size), held.position_idx, closes=True)
            client.cancel_all()
            assert self.is_flat(account)

    def close_desks(self) -> None:
        """Nothing goes on behind a test, or logs to what it has closed."""
        for desk in self.desks:
            desk.close()

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
