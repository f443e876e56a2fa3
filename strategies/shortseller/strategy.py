"""Shorts crosses below long averages in a falling market; stops live at the exchange."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field

from alpha.bot import (
    BotFill,
    Broker,
    Ema,
    Environment,
    HeldPosition,
    Strategy,
    StrategyRefused,
    StrategyState,
)
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from strategies.shortseller.holding import Holding
from strategies.shortseller.parameters import AssetStops, ShortSellerParams
from strategies.shortseller.trend import Regime, Trend
from strategies.shortseller.watch import MarketWatch


class ShortSellerState(StrategyState):
    """Per asset. `trailing_for` is the entry price for which the exchange's trailing stop was set and verified,
    `margin_sent` the margin of an entry by the bar it was decided on."""

    trends: dict[Symbol, Trend] = Field(default_factory=dict)
    holdings: dict[Symbol, Holding] = Field(default_factory=dict)
    watches: dict[Symbol, MarketWatch] = Field(default_factory=dict)
    trailing_for: dict[Symbol, Decimal] = Field(default_factory=dict)
    margin_sent: dict[Symbol, tuple[str, Decimal]] = Field(default_factory=dict)


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
        self._notices: dict[Symbol, dict[str, str]] = {}

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.params.bar_minutes)

    @property
    def warm_up_bars(self) -> int:
        return self.params.warm_up_bars

    def knows(self, symbol: Symbol) -> bool:
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
                self._trail(held)

    def observe(self, bar: Bar) -> None:
        close, volume = float(bar.close), float(bar.volume)
        trend = self._trend(bar.symbol)
        trend.update(close, bar.end, self.params.warm_up_bars)
        watch = self.state.watches.get(bar.symbol) or MarketWatch.of(self.params)
        self.state.watches[bar.symbol] = watch
        self._notices[bar.symbol] = watch.see(close, volume, trend, self.params)

    def on_bar(self, bar: Bar) -> None:
        self._tell(bar)
        held = self.broker.position(bar.symbol)
        if held is None:
            return
        if not held.is_flat:
            reason = self.exit_reason(bar, held)
            if reason is not None:
                self.broker.close(bar.symbol, reason)
            else:
                self._trail(held)
        elif self.entry_obstacle(bar, held) is None:
            self._enter(bar)

    def on_fill(self, fill: BotFill) -> None:
        holding = self._holding(fill.symbol)
        holding.apply(
            fill,
            early_close=timedelta(minutes=self.params.early_close_minutes),
            cooldown=timedelta(minutes=self.params.cooldown_minutes),
        )
        if holding.quantity == 0:
            self.state.trailing_for.pop(fill.symbol, None)

    def on_position(self, position: HeldPosition) -> None:
        self._trail(position)

    def exit_reason(self, bar: Bar, held: HeldPosition) -> Reason | None:
        """The first exit in software that applies to an open position at the close of the bar.

        Stop and target stand behind those at the exchange, measured from the average entry price.
        """
        stops = self._stops(bar.symbol)
        if bar.close >= held.entry_price * (1 + stops.stop_percent / 100):
            return Reason.STOP_LOSS
        if bar.close <= held.entry_price * (1 - stops.target_percent / 100):
            return Reason.TAKE_PROFIT
        holding = self._holding(bar.symbol)
        if holding.opened_at is None:
            # A position that no fill of ours explains: its time runs from when it was first seen.
            holding.opened_at = bar.end
        if bar.end - holding.opened_at > timedelta(hours=self.params.hold_limit_hours):
            return Reason.TIME_EXIT
        if self._trend(bar.symbol).regime is Regime.INACTIVE:
            return Reason.REGIME_EXIT
        return None

    def entry_obstacle(self, bar: Bar, held: HeldPosition) -> str | None:
        """The first rule that forbids an entry at the close of the bar, or None when all are met."""
        trend, cooldown_until = self._trend(bar.symbol), self._holding(bar.symbol).cooldown_until
        if not held.is_flat:
            return "position_open"
        if cooldown_until is not None and bar.end < cooldown_until:
            return "cooldown"
        if trend.regime is not Regime.ACTIVE:
            return "regime"
        if trend.cross_day == bar.end.date() and trend.crosses >= self.params.crosses_per_day_limit:
            return "crosses_today"
        if trend.triggered_at is None:
            return "no_trigger"
        if bar.end - trend.triggered_at > timedelta(minutes=self.params.trigger_valid_minutes):
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
            take_profit=bar.close * (1 - stops.target_percent / 100),
            stop_loss=bar.close * (1 + stops.stop_percent / 100),
        )
        if outcome.accepted:
            self.state.margin_sent[symbol] = (bar.end.isoformat(), margin)

    def _margin(self, bar: Bar, equity: Decimal) -> Decimal:
        """Margin for an entry: the asset's share, cut to what the other assets leave of the total."""
        used = sum((self._margin_used(symbol, bar) for symbol in self.symbols if symbol != bar.symbol), Decimal(0))
        free = equity * self.params.margin_percent_total / 100 - used
        return max(min(equity * self.params.margin_percent_per_asset / 100, free), Decimal(0))

    def _margin_used(self, symbol: Symbol, bar: Bar) -> Decimal:
        held = self.broker.position(symbol)
        if held is not None and not held.is_flat:
            return held.position.size * held.entry_price / self.params.leverage
        sent_at, margin = self.state.margin_sent.get(symbol, ("", Decimal(0)))
        # An entry decided on this very bar for another asset is not a position yet.
        return margin if sent_at == bar.end.isoformat() else Decimal(0)

    def _trail(self, held: HeldPosition) -> None:
        """Keep the exchange's trailing stop at the open position; tried again on every bar until it is verified."""
        symbol, entry_price = held.symbol, held.entry_price
        if held.quantity >= 0:
            return
        if self.state.trailing_for.get(symbol) == entry_price and held.trailing_stop is not None:
            return
        stops = self._stops(symbol)
        activation = entry_price * (1 - stops.trailing_activation_percent / 100)
        reached = held.mark_price is not None and held.mark_price <= activation
        outcome = self.broker.trailing_stop(
            symbol,
            entry_price * stops.trailing_percent / 100,
            activation_price=None if reached else activation,
        )
        if outcome.accepted:
            self.state.trailing_for[symbol] = entry_price
        if held.stop_loss is None:
            # The entry carries its stop; a position found without one (made or changed by hand) gets it here.
            self.broker.stop_loss(symbol, entry_price * (1 + stops.stop_percent / 100))

    def _set_leverage(self, symbol: Symbol) -> bool:
        accepted = self.broker.set_leverage(symbol, self.params.leverage).accepted
        if accepted:
            self._leverage_set.add(symbol)
        return accepted

    def _tell(self, bar: Bar) -> None:
        watch = self.state.watches.get(bar.symbol)
        interval = timedelta(minutes=self.params.alert_interval_minutes)
        for kind, text in self._notices.pop(bar.symbol, {}).items():
            if watch is not None and watch.may_tell(kind, bar.end, interval):
                self.broker.alert(kind, f"{bar.symbol}: {text}", symbol=bar.symbol)

    def _stops(self, symbol: Symbol) -> AssetStops:
        return self.params.assets[symbol]

    def _trend(self, symbol: Symbol) -> Trend:
        if symbol not in self.state.trends:
            fast, slow = Ema(length=self.params.ema_fast_bars), Ema(length=self.params.ema_slow_bars)
            self.state.trends[symbol] = Trend(fast=fast, slow=slow)
        return self.state.trends[symbol]

    def _holding(self, symbol: Symbol) -> Holding:
        return self.state.holdings.setdefault(symbol, Holding())
