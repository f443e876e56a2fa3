"""Buys breakouts out of compression on 4-hour bars, the best few of a universe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from alpha.bot import (
    BotFill,
    Broker,
    Environment,
    HeldPosition,
    Protection,
    StopPlan,
    Strategy,
    StrategyRefused,
    next_report,
    standing,
)
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.momentum.breakout import Breakout, MarketTrend
from strategies.momentum.parameters import MomentumParams
from strategies.momentum.state import MomentumState

BTC = Symbol("BTCUSDT")
_SUNDAY = 6


class Momentum(Strategy[MomentumParams, MomentumState]):
    Params = MomentumParams
    State = MomentumState

    def __init__(
        self,
        *,
        params: MomentumParams,
        state: MomentumState,
        symbols: tuple[Symbol, ...],
        broker: Broker,
        environment: Environment,
    ) -> None:
        super().__init__(params=params, state=state, symbols=symbols, broker=broker, environment=environment)
        self._interval = timedelta(minutes=params.bar_minutes)
        for symbol in symbols:
            if symbol not in params.universe and not (params.btc_filter and symbol == BTC):
                raise StrategyRefused(f"{symbol} is not in Momentum's universe: add it to params.universe in bots.yaml")
        if params.btc_filter and BTC not in symbols:
            raise StrategyRefused("Momentum's btc_filter needs BTCUSDT among the bot's symbols in bots.yaml")
        if state.market is not None and not state.market.fits(params):
            state.market = None

    @property
    def interval(self) -> timedelta:
        return self._interval

    @property
    def larger_intervals(self) -> Mapping[timedelta, int]:
        return {timedelta(hours=self.params.decision_hours): self.params.history_bars}

    def knows(self, symbol: Symbol) -> bool:
        known = self.state.breakouts.get(symbol)
        fits = known is not None and known.fits(self.params)
        if symbol == BTC and self.params.btc_filter:
            fits = fits and self.state.market is not None
        if not fits:
            self.state.breakouts.pop(symbol, None)
            if symbol == BTC:
                self.state.market = None
        return fits

    def on_start(self) -> None:
        for symbol in self.symbols:
            held = self.broker.position(symbol)
            if held is not None:
                self._protect(held)

    def observe(self, bar: Bar) -> None:
        if bar.interval == self._interval:
            return
        if bar.symbol not in self.state.breakouts:
            self.state.breakouts[bar.symbol] = Breakout.of(self.params)
        self.state.breakouts[bar.symbol].update(bar)
        self._judge(bar.symbol)
        if bar.symbol == BTC and self.params.btc_filter:
            self.state.market = self.state.market or MarketTrend.of(self.params)
            self.state.market.update(bar)

    def on_round(self, bars: Sequence[Bar]) -> None:
        end = bars[0].end
        if bars[0].interval == self._interval:
            # Exits first: they do not wait for what the bot is worth.
            for bar in bars:
                self._tend(bar.symbol)
            self._look_at_week(end)
            self._report(end)
        else:
            self._enter_best(bars)

    def on_fill(self, fill: BotFill) -> None:
        if fill.reason is not Reason.ENTRY:
            return
        # A new position: whatever was decided about an earlier one is over.
        self.state.leaving.discard(fill.symbol)

    def on_position(self, position: HeldPosition) -> None:
        self._protect(position)

    def candidates(self, bars: Sequence[Bar]) -> list[Symbol]:
        """Symbols of these bars whose rules are all met, the best first."""
        found = [
            (self.state.breakouts[bar.symbol].rank(self.params), bar.symbol)
            for bar in bars
            if bar.symbol in self.params.universe and self.state.breakouts[bar.symbol].obstacle(self.params) is None
        ]
        return [symbol for _, symbol in sorted(found, key=lambda each: (-each[0], each[1]))]

    def size(self, equity: Decimal, close: Decimal) -> Decimal:
        """Quantity of an entry: what loses the risk at the stop, within the limit per position."""
        params = self.params
        percent = min(params.risk_percent / params.trailing_percent * 100, params.position_percent_limit)
        if self.state.half_size_until is not None:
            percent /= 2
        return equity * percent / 100 / close

    def _enter_best(self, bars: Sequence[Bar]) -> None:
        candidates = self.candidates(bars)
        if not candidates or (
            self.params.btc_filter and not (self.state.market and self.state.market.allows(self.params))
        ):
            return
        held = {symbol: self.broker.position(symbol) for symbol in self.symbols}
        free = self.params.positions_limit - sum(position is None or not position.is_flat for position in held.values())
        closes = {bar.symbol: bar.close for bar in bars}
        for symbol in candidates:
            position, equity = held[symbol], self.broker.equity()
            if free <= 0 or equity is None:
                return
            if position is not None and position.is_flat and self._enter(symbol, equity, closes[symbol]):
                free -= 1

    def _enter(self, symbol: Symbol, equity: Decimal, close: Decimal) -> bool:
        quantity = self.size(equity, close)
        if quantity < self.broker.instrument(symbol).min_order_quantity(close):
            return False
        stop_loss = close * (1 - self.params.trailing_percent / 100)
        return self.broker.market(symbol, Side.BUY, quantity, stop_loss=stop_loss).accepted

    def _judge(self, symbol: Symbol) -> None:
        """The exit of the rules, of every 4-hour bar: also of one that closed while the bot was down. Which symbols are
        held is asked when the fed bar is decided on."""
        found = self.state.breakouts[symbol]
        if found.bands.is_ready and found.close < found.bands.middle:
            self.state.leaving.add(symbol)
        else:
            self.state.leaving.discard(symbol)

    def _tend(self, symbol: Symbol) -> None:
        """Ends a position that has to leave, on every fed bar until it worked, and looks after the stops of others."""
        held = self.broker.position(symbol)
        if held is None:
            return
        if held.is_flat:
            self.state.leaving.discard(symbol)
        if symbol not in self.state.leaving or not self.broker.close(symbol, Reason.MA_EXIT).accepted:
            self._protect(held)

    def _protect(self, held: HeldPosition) -> None:
        if held.quantity <= 0:
            self.state.protections.pop(held.symbol, None)
            return
        protection = self.state.protections.setdefault(held.symbol, Protection())
        if protection.is_seen(held):
            return
        distance = held.entry_price * self.params.trailing_percent / 100
        plan = StopPlan(stop_loss=held.entry_price - distance, trailing_distance=distance)
        protection.keep(self.broker, held, plan, bare_limit=timedelta(seconds=self.params.unprotected_seconds))

    def _look_at_week(self, now: datetime) -> None:
        if self.state.half_size_until is not None and now >= self.state.half_size_until:
            self.state.half_size_until = None
        made = self.broker.performance()
        if self.state.half_size_until is not None or made is None:
            return
        if made.week_percent <= -self.params.half_size_week_loss_percent:
            self.state.half_size_until = next_monday(now)
            until = self.state.half_size_until.date().isoformat()
            self.broker.alert(
                "half_size", f"the week is at {made.week_percent:.2f} %: entries of half size until {until}"
            )

    def _report(self, now: datetime) -> None:
        due = self.state.report_due
        if due is not None and now < due:
            return
        self.state.report_due = next_report(self.params.report_times_utc, now)
        if due is None:
            return
        is_weekly = False
        while due is not None and due <= now:  # one for all that an outage left out
            is_weekly = is_weekly or due.weekday() == _SUNDAY
            due = next_report(self.params.report_times_utc, due)
        kind = "weekly" if is_weekly else "daily"
        self.broker.alert("report", f"Momentum, {kind}: {standing(self.broker, self.symbols)}")


def next_monday(now: datetime) -> datetime:
    """The Monday 00:00 UTC after the time."""
    days = 7 - now.weekday()
    return datetime.combine(now.date() + timedelta(days=days), time(), tzinfo=UTC)
