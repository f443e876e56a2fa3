"""Which orders a request is about: one by its ids, or those of some symbols."""

from __future__ import annotations

from alpha.domain.ids import Symbol
from paper_exchange.engine import Refused
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.render_orders import SETTLE_COIN

_SETTLE_COINS = (SETTLE_COIN, "USDC")
"""Linear contracts are settled in both; none of those listed here in the second."""


def ids_of(params: Params) -> tuple[str | None, str | None]:
    order_id, order_link_id = params.optional("orderId"), params.optional("orderLinkId")
    if order_id is None and order_link_id is None:
        raise Refused(BAD_PARAMETER, "params error: orderId or orderLinkId is required")
    return order_id, order_link_id


def symbols_of(exchange: Exchange, params: Params) -> frozenset[Symbol] | None:
    """The symbols asked for, by symbol before baseCoin before settleCoin; None for all of them.

    Raises Refused (10001).
    """
    symbol = params.optional("symbol")
    if symbol is not None:
        return frozenset((exchange.listing(symbol).symbol,))
    base = params.optional("baseCoin")
    if base is not None:
        return frozenset(name for name, listing in exchange.listings.items() if listing.instrument.base == base)
    settle = params.text("settleCoin", SETTLE_COIN)
    if settle not in _SETTLE_COINS:
        raise invalid("settleCoin")
    return None if settle == SETTLE_COIN else frozenset()


def require_scope(params: Params) -> None:
    """Raises Refused (10001) when nothing says which symbols are meant."""
    if not any(params.optional(name) for name in ("symbol", "baseCoin", "settleCoin")):
        raise Refused(BAD_PARAMETER, "params error: symbol, settleCoin or baseCoin is required")
