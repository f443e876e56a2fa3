"""What the listener writes into a bot's database: one atomic step at a time, and only under its epoch.

`{bot}:epoch` is the epoch of the listener that writes there. A listener claims the database once, when it has taken the
account; every step after that is refused when a newer epoch is there (its writer is fenced) and when none is (Redis was
emptied, and what the step would add to is gone). A step never claims: a process that slept through a takeover and a
flush must not begin to write again only because nothing is left that would forbid it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique
from typing import Any, NamedTuple, cast

import redis

from alpha.domain.errors import AlphaError
from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.live.bot_keys import (
    epoch_key,
    fills_key,
    open_orders_key,
    orders_key,
    position_key,
    rebuild_key,
    reports_key,
)
from alpha.live.connection import LiveStateError
from alpha.live.databases import Command, execute
from alpha.live.positions import LivePosition, fields_of, position_of
from alpha.live.wire import ms

FILLS_KEPT = 10_000
ORDERS_KEPT = 2_000

Row = tuple[Symbol, int]


class NotTheWriter(AlphaError):
    """The database is not written under our epoch. `held` is the epoch that is there, None when none is."""

    def __init__(self, bot: BotId, epoch: int, held: int | None) -> None:
        found = "nobody has claimed it" if held is None else f"epoch {held} writes it"
        super().__init__(f"the database of {bot} does not take epoch {epoch}: {found}")
        self.held = held


class Report(NamedTuple):
    """One report of an order, as JSON."""

    order_id: OrderId
    is_terminal: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStep:
    """What changes in a bot's database, all of it or nothing.

    `positions` replace rows that are not newer by (seq, changed_at); those in `anew` replace whatever is there. `fills`
    are (bot_seq, JSON) in commit order: appended are those that come next, and `base` lets a stream that ends before it
    begin at `base + 1`. `reports` are appended and keep the open orders current; the first of them is the
    `first_report`-th of this `teller` (0: they are not counted), and what it has told already is left alone.
    `open_orders`, when given, is all of them. `confirmed` are the rows, and whether each has drifted, that are still so
    at `confirmed_at` (wall time).
    `emptied` drops everything a listener writes there first.
    """

    bot: BotId
    epoch: int
    emptied: bool = False
    positions: Sequence[LivePosition] = ()
    anew: frozenset[Row] = frozenset()
    fills: Sequence[tuple[int, str]] = ()
    base: int = 0
    reports: Sequence[Report] = ()
    first_report: int = 0
    teller: str = ""
    open_orders: Sequence[Report] | None = None
    confirmed: Sequence[tuple[Row, bool]] = ()
    confirmed_at: datetime | None = None


@unique
class Standing(Enum):
    """What became of a step."""

    WRITTEN = 1
    UNCLAIMED = 0
    FENCED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """`held` is the epoch in the database (None when there is none). `last_seq` is the number of the last fill in the
    stream, when fills were given. `older` are the given positions that were refused for a newer row; `missing` the rows
    to confirm that are not there under our epoch. `rebuild_wished`: a person wants everything written anew."""

    standing: Standing
    held: int | None = None
    last_seq: int = 0
    older: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    rebuild_wished: bool = False


_STEP = """
local held = tonumber(redis.call('GET', KEYS[1]) or nil)
local epoch = tonumber(ARGV[1])
if held and held > epoch then return {-1, held} end
if held ~= epoch then return {0, held or -1} end

local at = 1
local function next_argument() at = at + 1; return ARGV[at] end

local emptied, positions = next_argument(), next_argument()
if emptied == '1' then
  redis.call('DEL', KEYS[2], KEYS[4], KEYS[5], KEYS[6])
  for _, key in ipairs(redis.call('KEYS', positions .. '*')) do redis.call('DEL', key) end
  local trimmed = redis.pcall('XTRIM', KEYS[3], 'MAXLEN', 0)
  if type(trimmed) == 'table' and trimmed.err then redis.call('DEL', KEYS[3]) end
end

