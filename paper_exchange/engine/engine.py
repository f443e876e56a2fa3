from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice

from alpha.domain.bar import Bar
from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.instrument import Instrument
from paper_exchange.engine import amending, liquidation, modes, order_desk, position_desk, stepping
from paper_exchange.engine.acceptance import check_position_idx
from paper_exchange.engine.account import NO_ORDER, Account
from paper_exchange.engine.audience import Audience, Recorder
from paper_exchange.engine.closed_pnl import ClosedPnl
from paper_exchange.engine.events import Event, Execution, OrderState, PositionState, Transaction, Wallet
from paper_exchange.engine.ids import Ids
from paper_exchange.engine.insurance import InsuranceFund
from paper_exchange.engine.liquidity import Liquidity
from paper_exchange.engine.market import Market, Tape
from paper_exchange.engine.order_book import OrderBook, order_book
from paper_exchange.engine.order_desk import OrderFilter
from paper_exchange.engine.price_limits import highest_buy, lowest_sell
from paper_exchange.engine.quiet import quiet_range, quiet_ranges
from paper_exchange.engine.quiet_range import QuietRange
from paper_exchange.engine.requests import (
    EngineAccount,
    FeeRates,
    MarginMode,
    OrderAmendment,
    OrderRequest,
    PositionMode,
    TpslMode,
    TradingStop,
    TriggerBy,
)
from paper_exchange.engine.risk_tiers import RiskTiers
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import told_last


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
        insurance: Decimal | None = None,
        prices: Mapping[Symbol, Decimal] | None = None,
        volumes: Mapping[Symbol, Decimal] | None = None,
        risk_tiers: Mapping[Symbol, RiskTiers] | None = None,
        audience: Audience | None = None,
    ) -> None:
        """`prices` are the last prices at the start; a symbol without one takes no orders before its first bar.

        `volumes` are those of the bars before the start: what the book is made of until the first step.

        `risk_tiers` are the tiers of symbols; one that has none may be held in any size with its highest leverage.

        `insurance` is what the insurance fund begins with; without it the fund has no bottom and nobody is deleveraged.

        `audience` hears everything as it happens; without one it is recorded for `take_events`.

        Raises InvalidValue when an instrument has no fees.
        """
        missing = sorted(set(instruments) - set(fees))
        if missing:
            raise InvalidValue(f"no fee rates for {', '.join(missing)}")
        tape = Tape()
        self._recorder = Recorder()
        self._venue = Venue(
            markets={
                symbol: Market(instrument, fees[symbol], tape, (risk_tiers or {}).get(symbol))
                for symbol, instrument in instruments.items()
            },
            ids=Ids(seed),
            liquidity=Liquidity() if liquidity is None else liquidity,
            insurance=InsuranceFund(insurance),
            now=require_aware(start),
            tape=tape,
            audience=self._recorder if audience is None else audience,
        )
        for symbol, volume in (volumes or {}).items():
            self._venue.markets[symbol].volume = volume
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

    def risk_tiers(self, symbol: Symbol) -> RiskTiers:
        return self._venue.market(symbol).tiers

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """The price of the last trade, None before the first."""
        market = self._venue.market(symbol)
        return market.last_price if market.has_price else None

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        market = self._venue.market(symbol)
        return market.mark_price if market.has_price else None

    def index_price(self, symbol: Symbol) -> Decimal | None:
        market = self._venue.market(symbol)
        return market.index_price if market.has_price else None

    def order_book(self, symbol: Symbol, depth: int | None = None) -> OrderBook:
        """What market orders can have now and the orders that rest, at most `depth` levels of each side."""
        return order_book(self._venue, self._venue.market(symbol), depth)

    def price_limits(self, symbol: Symbol) -> tuple[Decimal, Decimal]:
        """The highest price at which limit orders may buy now and the lowest at which they may sell, 0 without one."""
        market = self._venue.market(symbol)
        return highest_buy(market), lowest_sell(market)

    def open_account(self, account: EngineAccount) -> None:
        """Raises InvalidValue for a uid that exists or a negative balance."""
        if account.uid in self._venue.accounts:
            raise InvalidValue(f"account {account.uid} exists already")
        if account.balance < 0:
            raise InvalidValue(f"account {account.uid} cannot be opened with {account.balance}")
        venue = self._venue
        venue.accounts[account.uid] = Account(account, venue.now, venue.tape, venue.ids)

    def place_order(self, uid: int, request: OrderRequest) -> OrderState:
        """The accepted order, to be matched at the next open. Raises Refused; a refused order leaves no trace."""
        return order_desk.place(self._venue, uid, request).told()

    def submit(self, uid: int, request: OrderRequest) -> OrderId:
        """As `place_order`, for whoever wants no more of the order than its id."""
        return order_desk.place(self._venue, uid, request).order_id

    def trade_now(self, uid: int, request: OrderRequest) -> OrderState:
        """A market order that does not wait for the next open: filled whole, at once, at the market time.

        For whoever needs executions rather than a market (a generator of load): of several such orders between two
        bars the first is first. Raises Refused.
        """
        return order_desk.trade_now(self._venue, uid, request).told()

    def match_now(self) -> None:
        """Match the orders that wait for the next open around the last price, at the market time; what may rest, rests.

        For a market whose clients do not wait for its bars. The price does not move meanwhile, so what an order gets
        does not depend on when between two steps it was sent.
        """
        venue = self._venue
        if venue.pending:
            stepping.match_arrivals(venue, venue.markets, venue.now)
            stepping.rest_arrived(venue)

    def amend_order(
        self,
        uid: int,
        symbol: Symbol,
        *,
        order_id: str | None = None,
        order_link_id: str | None = None,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        trigger_by: TriggerBy | None = None,
        take_profit: Decimal | None = None,
        stop_loss: Decimal | None = None,
        tpsl_mode: TpslMode | None = None,
        tp_trigger_by: TriggerBy | None = None,
        sl_trigger_by: TriggerBy | None = None,
        tp_limit_price: Decimal | None = None,
        sl_limit_price: Decimal | None = None,
    ) -> OrderState:
        """Change an open order in place; None leaves what it is, a take profit or stop loss of 0 is taken away.

        What that does to its place among resting orders is told in `amending`. Raises Refused.
        """
        change = OrderAmendment(
            quantity=quantity,
            price=price,
            trigger_price=trigger_price,
            trigger_by=trigger_by,
            take_profit=take_profit,
            stop_loss=stop_loss,
            tpsl_mode=tpsl_mode,
            tp_trigger_by=tp_trigger_by,
            sl_trigger_by=sl_trigger_by,
            tp_limit_price=tp_limit_price,
            sl_limit_price=sl_limit_price,
        )
        return amending.amend(self._venue, uid, symbol, change, order_id=order_id, order_link_id=order_link_id)

    def cancel_order(
        self, uid: int, symbol: Symbol, order_id: str | None = None, order_link_id: str | None = None
    ) -> OrderState:
        """Cancel an open order at once, also a stop of the position. Raises Refused (110001) when there is none."""
        return order_desk.cancel_one(self._venue, uid, symbol, order_id=order_id, order_link_id=order_link_id)

    def cancel_all(
        self,
        uid: int,
        symbol: Symbol | None = None,
        *,
        include_stops: bool = True,
        order_filter: str = "",
        stop_order_type: str = "",
    ) -> list[OrderState]:
        """Cancel all open orders; as on Bybit that includes the stops of positions unless told not to.

        `order_filter` is Bybit's: "Order" for what is active, "StopOrder" for what waits for a trigger; of the latter
        `stop_order_type` "Stop" takes conditional orders only. Raises ValueError for another filter.
        """
        kind = OrderFilter(order_filter)
        if kind is OrderFilter.ALL and not include_stops:
            kind = OrderFilter.ACTIVE
        return order_desk.cancel_all(self._venue, uid, symbol, kind=kind, stop_order_type=stop_order_type)

    def set_trading_stop(self, uid: int, request: TradingStop) -> PositionState:
        """Set, move or remove stops of a position. Raises Refused: 10001, or 34040 when nothing would change."""
        return position_desk.set_trading_stop(self._venue, uid, request)

    def set_position_mode(self, uid: int, mode: PositionMode, symbol: Symbol | None = None) -> None:
        """One-way or hedge mode for a symbol, or (None) for all that can be switched.

        Raises Refused: 110025 unchanged, 110024 with a position, 110028 with open orders.
        """
        modes.set_position_mode(self._venue, uid, mode, symbol)

    def set_margin_mode(self, uid: int, mode: MarginMode) -> None:
        """Cross margin over all positions, or isolated margin for each, for the whole account.

        Raises Refused: 110026 unchanged, 3400045 when the balance cannot give every position and order its margin.
        """
        modes.set_margin_mode(self._venue, uid, mode)

    def margin_mode(self, uid: int) -> MarginMode:
        return self._venue.account(uid).margin_mode

    def deleverage(self, uid: int, symbol: Symbol, quantity: Decimal, idx: int = 0) -> None:
        """Close a part of a position at the mark price as auto-deleveraging does (AdlTrade), for whoever wants to see
        one. What the position does not have is left out; a flat one is left alone."""
        market = self._venue.market(symbol)
        account = self._venue.account(uid)
        check_position_idx(account, symbol, idx)
        holding = account.holding(market, idx)
        part = min(quantity, holding.size)
        if part > 0:
            price = market.instrument.round_price(market.mark_price)
            liquidation.deleverage(self._venue, account, holding, part, price, self.now)

    def is_hedge(self, uid: int, symbol: Symbol) -> bool:
        """Whether the symbol has its long and short positions apart (positionIdx 1 and 2) for this account."""
        return self._venue.account(uid).is_hedge(symbol)

    def set_leverage(self, uid: int, symbol: Symbol, leverage: Decimal) -> PositionState:
        """Raises Refused: 10001, 110013 above the limit, 110043 unchanged, 110012 too little margin for it."""
        return position_desk.set_leverage(self._venue, uid, symbol, leverage)

    def step(
        self,
        bars: Mapping[Symbol, Bar],
        *,
        marks: Mapping[Symbol, Decimal] | None = None,
        index: Mapping[Symbol, Decimal] | None = None,
        funding: Mapping[Symbol, Decimal] | None = None,
    ) -> None:
        """Move the market from the start to the end of the bars, which must all be of one start and interval.

        `marks` are mark prices at the close (default: the close), `index` index prices (default: the mark price),
        `funding` rates due at the start. Symbols without a
        bar stand still and their new orders wait. Raises InvalidValue for bars that do not fit together or lie in the
        past.
        """
        stepping.step(self._venue, bars, marks, index, funding)

    def is_idle(self, symbol: Symbol) -> bool:
        """Whether nobody has an order or a position in the symbol, so that a bar of it can only move the price."""
        venue = self._venue
        if venue.markets[symbol].is_touched:
            return False
        return not any(order.symbol == symbol for _, order in venue.pending.values())

    def quiet_range(self, symbol: Symbol) -> QuietRange | None:
        """Between which prices the symbol's bars change nothing, None when the next one has to be stepped through.

        While the bars of all symbols stay strictly inside theirs, with last and mark prices, `move_to` over them leaves
        what `step` would have left. To be asked for again after every step and request.
        """
        venue = self._venue
        return quiet_ranges(venue)[symbol] if venue.markets[symbol].is_touched else quiet_range(venue, symbol)

    def move_to(
        self, at: datetime, closes: Mapping[Symbol, Decimal], *, marks: Mapping[Symbol, Decimal] | None = None
    ) -> None:
        """Leave symbols as if every bar up to `at` had been stepped through, the last of them closing as given.

        The quick way for whoever knows the bars beforehand: bars of an idle symbol, and of any while they stay inside
        its `quiet_range`, need not be stepped through at all, if this is called before the next request or step.
        `marks` are mark prices (default: the close). Raises InvalidValue for a time before the market time and for a
        symbol with an order that waits for the next open.
        """
        venue = self._venue
        if at < venue.now:
            raise InvalidValue(f"{at.isoformat()} lies before the market time {venue.now.isoformat()}")
        for _, order in venue.pending.values():
            if order.symbol in closes:
                raise InvalidValue(
                    f"an order of {order.symbol} waits for the next open; its bar must be stepped through"
                )
        for symbol, close in closes.items():
            venue.markets[symbol].close_bar(close, close if marks is None else marks.get(symbol, close))
        if at > venue.now:
            venue.now = at
            venue.unnamed.clear()

    def take_events(self) -> list[Event]:
        """Everything told since the last call, in the order in which it happened; nothing where an `audience` is."""
        return self._recorder.take()

    def orders(self, uid: int, symbol: Symbol | None = None, *, open_only: bool = True) -> list[OrderState]:
        """Orders as they are now, oldest first; open ones include the stops of positions."""
        account = self._venue.account(uid)
        if not open_only:
            return [told_last(order) for order in account.orders.values() if symbol in (None, order.symbol)]
        symbols = list(account.open_orders) if symbol is None else [symbol]
        found = [order for name in symbols for order in account.open_orders.get(name, {}).values()]
        return [order.told() for order in sorted(found, key=lambda order: (order.created_at, order.sort_key))]

    def orders_made(self, uid: int, *, since: int = 0) -> list[OrderState]:
        """All orders after the first `since`, as they were accepted, whatever became of them."""
        made = islice(self._venue.account(uid).orders.values(), since, None)
        return [told_last(order) for order in made]

    def order(self, uid: int, order_id: str | None = None, *, order_link_id: str | None = None) -> OrderState | None:
        """One order by id, or by link id, whatever its state; None when there never was one."""
        account = self._venue.account(uid)
        order = account.orders.get(order_id or account.by_link_id.get(order_link_id or "", NO_ORDER))
        return None if order is None else told_last(order)

    def executions(self, uid: int, *, since: int = 0) -> list[Execution]:
        """The executions of the account after the first `since`, as they were made. The list is the caller's own."""
        return self._venue.account(uid).log.executions[since:]

    def positions(self, uid: int) -> list[PositionState]:
        """Every symbol the account has dealt with, also flat ones, by symbol and index, in the mode they are in."""
        account = self._venue.account(uid)
        return [
            account.position_state(holding, holding.updated_at)
            for (symbol, position_idx), holding in account.holdings.items()
            if position_idx in account.position_idxs(symbol)
        ]

    def position(self, uid: int, symbol: Symbol, idx: int = 0) -> PositionState:
        """The position in a symbol, flat if there never was one. Raises Refused for an index its mode does not have."""
        account = self._venue.account(uid)
        market = self._venue.market(symbol)
        check_position_idx(account, symbol, idx)
        holding = account.holding(market, idx)
        return account.position_state(holding, holding.updated_at)

    def wallet(self, uid: int) -> Wallet:
        return self._venue.account(uid).wallet(self.now)

    def balance(self, uid: int) -> Decimal:
        """The wallet balance, without the rest of the wallet."""
        return self._venue.account(uid).balance

    def equity(self, uid: int) -> Decimal:
        """Balance and unrealized P&L at the mark prices now."""
        return self._venue.account(uid).equity

    def signed_position(self, uid: int, symbol: Symbol, idx: int = 0) -> Decimal:
        """What is held, above 0 long and below 0 short, without the rest of the position."""
        return self._venue.account(uid).holding(self._venue.market(symbol), idx).quantity

    def opening_balance(self, uid: int) -> Decimal:
        """What the account was opened with; with every change of the log added it is the balance."""
        return self._venue.account(uid).opening_balance

    def transactions(self, uid: int) -> list[Transaction]:
        """The log of the account, oldest first. The list is the caller's own."""
        return list(self._venue.account(uid).log.rows(self._venue.ids))

    def closed_pnl(self, uid: int) -> list[ClosedPnl]:
        """One row per order that has closed something, oldest first. The list is the caller's own."""
        return list(self._venue.account(uid).closed_pnl.rows())
