"""What happens on one account of the simulator, known in advance: who buys what when, as Bybit tells it.

The bot buys and sells in turn, three symbols in rotation, one order and one execution each: every second fill closes a
round trip, which is the dearest case for whoever keeps trades.
"""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from websockets.frames import Frame, Opcode

from alpha.domain.clock import from_ms, to_ms
from alpha.domain.fill import ExecType
from alpha.domain.ids import ExecId, OrderId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import OrderStatus, OrderType, TimeInForce
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from benchmarks.cast import SYMBOLS, Role
from paper_exchange.engine import Execution, OrderRequest, OrderState, PositionState, TriggerBy
from paper_exchange.engine.risk_tiers import RiskTiers
from paper_exchange.server.render_executions import execution_update, rest_execution
from paper_exchange.server.render_orders import order_update
from paper_exchange.server.render_positions import position_update, rest_position

START = datetime(2026, 1, 5, tzinfo=UTC)
_QUANTITY = Decimal("0.01")
_FEE_RATE = Decimal("0.00055")
_TIERS = RiskTiers.graded(Decimal(100), Decimal(2_000_000))
_ZERO = Decimal(0)
_PRICES = {SYMBOLS[0]: Decimal("64210.10"), SYMBOLS[1]: Decimal("3120.55"), SYMBOLS[2]: Decimal("148.32")}
_TICK = Decimal("0.01")
_EQUITY = Decimal(1_000_000)
_INSTRUMENTS = {
    symbol: Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        tick_size=_TICK,
        min_price=_TICK,
        max_price=Decimal(1_000_000),
        quantity_step=_QUANTITY,
        min_quantity=_QUANTITY,
        max_limit_quantity=Decimal(1000),
        max_market_quantity=Decimal(1000),
        min_notional=Decimal(5),
        max_leverage=Decimal(100),
    )
    for symbol in SYMBOLS
}
_UNSET_MS = 1_111_111_111_111
"""Stands for the time of a frame until it is sent: as long as any time until 2286."""
_CREATED = b'"creationTime":'
_PER_MS = 5