local older, rows = {}, tonumber(next_argument())
for i = 1, rows do
  local key = KEYS[6 + i]
  local v = {unpack(ARGV, at + 1, at + 15)}
  at = at + 15
  local newer_is_there = false
  if v[1] == '0' then
    local there = redis.call('HMGET', key, 'seq', 'changed_at')
    local seq, changed_at = tonumber(there[1] or nil), tonumber(there[2] or nil)
    if seq and changed_at then
      local new = tonumber(v[12])
      newer_is_there = new < seq or (new == seq and tonumber(v[14]) < changed_at)
    end
  end
  if newer_is_there then
    older[#older + 1] = i - 1
  else
    redis.call('HSET', key, 'side', v[2], 'size', v[3], 'avg_price', v[4], 'mark_price', v[5], 'unrealized_pnl', v[6],
      'liq_price', v[7], 'stop_loss', v[8], 'take_profit', v[9], 'trailing_stop', v[10], 'drifted', v[11],
      'seq', v[12], 'epoch', v[13], 'changed_at', v[14], 'updated_at', v[15])
  end
end

local last, base, fills = 0, tonumber(next_argument()), tonumber(next_argument())
if base > 0 or fills > 0 then
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
  if newest[1] then last = tonumber(string.match(newest[1][1], '^%d+')) end
  if last < base then
    redis.call('DEL', KEYS[2])
    last = base
  end
  for i = at + 1, at + 2 * fills, 2 do
    local seq = tonumber(ARGV[i])
    if seq == last + 1 then
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', FILLS_KEPT, ARGV[i] .. '-0', 'fill', ARGV[i + 1])
      last = seq
    elseif seq > last then
      break
    end
  end
  at = at + 2 * fills
end

local teller, first_report, reports, told = next_argument(), tonumber(next_argument()), tonumber(next_argument()), 0
if first_report > 0 and reports > 0 then
  local of, number = string.match(redis.call('GET', KEYS[6]) or '', '^(.*):(%d+)$')
  if of == teller then told = tonumber(number) end
  redis.call('SET', KEYS[6], teller .. ':' .. math.max(told, first_report + reports - 1))
end
for i = 1, reports do
  local order_id, is_terminal, text = next_argument(), next_argument(), next_argument()
  if first_report == 0 or first_report + i - 1 > told then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ORDERS_KEPT, '*', 'order', text)
    if is_terminal == '1' then
      redis.call('HDEL', KEYS[4], order_id)
    else
      redis.call('HSET', KEYS[4], order_id, text)
    end
  end
end

local open_orders = tonumber(next_argument())
if open_orders >= 0 then redis.call('DEL', KEYS[4]) end
for _ = 1, open_orders do
  local order_id, text = next_argument(), next_argument()
  redis.call('HSET', KEYS[4], order_id, text)
end

