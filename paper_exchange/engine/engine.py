from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.clock import require_aware, to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from paper_exchange.engine import matching, order_desk, path, position_desk
from paper_exchange.engine.acceptance import HEDGE_UNSUPPORTED, check_position_idx
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import Event, Execution, OrderState, PositionState, Transaction, Wallet
from paper_exchange.engine.funding import pay_funding
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.market import Market
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import EngineAccount, FeeRates, OrderRequest, TradingStop
from paper_exchange.engine.venue import Venue, position_state, wallet
from paper_exchange.engine.walk import check_margins, walk_leg


class Engine:
    """An exchange of linear perpetuals as a pure function of its inputs.

    Time moves only by `step`; between two steps clients place orders, which are accepted or refused at once and
    matched at the open of the next bar. The same seed, accounts, requests and bars give the same ids, executions and
    balances, whatever the order in which requests of different clients arrived between two steps. How a bar is walked
    is told in `paper_exchange.engine.path`, what is refused in `acceptance`.

    Not thread-safe. Sizes are in base units, prices and amounts in the quote currency, times are the market clock.
    """

    def __init__(
        self,
        *,
        instruments: Mapping[Symbol, Instrument],
        fees: Mapping[Symbol, FeeRates],
        seed: int,
        start: datetime,
        liquidity: Liquidity | None = None,
        prices: Mapping[Symbol, Decimal] | None = None,
    ) -> None:
        """`prices` are the last prices at the start; a symbol without one takes no orders before its first bar.

        Raises InvalidValue when an instrument has no fees.
        """
        missing = sorted(set(instruments) - set(fees))
        if missing:
            raise InvalidValue(f"no fee rates for {', '.join(missing)}")
        self._venue = Venue(
            markets={symbol: Market(instrument, fees[symbol]) for symbol, instrument in instruments.items()},
            ids=Ids(seed),
            liquidity=Liquidity() if liquidity is None else liquidity,
            now=require_aware(start),
        )
        for symbol, price in (prices or {}).items():
            self._venue.markets[symbol].close_bar(price, price)

    @property
    def now(self) -> datetime:
        """The market time: the end of the last bar."""
        return self._venue.now

    @property
    def instruments(self) -> dict[Symbol, Instrument]:
        return {symbol: market.instrument for symbol, market in self._venue.markets.items()}

    def fee_rates(self, symbol: Symbol) -> FeeRates:
        return self._venue.market(symbol).fees

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """The price of the last trade, None before the first."""
        market = self._venue.market(symbol)
        return market.last_price if market.has_price else None

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        market = self._venue.market(symbol)
        return market.mark_price if market.has_price else None

    def open_account(self, account: EngineAccount) -> None:
        """Raises InvalidValue for a uid that exists or a negative balance, Refused (110029) for hedge mode."""
        if account.uid in self._venue.accounts:
            raise InvalidValue(f"account {account.uid} exists already")
        if account.balance < 0:
            raise InvalidValue(f"account {account.uid} cannot be opened with {account.balance}")
        if account.position_mode != "one_way":
            raise Refused(HEDGE_UNSUPPORTED, "Hedge mode is not supported yet; set position_mode to one_way")
        self._venue.accounts[account.uid] = Account(uid=account.uid, balance=account.balance, at=self.now)

    def place_order(self, uid: int, request: OrderRequest) -> OrderState:
        """The accepted order, to be matched at the next open. Raises Refused; a refused order leaves no trace."""
        return order_desk.place(self._venue, uid, request)

    def trade_now(self, uid: int, request: OrderRequest) -> OrderState:
        """A market order that does not wait for the next open: filled whole, at once, at the market time.

        For whoever needs executions rather than a market (a generator of load): of several such orders between two
        bars the first is first. Raises Refused.
        """
        return order_desk.trade_now(self._venue, uid, request)

    def amend_order(
        self,
        uid: int,
        symbol: Symbol,
        *,
        order_id: str | None = None,
        order_link_id: str | None = None,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> OrderState:
        """Change total quantity or price of an open order; it is matched again at the next open. Raises Refused."""
        return order_desk.amend(
            self._venue,
            uid,
            symbol,
            order_id=order_id,
            order_link_id=order_link_id,
            quantity=quantity,
            price=price,
        )

    def cancel_order(
        self, uid: int, symbol: Symbol, order_id: str | None = None, order_link_id: str | None = None
    ) -> OrderState:
        """Cancel an open order at once, also a stop of the position. Raises Refused (110001) when there is none."""
        return order_desk.cancel_one(self._venue, uid, symbol, order_id=order_id, order_link_id=order_link_id)

    def cancel_all(self, uid: int, symbol: Symbol | None = None, *, include_stops: bool = True) -> list[OrderState]:
        """Cancel all open orders; as on Bybit that includes the stops of positions unless told not to."""
        return order_desk.cancel_all(self._venue, uid, symbol, include_stops=include_stops)

    def set_trading_stop(self, uid: int, request: TradingStop) -> PositionState:
        """Set, move or remove stops of a position. Raises Refused: 10001, or 34040 when nothing would change."""
        return position_desk.set_trading_stop(self._venue, uid, request)

    def set_leverage(self, uid: int, symbol: Symbol, leverage: Decimal) -> PositionState:
        """Raises Refused: 10001, 110013 above the limit, 110043 unchanged, 110012 too little margin for it."""
        return position_desk.set_leverage(self._venue, uid, symbol, leverage)

    def step(
        self,
        bars: Mapping[Symbol, Bar],
        *,
        marks: Mapping[Symbol, Decimal] | None = None,
        funding: Mapping[Symbol, Decimal] | None = None,
    ) -> None:
        """Move the market from the start to the end of the bars, which must all be of one start and interval.

        `marks` are mark prices at the close (default: the close), `funding` rates due at the start. Symbols without a
        bar stand still and their new orders wait. Raises InvalidValue for bars that do not fit together or lie in the
        past.
        """
        if not bars:
            raise InvalidValue("a step needs at least one bar")
        first = next(iter(bars.values()))
        self._check_bars(bars, first)
        venue = self._venue
        for symbol in sorted(funding or {}):
            market = venue.markets[symbol]
            if market.holders and funding is not None:
                pay_funding(venue, market, funding[symbol], first.start)
        for symbol, bar in bars.items():
            market = venue.markets[symbol]
            market.volume = bar.volume
            market.move(bar.open)
        held = [symbol for symbol in bars if venue.markets[symbol].holders]
        if held:
            check_margins(venue, dict.fromkeys(held, to_ms(first.start)))
        if venue.pending:
            self._match_arrivals(bars, first.start)
        touched = {symbol: bar for symbol, bar in bars.items() if venue.markets[symbol].is_touched}
        if touched or venue.arrived:
            self._walk(bars, touched)
        for symbol, bar in bars.items():
            mark = bar.close if marks is None else marks.get(symbol, bar.close)
            venue.markets[symbol].close_bar(bar.close, mark)
        if touched and marks is not None:
            end_ms = to_ms(first.end) - 1
            check_margins(venue, dict.fromkeys(touched, end_ms))
        venue.now = first.end
        venue.unnamed.clear()

    def take_events(self) -> list[Event]:
        """Everything told since the last call, in the order in which it happened."""
        events, self._venue.events = self._venue.events, []
        return events

    def orders(self, uid: int, symbol: Symbol | None = None, *, open_only: bool = True) -> list[OrderState]:
        """Orders as they are now, oldest first; open ones include the stops of positions."""
        account = self._venue.account(uid)
        if not open_only:
            return [order.state for order in account.orders.values() if symbol in (None, order.symbol)]
        symbols = list(account.open_orders) if symbol is None else [symbol]
        found = [order for name in symbols for order in account.open_orders.get(name, {}).values()]
        return [order.state for order in sorted(found, key=lambda order: (order.created_at, order.sort_key))]

    def order(self, uid: int, order_id: str | None = None, *, order_link_id: str | None = None) -> OrderState | None:
        """One order by id, or by link id, whatever its state; None when there never was one."""
        account = self._venue.account(uid)
        order = account.orders.get(order_id) if order_id else account.by_link_id.get(order_link_id or "")
        return None if order is None else order.state

    def executions(self, uid: int, *, since: int = 0) -> list[Execution]:
        """The executions of the account after the first `since`, as they were made. The list is the caller's own."""
        return self._venue.account(uid).executions[since:]

    def positions(self, uid: int) -> list[PositionState]:
        """Every symbol the account has dealt with, also flat ones, by symbol."""
        account = self._venue.account(uid)
        return [position_state(account, holding, holding.updated_at) for _, holding in sorted(account.holdings.items())]

    def position(self, uid: int, symbol: Symbol, idx: int = 0) -> PositionState:
        """The position in a symbol, flat if there never was one."""
        check_position_idx(idx)
        account = self._venue.account(uid)
        holding = account.holding(self._venue.market(symbol))
        return position_state(account, holding, holding.updated_at)

    def wallet(self, uid: int) -> Wallet:
        return wallet(self._venue.account(uid), self.now)

    def opening_balance(self, uid: int) -> Decimal:
        """What the account was opened with; with every change of the log added it is the balance."""
        return self._venue.account(uid).opening_balance

    def transactions(self, uid: int) -> list[Transaction]:
        """The log of the account, oldest first. The list is the caller's own."""
        return list(self._venue.account(uid).transactions)

    def _check_bars(self, bars: Mapping[Symbol, Bar], first: Bar) -> None:
        if first.start < self.now:
            raise InvalidValue(f"bar of {first.start.isoformat()} lies before the market time {self.now.isoformat()}")
        for symbol, bar in bars.items():
            if symbol not in self._venue.markets:
                raise InvalidValue(f"bar of {symbol}, which has no instrument here")
            if bar.symbol != symbol or bar.start != first.start or bar.interval != first.interval:
                raise InvalidValue(f"bars of one step must share start and interval: {symbol} {bar.start.isoformat()}")

    def _match_arrivals(self, bars: Mapping[Symbol, Bar], at: datetime) -> None:
        venue = self._venue
        arrivals = [(account, order) for account, order in venue.pending.values() if order.symbol in bars]
        for account, order in sorted(arrivals, key=lambda arrival: arrival[1].sort_key):
            if venue.pending.pop(order.order_id, None) is not None:
                matching.match_arrival(venue, account, order, at)

    def _walk(self, bars: Mapping[Symbol, Bar], touched: dict[Symbol, Bar]) -> None:
        venue = self._venue
        walk_leg(venue, {symbol: path.opening(bar) for symbol, bar in touched.items()})
        for account, order in venue.arrived:
            if order.is_open:
                venue.markets[order.symbol].resting[order.order_id] = (account, order)
                touched[order.symbol] = bars[order.symbol]
        venue.arrived.clear()
        legs = {symbol: path.legs(touched[symbol]) for symbol in sorted(touched)}
        for number in range(3):
            walk_leg(venue, {symbol: three[number] for symbol, three in legs.items()})
