"""Live positions: one hash per bot, symbol and position side, in the bot's own database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import redis

from alpha.domain.clock import EPOCH
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import BotId, Symbol
from alpha.domain.position import Position
from alpha.live.answers import hash_of
from alpha.live.bot_keys import position_key
from alpha.live.connection import LiveStateError
from alpha.live.wire import money, ms, now, parse_money, parse_ms

FRESH_FOR = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePosition:
    """A position as the platform holds it now. A row that is missing is unknown, never flat: flat rows are written.

    `seq` is the exchange's cross sequence of the last fill in it (-1 when the symbol never traded), `epoch` that of the
    listener which wrote it; `changed_at` is the exchange's (market) time of the state, `updated_at` the wall time at
    which the listener last said that this is still so, 1970 where the exchange has not confirmed it yet. `drifted`: the
    fold of the ledger's fills and the exchange disagree for longer than fills are in flight, so nothing may open risk
    on it.
    """

    bot: BotId
    symbol: Symbol
    position: Position
    position_idx: int = 0
    mark_price: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    liq_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    drifted: bool = False
    seq: int = -1
    epoch: int = 0
    changed_at: datetime
    updated_at: datetime

    def is_fresh(self, at: datetime | None = None) -> bool:
        """Whether the listener confirmed it within the last 5 s of wall time."""
        return (at or now()) - self.updated_at < FRESH_FOR

    @property
    def is_confirmed(self) -> bool:
        """Whether the exchange has ever said that it is so."""
        return self.updated_at > EPOCH


def read(client: redis.Redis, bot: BotId, symbol: Symbol, position_idx: int = 0) -> LivePosition | None:
    """The position, or None when nothing is known of it. `is_fresh()` says whether it may be relied on.

    Raises LiveStateError when the row is not one of ours.
    """
    fields = hash_of(client, position_key(bot, symbol, position_idx))
    return position_of(bot, symbol, position_idx, fields) if fields else None


def fields_of(position: LivePosition) -> dict[str, str]:
    """How a position looks in its hash, in the order in which its fields are written there."""
    direction = position.position.direction
    return {
        "side": direction.value if direction else "",
        "size": money(position.position.size),
        "avg_price": money(position.position.entry_price),
        "mark_price": money(position.mark_price),
        "unrealized_pnl": money(position.unrealized_pnl),
        "liq_price": money(position.liq_price),
        "stop_loss": money(position.stop_loss),
        "take_profit": money(position.take_profit),
        "trailing_stop": money(position.trailing_stop),
        "drifted": "1" if position.drifted else "0",
        "seq": str(position.seq),
        "epoch": str(position.epoch),
        "changed_at": ms(position.changed_at),
        "updated_at": ms(position.updated_at),
    }


def position_of(bot: BotId, symbol: Symbol, position_idx: int, fields: Mapping[str, str]) -> LivePosition:
    """The position in a hash. Raises LiveStateError when it is not one of ours."""
    try:
        size, avg_price = parse_money(fields["size"]), parse_money(fields["avg_price"])
        changed_at, updated_at = parse_ms(fields["changed_at"]), parse_ms(fields["updated_at"])
        if size is None or avg_price is None:
            raise InvalidValue("no size or no average price")
        if fields["side"] not in ("long", "short", "") or (fields["side"] == "") != (size == 0):
            raise InvalidValue(f"side {fields['side']!r} with size {size}")
        if changed_at is None or updated_at is None:
            raise InvalidValue("no time")
        return LivePosition(
            bot=bot,
            symbol=symbol,
            position_idx=position_idx,
            position=Position(-size if fields["side"] == "short" else size, avg_price),
            mark_price=parse_money(fields.get("mark_price")),
            unrealized_pnl=parse_money(fields.get("unrealized_pnl")),
            liq_price=parse_money(fields.get("liq_price")),
            stop_loss=parse_money(fields.get("stop_loss")),
            take_profit=parse_money(fields.get("take_profit")),
            trailing_stop=parse_money(fields.get("trailing_stop")),
            drifted=fields.get("drifted") == "1",
            seq=int(fields["seq"]),
            epoch=int(fields["epoch"]),
            changed_at=changed_at,
            updated_at=updated_at,
        )
    except (KeyError, ValueError, InvalidValue, LiveStateError) as error:
        raise LiveStateError(
            f"Redis key {position_key(bot, symbol, position_idx)} is not a position ({error}); delete it: it is rebuilt"
        ) from error
