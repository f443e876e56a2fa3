"""Whose fill it is and why it happened. Pure: everything it needs to know is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alpha.config.registry import AccountConfig, BotConfig
from alpha.domain.fill import Attribution, AttributionMethod, ExecType, Fill
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason

# https://bybit-exchange.github.io/docs/v5/enum#createtype and #stopordertype. CreateByUser without one of our tags is a
# person or a foreign program on the same account.
_BY_CREATE_TYPE = {
    "CreateByStopLoss": Reason.STOP_LOSS,
    "CreateByPartialStopLoss": Reason.STOP_LOSS,
    "CreateByTakeProfit": Reason.TAKE_PROFIT,
    "CreateByPartialTakeProfit": Reason.TAKE_PROFIT,
    "CreateByTrailingStop": Reason.TRAILING_STOP,
    "CreateByTrailingProfit": Reason.TRAILING_STOP,
    "CreateByLiq": Reason.LIQUIDATION,
    "CreateByMmRateClose": Reason.LIQUIDATION,
    "CreateByTakeOver_PassThrough": Reason.LIQUIDATION,
    "CreateByAdl_PassThrough": Reason.ADL,
    "CreateBySettle": Reason.SETTLEMENT,
    "CreateByAdminClosing": Reason.MANUAL,
    "CreateByClosing": Reason.MANUAL,
}
_BY_STOP_ORDER_TYPE = {
    "StopLoss": Reason.STOP_LOSS,
    "PartialStopLoss": Reason.STOP_LOSS,
    "TakeProfit": Reason.TAKE_PROFIT,
    "PartialTakeProfit": Reason.TAKE_PROFIT,
    "TrailingStop": Reason.TRAILING_STOP,
    "MmRateClose": Reason.LIQUIDATION,
}
_BY_EXEC_TYPE = {
    ExecType.FUNDING: Reason.FUNDING,
    ExecType.ADL: Reason.ADL,
    ExecType.BUST: Reason.LIQUIDATION,
    ExecType.DELIVERY: Reason.SETTLEMENT,
    ExecType.SETTLE: Reason.SETTLEMENT,
}


class AccountOwners:
    """The bots of one account, and what each of them may trade on it."""

    def __init__(self, account: AccountConfig, bots: Sequence[BotConfig]) -> None:
        self.account = account.name
        self.hedge = account.position_mode == "hedge"
        self.bots = tuple(bots)
        self._by_code = {bot.code: bot.id for bot in bots}
        self._rows: dict[tuple[Symbol, int], list[BotId]] = {}
        for bot in bots:
            for symbol in bot.symbols:
                for position_idx in self._position_indices(bot):
                    self._rows.setdefault((symbol, position_idx), []).append(bot.id)

    @property
    def is_shared(self) -> bool:
        return len(self.bots) > 1

    @property
    def rows(self) -> tuple[tuple[BotId, Symbol, int], ...]:
        """Every (bot, symbol, position index) that may hold a position: the rows a bot expects to find."""
        return tuple((bot, symbol, idx) for (symbol, idx), bots in self._rows.items() for bot in bots)

    def has(self, bot: BotId) -> bool:
        return any(known.id == bot for known in self.bots)

    def by_tag(self, order_link_id: str) -> tuple[BotId, Reason] | None:
        """The bot and the reason in one of our tags; None for a foreign tag and for that of another account's bot."""
        tag = OrderLinkId.parse(order_link_id)
        if tag is None or tag.code not in self._by_code:
            return None
        return self._by_code[tag.code], tag.reason

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

    An owner found through an order or a position counts only if it is a bot of the account.
    """
    tagged = owners.by_tag(fill.order_link_id)
    if tagged is not None:
        return Attribution(bot=tagged[0], reason=tagged[1], method=AttributionMethod.TAG)
    reason = reason_of(fill)
    # Funding belongs to no order, whatever its order id says.
    ordered = owner_of_order(fill.order_id) if fill.exec_type.moves_position else None
    sole = owners.sole_owner(fill.symbol, position_idx)
    # An order without a tag was itself given to the sole owner, if its report came before the fill. The method must not
    # depend on which came first, so where both say the same, sole ownership is the reason.
    if ordered is not None and ordered != sole and owners.has(ordered):
        return Attribution(bot=ordered, reason=reason, method=AttributionMethod.ORDER)
    if sole is not None:
        return Attribution(bot=sole, reason=reason, method=AttributionMethod.SOLE_OWNER)
    holder = holder_of(fill.symbol, position_idx)
    if holder is not None and owners.has(holder):
        return Attribution(bot=holder, reason=reason, method=AttributionMethod.HOLDER)
    return Attribution(bot=None, reason=reason, method=AttributionMethod.NONE)


def reason_of(fill: Fill) -> Reason:
    """Why a fill without one of our tags happened, from what the exchange says created it."""
    if fill.exec_type in _BY_EXEC_TYPE:
        return _BY_EXEC_TYPE[fill.exec_type]
    if fill.create_type in _BY_CREATE_TYPE:
        return _BY_CREATE_TYPE[fill.create_type]
    if fill.stop_order_type in _BY_STOP_ORDER_TYPE:
        return _BY_STOP_ORDER_TYPE[fill.stop_order_type]
    if fill.create_type in ("CreateByUser", "CreateByStopOrder"):
        return Reason.MANUAL
    return Reason.UNKNOWN
