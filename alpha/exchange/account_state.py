"""What an exchange says about an account: positions, wallet, fee rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from alpha.domain.ids import AccountName, Symbol
from alpha.domain.position import Position


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class ExchangePosition:
    """A position as the exchange reported it, flat ones included.

    `position_idx`: 0 one-way, 1 and 2 the long and the short row of hedge mode. `seq` ties it to the fills of its
    symbol (None where the exchange does not say, -1 when never traded). Prices that are not set are None.
    `updated_at` is the exchange's (market) clock.
    """

    account: Final[AccountName]
    category: Final[str]
    symbol: Final[Symbol]
    position_idx: Final[int]
    position: Final[Position]
    mark_price: Final[Decimal | None]
    unrealized_pnl: Final[Decimal]
    liq_price: Final[Decimal | None]
    take_profit: Final[Decimal | None]
    stop_loss: Final[Decimal | None]
    trailing_stop: Final[Decimal | None]
    leverage: Final[Decimal | None]
    seq: Final[int | None]
    updated_at: Final[datetime]

    def __init__(
        self,
        account: AccountName,
        category: str,
        symbol: Symbol,
        position_idx: int,
        position: Position,
        mark_price: Decimal | None,
        unrealized_pnl: Decimal,
        liq_price: Decimal | None,
        take_profit: Decimal | None,
        stop_loss: Decimal | None,
        trailing_stop: Decimal | None,
        leverage: Decimal | None,
        seq: int | None,
        updated_at: datetime,
    ) -> None:
        self.account = account
        self.category = category
        self.symbol = symbol
        self.position_idx = position_idx
        self.position = position
        self.mark_price = mark_price
        self.unrealized_pnl = unrealized_pnl
        self.liq_price = liq_price
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.trailing_stop = trailing_stop
        self.leverage = leverage
        self.seq = seq
        self.updated_at = updated_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinBalance:
    """One coin of a wallet, in units of the coin."""

    coin: str
    equity: Decimal
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    order_margin: Decimal
    position_margin: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletBalance:
    """A unified account's wallet.

    `equity`, `available`, `initial_margin` and `maintenance_margin` are the account's totals in USD; `balance` is the
    wallet balance of the settle coin (USDT), which only fills, funding and transfers change.
    """

    account: AccountName
    equity: Decimal
    balance: Decimal
    available: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    coins: tuple[CoinBalance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """Fractions of the notional: 0.00055 is 0.055 %."""

    taker: Decimal
    maker: Decimal
