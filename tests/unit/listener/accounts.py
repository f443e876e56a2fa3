"""Accounts, bots, positions and orders for tests of the listener."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from alpha.config.registry import AccountConfig, BotConfig
from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import FLAT, Position
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from tests.unit.domain.fills import BTCUSDT, MAIN, START
from websocket_listener.attribution import AccountOwners

ETHUSDT = Symbol("ETHUSDT")
ONE, TWO = BotId("bot_001"), BotId("bot_002")


def a_bot(
    bot: BotId = ONE,
    *symbols: Symbol,
    code: str = "b1",
    redis_db: int = 0,
    account: AccountName = MAIN,
    side: Literal["long", "short"] | None = None,
) -> BotConfig:
    return BotConfig(
        id=bot,
        code=code,
        account=account,
        strategy="strategies.canary:Canary",
        params={},
        redis_db=redis_db,
        symbols=symbols or (BTCUSDT,),
        capital_usdt=Decimal(1000),
        side=side,
    )


def an_account(position_mode: Literal["one_way", "hedge"] = "one_way", name: AccountName = MAIN) -> AccountConfig:
    return AccountConfig(name=name, key_env="MAIN_KEY", secret_env="MAIN_SECRET", position_mode=position_mode)


def alone() -> AccountOwners:
    """One bot on an account of its own."""
    return AccountOwners(an_account(), [a_bot()])


def shared() -> AccountOwners:
    """Two bots on one account: the first trades BTCUSDT, the second ETHUSDT."""
    return AccountOwners(an_account(), [a_bot(), a_bot(TWO, ETHUSDT, code="b2", redis_db=3)])


def said(quantity: str, *, at: str = "100", seq: int = 1, symbol: Symbol = BTCUSDT, **more: Any) -> ExchangePosition:
    """The exchange's word on a position: a signed quantity entered at a price."""
    held = Decimal(quantity)
    fields: dict[str, Any] = {
        "account": MAIN,
        "category": "linear",
        "symbol": symbol,
        "position_idx": 0,
        "position": Position(held, Decimal(at)) if held else FLAT,
        "mark_price": Decimal("110"),
        "unrealized_pnl": Decimal(0),
        "liq_price": None,
        "take_profit": None,
        "stop_loss": None,
        "trailing_stop": None,
        "leverage": Decimal(10),
        "seq": seq,
        "updated_at": START + timedelta(seconds=seq),
    }
    return ExchangePosition(**(fields | more))


def an_order(
    name: str = "order-1",
    status: OrderStatus = OrderStatus.NEW,
    *,
    link_id: str = "",
    symbol: Symbol = BTCUSDT,
    n: int = 0,
) -> Order:
    """An order as reported `n` seconds after START."""
    return Order(
        account=MAIN,
        category="linear",
        symbol=symbol,
        order_id=OrderId(name),
        order_link_id=link_id,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force="GTC",
        status=status,
        price=Decimal("99.5"),
        quantity=Decimal("2"),
        filled_quantity=Decimal(2) if status is OrderStatus.FILLED else Decimal(0),
        average_price=None,
        reduce_only=False,
        position_idx=0,
        create_type="CreateByUser",
        stop_order_type="",
        trigger_price=None,
        take_profit=None,
        stop_loss=Decimal("90"),
        reject_reason="",
        cancel_type="",
        created_at=START,
        updated_at=START + timedelta(seconds=n),
    )


def a_wallet(equity: str) -> WalletBalance:
    """A wallet of USDT with nothing in use."""
    amount = Decimal(equity)
    return WalletBalance(
        account=MAIN,
        equity=amount,
        balance=amount,
        available=amount,
        initial_margin=Decimal(0),
        maintenance_margin=Decimal(0),
        unrealized_pnl=Decimal(0),
        coins=(),
    )
