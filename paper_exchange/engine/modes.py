"""What a client asks about the modes of an account: one-way or hedge positions, cross or isolated margin."""

from __future__ import annotations

from typing import Final

from alpha.domain.ids import Symbol
from paper_exchange.engine import liquidation
from paper_exchange.engine.account import Account
from paper_exchange.engine.market import Market
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import MarginMode, PositionMode
from paper_exchange.engine.venue import Venue

_HAS_POSITION: Final = 110024
_MODE_UNCHANGED: Final = 110025
_HAS_ORDERS: Final = 110028
_MARGIN_UNCHANGED: Final = 110026
_MARGIN_FAILED: Final = 3400045


def set_position_mode(venue: Venue, uid: int, mode: PositionMode, symbol: Symbol | None) -> None:
    """Switch one symbol, or the whole account and with it every symbol that has neither position nor order.

    As Bybit documents it, symbols that cannot be switched stay behind when the whole account is. Raises Refused: 110025
    when nothing would change, 110024 for a symbol with a position, 110028 for one with orders; for the whole account
    only when no symbol could be switched (UNCONFIRMED which of the codes Bybit gives then).
    """
    account = venue.account(uid)
    if symbol is not None:
        market = venue.market(symbol)
        if account.is_hedge(symbol) == (mode == "hedge"):
            raise Refused(_MODE_UNCHANGED, "Position mode is not modified")
        _check_switch(account, market)
        account.position_modes[symbol] = mode
        return
    others = [market for name, market in venue.markets.items() if account.is_hedge(name) != (mode == "hedge")]
    if not others and account.position_mode == mode:
        raise Refused(_MODE_UNCHANGED, "Position mode is not modified")
    kept = {}
    for market in others:
        try:
            _check_switch(account, market)
        except Refused as refused:
            kept[market.instrument.symbol] = refused
    if others and len(kept) == len(others):
        raise next(iter(kept.values()))
    account.position_mode = mode
    account.position_modes = dict.fromkeys(kept, _other(mode))


def set_margin_mode(venue: Venue, uid: int, mode: MarginMode) -> None:
    """Switch the margin mode of the account, its positions and orders with it.

    Raises Refused: 110026 when it has that mode, 3400045 when in the new one orders and positions would need more than
    there is (both UNCONFIRMED for this call; a switch that would liquidate is refused with the second as well).
    """
    account = venue.account(uid)
    if account.margin_mode == mode:
        raise Refused(_MARGIN_UNCHANGED, "Cross/isolated margin mode is not modified")
    account.set_isolated(mode == "isolated")
    if account.available() < ZERO or liquidation.is_due(account):
        account.set_isolated(mode != "isolated")
        raise Refused(_MARGIN_FAILED, "Set margin mode failed")
    for _, holding in sorted(account.held.items()):
        holding.margin_spent = ZERO
        venue.tell_position(account, holding, venue.now)
    venue.tell_wallet(account, venue.now)


def _check_switch(account: Account, market: Market) -> None:
    if any(holding.quantity != 0 for holding in account.holdings_in(market)):
        raise Refused(_HAS_POSITION, "You have an existing position, so position mode cannot be switched")
    if account.open_orders.get(market.instrument.symbol):
        raise Refused(_HAS_ORDERS, "You have an existing order, so position mode cannot be switched")


def _other(mode: PositionMode) -> PositionMode:
    return "one_way" if mode == "hedge" else "hedge"
