"""Buys strength by one of two sets of rules, with exits and account rules in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.bot import (
    BotFill,
    Broker,
    Environment,
    HeldPosition,
    Holding,
    Protection,
    StopPlan,
    Strategy,
    StrategyRefused,
)
from alpha.bot.larger_bars import floor_to
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.lxalgo.eight_rules import EightRules
from strategies.lxalgo.parameters import LXAlgoParams, Profile
from strategies.lxalgo.pump_momentum import PumpMomentum
from strategies.lxalgo.state import LXAlgoState

_NAMED = 3


class LXAlgo(Strategy[LXAlgoParams, LXAlgoState]):
    Params = LXAlgoParams
    State = LXAlgoState

    def __init__(
        self,
        *,
        params: LXAlgoParams,
        state: LXAlgoState,
        symbols: tuple[Symbol, ...],
        broker: Broker,
        environment: Environment,
    ) -> None:
        super().__init__(params=params, state=state, symbols=symbols, broker=broker, environment=environment)
        self._interval = timedelta(minutes=params.bar_minutes)
        self._pumps = params.profile is Profile.PUMP_MOMENTUM
        strange = [] if self._pumps else [symbol for symbol in symbols if symbol not in params.eight_rules.universe]
        if strange:
            raise StrategyRefused(
                f"{_named(strange)} not in LXAlgo's universe: add what it shall trade to params.eight_rules.universe "
                "of the bot in bots.yaml; all symbols are for the profile pump_momentum"
            )

    @property
    def interval(self) -> timedelta:
        return self._interval

    @property
    def warm_up_bars(self) -> int:
        return self.params.pump_momentum.warm_up_bars if self._pumps else 0

    @property
    def larger_intervals(self) -> Mapping[timedelta, int]:
        if self._pumps:
            return {}
        rules = self.params.eight_rules
        return {timedelta(hours=hours): rules.warm_up_bars for hours in rules.bar_hours}

    @property
    def minimum_history(self) -> timedelta:
        """A longer one is asked for, and what it would still change counts against a rule. A symbol listed lately has
        no longer one."""
        if self._pumps:
            return self.params.pump_momentum.minimum_bars * self.interval
        rules = self.params.eight_rules
        return timedelta(hours=rules.bar_hours[-1]) * rules.minimum_bars

    def knows(self, symbol: Symbol) -> bool:
        state, params = self.state, self.params
        if self._pumps:
            pump = state.pumps.get(symbol)
            fits = pump is not None and pump.fits(params.pump_momentum, self.interval)
        else:
            rules = state.eight_rules.get(symbol, {})
            fits = sorted(rules) == list(params.eight_rules.bar_hours)
            fits = fits and all(each.fits(params.eight_rules) for each in rules.values())
        if not fits:
            state.pumps.pop(symbol, None)
            state.eight_rules.pop(symbol, None)
        return fits

    def ready(self, symbol: Symbol) -> bool:
        """Whether enough bars of the symbol were seen to decide on it."""
        if self._pumps:
            pump = self.state.pumps.get(symbol)
            return pump is not None and pump.ready(self.params.pump_momentum)
        rules, params = self.state.eight_rules.get(symbol, {}), self.params.eight_rules
        return len(rules) == len(params.bar_hours) and all(each.ready(params) for each in rules.values())

    def on_start(self) -> None:
        for symbol in self.symbols:
            held = self.broker.position(symbol)
            if held is not None:
                self._protect(held)

    def observe(self, bar: Bar) -> None:
        if bar.interval == self._interval:
            self._observe_profit(bar)
        if self._pumps:
            pump = self.state.pumps.get(bar.symbol)
            if pump is None:
                pump = PumpMomentum.of(self.params.pump_momentum, self.interval)
                self.state.pumps[bar.symbol] = pump
            pump.update(bar)
        elif bar.interval != self._interval:
            hours = bar.interval // timedelta(hours=1)
            by_hours = self.state.eight_rules.setdefault(bar.symbol, {})
            if hours not in by_hours:
                by_hours[hours] = EightRules.of(self.params.eight_rules)
            by_hours[hours].update(bar)

    def on_round(self, bars: Sequence[Bar]) -> None:
        now, interval = bars[0].end, bars[0].interval
        if interval == self._interval:
            self._look_at_account(now)
            for bar in bars:
                self._tend(bar)
        if self._pumps:
            self._refresh_universe(now)
            self._enter_all(bars)
        elif interval == timedelta(hours=self.params.eight_rules.bar_hours[0]):
            self._enter_all(bars)

    def on_fill(self, fill: BotFill) -> None:
        holding = self._holding(fill.symbol)
        holding.apply(fill)
        if fill.reason is Reason.ENTRY:
            # Also when nobody heard the answer to the order, or the bot died before it was saved.
            decided_at = floor_to(holding.opened_at or fill.at, self._interval)
            self.state.entered_at[fill.symbol] = max(self.state.entered_at.get(fill.symbol, decided_at), decided_at)

    def on_position(self, position: HeldPosition) -> None:
        self._protect(position)

    def signal(self, symbol: Symbol) -> str | None:
        """The rule of the profile that enters the symbol at its newest close, or None."""
        if not self.ready(symbol):
            return None
        if self._pumps:
            return self.state.pumps[symbol].signal(self.params.pump_momentum) if symbol in self.state.universe else None
        params = self.params.eight_rules
        agree = all(len(each.met(params)) >= params.rules_needed for each in self.state.eight_rules[symbol].values())
        return "eight_rules" if agree else None

    def entry_obstacle(self, symbol: Symbol, now: datetime) -> str | None:
        """The first rule of both profiles that forbids an entry, or None when all are met."""
        if self.state.account.is_paused(now):
            return "paused"
        held = self.broker.position(symbol)
        if held is None or not held.is_flat:
            return "position_open"
        if self._open_positions(now) >= self.params.positions_limit:
            return "positions_limit"
        entered = self.state.entered_at.get(symbol)
        if entered is not None and now - entered < timedelta(hours=self.params.trade_interval_hours):
            return "traded_recently"
        return None

    def exit_reason(self, bar: Bar, held: HeldPosition) -> Reason | None:
        """The first exit in software that applies to an open position at the close of the bar."""
        params, symbol = self.params, bar.symbol
        if self.state.account.is_paused(bar.end):
            return Reason.FLATTEN
        age = self._holding(symbol).age(bar.end)
        if age > timedelta(hours=params.hold_limit_hours):
            return Reason.TIME_EXIT
        if age > timedelta(hours=params.losing_hold_limit_hours) and bar.close < held.entry_price:
            return Reason.TIME_EXIT
        if self._is_break_even(held) and bar.close <= self._stop(held) and not self._stop_is_at(held):
            # The price came back before the stop was moved: the exchange takes none above the price.
            return Reason.STOP_LOSS
        return None

    def _enter_all(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            if self.signal(bar.symbol) is not None and self.entry_obstacle(bar.symbol, bar.end) is None:
                self._enter(bar)

    def _enter(self, bar: Bar) -> None:
        params, close, instrument = self.params, bar.close, self.broker.instrument(bar.symbol)
        notional = params.order_notional_usdt / (2 if self.state.account.half_size else 1)
        outcome = self.broker.market(
            bar.symbol,
            Side.BUY,
            max(instrument.round_quantity(notional / close), instrument.min_order_quantity(close)),
            take_profit=close * (1 + params.target_percent / 100),
            stop_loss=close * (1 - params.stop_percent / 100),
        )
        if outcome.accepted:
            self.state.entered_at[bar.symbol] = bar.end

    def _open_positions(self, now: datetime) -> int:
        """Symbols that are held, that nobody can say are flat, or that were entered on this very bar."""
        held = {symbol: self.broker.position(symbol) for symbol in self.symbols}
        return sum(
            position is None or not position.is_flat or self.state.entered_at.get(symbol) == now
            for symbol, position in held.items()
        )

    def _tend(self, bar: Bar) -> None:
        held = self.broker.position(bar.symbol)
        if held is None:
            return
        self._holding(bar.symbol).see(held, bar.end)
        if held.is_flat:
            self._protect(held)
            return
        reason = self.exit_reason(bar, held) if held.quantity > 0 else None
        if reason is not None and self.broker.close(bar.symbol, reason).accepted:
            return
        self._look_at_profit(bar, held)
        self._protect(held)

    def _observe_profit(self, bar: Bar) -> None:
        """A profit that was there while the bot was down counts, too."""
        holding = self.state.holdings.get(bar.symbol)
        if holding is None or holding.quantity <= 0 or holding.opened_at is None or bar.end <= holding.opened_at:
            return
        held = self.broker.position(bar.symbol)
        if held is not None and held.quantity > 0:
            self._look_at_profit(bar, held)

    def _look_at_profit(self, bar: Bar, held: HeldPosition) -> None:
        if bar.close >= held.entry_price * (1 + self.params.break_even_at_percent / 100):
            self.state.break_even[bar.symbol] = held.entry_price

    def _protect(self, held: HeldPosition) -> None:
        symbol, entry_price = held.symbol, held.entry_price
        if held.quantity <= 0:
            self.state.protections.pop(symbol, None)
            self.state.break_even.pop(symbol, None)
            return
        protection = self.state.protections.setdefault(symbol, Protection())
        if held.stop_loss is not None and self._is_break_even(held) and not self._stop_is_at(held):
            self.broker.stop_loss(symbol, self._stop(held))
        if held.take_profit is not None and protection.is_seen(held):
            return
        plan = StopPlan(
            stop_loss=self._stop(held),
            take_profit=entry_price * (1 + self.params.target_percent / 100),
            trailing_distance=entry_price * self.params.trailing_percent / 100,
            trailing_from=entry_price * (1 + self.params.trailing_activation_percent / 100),
        )
        protection.keep(self.broker, held, plan, bare_limit=timedelta(seconds=self.params.unprotected_seconds))

    def _holding(self, symbol: Symbol) -> Holding:
        return self.state.holdings.setdefault(symbol, Holding())

    def _is_break_even(self, held: HeldPosition) -> bool:
        return self.state.break_even.get(held.symbol) == held.entry_price

    def _stop(self, held: HeldPosition) -> Decimal:
        if self._is_break_even(held):
            return held.entry_price * (1 + self.params.break_even_plus_percent / 100)
        return held.entry_price * (1 - self.params.stop_percent / 100)

    def _stop_is_at(self, held: HeldPosition) -> bool:
        """Whether the exchange's stop is where it belongs, or better."""
        wanted = self.broker.instrument(held.symbol).round_price(self._stop(held))
        return held.stop_loss is not None and held.stop_loss >= wanted

    def _look_at_account(self, now: datetime) -> None:
        made = self.broker.performance()
        if made is not None:
            for kind, text in self.state.account.update(made, now, self.params):
                self.broker.alert(kind, text)

    def _refresh_universe(self, now: datetime) -> None:
        params, state = self.params.pump_momentum, self.state
        slot = floor_to(now, timedelta(hours=params.refresh_hours))
        if state.universe_at is not None and slot <= state.universe_at:
            return
        state.universe_at = slot
        state.universe = [
            symbol
            for symbol in self.symbols
            if symbol in state.pumps and state.pumps[symbol].day_turnover > params.turnover_above_usdt
        ]


def _named(symbols: Sequence[Symbol]) -> str:
    shown = ", ".join(symbols[:_NAMED])
    more = len(symbols) - _NAMED
    if more > 0:
        return f"{shown} and {more} more are"
    return f"{shown} is" if len(symbols) == 1 else f"{shown} are"
