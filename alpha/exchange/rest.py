from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from pybit.unified_trading import HTTP
from requests.utils import get_environ_proxies

from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import Order
from alpha.exchange.account_books import KeyInformation
from alpha.exchange.account_state import ExchangePosition, FeeRates, WalletBalance
from alpha.exchange.budget import Budget, Call, Purpose
from alpha.exchange.endpoints import Endpoints, is_loopback
from alpha.exchange.errors import (
    RATE_LIMIT_CODE,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRefused,
    ExchangeUnknown,
    ExchangeUnreachable,
    UnknownMessage,
)
from alpha.exchange.new_order import CancelKind, NewOrder, TradingStop
from alpha.exchange.parse import (
    LINEAR,
    SETTLE_COIN,
    Item,
    interval_to_wire,
    is_perpetual,
    parse_fee_rates,
    parse_funding_row,
    parse_instrument,
    parse_key_information,
    parse_kline_row,
    parse_order,
    parse_position,
    parse_ticker,
    parse_wallet,
)
from alpha.exchange.pybit_errors import PYBIT_ERRORS, exchange_error
from alpha.exchange.signing import KeyPair
from alpha.exchange.ticker import Ticker

MARKET_TIME_HEADER = "X-Alpha-Market-Time"
LIMIT_HEADER = "X-Bapi-Limit"

_CONNECT_TIMEOUT_S = 3.05
_ANSWER_TIMEOUT_S = 5.0
# A read that fails for a passing reason is asked again; all of it within this time, so that a caller's loop goes on.
_READ_ATTEMPTS = 3
_READ_BUDGET_S = 8.0
_READ_PAUSE_S = 0.2
_CONNECT_PART = 0.4
# How long a call waits for room in the budget before it is given up. What can wait may wait longer.
_ROOM_WITHIN_S = {Purpose.EXIT: 5.0, Purpose.ORDINARY: 5.0, Purpose.BACKGROUND: 20.0}
_EXECUTION_PAGE = 100
_ORDER_PAGE = 50
_LOG_PAGE = 50
_CLOSED_PNL_PAGE = 100
_POSITION_PAGE = 200
_KLINE_PAGE = 1000
_FUNDING_PAGE = 200
_INSTRUMENT_PAGE = 1000
_ASKED_ONE_BY_ONE = 20

_INSTRUMENTS = "GET /v5/market/instruments-info"

_LEVERAGE_NOT_MODIFIED = 110043
_STOP_NOT_MODIFIED = 34040
_MODE_NOT_MODIFIED = 110025
_DEMO_UNSUPPORTED = 10032

# https://bybit-exchange.github.io/docs/v5/order/cancel-all: stopOrderType `Stop` leaves the stops of positions out.
_ORDER_FILTER = {CancelKind.EVERYTHING: None, CancelKind.ACTIVE: "Order", CancelKind.CONDITIONAL: "StopOrder"}


@dataclass(frozen=True, slots=True)
class _Answer:
    result: Mapping[str, Any]
    server_ms: int
    market_ms: int


