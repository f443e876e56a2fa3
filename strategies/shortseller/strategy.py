"""Shorts crosses below long averages in a falling market; stops live at the exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from alpha.bot import (
    BotFill,
    Broker,
    Ema,
    Environment,
    HeldPosition,
    Holding,
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
from strategies.shortseller.parameters import AssetStops, ShortSellerParams
from strategies.shortseller.state import ShortSellerState
from strategies.shortseller.trend import ACTIVE, INACTIVE, Trend
from strategies.shortseller.watch import MarketWatch

_NOTHING: Final = Decimal(0)


class ShortSeller(Strategy[ShortSellerParams, ShortSellerState]):
    Params = ShortSellerParams
    State = ShortSellerState

    def __init__(
        self,
        *,
        params: ShortSellerParams,
        state: ShortSellerState,
        symbols: tuple[Symbol, ...],
        broker: Broker,
        environment: Environment,
    ) -> None:
        super().__init__(params=params, state=state, symbols=symbols, broker=broker, environment=environment)
        for symbol in symbols:
            if symbol not in params.assets:
                raise StrategyRefused(f"ShortSeller has no stops for {symbol}: add it to params.assets in bots.yaml")
        self._leverage_set: set[Symbol] = set()
        # What every bar asks for, found once: through the model of state or parameters each costs ten times as much.
        self._trends, self._watches, self._holdings = state.trends, state.watches, state.holdings
        self._protections, self._cooldown_until = state.protections, state.cooldown_until
        self._alert_rules, self._warm_up_bars = params.alerts, params.warm_up_bars
        self._report_due = state.report_due
        self._assets, self._crosses_per_day_limit = params.assets, params.crosses_per_day_limit
        self._hold_limit, self._trigger_valid = params.hold_limit, params.trigger_valid

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.params.bar_minutes)

    @property
    def warm_up_bars(self) -> int:
        return self.params.warm_up_bars

    def knows(self, symbol: Symbol) -> bool:
        watch = self.state.watches.get(symbol)
        if watch is not None and not watch.fits(self.params):
            del self.state.watches[symbol]  # it is full again after a few bars
        trend = self.state.trends.get(symbol)
        lengths = (self.params.ema_fast_bars, self.params.ema_slow_bars)
        if trend is not None and (trend.fast.length, trend.slow.length) == lengths:
            return True
        self.state.trends.pop(symbol, None)
        self.state.watches.pop(symbol, None)
        return False

    def on_start(self) -> None:
        for symbol in self.symbols:
            self._set_leverage(symbol)
            held = self.broker.position(symbol)
            if held is not None:
                self._protect(held)

    def observe(self, bar: Bar) -> None:
        symbol, close = bar.symbol, bar.close_as_float
        watch = self._watches.get(symbol)
        if watch is None:
            watch = self._watches[symbol] = MarketWatch.of(self.params)
        watch.see(close, bar.volume_as_float)
        self._trend(symbol).update(close, bar.end, self._warm_up_bars)

    def on_round(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            self.on_bar(bar)
        now = bars[0].end
        if self._report_due is None or now >= self._report_due:
            self._report(now)

    def on_bar(self, bar: Bar) -> None:
        symbol, now = bar.symbol, bar.end
        watch = self._watches.get(symbol)
        if watch is not None and (notices := watch.notices(self._trend(symbol), self._alert_rules, now)):
            self._tell(symbol, notices)
        held = self.broker.position(symbol)
        if held is None:
            return
        holding, quantity = self._holding(symbol), held.position.quantity
        if quantity or holding.quantity:
            holding.see(held, now)
        if not quantity:
            if symbol in self._protections:
                del self._protections[symbol]
            if self.entry_obstacle(bar, held) is None:
                self._enter(bar)
        elif quantity < _NOTHING:
            reason = self.exit_reason(bar, held)
            if reason is None or not self.broker.close(bar.symbol, reason).accepted:
                self._protect(held)

    def on_fill(self, fill: BotFill) -> None:
        held_for = self._holding(fill.symbol).apply(fill)
        if held_for is not None and held_for <= timedelta(minutes=self.params.early_close_minutes):
            self.state.cooldown_until[fill.symbol] = fill.at + timedelta(minutes=self.params.cooldown_minutes)

    def on_position(self, position: HeldPosition) -> None:
        self._protect(position)

    def exit_reason(self, bar: Bar, held: HeldPosition) -> Reason | None:
        """The first exit in software that applies to an open position at the close of the bar.

        Stop and target stand behind those at the exchange, measured from the average entry price.
        """
        stops, close, entry_price = self._assets[bar.symbol], bar.close, held.position.entry_price
        if close >= entry_price * stops.stop_factor:
            return Reason.STOP_LOSS
        if close <= entry_price * stops.target_factor:
            return Reason.TAKE_PROFIT
        if self._holding(bar.symbol).age(bar.end) > self._hold_limit:
            return Reason.TIME_EXIT
        if self._trend(bar.symbol).regime is INACTIVE:
            return Reason.REGIME_EXIT
        return None

    def entry_obstacle(self, bar: Bar, held: HeldPosition) -> str | None:
        """The first rule that forbids an entry at the close of the bar, or None when all are met."""
        if held.position.quantity:
            return "position_open"
        symbol, now = bar.symbol, bar.end
        trend, cooldown_until = self._trend(symbol), self._cooldown_until.get(symbol)
        if cooldown_until is not None and now < cooldown_until:
            return "cooldown"
        if trend.regime is not ACTIVE:
            return "regime"
        if trend.crosses >= self._crosses_per_day_limit and trend.cross_day == now.date():
            return "crosses_today"
        if trend.triggered_at is None:
            return "no_trigger"
        if now - trend.triggered_at > self._trigger_valid:
            return "trigger_too_old"
        return None

    def _enter(self, bar: Bar) -> None:
        symbol, stops = bar.symbol, self._stops(bar.symbol)
        equity = self.broker.equity()
        if equity is None or (symbol not in self._leverage_set and not self._set_leverage(symbol)):
            return
        margin = self._margin(bar, equity)
        quantity = margin * self.params.leverage / bar.close
        if quantity < self.broker.instrument(symbol).min_order_quantity(bar.close):
            return
        outcome = self.broker.market(
            symbol,
            Side.SELL,
            quantity,
            take_profit=bar.close * stops.target_factor,
            stop_loss=bar.close * stops.stop_factor,
        )
        if outcome.accepted:
            self.state.margin_sent[symbol] = (bar.end, margin)

    def _margin(self, bar: Bar, equity: Decimal) -> Decimal:
        """Margin for an entry: the asset's share, cut to what the other assets leave of the total."""
        used = sum((self._margin_used(symbol, bar) for symbol in self.symbols if symbol != bar.symbol), Decimal(0))
        free = equity * self.params.margin_percent_total / 100 - used
        return max(min(equity * self.params.margin_percent_per_asset / 100, free), Decimal(0))

    def _margin_used(self, symbol: Symbol, bar: Bar) -> Decimal:
        held = self.broker.position(symbol)
        if held is not None and not held.is_flat:
            return held.position.size * (held.mark_price or held.entry_price) / self.params.leverage
        sent_at, margin = self.state.margin_sent.get(symbol, (None, Decimal(0)))
        # An entry decided on this very bar for another asset is not a position yet.
        return margin if sent_at == bar.end else Decimal(0)

    def _protect(self, held: HeldPosition) -> None:
        symbol, position = held.symbol, held.position
        if position.quantity >= _NOTHING:
            self._protections.pop(symbol, None)
            return
        protection = self._protections.get(symbol)
        if protection is None:
            protection = self._protections[symbol] = Protection()
        if held.take_profit is not None and protection.is_seen(held):
            return
        stops, entry_price = self._stops(symbol), position.entry_price
        plan = StopPlan(
            stop_loss=entry_price * stops.stop_factor,
            take_profit=entry_price * stops.target_factor,
            trailing_distance=entry_price * stops.trailing_percent / 100,
            trailing_from=entry_price * (1 - stops.trailing_activation_percent / 100),
        )
        protection.keep(self.broker, held, plan, bare_limit=timedelta(seconds=self.params.unprotected_seconds))

    def _set_leverage(self, symbol: Symbol) -> bool:
        accepted = self.broker.set_leverage(symbol, self.params.leverage).accepted
        if accepted:
            self._leverage_set.add(symbol)
        return accepted

    def _tell(self, symbol: Symbol, notices: Mapping[str, str]) -> None:
        for kind, text in notices.items():
            self.broker.alert(kind, f"{symbol}: {text}", symbol=symbol)

    def _report(self, now: datetime) -> None:
        due = self._report_due
        self.state.report_due = self._report_due = next_report(self.params.report_times_utc, now)
        if due is not None:
            regimes = ", ".join(f"{symbol} {self._trend(symbol).regime.value}" for symbol in self.symbols)
            self.broker.alert("report", f"ShortSeller: {standing(self.broker, self.symbols)}; {regimes}")

    def _stops(self, symbol: Symbol) -> AssetStops:
        return self._assets[symbol]

    def _trend(self, symbol: Symbol) -> Trend:
        trend = self._trends.get(symbol)
        if trend is None:
            trend = Trend(Ema(self.params.ema_fast_bars), Ema(self.params.ema_slow_bars))
            self._trends[symbol] = trend
        return trend

    def _holding(self, symbol: Symbol) -> Holding:
        holding = self._holdings.get(symbol)
        if holding is None:
            holding = self._holdings[symbol] = Holding()
        return holding
