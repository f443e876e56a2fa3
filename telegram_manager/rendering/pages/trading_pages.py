"""`/positions`, `/orders`, `/fills`, `/trades`: what is open and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from alpha.domain.ids import BotId
from alpha.domain.order import Order
from alpha.ledger.recent import FillLine, TradeLine
from alpha.live.positions import LivePosition
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import Align, Answer, Button, Column, Table, Text, Tone, answer_of
from telegram_manager.seeing.facts import Status

_POSITIONS = (
    Column("bot"),
    Column("position", unlabelled=True, begins=True),
    Column("at", Align.RIGHT),
    Column("mark", Align.RIGHT, begins=True),
    Column("unrealized", Align.RIGHT, begins=True),
    Column("stop", Align.RIGHT, begins=True),
    Column("liquidation", Align.RIGHT, begins=True),
    Column("", unlabelled=True),
)
_ORDERS = (
    Column("bot"),
    Column("order", unlabelled=True, begins=True),
    Column("price", Align.RIGHT, unlabelled=True),
    Column("filled", Align.RIGHT, begins=True),
    Column("kind", unlabelled=True),
    Column("age", Align.RIGHT),
)
_FILLS = (
    Column("time"),
    Column("bot", unlabelled=True),
    Column("fill", unlabelled=True, begins=True),
    Column("price", Align.RIGHT, unlabelled=True),
    Column("fee", Align.RIGHT, begins=True),
    Column("reason", unlabelled=True),
)
_TRADES = (
    Column("closed"),
    Column("bot", unlabelled=True),
    Column("trade", unlabelled=True, begins=True),
    Column("from", Align.RIGHT, begins=True),
    Column("to", Align.RIGHT),
    Column("net", Align.RIGHT, begins=True),
    Column("return", Align.RIGHT, unlabelled=True),
    Column("held", Align.RIGHT, begins=True),
    Column("exit", unlabelled=True),
)


def positions_page(status: Status) -> Answer:
    """Every open position as live state has it."""
    if not status.live_known:
        return answer_of([Text("Redis does not answer: positions are not known.", Tone.WARNING)], ok=False)
    rows = tuple(_position_row(bot.id, live, status.at) for bot in status.bots for live in bot.positions)
    unknown = [bot.id for bot in status.bots if bot.stale]
    return answer_of(
        [
            Text(amounts.count(len(rows), "open position") if rows else "All bots are flat.", Tone.HEADING),
            Table(_POSITIONS, rows),
            *(Text(f"{bot}: not all of its positions are known", Tone.WARNING) for bot in unknown),
            Text(amounts.exact_moment(status.at), Tone.NOTE),
        ],
        ok=not unknown,
    )


def orders_page(status: Status) -> Answer:
    """Every order that may still fill, resting stops included."""
    if not status.live_known:
        return answer_of([Text("Redis does not answer: orders are not known.", Tone.WARNING)], ok=False)
    at = status.market_at or status.at
    rows = tuple(_order_row(bot.id, order, at) for bot in status.bots for order in bot.orders)
    return answer_of(
        [
            Text(amounts.count(len(rows), "open order") if rows else "No open orders.", Tone.HEADING),
            Table(_ORDERS, rows),
            Text(amounts.exact_moment(status.at), Tone.NOTE),
        ]
    )


def fills_page(fills: Sequence[FillLine], bot: BotId | None) -> Answer:
    """Newest first."""
    rows = tuple(_fill_row(fill) for fill in fills)
    return answer_of(
        [
            Text(_title("fill", len(rows), bot), Tone.HEADING),
            Table(_FILLS, rows),
            Text("Times are the market's, UTC. Fees above 0 were paid.", Tone.NOTE),
        ]
    )


def trades_page(trades: Sequence[TradeLine], bot: BotId | None) -> Answer:
    """Newest first."""
    rows = tuple(_trade_row(trade) for trade in trades)
    buttons = [] if bot is None else [[Button("Analytics", f"/analytics {bot} 30")]]
    return answer_of(
        [
            Text(_title("trade", len(rows), bot), Tone.HEADING),
            Table(_TRADES, rows),
            Text("Round trips: flat, position, flat. Net of fees and funding; times are the market's, UTC.", Tone.NOTE),
        ],
        buttons=buttons,
    )


def _title(what: str, number: int, bot: BotId | None) -> str:
    of = "all bots" if bot is None else bot
    return f"No {what}s of {of} yet." if not number else f"Last {amounts.count(number, what)} of {of}"


def _position_row(bot: BotId, live: LivePosition, at: datetime) -> tuple[str, ...]:
    doubts = [word for word, said in (("drift", live.drifted), ("not fresh", not live.is_fresh(at))) if said]
    return (
        bot,
        f"{live.symbol} {amounts.position(live.position.quantity)}",
        amounts.price(live.position.entry_price),
        amounts.price(live.mark_price),
        amounts.usdt(live.unrealized_pnl),
        "none" if live.stop_loss is None else amounts.price(live.stop_loss),
        amounts.price(live.liq_price),
        ", ".join(doubts),
    )


def _order_row(bot: BotId, order: Order, at: datetime) -> tuple[str, ...]:
    kind = [order.stop_order_type or order.order_type.value, *(["reduce only"] if order.reduce_only else [])]
    if order.price is not None and order.price:
        price = f"at {amounts.price(order.price)}"
    elif order.trigger_price is not None:
        price = f"if {amounts.price(order.trigger_price)}"
    else:
        price = "at market"
    return (
        bot,
        f"{order.side.value} {amounts.quantity(order.quantity)} {order.symbol}",
        price,
        amounts.quantity(order.filled_quantity),
        ", ".join(kind),
        amounts.duration(max(at - order.created_at, timedelta(0))),
    )


def _fill_row(fill: FillLine) -> tuple[str, ...]:
    if fill.is_funding:
        what, reason = f"funding on {amounts.quantity(fill.quantity)} {fill.symbol}", "funding"
    else:
        what = f"{fill.side} {amounts.quantity(fill.quantity)} {fill.symbol}"
        reason = f"{fill.reason}, {'maker' if fill.is_maker else 'taker'}"
    return (
        amounts.moment(fill.at),
        fill.bot or "unattributed",
        what,
        f"at {amounts.price(fill.price)}",
        f"{amounts.fee(fill.fee)} {fill.fee_currency}",
        reason,
    )


def _trade_row(trade: TradeLine) -> tuple[str, ...]:
    return (
        amounts.moment(trade.closed_at),
        trade.bot,
        f"{trade.direction} {amounts.quantity(trade.quantity)} {trade.symbol}",
        amounts.price(trade.entry_price),
        amounts.price(trade.exit_price),
        amounts.usdt(trade.net_pnl),
        amounts.fraction_as_percent(trade.return_on_notional),
        amounts.duration(trade.duration),
        trade.exit_reason,
    )
