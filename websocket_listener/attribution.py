"""Whose fill it is and why it happened. Pure: everything it needs to know is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from alpha.config.registry import AccountConfig, BotConfig
from alpha.domain.fill import Attribution, AttributionMethod, Fill
from alpha.domain.fill_reason import reason_of
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.order_link_id import is_nonce
from alpha.domain.reason import Reason
from alpha.exchange.settle_coin import settle_coin


class AccountOwners:
    """The bots of one account, and what each of them may trade on it."""

    def __init__(self, account: AccountConfig, bots: Sequence[BotConfig]) -> None:
        self.account = account.name
        self.hedge = account.position_mode == "hedge"
        self.bots = tuple(bots)
        self.categories = frozenset(bot.category for bot in bots)
        self._by_tag = {f"{bot.code}-{reason.tag}": (bot.id, reason) for bot in bots for reason in Reason}
        self._rows: dict[tuple[Symbol, int], list[BotId]] = {}
        for bot in bots:
            for symbol in bot.symbols:
                for position_idx in self._position_indices(bot):
                    self._rows.setdefault((symbol, position_idx), []).append(bot.id)
        self.rows = tuple((bot_id, symbol, idx) for (symbol, idx), owners in self._rows.items() for bot_id in owners)
        """Every (bot, symbol, position index) that may hold a position: the rows a bot expects to find."""

    @property
    def is_shared(self) -> bool:
        return len(self.bots) > 1

    def has(self, bot: BotId) -> bool:
        return any(known.id == bot for known in self.bots)

    def by_tag(self, order_link_id: str) -> tuple[BotId, Reason] | None:
        """The bot and the reason in one of our tags; None for a foreign tag and for that of another account's bot."""
        # As OrderLinkId.parse does; every fill is asked.
        head, _, nonce = order_link_id.rpartition("-")
        tagged = self._by_tag.get(head)
        return tagged if tagged is not None and is_nonce(nonce) else None

    def sole_owner(self, symbol: Symbol, position_idx: int) -> BotId | None:
        """The only bot of the account, or the only one that trades this side of the symbol on it."""
        if len(self.bots) == 1:
            return self.bots[0].id
        owners = self._rows.get((symbol, position_idx), [])
        return owners[0] if len(owners) == 1 else None

    def _position_indices(self, bot: BotConfig) -> tuple[int, ...]:
        if not self.hedge:
            return (0,)
        return {None: (1, 2), "long": (1,), "short": (2,)}[bot.side]


OwnerOfOrder = Callable[[OrderId], BotId | None]
"""The bot whose order it is."""
HolderOf = Callable[[Symbol, int], BotId | None]
"""The one bot that holds a position in a symbol on a position index."""


def attribute(
    fill: Fill, owners: AccountOwners, *, position_idx: int, owner_of_order: OwnerOfOrder, holder_of: HolderOf
) -> Attribution:
    """By the fill's own tag; else by the order it belongs to; else the bot that alone owns the account or the symbol on
    it; else the bot that holds the position; else nobody's.

    An owner found through an order or a position counts only if it is a bot of the account. What no book can take is
    nobody's: an execution of a category that no bot of the account trades (a person's spot order has the same symbol as
    a bot's contract), and one whose fee is in another currency than its contract settles in.
    """
    if no_book_of(fill, owners):
        return _attribution(None, reason_of(fill), AttributionMethod.NONE)
    tagged = owners.by_tag(fill.order_link_id)
    if tagged is not None:
        return _attribution(*tagged, AttributionMethod.TAG)
    reason = reason_of(fill)
    # Funding belongs to no order, whatever its order id says; and of one bot alone no order tells anything.
    ordered = owner_of_order(fill.order_id) if owners.is_shared and fill.exec_type.moves_position else None
    sole = owners.sole_owner(fill.symbol, position_idx)
    # An order without a tag was itself given to the sole owner, if its report came before the fill. The method must not
    # depend on which came first, so where both say the same, sole ownership is the reason.
    if ordered is not None and ordered != sole and owners.has(ordered):
        return _attribution(ordered, reason, AttributionMethod.ORDER)
    if sole is not None:
        return _attribution(sole, reason, AttributionMethod.SOLE_OWNER)
    holder = holder_of(fill.symbol, position_idx)
    if holder is not None and owners.has(holder):
        return _attribution(holder, reason, AttributionMethod.HOLDER)
    return _attribution(None, reason, AttributionMethod.NONE)


def no_book_of(fill: Fill, owners: AccountOwners) -> str:
    """Why no book of the account can take the fill, "" where one can."""
    if fill.category not in owners.categories:
        return f"no bot of account {owners.account} trades category {fill.category}"
    coin = settle_coin(fill.category, fill.symbol)
    return (
        "" if fill.fee_currency == coin else f"its fee is in {fill.fee_currency}, and {fill.symbol} settles in {coin}"
    )


@lru_cache(maxsize=1024)
def _attribution(bot: BotId | None, reason: Reason, method: AttributionMethod) -> Attribution:
    """There are few, and each is said of many fills."""
    return Attribution(bot, reason, method)