local missing, confirmed_at, wish = {}, next_argument(), 0
if confirmed_at ~= '' then
  for i = 1, tonumber(next_argument()) do
    local key, drifted = KEYS[6 + rows + i], next_argument()
    if redis.call('HGET', key, 'epoch') == ARGV[1] then
      redis.call('HSET', key, 'updated_at', confirmed_at, 'drifted', drifted)
    else
      missing[#missing + 1] = i - 1
    end
  end
  -- A stream of another kind is refused here, and not only when the next fill comes.
  redis.call('XLEN', KEYS[2])
  wish = redis.call('EXISTS', KEYS[5])
end
-- Nearly always there is nothing to say but this, and one number is read faster than a list.
if #older + #missing + wish == 0 then return last end
return {1, held, last, older, missing, wish}
""".replace("FILLS_KEPT", str(FILLS_KEPT)).replace("ORDERS_KEPT", str(ORDERS_KEPT))

_CLAIM = """
local held = redis.pcall('GET', KEYS[1])
held = type(held) == 'string' and tonumber(held) or nil
local epoch = tonumber(ARGV[1])
if held and held > epoch then return {-1, held} end
if not held and ARGV[2] == '0' then return {0, -1} end
if held ~= epoch then redis.call('SET', KEYS[1], ARGV[1]) end
local answer = {1, held or -1}
for i = 2, #KEYS do
  local row = redis.pcall('HGETALL', KEYS[i])
  answer[i + 1] = not row.err and row or {}
end
return answer
"""


def step_command(step: BotStep) -> Command:
    """The step as a command of the bot's database."""
    bot = step.bot
    keys = [
        epoch_key(bot),
        fills_key(bot),
        orders_key(bot),
        open_orders_key(bot),
        rebuild_key(bot),
        reports_key(bot),
    ]
    arguments: list[str | int] = [step.epoch, "1" if step.emptied else "0", f"{bot}:position:"]
    arguments.append(len(step.positions))
    for position in step.positions:
        keys.append(position_key(bot, position.symbol, position.position_idx))
        arguments.append("1" if (position.symbol, position.position_idx) in step.anew else "0")
        arguments += fields_of(position).values()
    arguments += (step.base, len(step.fills))
    for bot_seq, text in step.fills:
        arguments += (bot_seq, text)
    arguments += (step.teller, step.first_report, len(step.reports))
    for order_id, is_terminal, text in step.reports:
        arguments += (order_id, "1" if is_terminal else "0", text)
    arguments.append(-1 if step.open_orders is None else len(step.open_orders))
    for order_id, _, text in step.open_orders or ():
        arguments += (order_id, text)
    arguments.append(ms(step.confirmed_at))
    if step.confirmed_at is not None:
        arguments.append(len(step.confirmed))
        for (symbol, position_idx), drifted in step.confirmed:
            keys.append(position_key(bot, symbol, position_idx))
            arguments.append("1" if drifted else "0")
    return ("EVAL", _STEP, len(keys), *keys, *arguments)


def step_answer(reply: Any, epoch: int) -> StepAnswer:
    """What a step under `epoch` was answered."""
    if isinstance(reply, int):
        return StepAnswer(standing=Standing.WRITTEN, held=epoch, last_seq=reply)
    standing, held = Standing(reply[0]), int(reply[1])
    if standing is not Standing.WRITTEN:
        return StepAnswer(standing=standing, held=None if held < 0 else held)
    _, _, last_seq, older, missing, wish = reply
    return StepAnswer(
        standing=standing,
        held=held,
        last_seq=int(last_seq),
        older=tuple(older),
        missing=tuple(missing),
        rebuild_wished=bool(wish),
    )


def take_step(client: redis.Redis, step: BotStep) -> StepAnswer:
    """One step through a client of the bot's database."""
    return step_answer(execute(client, step_command(step)), step.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAnswer:
    """`held` is the epoch that was there before (None: none was, so the database is new or was emptied). `rows` are the
    positions that are there."""

    standing: Standing
    held: int | None
    rows: tuple[LivePosition, ...] = ()


def claim_command(bot: BotId, epoch: int, rows: Iterable[Row], *, may_create: bool = True) -> Command:
    """From now on the database is written under this epoch, unless a newer one is there. Without `may_create` an epoch
    that is there already is needed: only who is sure to hold the account may begin a database."""
    keys = [epoch_key(bot), *[position_key(bot, symbol, position_idx) for symbol, position_idx in rows]]
    return ("EVAL", _CLAIM, len(keys), *keys, epoch, "1" if may_create else "0")


def claim_answer(reply: Any, bot: BotId, rows: Iterable[Row]) -> ClaimAnswer:
    standing, held = Standing(reply[0]), int(reply[1])
    found = []
    for (symbol, position_idx), flat in zip(rows, reply[2:], strict=False):
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        try:
            if fields:
                found.append(position_of(bot, symbol, position_idx, fields))
        except LiveStateError:
            # Not one of ours: nothing is known of it, and it is written over.
            continue
    return ClaimAnswer(standing=standing, held=None if held < 0 else held, rows=tuple(found))


def claim(client: redis.Redis, bot: BotId, epoch: int, rows: Sequence[Row] = ()) -> ClaimAnswer:
    """Claim through a client of the bot's database. Raises NotTheWriter when a newer epoch is there."""
    answer = claim_answer(execute(client, claim_command(bot, epoch, rows)), bot, rows)
    if answer.standing is not Standing.WRITTEN:
        raise NotTheWriter(bot, epoch, answer.held)
    return answer


def epoch_held(client: redis.Redis, bot: BotId) -> int | None:
    """The epoch under which the database is written; None when nobody has claimed it."""
    text = cast("str | None", client.get(epoch_key(bot)))
    return int(text) if text and text.isdigit() else None
