"""Two bots over three days, worked by hand in the tests: what the views are asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from psycopg2.extras import execute_values

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition, WalletBalance
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.equity import add_equity_snapshot
from alpha.ledger.fills import FillRecorder, HeardFill
from alpha.ledger.positions import upsert_positions
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from tests.integration.ledger.heard import MAIN, heard
from tests.integration.rollups.days import at_hour
from tests.unit.domain.fills import BTCUSDT

SHORT = BotId("shortseller_001")
LONG = BotId("momentum_001")
ETHUSDT = Symbol("ETHUSDT")
FIRST_DAY = datetime(2025, 10, 1, tzinfo=UTC)
"""A Wednesday."""


def record_history(writer: Connection, recorder: FillRecorder, bot: Connection, sync: Connection) -> None:
    """Fills, orders, the exchange's last word on positions and the account's wallet."""
    sync_registry(
        writer,
        [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)],
        [
            RegisteredBot(
                bot=name,
                code=code,
                account=MAIN,
                strategy="x",
                symbols=[symbol],
                redis_db=n,
                capital_usdt=Decimal(1000),
            )
            for n, (name, code, symbol) in enumerate([(SHORT, "ss", BTCUSDT), (LONG, "mm", ETHUSDT)])
        ],
    )
    _save_intents(bot)
    recorder.record(
        [
            # a short of 2, half of it at a limit, closed at a profit of 2 * (205 - 190) = 30
            _filled(10, Side.SELL, "1", at="200", fee="0.2", order="a", mark="201"),
            _filled(11, Side.SELL, "1", at="210", fee="0.1", order="b", mark="210", is_maker=True),
            _filled(20, Side.BUY, "2", at="190", fee="0.3", order="c", mark="190", reason=Reason.TAKE_PROFIT),
            # a short of 3 over two midnights, funding received and paid, closed at a loss of 3 * (200 - 206) = -18
            _filled(23, Side.SELL, "3", at="200", fee="0.4", order="d", mark="200"),
            _funding(24, "-0.5"),
            _funding(32, "0.2"),
            _filled(40, Side.BUY, "3", at="206", fee="0.6", order="e", mark="205", reason=Reason.STOP_LOSS),
            # open at the end
            _filled(50, Side.SELL, "2", at="210", fee="0.4", order="f", mark="210"),
            # the other bot holds a long since the first day and took a part of it off at a profit of 10
            _filled(12, Side.BUY, "2", at="100", fee="0.1", order="g", mark="100", symbol=ETHUSDT, bot=LONG),
            _filled(
                36, Side.SELL, "1", at="110", fee="0.1", order="h", mark="110", symbol=ETHUSDT, bot=LONG,
                reason=Reason.TAKE_PROFIT,
            ),
            # and somebody traded by hand
            _filled(37, Side.BUY, "1", at="110", fee="0.1", order="i", mark="110", symbol=Symbol("XRPUSDT"), bot=None),
        ]
    )  # fmt: skip
    upsert_positions(
        writer,
        [_position(BTCUSDT, "-2", "210", mark="205"), _position(ETHUSDT, "1", "100", mark="120", stop_loss="95")],
    )
    for hour, equity in ((1, "2000"), (13, "2100"), (23, "2050"), (30, "2010")):
        wallet = WalletBalance(
            account=MAIN,
            equity=Decimal(equity),
            balance=Decimal(2000),
            available=Decimal(1500),
            unrealized_pnl=Decimal(equity) - 2000,
            initial_margin=Decimal(500),
            maintenance_margin=Decimal(5),
            coins=(),
        )
        add_equity_snapshot(writer, wallet, at=FIRST_DAY + timedelta(hours=hour), source="stream")
    with transaction(sync) as cursor:
        cursor.execute("SELECT trading.fold_closed_days()")


def _filled(
    hour: float,
    side: Side,
    quantity: str,
    *,
    at: str,
    fee: str,
    order: str,
    mark: str,
    symbol: Symbol = BTCUSDT,
    bot: BotId | None = SHORT,
    reason: Reason = Reason.ENTRY,
    is_maker: bool = False,
) -> HeardFill:
    fill = at_hour(hour, side, quantity, at=at, fee=fee, symbol=symbol, is_maker=is_maker)
    return heard(
        replace(fill, order_id=OrderId(f"order-{order}"), order_link_id=f"link-{order}", mark_price=Decimal(mark)),
        bot,
        reason=reason,
    )


def _funding(hour: float, fee: str) -> HeardFill:
    fill: Fill = at_hour(hour, Side.SELL, "3", at="200", fee=fee, exec_type=ExecType.FUNDING)
    return heard(replace(fill, order_id=OrderId("")), SHORT, reason=Reason.FUNDING)


def _save_intents(connection: Connection) -> None:
    """Orders a to h, without e: a stop that the exchange made itself."""
    orders = [
        ("a", SHORT, BTCUSDT, "Sell", "2", "entry", "202"),
        ("b", SHORT, BTCUSDT, "Sell", "2", "entry", "210"),
        ("c", SHORT, BTCUSDT, "Buy", "2", "take_profit", "190"),
        ("d", SHORT, BTCUSDT, "Sell", "3", "entry", "200"),
        ("f", SHORT, BTCUSDT, "Sell", "2", "entry", "210"),
        ("g", LONG, ETHUSDT, "Buy", "2", "entry", "99"),
        ("h", LONG, ETHUSDT, "Sell", "1", "take_profit", "110"),
    ]
    with transaction(connection) as cursor:
        execute_values(
            cursor,
            "INSERT INTO trading.order_intents (order_link_id, bot, account, symbol, side, order_type, quantity,"
            " reduce_only, reason, bar, decision_price) VALUES %s",
            [
                (f"link-{name}", bot, MAIN, symbol, side, "Market", quantity, False, reason, FIRST_DAY, price)
                for name, bot, symbol, side, quantity, reason, price in orders
            ],
        )


def _position(
    symbol: Symbol, quantity: str, entry_price: str, *, mark: str, stop_loss: str | None = None
) -> ExchangePosition:
    held = Position(Decimal(quantity), Decimal(entry_price))
    return ExchangePosition(
        account=MAIN,
        category="linear",
        symbol=symbol,
        position_idx=0,
        position=held,
        mark_price=Decimal(mark),
        unrealized_pnl=held.unrealized_pnl(Decimal(mark)),
        liq_price=None,
        take_profit=None,
        stop_loss=None if stop_loss is None else Decimal(stop_loss),
        trailing_stop=None,
        leverage=None,
        seq=1,
        updated_at=FIRST_DAY + timedelta(hours=60),
    )
