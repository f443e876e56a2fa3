from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final, NamedTuple, final

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side


@unique
class ExecType(StrEnum):
    """Bybit's execution types (https://bybit-exchange.github.io/docs/v5/enum#exectype)."""

    TRADE = "Trade"
    ADL = "AdlTrade"
    FUNDING = "Funding"
    BUST = "BustTrade"
    DELIVERY = "Delivery"
    SETTLE = "Settle"
    BLOCK_TRADE = "BlockTrade"
    MOVE_POSITION = "MovePosition"
    FUTURE_SPREAD = "FutureSpread"

    moves_position: bool
    """Funding reports the whole position as its quantity and is cash only."""


for _exec_type in ExecType:
    _exec_type.moves_position = _exec_type is not ExecType.FUNDING


class ExecutionOrder(NamedTuple):
    """The one order in which fills are folded, the same from every source.

    Bybit gives several fills of one match the same millisecond and the same `seq`; within them the quantity that an
    order has left falls, so more left means earlier.
    """

    exec_time: datetime
    seq: int
    negative_leaves: Decimal
    exec_id: str


_new_tuple = tuple.__new__
_NOTHING = Decimal(0)


# As every value that is made for each fill, it has an `__init__` of its own: that of a frozen dataclass sets each field
# past its own refusal, which costs more than all that is done with a fill. To change what is Final is refused by the
# type checker, and by the class itself where it is compiled.
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Fill:
    """One execution as the exchange reported it. A fact: inserted once, never changed.

    `exec_time` is the exchange's (market) clock. `fee` is above 0 when paid and below 0 when received, in
    `fee_currency`; for funding it is the payment itself. `closed_quantity` is the part that reduced a position.
    """

    account: Final[AccountName]
    category: Final[str]
    symbol: Final[Symbol]
    exec_id: Final[ExecId]
    exec_time: Final[datetime]
    seq: Final[int]
    exec_type: Final[ExecType]
    side: Final[Side]
    price: Final[Decimal]
    quantity: Final[Decimal]
    notional: Final[Decimal]
    fee: Final[Decimal]
    fee_rate: Final[Decimal]
    fee_currency: Final[str]
    is_maker: Final[bool]
    closed_quantity: Final[Decimal]
    leaves_quantity: Final[Decimal]
    order_id: Final[OrderId]
    order_link_id: Final[str]
    order_type: Final[str]
    create_type: Final[str]
    stop_order_type: Final[str]
    mark_price: Final[Decimal | None]

    def __init__(
        self,
        account: AccountName,
        category: str,
        symbol: Symbol,
        exec_id: ExecId,
        exec_time: datetime,
        seq: int,
        exec_type: ExecType,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        notional: Decimal,
        fee: Decimal,
        fee_rate: Decimal,
        fee_currency: str,
        is_maker: bool,
        closed_quantity: Decimal,
        leaves_quantity: Decimal,
        order_id: OrderId,
        order_link_id: str,
        order_type: str,
        create_type: str,
        stop_order_type: str,
        mark_price: Decimal | None = None,
    ) -> None:
        self.account = account
        self.category = category
        self.symbol = symbol
        self.exec_id = exec_id
        self.exec_time = exec_time
        self.seq = seq
        self.exec_type = exec_type
        self.side = side
        self.price = price
        self.quantity = quantity
        self.notional = notional
        self.fee = fee
        self.fee_rate = fee_rate
        self.fee_currency = fee_currency
        self.is_maker = is_maker
        self.closed_quantity = closed_quantity
        self.leaves_quantity = leaves_quantity
        self.order_id = order_id
        self.order_link_id = order_link_id
        self.order_type = order_type
        self.create_type = create_type
        self.stop_order_type = stop_order_type
        self.mark_price = mark_price
        require_aware(exec_time)
        if not exec_id:
            raise InvalidValue("a fill without an execution id cannot be told from another")
        if quantity <= _NOTHING or price <= _NOTHING:
            raise InvalidValue(f"fill {exec_id}: price {price} and quantity {quantity} must be above 0")

    @property
    def execution_order(self) -> ExecutionOrder:
        # As ExecutionOrder(...) does, in a third of the time: every fill is put in order several times.
        return _new_tuple(ExecutionOrder, (self.exec_time, self.seq, -self.leaves_quantity, self.exec_id))

    @property
    def position_change(self) -> Decimal:
        """Signed change of the position in base units; 0 for funding."""
        if not self.exec_type.moves_position:
            return _NOTHING
        return self.quantity if self.side.sign > 0 else -self.quantity

    def differences(self, other: Fill) -> dict[str, tuple[str, str]]:
        """Where two reports of the same execution disagree in what counts: field -> (ours, theirs).

        Only fields that stream and REST both carry are compared; `fee_currency` and `mark_price` are told differently
        by the two without meaning anything else.
        """
        found = {}
        for name in _IDENTITY_FIELDS:
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found[name] = (str(ours), str(theirs))
        return found


_IDENTITY_FIELDS = (
    "exec_time",
    "seq",
    "exec_type",
    "side",
    "price",
    "quantity",
    "fee",
    "is_maker",
    "closed_quantity",
    "leaves_quantity",
    "order_id",
    "order_link_id",
)


@unique
class AttributionMethod(StrEnum):
    """How the owner of a fill was found, from the surest to none.

    A fill is recorded with any of them but ASSIGNED: that is how one counts whose owner was corrected afterwards.
    """

    ASSIGNED = "assigned"
    TAG = "tag"
    ORDER = "order"
    SOLE_OWNER = "sole_owner"
    HOLDER = "holder"
    NONE = "unattributed"


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Attribution:
    """Whose fill it is, why it happened, and how we know. `bot` is None exactly when the method is NONE."""

    bot: Final[BotId | None]
    reason: Final[Reason]
    method: Final[AttributionMethod]

    def __init__(
        self,
        bot: BotId | None,
        reason: Reason,
        method: AttributionMethod,
    ) -> None:
        self.bot = bot
        self.reason = reason
        self.method = method
        if (bot is None) != (method is AttributionMethod.NONE):
            raise InvalidValue(f"attribution to {bot} by {method} contradicts itself")
