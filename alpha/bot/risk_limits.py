"""The limits that remember: losses of the day, week and month, drawdown, and how many positions are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from alpha.bot.gate import Deny
from alpha.bot.intent import Intent
from alpha.bot.limits import Limits
from alpha.bot.progress import Progress
from alpha.bot.result import ZERO, Anchor, Halt, LimitEvent, LimitStanding, Performance, ResultState
from alpha.domain.clock import EPOCH
from alpha.domain.ids import Symbol

DRAWDOWN_HALT = "drawdown_halt"
_DAY: Final = timedelta(days=1)
_LIMIT_BEHIND = {
    "order_notional": "max_order_notional_usdt",
    "bot_notional": "max_bot_notional_usdt",
    "bot_exposure": "max_bot_notional_to_equity",
    "price_collar": "price_collar_percent",
    "entry_rate": "max_entries_per_hour",
    "max_positions": "max_positions",
}
"""The limits that a single entry reaches, by the code of its denial."""
_TOLD_AGAIN_AFTER = timedelta(hours=1)


class LimitRecord(Protocol):
    """Who is told when a limit is reached or a halt lifted. Neither method raises."""

    def tell(self, event: LimitEvent) -> None:
        """Alert a person, once."""
        ...

    def audit(self, event: LimitEvent) -> bool:
        """Write it into the audit trail; False when that has to be tried again."""
        ...


class Prices(Protocol):
    def mark_price(self, symbol: Symbol) -> Decimal | None: ...

    def equity(self) -> Decimal | None: ...


class Unrecorded:
    """Tells nobody."""

    def tell(self, event: LimitEvent) -> None: ...

    def audit(self, event: LimitEvent) -> bool:  # noqa: ARG002
        return True


class RiskLimits:
    """Values the bot at every round of bars and keeps the loss limits over restarts. Binds entries only.

    A period begins at its first instant (00:00 UTC of the day, of Monday, of the first of the month) with the value
    then, which is also the last one of the period before it. Where that is not known it begins with the last value
    before, so that what is lost while the bot is down belongs to the period in which it comes back. A limit once
    reached holds until its period ends, whatever is won back; the drawdown's holds until a person lifts it, after which
    drawdown is measured from there. Transfers do not count: the result is made of the bot's own fills.

    Without a loss limit nothing is valued at a round but the begin of a day, and the height that drawdown is measured
    from is that of those instants and of every time somebody asked.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        progress: Progress,
        prices: Prices,
        record: LimitRecord | None = None,
        lifted_at: Callable[[], datetime | None] = lambda: None,
        wall_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`lifted_at` tells when a person last allowed the bot to go on (wall clock), None if nobody has."""
        self._limits = limits
        self._progress = progress
        self._prices = prices
        self._record = record or Unrecorded()
        self._lifted_at = lifted_at
        self._wall_now = wall_now
        self._watches = any(limits.loss_percents.values()) or limits.drawdown_halt_percent is not None
        progress.fills_unsettle = self._watches
        self._performance: Performance | None = None
        self._flat_since: tuple[Decimal, datetime] | None = None
        self._due: datetime | None = None
        self._asked: Intent | None = None
        """The last entry that was asked for."""
        self._asked_away: Decimal | None = None
        """How far its price was from the mark price then, in percent."""

    def begin_round(self, at: datetime) -> None:
        """Bars that end at `at` (market time) are about to be decided on: there will be a look at it before anything is
        opened or valued, and not before anything is closed, which must not wait for what a look asks for. Up to
        `Progress.settled_until` it may be left out: a look costs as much as many strategies' decision."""
        self._due = at

    def look_if_due(self) -> None:
        """The look of the round, once: everything is decided, or something is to be opened or valued before."""
        if self._due is not None:
            self.look(self._due)

    def look(self, at: datetime) -> None:
        """Values the bot at a market time and keeps the limits."""
        self._due = None
        if self._is_unchanged(at):
            self._settle()
            return
        state = self._progress.result
        if self._watches or state.day is None or at >= state.day.at + _DAY or state.uncosted:
            self._value(at)
        while state.unaudited and self._record.audit(state.unaudited[0]):
            del state.unaudited[0]
        self._settle()

    def performance(self, at: datetime) -> Performance | None:
        """None when the mark price of something held, or the equity, is not known."""
        self.look_if_due()
        if self._performance is None or self._performance.at != at or not self._watches:
            self._value(at)
        return self._performance

    def problem(self, intent: Intent) -> Deny | None:
        """Why an entry may not be sent, or None."""
        self.look_if_due()
        self._asked, self._asked_away = intent, self._away(intent)
        if self._watches:
            if self._performance is None:
                self._value(intent.decided_at)
            state = self._progress.result
            if state.halt is not None:
                return Deny(DRAWDOWN_HALT, self._halt_text(state.halt))
            if self._performance is None:
                return Deny("result_unknown", "what the bot made today is not known, and it has limits on it")
            for name, bound in self._limits.loss_percents.items():
                if bound is not None and name in state.reached:
                    return Deny(name, f"limits.{name}_percent {bound} was reached; {_UNTIL[name]}")
        return self._too_many(intent.symbol)

    def refused(self, deny: Deny, at: datetime) -> None:
        """An entry was denied at a market time. A limit that it reached is told and audited, once within an hour: many
        entries may meet it."""
        limit, state = _LIMIT_BEHIND.get(deny.code), self._progress.result
        if limit is None:
            return
        told = state.refused_at.get(limit)
        if told is not None and at - told < _TOLD_AGAIN_AFTER:
            return
        state.refused_at[limit] = at
        self._note(LimitEvent(action="entry_denied", limit=limit, text=f"entry denied: {deny.text}", market_time=at))

    def standings(self) -> list[LimitStanding]:
        """Every limit as it stands; those on losses since the last round, those of one order as the last one asked for
        uses them (not known before there was one)."""
        seen, state, limits, progress = self._performance, self._progress.result, self._limits, self._progress
        notional, entries = self._notional(), progress.entries_since(progress.latest - timedelta(hours=1))
        found = [
            _standing("max_bot_notional_usdt", notional, limits.max_bot_notional_usdt),
            _standing("max_entries_per_hour", Decimal(entries), Decimal(limits.max_entries_per_hour)),
            *self._standings_of_one_order(),
        ]
        # Of the equity at the last look: this is asked whenever something is saved, and must not ask the exchange.
        if state.latest is not None:
            exposure = None if notional is None else notional / state.latest.equity
            found.append(_standing("max_bot_notional_to_equity", exposure, limits.max_bot_notional_to_equity))
        if limits.max_positions is not None:
            found.append(_standing("max_positions", Decimal(len(self._in_play())), Decimal(limits.max_positions)))
        lost = {
            "daily_loss": None if seen is None else _loss(seen.today_percent),
            "weekly_loss": None if seen is None else _loss(seen.week_percent),
            "monthly_loss": None if seen is None else _loss(seen.month_percent),
        }
        for name, bound in limits.loss_percents.items():
            if bound is not None:
                standing = LimitStanding(
                    name=f"{name}_percent", value=lost[name], bound=bound, reached=name in state.reached
                )
                found.append(standing)
        if limits.drawdown_halt_percent is not None:
            below = None if seen is None else round(seen.drawdown_percent, 4)
            standing = LimitStanding(
                name=f"{DRAWDOWN_HALT}_percent",
                value=below,
                bound=limits.drawdown_halt_percent,
                reached=state.halt is not None,
            )
            found.append(standing)
        return found

    def _standings_of_one_order(self) -> list[LimitStanding]:
        asked, limits = self._asked, self._limits
        bounds = {
            "max_order_notional_usdt": (None if asked is None else asked.notional, limits.max_order_notional_usdt),
            "price_collar_percent": (self._asked_away, limits.price_collar_percent),
        }
        return [
            LimitStanding(
                name=name,
                value=None if value is None else round(value, 4),
                bound=bound,
                reached=value is not None and value > bound,
            )
            for name, (value, bound) in bounds.items()
        ]

    def _away(self, intent: Intent) -> Decimal | None:
        mark, price = self._prices.mark_price(intent.symbol), intent.reference_price
        return None if mark is None or price is None else abs(price - mark) / mark * 100

    def _settle(self) -> None:
        """Note until when a look would find nothing to do: nothing is to be lifted, written or costed, and there is no
        loss to watch, because there are no limits on it or, as long as no fill comes, nothing is held."""
        state = self._progress.result
        is_done = not (state.halt or state.unaudited or state.uncosted)
        if is_done and state.day is not None and not (self._watches and self._flat_since is None):
            self._progress.settled_until = state.day.at + _DAY
        else:
            self._progress.settled_until = EPOCH

    def _is_unchanged(self, at: datetime) -> bool:
        """Flat, no fill since, the same day, nothing to wait for: what was known still holds."""
        if self._flat_since is None:
            return False
        cash, until = self._flat_since
        state = self._progress.result
        return (
            at < until and cash == state.cash and not (self._progress.is_open or self._is_lifted() or state.unaudited)
        )

    def _too_many(self, symbol: Symbol) -> Deny | None:
        bound = self._limits.max_positions
        if bound is None:
            return None
        others = self._in_play() - {symbol}
        if len(others) < bound:
            return None
        return Deny("max_positions", f"{symbol}: {len(others)} positions are open, limits.max_positions is {bound}")

    def _notional(self) -> Decimal | None:
        total = self._progress.orders.open_entry_notional()
        for symbol, quantity in self._progress.held.items():
            if quantity:
                mark = self._prices.mark_price(symbol)
                if mark is None:
                    return None
                total += abs(quantity) * mark
        return total

    def _in_play(self) -> set[Symbol]:
        """Symbols with a position or an entry on its way."""
        held = {symbol for symbol, quantity in self._progress.held.items() if quantity}
        return held | {order.symbol for order in self._progress.orders if order.open_notional}

    def _value(self, at: datetime) -> None:
        state = self._progress.result
        equity, result = self._prices.equity(), self._result_now(state)
        if equity is None or equity <= 0 or result is None:
            self._performance, self._flat_since = None, None
            return
        now = Anchor(at, result, equity)
        if not _is_begun(state, at):
            self._judge_ending(state, now)
            self._begin_periods(state, now)
        self._lift(state, now)
        day, week, month, peak = state.day or now, state.week or now, state.month or now, state.peak or now
        if result > peak.result:
            state.peak = peak = now
        self._performance = Performance(
            at=at,
            result_usdt=result,
            today_percent=day.percent(result),
            week_percent=week.percent(result),
            month_percent=month.percent(result),
            drawdown_percent=-peak.percent(result),
        )
        state.latest = now
        if self._watches:
            self._judge(state, self._performance)
        self._flat_since = None if self._progress.is_open else (state.cash, day.at + _DAY)

    def _result_now(self, state: ResultState) -> Decimal | None:
        for symbol, quantity in list(state.uncosted.items()):
            mark = self._prices.mark_price(symbol)
            if mark is None:
                return None
            state.cash -= quantity * mark
            del state.uncosted[symbol]
        total = state.cash
        for symbol, quantity in self._progress.held.items():
            if quantity:
                mark = self._prices.mark_price(symbol)
                if mark is None:
                    return None
                total += quantity * mark
        return total

    def _begin_periods(self, state: ResultState, now: Anchor) -> None:
        for period, start in _starts(now.at).items():
            held: Anchor | None = getattr(state, period)
            if held is not None and held.at >= start:
                continue
            latest = state.latest
            before = now if now.at == start or latest is None or latest.at > start else latest
            setattr(state, period, Anchor(start, before.result, before.equity))
            state.reached.pop(_LIMIT_OF[period], None)
        if state.peak is None:
            state.peak = now

    def _judge_ending(self, state: ResultState, now: Anchor) -> None:
        """The last value of periods that end now: what it reaches is told and binds nothing any more."""
        for period, start in _starts(now.at).items():
            held: Anchor | None = getattr(state, period)
            if held is not None and held.at < start == now.at:
                self._judge_loss(state, _LIMIT_OF[period], held.percent(now.result), now.at, "it ended with that")

    def _is_lifted(self) -> bool:
        """Whether a person has lifted the halt that there is."""
        halt = self._progress.result.halt
        lifted = None if halt is None else self._lifted_at()
        return halt is not None and lifted is not None and lifted > halt.at

    def _lift(self, state: ResultState, now: Anchor) -> None:
        if not self._is_lifted():
            return
        state.halt, state.peak = None, now
        text = "the drawdown halt was lifted; entries may go on"
        self._note(LimitEvent(action="halt_lifted", limit=DRAWDOWN_HALT, text=text, market_time=now.at))

    def _judge(self, state: ResultState, seen: Performance) -> None:
        made = {"daily_loss": seen.today_percent, "weekly_loss": seen.week_percent, "monthly_loss": seen.month_percent}
        for name, percent in made.items():
            self._judge_loss(state, name, percent, seen.at, _UNTIL[name])
        bound = self._limits.drawdown_halt_percent
        if bound is not None and state.halt is None and seen.drawdown_percent >= bound:
            state.halt = Halt(at=self._wall_now(), market_time=seen.at, percent=round(seen.drawdown_percent, 4))
            text = self._halt_text(state.halt)
            self._note(LimitEvent(action="limit_reached", limit=DRAWDOWN_HALT, text=text, market_time=seen.at))

    def _judge_loss(self, state: ResultState, name: str, made: Decimal, at: datetime, follows: str) -> None:
        bound = self._limits.loss_percents[name]
        if bound is not None and name not in state.reached and made <= -bound:
            state.reached[name] = at
            text = f"{-made:.2f} % lost, limits.{name}_percent is {bound}: {follows}"
            self._note(LimitEvent(action="limit_reached", limit=name, text=text, market_time=at))

    def _note(self, event: LimitEvent) -> None:
        self._progress.result.unaudited.append(event)
        self._progress.settled_until = EPOCH
        self._record.tell(event)

    def _halt_text(self, halt: Halt) -> str:
        return (
            f"{halt.percent:.2f} % below the highest result on {halt.market_time:%Y-%m-%d %H:%M} UTC, "
            f"limits.drawdown_halt_percent is {self._limits.drawdown_halt_percent}: no entries until a person resumes "
            "the bot (alpha resume BOT --why ...)"
        )


_LIMIT_OF = {"day": "daily_loss", "week": "weekly_loss", "month": "monthly_loss"}
_UNTIL = {
    "daily_loss": "no entries until 00:00 UTC",
    "weekly_loss": "no entries until Monday 00:00 UTC",
    "monthly_loss": "no entries until the first of the month, 00:00 UTC",
}


def _is_begun(state: ResultState, at: datetime) -> bool:
    """Whether the periods that the time is in are those that the state has: with its day its week and month begin."""
    day = state.day
    return (
        day is not None
        and state.week is not None
        and state.month is not None
        and state.peak is not None
        and day.at <= at < day.at + _DAY
    )


def _starts(at: datetime) -> Mapping[str, datetime]:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}


def _loss(percent: Decimal) -> Decimal:
    """How much of a loss limit is used: 0 while there is no loss."""
    return round(max(-percent, ZERO), 4)


def _standing(name: str, value: Decimal | None, bound: Decimal) -> LimitStanding:
    return LimitStanding(
        name=name,
        value=None if value is None else round(value, 4),
        bound=bound,
        reached=value is not None and value >= bound,
    )
