"""Liquidation of an account whose equity has fallen to its maintenance margin, by mark price.

Cross margin, so it is the account that is liquidated: its open orders are cancelled, then every position is taken over
at its bankruptcy price (BustTrade). The equity is shared among the positions by maintenance margin (a deficit, after a
gap, among the losing ones by their loss), so that after all takeovers nothing is left; whether the market could have
been better or worse is the exchange's gain or loss, and the balance does not end below 0. The taker fee is charged on
the takeover (UNCONFIRMED whether Bybit lists one) and is part of the bankruptcy price. The reductions in steps that
Bybit tries first (CreateByLiq) are left out.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from alpha.domain.errors import InvariantViolated
from alpha.domain.fill import ExecType
from alpha.domain.ids import OrderId
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from paper_exchange.engine import stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.liquidity import Level
from paper_exchange.engine.margin import bankruptcy_price
from paper_exchange.engine.matching import take
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder

_ROUNDING_RESERVE = Decimal("0.00000002")
"""More than the rounding of a takeover's fee and P&L; kept back so that the balance cannot end below 0."""


def is_due(account: Account) -> bool:
    """Whether the maintenance margin reaches the equity. Never for an account without a position."""
    maintenance = account.maintenance_margin
    return maintenance > 0 and account.equity <= maintenance


def liquidate(venue: Venue, account: Account, at: datetime) -> None:
    """Cancel everything that is open and take over every position."""
    held = [holding for _, holding in sorted(account.holdings.items()) if holding.quantity != 0]
    for holding in held:
        holding.status = "Liq"
    for symbol in sorted(account.open_orders):
        for order in sorted(account.open_orders[symbol].values(), key=lambda order: order.sort_key):
            cancel(venue, account, order, at, cancel_type="CancelByPrepareLiq")
    shares = equity_shares(account, held)
    prices = [takeover_price(holding, share) for holding, share in zip(held, shares, strict=True)]
    for holding, price in zip(held, prices, strict=True):
        stops.forget(holding)
        venue.tell_position(account, holding, at)
        order = _takeover_order(venue, account, holding, price, at)
        account.keep(order)
        holding.status = "Normal"
        take(venue, account, order, [Level(price, holding.size)], holding.size, at, ExecType.BUST)


def equity_shares(account: Account, held: list[Holding]) -> list[Decimal]:
    """What of the account's equity each position's takeover uses up; the shares add up to it."""
    equity = account.equity
    if equity >= 0:
        weights = [holding.maintenance_margin for holding in held]
    else:
        weights = [max(-holding.unrealized_pnl, ZERO) for holding in held]
    total = sum(weights, ZERO)
    if total == 0:
        return [equity / len(held)] * len(held)
    return [equity * weight / total for weight in weights]


def takeover_price(holding: Holding, equity: Decimal) -> Decimal:
    """The bankruptcy price for a share of the equity, on the tick that leaves the account a little, not owing."""
    market = holding.market
    tick = market.instrument.tick_size
    price = bankruptcy_price(holding.quantity, market.mark_price, equity - _ROUNDING_RESERVE, market.fees.taker)
    rounding = ROUND_CEILING if holding.quantity > 0 else ROUND_FLOOR
    return max((price / tick).to_integral_value(rounding) * tick, tick)


def _takeover_order(venue: Venue, account: Account, holding: Holding, price: Decimal, at: datetime) -> WorkingOrder:
    holding.stops_made += 1
    side = holding.side
    if side is None:
        raise InvariantViolated(f"{holding.symbol}: a flat position of {holding.uid} cannot be taken over")
    return WorkingOrder(
        uid=account.uid,
        symbol=holding.symbol,
        position_idx=holding.position_idx,
        order_id=OrderId(venue.ids.make("takeover", account.uid, holding.symbol, holding.stops_made)),
        order_link_id="",
        side=side.opposite,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        status=OrderStatus.NEW,
        price=price,
        quantity=holding.size,
        reduce_only=True,
        close_on_trigger=False,
        last_price_on_created=holding.market.last_price,
        created_at=at,
        create_type="CreateByTakeOver_PassThrough",
    )
