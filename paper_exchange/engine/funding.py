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
    name = (account.uid, holding.symbol, holding.position_idx, to_ms(at))
    seq = market.next_seq()
    holding.seq = seq
    holding.current_realized_pnl -= fee
    holding.cumulative_realized_pnl -= fee
    holding.updated_at = at
    execution = Execution(
        uid=account.uid,
        symbol=holding.symbol,
        position_idx=holding.position_idx,
        exec_id=ExecId(venue.ids.make("funding", *name)),
        exec_time=at,
        seq=seq,
        exec_type=ExecType.FUNDING,
        side=Side.BUY if holding.direction > 0 else Side.SELL,
        price=market.mark_price,
        quantity=holding.size,
        value=value,
        fee=fee,
        fee_rate=signed_rate,
        fee_currency=market.instrument.quote,
        is_maker=False,
        closed_size=ZERO,
        exec_pnl=ZERO,
        leaves_quantity=ZERO,
        order_id=OrderId(venue.ids.make("funding-order", *name)),
        order_link_id="",
        order_type="UNKNOWN",
        order_price=ZERO,
        order_quantity=ZERO,
        create_type="",
        stop_order_type="",
        mark_price=market.mark_price,
    )
    book_execution(venue, account, holding, execution)
    venue.tell_position(account, holding, at)
    venue.tell_wallet(account, at)