class ExchangeClient:
    """REST calls of one account, through pybit. Blocking; one client per thread, as its HTTP session is shared.

    Every call raises an ExchangeError: ExchangeRefused (nothing was done; ExchangeAuthError and ExchangeRateLimited are
    kinds of it), ExchangeUnknown (ask again by id) or ExchangeUnreachable (nothing was sent). Reads are tried up to 3
    times within about 8 s for reasons that pass; whatever changes something is sent exactly once, and after
    ExchangeUnknown the caller asks by order link id. An answer that cannot be read raises UnknownMessage.

    With a `budget` every call waits until there is room for its purpose within the exchange's limits, for a few seconds
    at most: then it raises ExchangeRateLimited without having sent anything. What the exchange says of its limits is
    told to the budget.

    With `reads_within_s` a read is over by then, for whoever can go on without the answer: attempts, pauses and waiting
    for room are all within it.

    Without credentials only market data works. Category is linear and the settle coin USDT throughout.
    """

    def __init__(
        self,
        account: AccountName,
        endpoints: Endpoints,
        credentials: KeyPair | None = None,
        *,
        budget: Budget | None = None,
        answer_timeout_s: float = _ANSWER_TIMEOUT_S,
        reads_within_s: float | None = None,
        recv_window_ms: int = 5000,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self.endpoints = endpoints
        self._credentials, self._budget, self._sleep = credentials, budget, sleep
        self._answer_timeout_s, self._recv_window_ms = answer_timeout_s, recv_window_ms
        self._reads_within_s = reads_within_s
        # A paper exchange has limits only when it says so: there is nothing to keep to while its answers tell of none.
        self._is_limited = not endpoints.is_paper
        self._host = urlsplit(endpoints.rest_url).netloc
        self._http = HTTP(
            api_key=credentials.key if credentials else None,
            api_secret=credentials.secret if credentials else None,
            # requests takes (connect, read) here, and pybit hands it through.
            timeout=(_CONNECT_TIMEOUT_S, answer_timeout_s),
            recv_window=recv_window_ms,
            return_response_headers=True,
            # pybit sends again by itself for these codes and, with force_retry, after a time-out: an order could be
            # sent twice. Its set must not be empty, or its defaults come back; no answer has the code -1.
            max_retries=1,
            retry_codes={-1},
            force_retry=False,
            # Its request log holds the API key.
            log_requests=False,
            logging_level=logging.WARNING,
        )
        self._http.endpoint = endpoints.rest_url.rstrip("/")
        self._http.client.hooks["response"].append(_read_by_orjson)
        # pybit adds a handler of its own to its logger where the root has none yet; ours are the only ones.
        self._http.logger.handlers.clear()
        # Asked of the environment for each request, which is the default, they take as long as all the rest of it.
        self._http.client.proxies = {} if is_loopback(endpoints.rest_url) else get_environ_proxies(endpoints.rest_url)
        self._http.client.trust_env = False

    def __repr__(self) -> str:
        return f"ExchangeClient({self.account}, {self.endpoints.environment}, {self.endpoints.rest_url})"

    def twin(self) -> ExchangeClient:
        """A client of the same account with connections of its own, for another thread."""
        other = ExchangeClient(
            self.account,
            self.endpoints,
            self._credentials,
            budget=self._budget,
            answer_timeout_s=self._answer_timeout_s,
            reads_within_s=self._reads_within_s,
            recv_window_ms=self._recv_window_ms,
            sleep=self._sleep,
        )
        other._is_limited = self._is_limited
        return other

    def close(self) -> None:
        self._http.client.close()

    # The account's identity and the two clocks.

    def uid(self) -> int | None:
        """The UID behind the key; None on demo trading where the exchange does not tell it (10032)."""
        said = self.key_information()
        return None if said is None else said.uid

    def key_information(self) -> KeyInformation | None:
        """The key's UID, rights and end; None on demo trading where the exchange does not tell (10032)."""
        try:
            answer = self._read("GET /v5/user/query-api", self._http.get_api_key_information)
        except ExchangeRefused as error:
            if error.code == _DEMO_UNSUPPORTED:
                return None
            raise
        return parse_key_information(answer.result)

    def market_time(self) -> datetime:
        """The market clock: that of executions and bars. It is the server's clock except on the paper exchange."""
        return from_ms(self._read("GET /v5/market/time", self._http.get_server_time).market_ms)

    def server_time(self) -> datetime:
        """The exchange's wall clock: that of signatures and frames."""
        return from_ms(self._read("GET /v5/market/time", self._http.get_server_time).server_ms)

    # Market data.

    def listed(self) -> dict[Symbol, Instrument]:
        """The filters of every perpetual that trades now and settles in USDT, by symbol."""
        return {
            instrument.symbol: instrument
            for page in self._pages(
                _INSTRUMENTS, self._http.get_instruments_info, category=LINEAR, status="Trading", limit=_INSTRUMENT_PAGE
            )
            for row in page
            if is_perpetual(row) and (instrument := parse_instrument(row)).quote == SETTLE_COIN
        }

    def instruments(self, symbols: Iterable[Symbol]) -> dict[Symbol, Instrument]:
        """The filters of the symbols. Raises ExchangeRefused for one that the exchange does not list."""
        wanted = tuple(symbols)
        # One page has them all, where each by itself would be asked for one after the other.
        listed = self.listed() if len(wanted) > _ASKED_ONE_BY_ONE else {}
        found = {}
        for symbol in wanted:
            operation = _INSTRUMENTS
            match = listed.get(symbol)
            if match is None:
                answer = self._read(operation, self._http.get_instruments_info, category=LINEAR, symbol=symbol)
                rows = [parse_instrument(row) for row in _rows(answer)]
                match = next((row for row in rows if row.symbol == symbol), None)
            if match is None:
                raise ExchangeRefused(
                    f"{self.account} ({self.endpoints.environment}): the exchange lists no {symbol}",
                    operation=operation,
                    code=10001,
                    text=f"no instrument {symbol}",
                )
            found[symbol] = match
        return found

    def klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:
        """The closed bars that start in [start, end), oldest first, of any number: read in pages of 1,000.

        Raises InvalidValue for an interval that the exchange does not serve.
        """
        return self._klines("GET /v5/market/kline", self._http.get_kline, symbol, interval, start, end)

    def mark_klines(self, symbol: Symbol, interval: timedelta, start: datetime, end: datetime) -> list[Bar]:
        """As `klines`, of the mark price: volume and turnover are 0."""
        call = self._http.get_mark_price_kline
        return self._klines("GET /v5/market/mark-price-kline", call, symbol, interval, start, end)

    def funding_rates(self, symbol: Symbol, start: datetime, end: datetime) -> list[tuple[datetime, Decimal]]:
        """The rates that were due in [start, end), oldest first, of any number: the exchange gives the newest 200 of a
        period, so the pages go back in time."""
        rates: dict[datetime, Decimal] = {}
        until_ms = to_ms(end) - 1
        while until_ms >= to_ms(start):
            answer = self._read(
                "GET /v5/market/funding/history",
                self._http.get_funding_rate_history,
                category=LINEAR,
                symbol=symbol,
                startTime=to_ms(start),
                endTime=until_ms,
                limit=_FUNDING_PAGE,
            )
            page = dict(parse_funding_row(row) for row in _rows(answer))
            rates |= page
            if len(page) < _FUNDING_PAGE:
                break
            until_ms = to_ms(min(page)) - 1
        return sorted(rates.items())

    def _klines(
        self,
        operation: str,
        call: Callable[..., Any],
        symbol: Symbol,
        interval: timedelta,
        start: datetime,
        end: datetime,
    ) -> list[Bar]:
        name = interval_to_wire(interval)
        bars: dict[datetime, Bar] = {}
        page_start = start
        while page_start < end:
            page_end = min(page_start + interval * _KLINE_PAGE, end)
            answer = self._read(
                operation,
                call,
                category=LINEAR,
                symbol=symbol,
                interval=name,
                start=to_ms(page_start),
                end=to_ms(page_end) - 1,
                limit=_KLINE_PAGE,
            )
            market_time = from_ms(answer.market_ms)
            for row in _rows(answer):
                bar = parse_kline_row(row, symbol, interval)
                if start <= bar.start < end and bar.end <= market_time:
                    bars[bar.start] = bar
            page_start = page_end
        return [bars[key] for key in sorted(bars)]

    def ticker(self, symbol: Symbol) -> Ticker:
        answer = self._read("GET /v5/market/tickers", self._http.get_tickers, category=LINEAR, symbol=symbol)
        return parse_ticker(_only_row(answer, symbol), from_ms(answer.server_ms))

    # Orders.

    def place_order(self, order: NewOrder) -> OrderId:
        """Sends the order, once, and returns the exchange's id: accepted, not filled; the result comes by the stream.

        ExchangeRefused.is_duplicate_order says that this order link id is already there. After ExchangeUnknown ask
        `order(symbol, order_link_id)` and send again with the same id only.
        """
        answer = self._change(
            "POST /v5/order/create",
            self._http.place_order,
            purpose=Purpose.EXIT if order.reduce_only or order.close_on_trigger else Purpose.ORDINARY,
            category=LINEAR,
            symbol=order.symbol,
            side=order.side.value,
            orderType=order.order_type.value,
            qty=_wire(order.quantity),
            price=_wire(order.price),
            timeInForce=order.time_in_force.value if order.time_in_force else None,
            positionIdx=order.position_idx,
            orderLinkId=order.order_link_id,
            reduceOnly=order.reduce_only or None,
            closeOnTrigger=order.close_on_trigger or None,
            takeProfit=_wire(order.take_profit),
            stopLoss=_wire(order.stop_loss),
            tpslMode="Full" if order.take_profit or order.stop_loss else None,
        )
        return OrderId(_word(answer.result, "orderId"))

    def cancel_order(
        self, symbol: Symbol, *, order_id: OrderId | None = None, order_link_id: str | None = None
    ) -> OrderId:
        """Cancels one order, named by either id. ExchangeRefused.is_order_gone says that nothing was left to cancel."""
        answer = self._change(
            "POST /v5/order/cancel",
            self._http.cancel_order,
            purpose=Purpose.EXIT,
            category=LINEAR,
            symbol=symbol,
            orderId=order_id,
            orderLinkId=order_link_id,
        )
        return OrderId(_word(answer.result, "orderId"))

    def cancel_all(self, symbol: Symbol | None = None, *, kind: CancelKind = CancelKind.EVERYTHING) -> list[OrderId]:
        """Cancels every order of a kind, whoever placed it, of the symbol or of the whole account; at most 500 at a
        time. Nothing to cancel is fine."""
        answer = self._change(
            "POST /v5/order/cancel-all",
            self._http.cancel_all_orders,
            purpose=Purpose.EXIT,
            category=LINEAR,
            symbol=symbol,
            settleCoin=SETTLE_COIN if symbol is None else None,
            orderFilter=_ORDER_FILTER[kind],
            stopOrderType="Stop" if kind is CancelKind.CONDITIONAL else None,
        )
        return [OrderId(_word(row, "orderId")) for row in _rows(answer)]

    def order(self, symbol: Symbol, order_link_id: str) -> Order | None:
        """The order's latest state, open or closed; None when the exchange knows none (it may lag by seconds)."""
        for operation, call in (
            ("GET /v5/order/realtime", self._http.get_open_orders),
            ("GET /v5/order/history", self._http.get_order_history),
        ):
            answer = self._read(operation, call, category=LINEAR, symbol=symbol, orderLinkId=order_link_id)
            for row in _rows(answer):
                order = parse_order(row, self.account, LINEAR)
                if order.order_link_id == order_link_id:
                    return order
        return None

    def open_orders(self, symbols: Iterable[Symbol] | None = None) -> list[Order]:
        """Every open order, untriggered stops included, of the symbols, or of the account when none are given."""
        scopes = [{"symbol": symbol} for symbol in symbols] if symbols is not None else [{"settleCoin": SETTLE_COIN}]
        return [
            parse_order(row, self.account, LINEAR)
            for scope in scopes
            for page in self._pages(
                "GET /v5/order/realtime",
                self._http.get_open_orders,
                category=LINEAR,
                openOnly=0,
                limit=_ORDER_PAGE,
                **scope,
            )
            for row in page
        ]

    def order_by_id(self, symbol: Symbol, order_id: OrderId) -> Order | None:
        """The order's latest state, however old; None when the exchange knows none any more. Bybit forgets what ended
        without a fill after a day (7 days on demo trading)."""
        for operation, call in (
            ("GET /v5/order/realtime", self._http.get_open_orders),
            ("GET /v5/order/history", self._http.get_order_history),
        ):
            answer = self._read(
                operation, call, purpose=Purpose.BACKGROUND, category=LINEAR, symbol=symbol, orderId=order_id
            )
            for row in _rows(answer):
                order = parse_order(row, self.account, LINEAR)
                if order.order_id == order_id:
                    return order
        return None

    def order_history(self, start: datetime, end: datetime, *, most: int | None = None) -> list[Order]:
        """Closed orders that were created within the window of at most 7 days (market clock), newest first; of many
        the newest `most`, rounded up to whole pages of 50."""
        found: list[Order] = []
        for page in self.order_pages(start, end):
            found += [parse_order(row, self.account, LINEAR) for row in page]
            if most is not None and len(found) >= most:
                break
        return found

    def order_pages(self, start: datetime, end: datetime) -> Iterator[Sequence[Item]]:
        """The raw pages of `order_history`, newest first, to the last."""
        yield from self._pages(
            "GET /v5/order/history",
            self._http.get_order_history,
            purpose=Purpose.BACKGROUND,
            category=LINEAR,
            settleCoin=SETTLE_COIN,
            startTime=to_ms(start),
            endTime=to_ms(end),
            limit=_ORDER_PAGE,
        )

    # The exchange's own books. Walked through by `alpha.exchange.walking`.

    def account_log_pages(self, start: datetime, end: datetime) -> Iterator[Sequence[Item]]:
        """The raw pages of the transaction log of one window of at most 7 days, newest first, to the last: every
        category and coin, also what belongs to no symbol."""
        yield from self._pages(
            "GET /v5/account/transaction-log",
            self._http.get_transaction_log,
            purpose=Purpose.BACKGROUND,
            accountType="UNIFIED",
            startTime=to_ms(start),
            endTime=to_ms(end),
            limit=_LOG_PAGE,
        )

    def closed_pnl_pages(self, start: datetime, end: datetime) -> Iterator[Sequence[Item]]:
        """The raw pages of closed P&L of one window of at most 7 days, by the closing order's creation, newest first,
        to the last."""
        yield from self._pages(
            "GET /v5/position/closed-pnl",
            self._http.get_closed_pnl,
            purpose=Purpose.BACKGROUND,
            category=LINEAR,
            startTime=to_ms(start),
            endTime=to_ms(end),
            limit=_CLOSED_PNL_PAGE,
        )

    # Executions.

    def execution_pages(self, start: datetime, end: datetime, *, category: str = LINEAR) -> Iterator[Sequence[Item]]:
        """The raw pages of one window of at most 7 days, newest first, to the last. Use `walk_executions` instead."""
        yield from self._pages(
            "GET /v5/execution/list",
            self._http.get_executions,
            purpose=Purpose.BACKGROUND,
            category=category,
            startTime=to_ms(start),
            endTime=to_ms(end),
            limit=_EXECUTION_PAGE,
        )

    # Positions and the account.

    def positions(self) -> list[ExchangePosition]:
        """Every open position settled in USDT. A flat symbol is not listed."""
        return [
            parse_position(row, self.account, LINEAR)
            for page in self._pages(
                "GET /v5/position/list",
                self._http.get_positions,
                category=LINEAR,
                settleCoin=SETTLE_COIN,
                limit=_POSITION_PAGE,
            )
            for row in page
        ]

    def positions_of(self, symbol: Symbol) -> list[ExchangePosition]:
        """The symbol's rows, flat ones included: one in one-way mode, two (1 long, 2 short) in hedge mode."""
        answer = self._read("GET /v5/position/list", self._http.get_positions, category=LINEAR, symbol=symbol)
        return [parse_position(row, self.account, LINEAR) for row in _rows(answer)]

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Sets it for both sides; the same value again is fine."""
        text = _wire(leverage)
        self._change_unless(
            _LEVERAGE_NOT_MODIFIED,
            "POST /v5/position/set-leverage",
            self._http.set_leverage,
            category=LINEAR,
            symbol=symbol,
            buyLeverage=text,
            sellLeverage=text,
        )

    def set_trading_stop(self, stop: TradingStop) -> None:
        """Sets, moves or removes the stops of a position; the same values again are fine."""
        self._change_unless(
            _STOP_NOT_MODIFIED,
            "POST /v5/position/trading-stop",
            self._http.set_trading_stop,
            purpose=Purpose.EXIT,
            category=LINEAR,
            symbol=stop.symbol,
            tpslMode="Full",
            positionIdx=stop.position_idx,
            takeProfit=_wire(stop.take_profit),
            stopLoss=_wire(stop.stop_loss),
            trailingStop=_wire(stop.trailing_stop),
            activePrice=_wire(stop.active_price),
        )

    def switch_position_mode(self, symbol: Symbol, *, hedge: bool) -> None:
        """One-way or hedge mode for the symbol; the same mode again is fine."""
        self._change_unless(
            _MODE_NOT_MODIFIED,
            "POST /v5/position/switch-mode",
            self._http.switch_position_mode,
            category=LINEAR,
            symbol=symbol,
            mode=3 if hedge else 0,
        )

    def wallet(self) -> WalletBalance:
        answer = self._read("GET /v5/account/wallet-balance", self._http.get_wallet_balance, accountType="UNIFIED")
        return parse_wallet(_first_row(answer), self.account)

    def fee_rates(self, symbols: Iterable[Symbol]) -> dict[Symbol, FeeRates]:
        """The account's rates. Raises ExchangeRefused on demo trading, which has no such call."""
        rates = {}
        for symbol in symbols:
            answer = self._read("GET /v5/account/fee-rate", self._http.get_fee_rates, category=LINEAR, symbol=symbol)
            of_symbol, rate = parse_fee_rates(_only_row(answer, symbol))
            rates[of_symbol] = rate
        return rates

    # How calls are made.

    def _pages(
        self, operation: str, call: Callable[..., Any], *, purpose: Purpose = Purpose.ORDINARY, **query: Any
    ) -> Iterator[Sequence[Item]]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            answer = self._read(operation, call, purpose=purpose, cursor=cursor, **query)
            yield _rows(answer)
            cursor = answer.result.get("nextPageCursor") or None
            if cursor is None:
                return
            if cursor in seen:
                raise UnknownMessage(f"{operation} gave the page cursor {cursor!r} twice", dict(answer.result))
            seen.add(cursor)

    def _change_unless(self, harmless: int, operation: str, call: Callable[..., Any], **query: Any) -> None:
        try:
            self._change(operation, call, **query)
        except ExchangeRefused as error:
            if error.code != harmless:
                raise

    def _change(
        self, operation: str, call: Callable[..., Any], *, purpose: Purpose = Purpose.ORDINARY, **query: Any
    ) -> _Answer:
        return self._ask(operation, call, purpose, query)

    def _read(
        self, operation: str, call: Callable[..., Any], *, purpose: Purpose = Purpose.ORDINARY, **query: Any
    ) -> _Answer:
        deadline = time.monotonic() + (self._reads_within_s or _READ_BUDGET_S)
        for attempt in range(1, _READ_ATTEMPTS + 1):
            if self._reads_within_s is not None:
                self._hurry(deadline - time.monotonic())
            try:
                return self._ask(operation, call, purpose, query)
            except (ExchangeRateLimited, ExchangeUnknown, ExchangeUnreachable) as error:
                pause_s = _READ_PAUSE_S * attempt
                if isinstance(error, ExchangeRateLimited):
                    if error.is_of_address:
                        raise
                    pause_s = error.retry_after_s
                if attempt == _READ_ATTEMPTS or time.monotonic() + pause_s >= deadline:
                    raise
                self._sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _hurry(self, within_s: float) -> None:
        """The next request is over by then: to connect and to answer have a part each."""
        connect_s = min(_CONNECT_TIMEOUT_S, within_s * _CONNECT_PART)
        self._http.timeout = (connect_s, min(self._answer_timeout_s, within_s - connect_s))

    def _ask(self, operation: str, call: Callable[..., Any], purpose: Purpose, query: Mapping[str, Any]) -> _Answer:
        counted = self._call(operation, purpose)
        self._wait_for_room(counted)
        try:
            # pybit changes the mapping it is given, and its market time call takes none.
            body, _elapsed, headers = call(**{name: value for name, value in query.items() if value is not None})
        except PYBIT_ERRORS as error:
            said = self._error(error, operation)
            if isinstance(said, ExchangeRateLimited) and self._budget is not None:
                self._is_limited = True
                self._budget.pause(counted, said.retry_after_s, whole_address=said.is_of_address)
            raise said from error
        if (told := headers.get(LIMIT_HEADER, "")).isdigit() and self._budget is not None:
            self._is_limited = True
            self._budget.told(counted, int(told))
        try:
            result, server_ms = body["result"], int(body["time"])
            market_ms = int(headers.get(MARKET_TIME_HEADER, server_ms))
        except (KeyError, TypeError, ValueError) as error:
            raise UnknownMessage(f"{operation}: the envelope has no result or no time", body) from error
        if not isinstance(result, Mapping):
            raise UnknownMessage(f"{operation}: the result is not an object", body)
        return _Answer(result, server_ms, market_ms)

    def _call(self, operation: str, purpose: Purpose) -> Call:
        method, path = operation.split(" ", 1)
        # The market's data belong to nobody's limit but the address's.
        account = None if path.startswith("/v5/market/") else self.account
        return Call(self._host, path, account, purpose, changes=method == "POST")

    def _wait_for_room(self, call: Call) -> None:
        """Waits for the budget, which counts the call. Raises ExchangeRateLimited, nothing being sent."""
        if self._budget is None or not self._is_limited:
            return
        give_up_s = time.monotonic() + (_ROOM_WITHIN_S[call.purpose] if self._reads_within_s is None else 0.0)
        while (wait_s := self._budget.take(call)) > 0.0:
            if time.monotonic() + wait_s > give_up_s:
                operation = f"{'POST' if call.changes else 'GET'} {call.path}"
                raise ExchangeRateLimited(
                    f"{self.account} ({self.endpoints.environment}): {operation} was not sent, there is no room for it "
                    f"within the exchange's limits for {wait_s:.1f} s",
                    operation=operation,
                    code=RATE_LIMIT_CODE,
                    text="not sent: the limits leave no room",
                    retry_after_s=wait_s,
                )
            self._sleep(wait_s)

    def _error(self, error: Exception, operation: str) -> ExchangeError:
        return exchange_error(
            error,
            operation=operation,
            account=self.account,
            environment=self.endpoints.environment,
            api_key=self._http.api_key or "",
        )


def _read_by_orjson(response: requests.Response, **_: object) -> None:
    """A page of executions is 60 kB, and reading it is a good part of what recovery costs."""
    # Not of the answer: one that refers to itself stays until the garbage collector comes.
    content = response.content
    # orjson's error is a json.JSONDecodeError, which pybit expects.
    response.json = lambda **_: orjson.loads(content)  # type: ignore[method-assign]


def _rows(answer: _Answer) -> Sequence[Any]:
    rows = answer.result.get("list")
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise UnknownMessage("the result has no list", dict(answer.result))
    return rows


def _first_row(answer: _Answer) -> Item:
    rows = _rows(answer)
    if not rows or not isinstance(rows[0], Mapping):
        raise UnknownMessage("the list is empty", dict(answer.result))
    return rows[0]


def _only_row(answer: _Answer, symbol: Symbol) -> Item:
    row = _first_row(answer)
    if row.get("symbol") != symbol:
        raise UnknownMessage(f"the answer is not about {symbol}", dict(answer.result))
    return row


def _word(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise UnknownMessage(f"{name} is {value!r}", dict(row))
    return value


def _wire(number: Decimal | None) -> str | None:
    """Plain digits: the exchange does not read exponents."""
    return None if number is None else format(number, "f")
