"""From what happened to what is told, and to whom. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from alpha.config.telegram import TelegramSettings
from alpha.domain.fill import ExecType
from alpha.domain.position import ZERO
from alpha.ledger.alerts import Alert, Severity
from alpha.ledger.closed_trades import ClosedTrade
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.notifications import News, Recipient
from telegram_manager.notifier.wording import FILL, TRADE
from telegram_manager.rendering import amounts

COMMAND_CENTRE = "c2"
"""The sender of the command centre's own token."""

# A number that stands alone; one inside of a name (canary_001) tells things apart.
_NUMBER = re.compile(r"(?<![\w-])[+-]?\d[\d.,:]*(?![\w])")


def recipients_of(news: News, settings: TelegramSettings) -> tuple[Recipient, ...]:
    """A bot's own doings go to its own channel where it has one; everything else to the command centre."""
    own = None if news.bot is None else settings.own.get(news.bot)
    if own is not None and news.bot is not None and news.severity is Severity.INFO:
        return (Recipient(news.bot if own.token else COMMAND_CENTRE, own.chat),)
    return tuple(Recipient(COMMAND_CENTRE, chat) for chat in settings.recipients)


def all_recipients(settings: TelegramSettings) -> tuple[Recipient, ...]:
    """Everybody who may be told anything."""
    own = (Recipient(bot if each.token else COMMAND_CENTRE, each.chat) for bot, each in settings.own.items())
    return tuple(dict.fromkeys([*(Recipient(COMMAND_CENTRE, chat) for chat in settings.recipients), *own]))


def alert_news(alert: Alert) -> News:
    """Two alerts are the same when they differ in figures only. A strategy's report is like no other."""
    alike = "|".join(
        (alert.kind, alert.severity, alert.service, alert.account or "", alert.bot or "", _NUMBER.sub("#", alert.text))
    )
    return News(
        kind=alert.kind,
        severity=alert.severity,
        text=alert.text,
        at=alert.at,
        account=alert.account,
        bot=alert.bot,
        detail={"service": alert.service, "fields": dict(alert.fields)},
        fold=None if alert.kind == "report" else alike,
    )


def fill_news(fills: Sequence[RecordedFill]) -> Iterator[News]:
    """The fills of one bot in their order; those of one order in a row are told together."""
    for _, group in groupby(fills, key=lambda recorded: (recorded.fill.order_id, recorded.fill.exec_type)):
        together = list(group)
        first, last = together[0].fill, together[-1]
        yield News(
            kind=FILL,
            severity=Severity.INFO,
            text=_fill_text(together),
            at=last.recorded_at,
            account=first.account,
            bot=last.attribution.bot,
            detail={"bot_seq": [together[0].bot_seq, last.bot_seq], "order_link_id": first.order_link_id},
        )


def trade_news(trades: Iterable[ClosedTrade]) -> Iterator[News]:
    """Round trips that have just closed."""
    for trade in trades:
        held = trade.closed_at - trade.opened_at
        minutes = int(held.total_seconds() // 60)
        lasted = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
        net, gross, fees, funding = amounts.parts(trade.net_pnl, trade.gross_pnl, -trade.fees, trade.funding)
        yield News(
            kind=TRADE,
            severity=Severity.INFO,
            text=(
                f"closed {trade.direction} {amounts.quantity(trade.quantity)} {trade.symbol} by {trade.exit_reason}: "
                f"net {net} USDT (price {gross}, fees {fees}, funding {funding}), "
                f"{amounts.price(trade.entry_price)} to {amounts.price(trade.exit_price)}, {lasted}"
            ),
            at=trade.recorded_at,
            account=trade.account,
            bot=trade.bot,
        )


def _fill_text(fills: Sequence[RecordedFill]) -> str:
    first, reason = fills[0].fill, fills[0].attribution.reason
    if first.exec_type is ExecType.FUNDING:
        received = -sum((each.fill.fee for each in fills), ZERO)
        return f"funding {amounts.received(received)} {first.fee_currency} on {first.symbol}"
    quantity = sum((each.fill.quantity for each in fills), ZERO)
    prices = sorted({each.fill.price for each in fills})
    price = amounts.price(prices[0]) + (f" to {amounts.price(prices[-1])}" if len(prices) > 1 else "")
    fee = sum((each.fill.fee for each in fills), ZERO)
    count = f" in {len(fills)} fills" if len(fills) > 1 else ""
    leaves = fills[-1].fill.leaves_quantity
    rest = f", {amounts.quantity(leaves)} left" if leaves else ""
    return (
        f"{first.side.value.lower()} {amounts.quantity(quantity)} {first.symbol} at {price}{count}{rest}; {reason}, "
        f"fee {amounts.fee(fee)} {first.fee_currency}"
    )
