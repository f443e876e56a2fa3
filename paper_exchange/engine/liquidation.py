"""Liquidation by mark price, and what becomes of the positions that are taken over.

In cross margin it is the account that is liquidated when its equity has fallen to its maintenance margin: its open
orders are cancelled, then every position is taken over at its bankruptcy price (BustTrade). The equity is shared among
the positions by maintenance margin (a deficit, after a gap, among the losing ones by their loss), so that after all
takeovers nothing is left, and the balance does not end below 0. In isolated margin each position is liquidated alone,
when its own margin and P&L have fallen to its maintenance margin, and costs its own margin and no more.

The taker fee is charged on the takeover (UNCONFIRMED whether Bybit lists one) and is part of the bankruptcy price. The
reductions in steps that Bybit tries first (CreateByLiq) are left out.

The insurance fund takes the position at that price and closes it at the last one, for its own gain or loss. A fund that
could not bear the loss passes the position on instead: those who stand against it are closed at the bankruptcy price
(AdlTrade), the highest return on margin first, until it is used up; what nobody stands against remains the fund's.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvariantViolated
from alpha.domain.fill import ExecType
from alpha.domain.ids import OrderId
from alpha.domain.order import OrderType
from paper_exchange.engine import stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.bankruptcy import bankruptcy_price_on_tick
from paper_exchange.engine.cancelling import cancel
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.liquidity import Level
from paper_exchange.engine.market import Market
from paper_exchange.engine.matching import take
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.requests import OrderRequest
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder


def is_due(account: Account) -> bool:
    """Whether a maintenance margin reaches what stands behind it. Never for an account without a position."""
    if not account.held:
        return False
    if account.is_isolated:
        return any(_is_used_up(holding) for holding in account.held.values())
    return account.equity <= account.maintenance_margin


def liquidate(venue: Venue, account: Account, at: datetime) -> None:
    """Cancel the orders and take over the positions that are due: all of them, in isolated margin those alone."""
    held = [holding for _, holding in sorted(account.held.items())]
    if account.is_isolated:
        for holding in held:
            if _is_used_up(holding):
                _take_over(venue, account, [holding], [account.backing(holding)[0]], at)
    else:
        _take_over(venue, account, held, equity_shares(account, held), at)


def deleverage(
    venue: Venue, account: Account, holding: Holding, quantity: Decimal, price: Decimal, at: datetime
) -> None:
    """Close a part of a position that stands against one taken over, at that one's bankruptcy price (AdlTrade)."""
    holding.status = "Adl"
    venue.tell_position(account, holding, at)
    holding.status = "Normal"
    order = _exchange_order(venue, account, holding, quantity, price, at, "CreateByAdl_PassThrough")
    account.keep(order)
    take(venue, account, order, [Level(price, quantity)], quantity, at, ExecType.ADL)


def equity_shares(account: Account, held: list[Holding]) -> list[Decimal]:
    """What of the account's equity each position's takeover uses up; the shares add up to it."""
    equity = account.equity
    if equity >= 0:
        weights = [holding.maintenance_margin for holding in held]
    else:
        weights = [max(-holding.unrealized_pnl, ZERO) for holding in held]
    total = sum(weights, ZERO)
    if not total:
        return [equity / len(held)] * len(held)
    return [equity * weight / total for weight in weights]


def _is_used_up(holding: Holding) -> bool:
    return holding.initial_margin + holding.unrealized_pnl <= holding.maintenance_margin


def _take_over(venue: Venue, account: Account, held: list[Holding], shares: list[Decimal], at: datetime) -> None:
    for holding in held:
        holding.status = "Liq"
    due = {(holding.symbol, holding.position_idx) for holding in held}
    for symbol in sorted(account.open_orders):
        for order in sorted(account.open_orders[symbol].values(), key=lambda order: order.sort_key):
            # an isolated position dies alone: the orders of the others, their stops above all, live on
            if not account.is_isolated or (symbol, order.position_idx) in due:
                cancel(venue, account, order, at, cancel_type="CancelByPrepareLiq")
    prices = [
        bankruptcy_price_on_tick(holding, share, holding.market.fees.taker)
        for holding, share in zip(held, shares, strict=True)
    ]
    for holding, price in zip(held, prices, strict=True):
        stops.forget_all(holding)
        venue.tell_position(account, holding, at)
        quantity = holding.quantity
        order = _exchange_order(venue, account, holding, holding.size, price, at, "CreateByTakeOver_PassThrough")
        account.keep(order)
        holding.status = "Normal"
        take(venue, account, order, [Level(price, holding.size)], holding.size, at, ExecType.BUST)
        _insure(venue, account, holding.market, quantity, price, at)


def _insure(venue: Venue, ruined: Account, market: Market, quantity: Decimal, price: Decimal, at: datetime) -> None:
    """`quantity` is the signed position of the ruined account that was taken over at `price`."""
    result = (market.last_price - price) * quantity
    if venue.insurance.bears(result):
        venue.insurance.add(result)
        return
    left = abs(quantity)
    for account, holding in _against(ruined, market, quantity):
        part = min(left, holding.size)
        deleverage(venue, account, holding, part, price, at)
        left -= part
        if not left:
            return
    venue.insurance.add(result * left / abs(quantity))


def _against(ruined: Account, market: Market, quantity: Decimal) -> list[tuple[Account, Holding]]:
    """Who else holds the other side, the highest return on margin first.

    Not the account itself, which in hedge mode may have one too: in cross margin it is taken over as well, in isolated
    margin it owes nothing for the loss of the other.
    """
    found = [
        (account, held)
        for account, held in market.holders.values()
        if account is not ruined and held.quantity * quantity < ZERO
    ]
    return sorted(found, key=lambda pair: (-_return_on_margin(pair[1]), pair[1].uid, pair[1].position_idx))


def _return_on_margin(holding: Holding) -> Decimal:
    return holding.unrealized_pnl * holding.leverage / (holding.size * holding.entry_price)


def _exchange_order(
    venue: Venue,
    account: Account,
    holding: Holding,
    quantity: Decimal,
    price: Decimal,
    at: datetime,
    create_type: str,
) -> WorkingOrder:
    """An order of the exchange itself against a position."""
    holding.stops_made += 1
    side = holding.side
    if side is None:
        raise InvariantViolated(f"{holding.symbol}: a flat position of {holding.uid} cannot be taken over")
    request = OrderRequest(
        symbol=holding.symbol,
        side=side.opposite,
        order_type=OrderType.MARKET,
        quantity=quantity,
        reduce_only=True,
        position_idx=holding.position_idx,
    )
    name = (create_type, str(account.uid), holding.symbol, str(holding.position_idx), str(holding.stops_made))
    order = WorkingOrder(
        holding,
        request,
        OrderId(venue.ids.make(*name)),
        quantity,
        at,
        create_type=create_type,
    )
    order.price = price
    return order
