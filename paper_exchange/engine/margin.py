"""Margin of linear contracts, cross on the whole account or isolated for a position. Results are not rounded.

Formulas as Bybit's help centre gives them (order cost of USDT contracts; margin on the mark price since the change of
2025, isolated margin set aside at the entry price): a position needs value / leverage plus the fee of closing it at its
bankruptcy price. The maintenance rate of a risk tier is taken as 1 / (2 x its max leverage), which gives BTCUSDT (100x)
its published 0.5 %.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_ONE: Final = Decimal(1)


def maintenance_rate(max_leverage: Decimal) -> Decimal:
    """Fraction of the value that must remain as margin, where so much leverage is allowed."""
    return _ONE / (2 * max_leverage)


def close_fee_rate(direction: int, leverage: Decimal, taker: Decimal) -> Decimal:
    """Fee of closing at the bankruptcy price, as a fraction of the value now.

    Cheaper for a long (+1), whose bankruptcy lies below, dearer for a short (-1).
    """
    return (_ONE - direction / leverage) * taker


def initial_margin_rate(direction: int, leverage: Decimal, taker: Decimal) -> Decimal:
    """Margin that one unit of value (size x mark price) occupies."""
    return _ONE / leverage + close_fee_rate(direction, leverage, taker)


def maintenance_margin_rate(direction: int, leverage: Decimal, taker: Decimal, rate: Decimal) -> Decimal:
    """Margin below which a position is liquidated, for one unit of its value."""
    return rate + close_fee_rate(direction, leverage, taker)


def order_cost_rate(direction: int, leverage: Decimal, taker: Decimal) -> Decimal:
    """Margin that an opening order occupies for one unit of its value (quantity x price): initial margin, fee to open,
    fee to close."""
    return taker + initial_margin_rate(direction, leverage, taker)


def liquidation_price(
    quantity: Decimal,
    mark_price: Decimal,
    equity: Decimal,
    other_maintenance: Decimal,
    maintenance: Decimal,
    deduction: Decimal,
) -> Decimal:
    """The mark price at which the account's equity has fallen to its maintenance margin, all else unmoved.

    `quantity` is signed, `maintenance` the maintenance margin per unit of value, of which `deduction` is not needed.
    May be 0 or below. From equity + quantity x (p - mark) = others + |quantity| x p x maintenance - deduction.
    """
    spare = equity - other_maintenance + deduction
    return (quantity * mark_price - spare) / (quantity - abs(quantity) * maintenance)


def bankruptcy_price(quantity: Decimal, mark_price: Decimal, equity: Decimal, fee_rate: Decimal) -> Decimal:
    """The price at which closing the signed quantity, fee paid, leaves nothing of the equity. May be 0 or below.

    From equity + quantity x (p - mark) - |quantity| x p x fee = 0.
    """
    return (quantity * mark_price - equity) / (quantity - abs(quantity) * fee_rate)
