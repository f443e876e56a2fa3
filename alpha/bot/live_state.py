"""What the bot knows of the live world: Redis, read at the moment of deciding, for the broker and for the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import redis
import structlog

from alpha.bot.broker import HeldPosition
from alpha.bot.gate import Deny
from alpha.bot.progress import Progress
from alpha.config.registry import BotConfig
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.ledger.controls import PLATFORM, DesiredState, account_scope, bot_scope
from alpha.live import market, positions
from alpha.live.connection import LIVE_ERRORS, LiveStateError
from alpha.live.controls import read_controls
from alpha.live.health import read_feed_health, read_listener_health
from alpha.live.positions import LivePosition
from alpha.live.wallet import read_wallet
from alpha.live.wire import now

log = structlog.get_logger()

T = TypeVar("T")


class LiveState:
    """Positions come from the bot's own database, everything else from the state database.

    Whatever cannot be read is not known. For entries that is a reason to deny; for exits the last position seen stands,
    since a position that may be there must still be closable.
    """

    def __init__(
        self,
        *,
        bot: BotConfig,
        own: redis.Redis,
        state: redis.Redis,
        ticker_fresh_for: timedelta,
        instruments: Mapping[Symbol, Instrument],
        progress: Progress,
        lease_held: Callable[[], bool],
        is_stopping: Callable[[], bool],
        ask_equity: Callable[[], Decimal | None],
    ) -> None:
        self._bot = bot
        self._own = own
        self._state = state
        self.ticker_fresh_for = ticker_fresh_for
        self._instruments = instruments
        self._progress = progress
        self._lease_held = lease_held
        self._is_stopping = is_stopping
        self._ask_equity = ask_equity
        self._last_seen: dict[Symbol, LivePosition] = {}
        self._equity: Decimal | None = None
        self._equity_at: tuple[datetime, int] | None = None
        self.trouble = ""
        """What Redis said the last time it could not be read; "" when it could."""
        self.disagreed: set[Symbol] = set()
        """Symbols whose position was denied for not being what the fills make; the runner looks again and clears it."""

    # What the broker asks.

    def instrument(self, symbol: Symbol) -> Instrument:
        return self._instruments[symbol]

    def position(self, symbol: Symbol) -> HeldPosition | None:
        live = self._read_position(symbol) or self._last_seen.get(symbol)
        if live is None:
            return None
        return HeldPosition(
            symbol=symbol,
            position=live.position,
            mark_price=None if live.position.is_flat else self.mark_price(symbol) or live.mark_price,
            stop_loss=live.stop_loss,
            take_profit=live.take_profit,
            trailing_stop=live.trailing_stop,
            seq=live.seq,
        )

    def equity(self) -> Decimal | None:
        """Marked to market, asked for once at each market moment and after each fill."""
        if self._bot.capital_usdt is not None:
            return self._bot.capital_usdt
        moment = self._progress.latest, self._progress.cursor
        if self._equity_at != moment:
            self._equity, self._equity_at = self._equity_now(), moment
        return self._equity

    def _equity_now(self) -> Decimal | None:
        """The exchange's own word. The wallet in Redis is of the last fill: the exchange does not tell when the marks
        of what is held move, so it stands in only while the exchange does not answer."""
        asked = self._ask_equity()
        if asked is not None:
            return asked
        wallet = self._read(lambda: read_wallet(self._state, self._bot.account))
        return None if wallet is None else wallet.equity

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        ticker = self._read(lambda: market.read_ticker(self._state, symbol))
        return None if ticker is None else ticker.mark_price

    def feed_is_live(self) -> bool:
        """Whether bars can be expected from Redis."""
        feed = self._read(lambda: read_feed_health(self._state))
        return feed is not None and feed.is_live()

    # What the gate asks.

    def may_open_risk(self) -> Deny | None:
        if self._is_stopping():
            return Deny("stopping", "the bot is being stopped")
        if self._progress.catching_up:
            return Deny("catching_up", "the bot has not caught up with what happened while it was down")
        if not self._lease_held():
            return Deny("no_lease", "the lease of this bot is not held or could not be renewed")
        controls = self._read(lambda: read_controls(self._state))
        if controls is None or not controls.is_fresh() or PLATFORM not in controls.by_scope:
            return Deny(
                "controls_unknown", "the controls in Redis are missing or older than 5 s; does the listener run?"
            )
        for scope in (PLATFORM, account_scope(self._bot.account), bot_scope(self._bot.id)):
            control = controls.by_scope.get(scope)
            if control is None:
                continue
            if not control.entries_allowed:
                return Deny("entries_stopped", f"entries of {scope} were stopped by {control.by}: {control.why}")
            if control.desired_state is DesiredState.STOPPED:
                return Deny("stopped", f"{scope} was stopped by {control.by}: {control.why}")
        return None

    def resumed_at(self) -> datetime | None:
        """When a person last allowed entries of this bot by name, None when nobody did or it is not known."""
        controls = self._read(lambda: read_controls(self._state))
        control = None if controls is None else controls.by_scope.get(bot_scope(self._bot.id))
        return None if control is None else control.resumed_at

    def position_problem(self, symbol: Symbol) -> Deny | None:
        health = self._read(lambda: read_listener_health(self._state, self._bot.account))
        if health is None or not health.is_live():
            state = "not heard of" if health is None else health.state
            return Deny("listener_not_live", f"the listener of account {self._bot.account} is {state} or silent")
        live = self._read_position(symbol)
        if live is None:
            return Deny("position_unknown", f"{symbol}: no position in Redis database {self._bot.redis_db}")
        if not live.is_fresh():
            return Deny("position_stale", f"{symbol}: the position in Redis was not confirmed within 5 s")
        if live.drifted:
            return Deny(
                "drift", f"{symbol}: ledger and exchange disagree on account {self._bot.account}; see alpha drift"
            )
        by_fills = self._progress.held_in(symbol)
        if live.position.quantity != by_fills:
            self.disagreed.add(symbol)
            return Deny(
                "fills_missing",
                f"{symbol}: the position is {live.position.quantity}, the fills that arrived make {by_fills}",
            )
        return None

    def market_problem(self, symbol: Symbol) -> Deny | None:
        if symbol in self._progress.bars_missing:
            since = self._progress.observed[symbol]
            return Deny("bars_missing", f"{symbol}: bars since {since.isoformat()} could not be read yet")
        if not self.feed_is_live():
            return Deny("feed_not_live", "the market feed is not live")
        ticker = self._read(lambda: market.read_ticker(self._state, symbol))
        if ticker is None:
            return Deny("no_mark_price", f"{symbol}: there is no ticker in Redis")
        if now() - ticker.updated_at > self.ticker_fresh_for:
            return Deny(
                "market_data_stale", f"{symbol}: the feed wrote the last ticker at {ticker.updated_at.isoformat()}"
            )
        return None

    def order_problem(self, symbol: Symbol) -> Deny | None:
        return self._progress.orders.problem(symbol)

    def bot_notional(self) -> Decimal | None:
        total = self._progress.orders.open_entry_notional()
        for symbol in self._bot.symbols:
            held = self.position(symbol)
            if held is None:
                return None
            total += held.position.size * (held.mark_price or held.entry_price)
        return total

    def entries_since(self, market_time: datetime) -> int:
        return self._progress.entries_since(market_time)

    def _read_position(self, symbol: Symbol) -> LivePosition | None:
        """None also for one that is older than what was seen already, as after Redis was restored from a copy: for
        exits the newer one stands, for entries the position is not known."""
        live = self._read(lambda: positions.read(self._own, self._bot.id, symbol))
        if live is None:
            return None
        seen = self._last_seen.get(symbol)
        if seen is not None and _age(live) < _age(seen):
            log.warning("position_older_than_seen", symbol=symbol, seq=live.seq, seen=seen.seq)
            return None
        self._last_seen[symbol] = live
        return live

    def _read(self, read: Callable[[], T | None]) -> T | None:
        try:
            found = read()
        except LIVE_ERRORS as error:
            self._note_unreadable(str(error))
            return None
        except LiveStateError as error:
            self._note_unreadable(str(error))
            return None
        self.trouble = ""
        return found

    def _note_unreadable(self, error: str) -> None:
        if not self.trouble:
            log.warning("live_state_unreadable", error=error)
        self.trouble = f"Redis: {error}"


def _age(position: LivePosition) -> tuple[int, int, datetime]:
    """Of two states of a position the greater one is the newer."""
    return position.epoch, position.seq, position.changed_at
