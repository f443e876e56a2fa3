from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from paper_exchange.engine.account import Account
from paper_exchange.engine.audience import Audience
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.insurance import InsuranceFund
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.market import Market, Tape
from paper_exchange.engine.quiet_range import QuietRange
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.working_order import WorkingOrder


class Venue:
    """What all parts of the engine share: markets, accounts, the clock, ids, the book, and who is told what happens.

    `pending` are the orders waiting for the next open, `arrived` those that were matched at this one and will rest,
    `began_to_wait` those that rest or wait for a trigger since the walk last looked.
    `unnamed` counts equal orders without a link id between two bars. `changes` counts what has happened to anybody, and
    `quiet` keeps the ranges of `quiet_ranges` with the count they were made at.
    """

    __slots__ = (
        "accounts",
        "arrived",
        "audience",
        "began_to_wait",
        "changes",
        "ids",
        "insurance",
        "liquidity",
        "markets",
        "now",
        "pending",
        "quiet",
        "tape",
        "unnamed",
    )

    def __init__(
        self,
        *,
        markets: dict[Symbol, Market],
        ids: Ids,
        liquidity: Liquidity,
        insurance: InsuranceFund,
        now: datetime,
        tape: Tape,
        audience: Audience,
    ) -> None:
        self.markets = markets
        self.ids = ids
        self.liquidity = liquidity
        self.insurance = insurance
        self.now = now
        self.tape = tape
        self.audience = audience
        self.accounts: dict[int, Account] = {}
        self.pending: dict[str, tuple[Account, WorkingOrder]] = {}
        self.arrived: list[tuple[Account, WorkingOrder]] = []
        self.began_to_wait: list[tuple[Account, WorkingOrder]] = []
        self.unnamed: Counter[tuple[str, ...]] = Counter()
        self.changes = 0
        self.quiet: tuple[int, Mapping[Symbol, QuietRange | None]] = (-1, {})

    def account(self, uid: int) -> Account:
        """Raises InvalidValue for an account that was never opened: who may ask is for the server to know."""
        account = self.accounts.get(uid)
        if account is None:
            raise InvalidValue(f"there is no account {uid}; open_account comes first")
        return account

    def market(self, symbol: Symbol) -> Market:
        market = self.markets.get(symbol)
        if market is None:
            raise Refused(10001, "params error: symbol invalid")
        return market

    def tell_order(self, account: Account, order: WorkingOrder) -> None:
        self.changes += 1
        order.snapshot, order.told_trigger_price = None, order.trigger_price
        self.audience.order(order)
        if not order.is_open:
            account.orders[order.order_id] = order.told()

    def tell_position(self, account: Account, holding: Holding, at: datetime) -> None:
        self.changes += 1
        self.audience.position(account, holding, at)

    def tell_wallet(self, account: Account, at: datetime) -> None:
        self.audience.wallet(account, at)

    def release(self, account: Account, order: WorkingOrder) -> None:
        """Take an order that has ended from everywhere it was waiting."""
        account.drop(order)
        order_id, market = order.order_id, order.holding.market
        if self.pending:
            self.pending.pop(order_id, None)
        if market.resting:
            market.resting.pop(order_id, None)
        if market.triggers:
            market.triggers.pop(order_id, None)


def exact_liq_price(account: Account, holding: Holding) -> Decimal | None:
    """The mark price, not rounded, at which this holding alone would bring the account to liquidation."""
    if not holding.quantity:
        return None
    equity, other_maintenance = account.backing(holding)
    market, quantity = holding.market, holding.quantity
    rates = holding.maintenance_rates[holding.is_short]
    return market.tiers.liquidation_price(quantity, market.mark_price, equity, other_maintenance, rates)
