from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.clock import to_ms
from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId, OrderId
from alpha.domain.side import Side
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import Execution
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO, round_cost
from paper_exchange.engine.settlement import book_execution
from paper_exchange.engine.venue import Venue


def pay_funding(venue: Venue, market: Market, rate: Decimal, at: datetime) -> None:
    """Settle one funding instant: size x mark price x rate, a rate above 0 paid by longs to shorts.

    It is cash: an execution of type Funding that reports the whole position as its quantity and moves nothing.
    """
    for _, (account, holding) in sorted(market.holders.items()):
        _pay(venue, market, account, holding, rate, at)


def _pay(venue: Venue, market: Market, account: Account, holding: Holding, rate: Decimal, at: datetime) -> None:
    value = holding.mark_value
    signed_rate = holding.direction * rate
    fee = round_cost(value * signed_rate)
    name = (str(account.uid), holding.symbol, str(holding.position_idx), str(to_ms(at)))
    seq = market.next_seq()
    holding.seq = seq
    holding.current_realized_pnl -= fee
    holding.cumulative_realized_pnl -= fee
    holding.updated_at = at
    if holding.is_isolated and fee > ZERO:
        # the balance pays what no position has set aside; the rest comes out of the position's own margin
        holding.spend_margin(min(max(fee - max(account.available(), ZERO), ZERO), holding.initial_margin))
    execution = Execution(
        account.uid,
        holding.symbol,
        holding.position_idx,
        ExecId(venue.ids.make("funding", *name)),
        at,
        seq,
        ExecType.FUNDING,
        Side.BUY if holding.direction > 0 else Side.SELL,
        market.mark_price,
        holding.size,
        value,
        fee,
        signed_rate,
        market.instrument.quote,
        False,
        ZERO,
        ZERO,
        ZERO,
        OrderId(venue.ids.make("funding-order", *name)),
        "",
        "UNKNOWN",
        ZERO,
        ZERO,
        "",
        "",
        market.mark_price,
    )
    account.changed(holding)
    book_execution(venue, account, holding, execution)
    venue.tell_position(account, holding, at)
    venue.tell_wallet(account, at)