class Script:
    """The fills of one account, number 0 upwards, from market time `start`, five in a millisecond."""

    def __init__(self, role: Role, start: datetime) -> None:
        self.role = role
        self._start_ms = to_ms(start)

    def time_ms(self, number: int) -> int:
        """The market time of a fill."""
        return self._start_ms + number // _PER_MS

    def exec_id(self, number: int) -> ExecId:
        return ExecId(self._id("execution", number))

    def execution(self, number: int) -> Execution:
        symbol, side, price = self._what(number)
        is_exit = side is Side.SELL
        return Execution(
            uid=self.role.uid,
            symbol=symbol,
            position_idx=0,
            exec_id=self.exec_id(number),
            exec_time=from_ms(self.time_ms(number)),
            seq=number + 1,
            exec_type=ExecType.TRADE,
            side=side,
            price=price,
            quantity=_QUANTITY,
            value=price * _QUANTITY,
            fee=price * _QUANTITY * _FEE_RATE,
            fee_rate=_FEE_RATE,
            fee_currency="USDT",
            is_maker=False,
            closed_size=_QUANTITY if is_exit else _ZERO,
            exec_pnl=(price - self._what(number - 1)[2]) * _QUANTITY if is_exit else _ZERO,
            leaves_quantity=_ZERO,
            order_id=OrderId(self._id("order", number)),
            order_link_id=self._link_id(number),
            order_type="Market",
            order_price=price * Decimal("1.05"),
            order_quantity=_QUANTITY,
            create_type="CreateByUser",
            stop_order_type="",
            mark_price=price,
        )

    def order(self, execution: Execution) -> OrderState:
        """The order of an execution, filled by it."""
        return OrderState(
            uid=execution.uid,
            symbol=execution.symbol,
            position_idx=0,
            order_id=execution.order_id,
            order_link_id=execution.order_link_id,
            parent_order_link_id="",
            side=execution.side,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            status=OrderStatus.FILLED,
            price=execution.order_price,
            quantity=execution.quantity,
            filled_quantity=execution.quantity,
            filled_value=execution.value,
            fee=execution.fee,
            closed_pnl=execution.exec_pnl,
            reduce_only=execution.side is Side.SELL,
            create_type=execution.create_type,
            stop_order_type="",
            trigger_price=None,
            watched=TriggerBy.LAST,
            take_profit=None,
            stop_loss=None,
            reject_reason="EC_NoError",
            cancel_type="UNKNOWN",
            last_price_on_created=execution.price,
            created_at=execution.exec_time,
            updated_at=execution.exec_time,
            request=OrderRequest(
                symbol=execution.symbol,
                side=execution.side,
                order_type=OrderType.MARKET,
                quantity=execution.quantity,
                order_link_id=execution.order_link_id,
            ),
        )

    def position(self, symbol: Symbol, fills: int) -> PositionState:
        """The position in a symbol after the first `fills` fills."""
        last = next((n for n in range(fills - 1, fills - 2 * len(SYMBOLS) - 1, -1) if self._touches(n, symbol)), None)
        began = from_ms(self._start_ms) - timedelta(days=30)
        side, price, updated_at = Side.SELL, _PRICES[symbol], began
        if last is not None:
            _, side, price = self._what(last)
            updated_at = from_ms(self.time_ms(last))
        is_open = side is Side.BUY
        return PositionState(
            uid=self.role.uid,
            symbol=symbol,
            position_idx=0,
            quantity=_QUANTITY if is_open else _ZERO,
            entry_price=price if is_open else _ZERO,
            mark_price=price,
            leverage=Decimal(10),
            own_margin=None,
            equity=_EQUITY,
            other_maintenance=_ZERO,
            initial_rate=Decimal("0.1"),
            tiers=_TIERS,
            maintenance_rates=tuple(tier.maintenance_rate for tier in _TIERS.all),
            instrument=_INSTRUMENTS[symbol],
            taker=_FEE_RATE,
            current_realized_pnl=_ZERO,
            cumulative_realized_pnl=_ZERO,
            take_profit=None,
            stop_loss=None,
            trailing_stop=None,
            active_price=None,
            trailing_level=None,
            status="Normal",
            seq=-1 if last is None else last + 1,
            opened_at=updated_at if is_open else None,
            created_at=began,
            updated_at=updated_at,
        )

    def rest_positions(self, fills: int, symbol: Symbol | None = None) -> list[dict[str, Any]]:
        """Rows of position/list: that of a symbol, or all that are open."""
        found = [self.position(each, fills) for each in ([symbol] if symbol else SYMBOLS)]
        return [rest_position(each) for each in found if symbol or each.side]

    def rest_row(self, number: int) -> bytes:
        """A row of execution/list."""
        return orjson.dumps(rest_execution(self.execution(number)))

    def frames(self, number: int, *, with_states: bool) -> TimedFrames:
        """What the stream sends of a fill: its execution, and if wanted its order and its position as well."""
        execution = self.execution(number)
        told: list[tuple[str, dict[str, Any]]] = [("execution", execution_update(execution))]
        if with_states:
            told.append(("order", order_update(self.order(execution))))
            told.append(("position", position_update(self.position(execution.symbol, number + 1))))
        return TimedFrames(self.role.uid, number, told)

    def _what(self, number: int) -> tuple[Symbol, Side, Decimal]:
        symbol = SYMBOLS[number // 2 % len(SYMBOLS)]
        side = Side.SELL if number % 2 else Side.BUY
        return symbol, side, _PRICES[symbol] + _TICK * (number % 97)

    def _touches(self, number: int, symbol: Symbol) -> bool:
        return number >= 0 and self._what(number)[0] == symbol

    def _id(self, kind: str, number: int) -> str:
        return str(uuid.uuid5(_NAMESPACES[kind], f"{self.role.number}-{number}"))

    def _link_id(self, number: int) -> str:
        reason = Reason.TIME_EXIT if number % 2 else Reason.ENTRY
        nonce = base64.b32encode(b"%03d%09d" % (self.role.number, number)).decode().lower().rstrip("=")
        return f"{self.role.code}-{reason.tag}-{nonce}"


class TimedFrames:
    """WebSocket frames, complete but for the time of their creation, which is filled in when they are sent."""

    __slots__ = ("_pieces",)

    def __init__(self, uid: int, number: int, told: list[tuple[str, dict[str, Any]]]) -> None:
        wire = b"".join(_wire(uid, number, topic, row) for topic, row in told)
        self._pieces = wire.split(_CREATED + str(_UNSET_MS).encode())

    def at(self, wall_ms: int) -> bytes:
        """The bytes to send."""
        return (_CREATED + str(wall_ms).encode()).join(self._pieces)


_NAMESPACES = {kind: uuid.uuid5(uuid.NAMESPACE_URL, kind) for kind in ("execution", "order")}


def _wire(uid: int, number: int, topic: str, row: dict[str, Any]) -> bytes:
    content = {"topic": topic, "id": f"{uid}_{number}", "creationTime": _UNSET_MS, "data": [row]}
    # A server's frames are not masked, so they can be made ahead: a header with the length, then the text.
    return Frame(Opcode.TEXT, orjson.dumps(content)).serialize(mask=False)
