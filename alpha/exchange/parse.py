"""Bybit's JSON to domain values: the one place that knows the wire's field names.

Numbers travel as text and become Decimal; times are milliseconds and become aware UTC. An unset price is `""`, `"0"` or
null without a difference in meaning, and becomes None. What cannot be read raises UnknownMessage with the raw item: it
is never skipped and never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from alpha.domain.bar import Bar
from alpha.domain.clock import EPOCH, from_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, ExecId, OrderId, Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import FLAT, ZERO, Position
from alpha.domain.side import Side
from alpha.exchange.account_books import ClosedPnl, KeyInformation, LogEntry
from alpha.exchange.account_state import CoinBalance, ExchangePosition, FeeRates, WalletBalance
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.settle_coin import settle_coin
from alpha.exchange.ticker import Ticker
from alpha.exchange.wire_execution import read_execution

LINEAR = "linear"
SETTLE_COIN = "USDT"

Item = Mapping[str, Any]
_T = TypeVar("_T")

# What a malformed item raises while its fields are read. ArithmeticError is Decimal's and, with OSError, that of
# a time beyond the calendar; KeyError a missing field.
_UNREADABLE = (
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    OSError,
    InvalidValue,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FastExecution:
    """An entry of `execution.fast`: the same execution id earlier, without fee, type and what is left. Not a Fill."""

    account: AccountName
    category: str
    symbol: Symbol
    exec_id: ExecId
    exec_time: datetime
    seq: int
    side: Side
    price: Decimal
    quantity: Decimal
    is_maker: bool
    order_id: OrderId
    order_link_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateMessage:
    """A frame of a private topic. Only the tuple of its topic is filled.

    `topic` is without a category: execution, execution.fast, order, position or wallet. `created_at` is the exchange's
    wall clock (creationTime), from which latency is measured. `unreadable` holds the entries of the frame that could
    not be read; the others are good.
    """

    topic: str
    created_at: datetime
    fills: tuple[Fill, ...] = ()
    fast: tuple[FastExecution, ...] = ()
    orders: tuple[Order, ...] = ()
    positions: tuple[ExchangePosition, ...] = ()
    wallets: tuple[WalletBalance, ...] = ()
    unreadable: tuple[UnknownMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BarUpdate:
    """A kline push: the bar so far, and whether it is closed."""

    bar: Bar
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicMessage:
    """A frame of a public topic (`kline.*` or `tickers.*`).

    `created_at` is the frame's `ts`, the exchange's wall clock. `ticker` carries changed fields only when `is_delta`.
    """

    topic: str
    created_at: datetime
    bars: tuple[BarUpdate, ...] = ()
    ticker: Ticker | None = None
    is_delta: bool = False


def parse_private(frame: Item, account: AccountName) -> PrivateMessage:
    """A frame of a private topic.

    Raises UnknownMessage when the envelope cannot be read or the topic is none of ours. A bad entry among good ones
    does not: it is in `unreadable`, so that one new field value does not hold up the fills beside it.
    """
    try:
        full_topic, created_at, entries = _text(frame, "topic"), _time(frame, "creationTime"), frame["data"]
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise ValueError("data is not a list")
    except _UNREADABLE as error:
        raise _unknown("frame", error, frame) from error
    topic, category = _split_topic(full_topic)
    unreadable: list[UnknownMessage] = []

    def read(parse_entry: Callable[[Item, AccountName, str | None], _T]) -> tuple[_T, ...]:
        good = []
        for entry in entries:
            try:
                good.append(parse_entry(entry, account, category))
            except UnknownMessage as error:
                unreadable.append(error)
        return tuple(good)

    if topic == "execution":
        fills = read(parse_fill)
        return PrivateMessage(topic=topic, created_at=created_at, fills=fills, unreadable=tuple(unreadable))
    if topic == "order":
        orders = read(parse_order)
        return PrivateMessage(topic=topic, created_at=created_at, orders=orders, unreadable=tuple(unreadable))
    if topic == "position":
        positions = read(parse_position)
        return PrivateMessage(topic=topic, created_at=created_at, positions=positions, unreadable=tuple(unreadable))
    if topic == "wallet":
        wallets = read(lambda entry, owner, _: parse_wallet(entry, owner))
        return PrivateMessage(topic=topic, created_at=created_at, wallets=wallets, unreadable=tuple(unreadable))
    if topic == "execution.fast":
        fast = read(parse_fast_execution)
        return PrivateMessage(topic=topic, created_at=created_at, fast=fast, unreadable=tuple(unreadable))
    raise UnknownMessage(f"topic {full_topic!r} is none that is read", frame)


def parse_public(frame: Item) -> PublicMessage:
    """A frame of a `kline` or `tickers` topic. Raises UnknownMessage for anything else."""
    try:
        topic, created_at, kind, data = _text(frame, "topic"), _time(frame, "ts"), _text(frame, "type"), frame["data"]
        name = topic.split(".")
        if name[0] == "kline" and len(name) == 3:
            interval, symbol = interval_from_wire(name[1]), Symbol(name[2])
            bars = tuple(_bar_update(entry, symbol, interval) for entry in data)
            return PublicMessage(topic=topic, created_at=created_at, bars=bars)
        if name[0] == "tickers" and len(name) == 2:
            ticker = parse_ticker(data, created_at)
            return PublicMessage(topic=topic, created_at=created_at, ticker=ticker, is_delta=kind == "delta")
    except _UNREADABLE as error:
        raise _unknown("public frame", error, frame) from error
    raise UnknownMessage(f"topic {topic!r} is none that is read", frame)


def parse_fill(item: Item, account: AccountName, category: str | None = None) -> Fill:
    """An execution of the stream or of execution/list, which names the category once for the whole page."""
    return read_execution(item, account, category) or explained_fill(item, account, category)


def explained_fill(item: Item, account: AccountName, category: str | None = None) -> Fill:
    """What `parse_fill` answers, of any shape that can be read. Raises UnknownMessage with what is wrong."""
    try:
        of_category = _category(item, category)
        symbol = Symbol(_text(item, "symbol"))
        return Fill(
            account=account,
            category=of_category,
            symbol=symbol,
            exec_id=ExecId(_text(item, "execId")),
            exec_time=_time(item, "execTime"),
            seq=_integer(item, "seq"),
            exec_type=_exec_type(item),
            side=_side(item),
            price=_number(item, "execPrice"),
            quantity=_number(item, "execQty"),
            notional=_number(item, "execValue"),
            fee=_number(item, "execFee"),
            fee_rate=_amount(item, "feeRate"),
            fee_currency=_optional_text(item, "feeCurrency") or settle_coin(of_category, symbol),
            is_maker=_flag(item, "isMaker"),
            closed_quantity=_amount(item, "closedSize"),
            leaves_quantity=_amount(item, "leavesQty"),
            order_id=OrderId(_text(item, "orderId")),
            order_link_id=_optional_text(item, "orderLinkId"),
            order_type=_optional_text(item, "orderType"),
            create_type=_optional_text(item, "createType"),
            stop_order_type=_unset(_optional_text(item, "stopOrderType")),
            mark_price=_price(item, "markPrice"),
        )
    except _UNREADABLE as error:
        raise _unknown("execution", error, item) from error


def parse_fast_execution(item: Item, account: AccountName, category: str | None = None) -> FastExecution:
    try:
        return FastExecution(
            account=account,
            category=_category(item, category),
            symbol=Symbol(_text(item, "symbol")),
            exec_id=ExecId(_text(item, "execId")),
            exec_time=_time(item, "execTime"),
            seq=_integer(item, "seq"),
            side=Side(_text(item, "side")),
            price=_number(item, "execPrice"),
            quantity=_number(item, "execQty"),
            is_maker=_flag(item, "isMaker"),
            order_id=OrderId(_text(item, "orderId")),
            order_link_id=_optional_text(item, "orderLinkId"),
        )
    except _UNREADABLE as error:
        raise _unknown("fast execution", error, item) from error


def infer_position_idx(fill: Fill, hedge: bool) -> int:
    """The position row that a fill belongs to, which an execution does not say.

    One-way mode has row 0. In hedge mode opening and closing are told apart by the closed quantity: a buy opens the
    long row 1 or closes the short row 2, a sell the other way round. Funding closes nothing and carries the side of the
    position it was paid on.
    """
    if not hedge:
        return 0
    closes = fill.closed_quantity > 0
    return 1 if (fill.side is Side.BUY) != closes else 2


def parse_order(item: Item, account: AccountName, category: str | None = None) -> Order:
    """An order of the stream, order/realtime or order/history."""
    try:
        # By position, in the order of Order: with so many fields names take longer than all the rest.
        return Order(
            account,
            _category(item, category),
            Symbol(_text(item, "symbol")),
            OrderId(_text(item, "orderId")),
            _optional_text(item, "orderLinkId"),
            _side(item),
            _order_type(item),
            _optional_text(item, "timeInForce"),
            _order_status(item),
            _price(item, "price"),
            _number(item, "qty"),
            _amount(item, "cumExecQty"),
            _price(item, "avgPrice"),
            _flag(item, "reduceOnly"),
            _integer(item, "positionIdx"),
            _optional_text(item, "createType"),
            _unset(_optional_text(item, "stopOrderType")),
            _price(item, "triggerPrice"),
            _price(item, "takeProfit"),
            _price(item, "stopLoss"),
            _unset(_optional_text(item, "rejectReason")),
            _unset(_optional_text(item, "cancelType")),
            _time(item, "createdTime"),
            _time(item, "updatedTime"),
        )
    except _UNREADABLE as error:
        raise _unknown("order", error, item) from error


def parse_position(item: Item, account: AccountName, category: str | None = None) -> ExchangePosition:
    """A row of the position stream (`entryPrice`) or of position/list (`avgPrice`). Side `""` and `"None"` are flat."""
    try:
        size = _number(item, "size")
        if size == 0:
            held = FLAT
        else:
            entry_price = _number(item, "entryPrice" if "entryPrice" in item else "avgPrice")
            held = Position(Side(_text(item, "side")).sign * size, entry_price)
        return ExchangePosition(
            account=account,
            category=_category(item, category),
            symbol=Symbol(_text(item, "symbol")),
            position_idx=_integer(item, "positionIdx"),
            position=held,
            mark_price=_price(item, "markPrice"),
            unrealized_pnl=_amount(item, "unrealisedPnl"),
            liq_price=_price(item, "liqPrice"),
            take_profit=_price(item, "takeProfit"),
            stop_loss=_price(item, "stopLoss"),
            trailing_stop=_price(item, "trailingStop"),
            leverage=_price(item, "leverage"),
            seq=_integer(item, "seq") if item.get("seq") not in (None, "") else None,
            # A row that never held anything may carry no time.
            updated_at=_time(item, "updatedTime") if item.get("updatedTime") else EPOCH,
        )
    except _UNREADABLE as error:
        raise _unknown("position", error, item) from error


def parse_wallet(item: Item, account: AccountName) -> WalletBalance:
    """The account object of wallet-balance or of the wallet stream."""
    try:
        coins = tuple(
            CoinBalance(
                coin=_text(coin, "coin"),
                equity=_amount(coin, "equity"),
                wallet_balance=_amount(coin, "walletBalance"),
                unrealized_pnl=_amount(coin, "unrealisedPnl"),
                order_margin=_amount(coin, "totalOrderIM"),
                position_margin=_amount(coin, "totalPositionIM"),
            )
            for coin in item["coin"]
        )
        settle = next((coin for coin in coins if coin.coin == SETTLE_COIN), None)
        balance = settle.wallet_balance if settle else ZERO
        # In isolated margin mode the account's total is empty, and what is free is counted from the coin.
        available = _amount(item, "totalAvailableBalance")
        if item.get("totalAvailableBalance") in (None, "") and settle:
            available = settle.wallet_balance - settle.position_margin - settle.order_margin
        # REST says totalPerpUPL, the stream has been seen with totalPerpUpl.
        pnl_field = "totalPerpUPL" if "totalPerpUPL" in item else "totalPerpUpl"
        return WalletBalance(
            account=account,
            equity=_number(item, "totalEquity"),
            balance=balance,
            available=available,
            initial_margin=_amount(item, "totalInitialMargin"),
            maintenance_margin=_amount(item, "totalMaintenanceMargin"),
            unrealized_pnl=_amount(item, pnl_field),
            coins=coins,
        )
    except _UNREADABLE as error:
        raise _unknown("wallet", error, item) from error


def is_perpetual(item: Item) -> bool:
    """Whether a row of instruments-info is a contract without a delivery that trades, not one announced only."""
    return item.get("contractType") == "LinearPerpetual" and item.get("status") == "Trading"


def parse_instrument(item: Item) -> Instrument:
    """A linear instrument of instruments-info."""
    try:
        lots, prices = item["lotSizeFilter"], item["priceFilter"]
        max_limit = _number(lots, "maxOrderQty")
        return Instrument(
            symbol=Symbol(_text(item, "symbol")),
            base=_text(item, "baseCoin"),
            quote=_text(item, "quoteCoin"),
            tick_size=_number(prices, "tickSize"),
            min_price=_number(prices, "minPrice"),
            max_price=_number(prices, "maxPrice"),
            quantity_step=_number(lots, "qtyStep"),
            min_quantity=_number(lots, "minOrderQty"),
            max_limit_quantity=max_limit,
            max_market_quantity=_price(lots, "maxMktOrderQty") or max_limit,
            min_notional=_amount(lots, "minNotionalValue"),
            max_leverage=_number(item["leverageFilter"], "maxLeverage"),
            funding_interval_minutes=_integer(item, "fundingInterval"),
        )
    except _UNREADABLE as error:
        raise _unknown("instrument", error, item) from error


def parse_kline_row(row: Sequence[str], symbol: Symbol, interval: timedelta) -> Bar:
    """A row of market/kline: start, open, high, low, close, volume, turnover. Mark prices have no volume."""
    try:
        start, open_, high, low, close, volume, turnover = row[:7] if len(row) > 5 else (*row, "0", "0")
        return Bar(
            symbol=symbol,
            interval=interval,
            start=from_ms(int(start)),
            open=_decimal(open_),
            high=_decimal(high),
            low=_decimal(low),
            close=_decimal(close),
            volume=_decimal(volume),
            turnover=_decimal(turnover),
        )
    except _UNREADABLE as error:
        raise _unknown("kline row", error, row) from error


def parse_funding_row(item: Item) -> tuple[datetime, Decimal]:
    """A row of market/funding/history: when it was due and the rate, above 0 paid by longs to shorts."""
    try:
        return _time(item, "fundingRateTimestamp"), _number(item, "fundingRate")
    except _UNREADABLE as error:
        raise _unknown("funding rate", error, item) from error


def parse_ticker(item: Item, at: datetime) -> Ticker:
    """A ticker of market/tickers or of the stream, whose deltas name changed fields only."""
    try:
        return Ticker(
            symbol=Symbol(_text(item, "symbol")),
            at=at,
            last_price=_price(item, "lastPrice"),
            mark_price=_price(item, "markPrice"),
            index_price=_price(item, "indexPrice"),
            bid_price=_price(item, "bid1Price"),
            ask_price=_price(item, "ask1Price"),
            funding_rate=_number(item, "fundingRate") if item.get("fundingRate") else None,
            next_funding_at=_time(item, "nextFundingTime") if _price(item, "nextFundingTime") else None,
        )
    except _UNREADABLE as error:
        raise _unknown("ticker", error, item) from error


def parse_log_entry(item: Item, account: AccountName) -> LogEntry:
    """An entry of account/transaction-log. Raises UnknownMessage."""
    try:
        return LogEntry(
            account=account,
            log_id=_text(item, "id"),
            at=_time(item, "transactionTime"),
            type=_text(item, "type"),
            sub_type=_optional_text(item, "transSubType"),
            category=_optional_text(item, "category"),
            symbol=_optional_text(item, "symbol"),
            side=None if item.get("side") in (None, "", "None") else _side(item),
            currency=_text(item, "currency"),
            quantity=_amount(item, "qty"),
            size=_amount(item, "size"),
            price=_amount(item, "tradePrice"),
            funding=_amount(item, "funding"),
            fee=_amount(item, "fee"),
            fee_rate=_amount(item, "feeRate"),
            cash_flow=_amount(item, "cashFlow"),
            change=_number(item, "change"),
            balance=_number(item, "cashBalance"),
            bonus_change=_amount(item, "bonusChange"),
            trade_id=_optional_text(item, "tradeId"),
            order_id=_optional_text(item, "orderId"),
            order_link_id=_optional_text(item, "orderLinkId"),
        )
    except _UNREADABLE as error:
        raise _unknown("transaction log entry", error, item) from error


def parse_closed_pnl(item: Item, account: AccountName, category: str | None = None) -> ClosedPnl:
    """A row of position/closed-pnl. Raises UnknownMessage, also for a quantity that is not above 0."""
    try:
        row = ClosedPnl(
            account=account,
            category=_category(item, category),
            symbol=Symbol(_text(item, "symbol")),
            order_id=OrderId(_text(item, "orderId")),
            side=_side(item),
            order_type=_optional_text(item, "orderType"),
            exec_type=_text(item, "execType"),
            quantity=_number(item, "qty"),
            closed_quantity=_number(item, "closedSize"),
            entry_value=_number(item, "cumEntryValue"),
            entry_price=_number(item, "avgEntryPrice"),
            exit_value=_number(item, "cumExitValue"),
            exit_price=_number(item, "avgExitPrice"),
            closed_pnl=_number(item, "closedPnl"),
            open_fee=_fee(item, "openFee"),
            close_fee=_fee(item, "closeFee"),
            fill_count=_integer(item, "fillCount"),
            leverage=_price(item, "leverage"),
            created_at=_time(item, "createdTime"),
            updated_at=_time(item, "updatedTime"),
        )
        if row.closed_quantity <= 0:
            raise ValueError(f"closedSize is {row.closed_quantity}: a closing order closes something")
    except _UNREADABLE as error:
        raise _unknown("closed P&L row", error, item) from error
    return row


# https://bybit-exchange.github.io/docs/v5/user/apikey-info
_WITHDRAW, _ANY_ADDRESS = "Withdraw", "*"


def parse_key_information(item: Item) -> KeyInformation:
    """The result of user/query-api. A key bound to addresses does not expire and carries no time, or one of 1970."""
    try:
        told = _optional_text(item, "expiredAt")
        expires_at = datetime.fromisoformat(told) if told else None
        return KeyInformation(
            uid=_integer(item, "userID"),
            read_only=item.get("readOnly") == 1,
            expires_at=expires_at if expires_at is not None and expires_at > EPOCH else None,
            may_withdraw=_WITHDRAW in (item.get("permissions") or {}).get("Wallet", ()),
            addresses=tuple(ip for ip in item.get("ips") or () if ip != _ANY_ADDRESS),
        )
    except _UNREADABLE as error:
        raise _unknown("key information", error, item) from error


def parse_fee_rates(item: Item) -> tuple[Symbol, FeeRates]:
    try:
        rates = FeeRates(taker=_number(item, "takerFeeRate"), maker=_number(item, "makerFeeRate"))
        return Symbol(_text(item, "symbol")), rates
    except _UNREADABLE as error:
        raise _unknown("fee rate", error, item) from error


_INTERVALS = {
    timedelta(minutes=1): "1",
    timedelta(minutes=3): "3",
    timedelta(minutes=5): "5",
    timedelta(minutes=15): "15",
    timedelta(minutes=30): "30",
    timedelta(hours=1): "60",
    timedelta(hours=2): "120",
    timedelta(hours=4): "240",
    timedelta(hours=6): "360",
    timedelta(hours=12): "720",
    timedelta(days=1): "D",
    timedelta(weeks=1): "W",
}
_FROM_WIRE = {name: interval for interval, name in _INTERVALS.items()}


def interval_to_wire(interval: timedelta) -> str:
    """`5`, `60`, `D`... Raises InvalidValue for an interval that Bybit does not serve."""
    try:
        return _INTERVALS[interval]
    except KeyError:
        raise InvalidValue(f"Bybit has no bars of {interval}") from None


def interval_from_wire(name: str) -> timedelta:
    """The length of a bar. Raises InvalidValue for a name that is none, and for months, whose length varies."""
    try:
        return _FROM_WIRE[name]
    except KeyError:
        raise InvalidValue(f"no bar interval {name!r}") from None


def _bar_update(item: Item, symbol: Symbol, interval: timedelta) -> BarUpdate:
    names = ("start", "open", "high", "low", "close", "volume", "turnover")
    return BarUpdate(
        bar=parse_kline_row([item[name] for name in names], symbol, interval), is_closed=_flag(item, "confirm")
    )


def _split_topic(full_topic: str) -> tuple[str, str | None]:
    """`execution.linear` to (`execution`, `linear`); `execution.fast` keeps its name."""
    name, _, last = full_topic.rpartition(".")
    return (name, last) if name and last in ("spot", "linear", "inverse", "option") else (full_topic, None)


def _category(item: Item, of_page: str | None) -> str:
    return _optional_text(item, "category") or of_page or _text(item, "category")


def _text(item: Item, name: str) -> str:
    value = item[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}")
    return value


def _optional_text(item: Item, name: str) -> str:
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}")
    return value


def _unset(value: str) -> str:
    """Unset enums come as `""`, `UNKNOWN` or, as a reject reason, `EC_NoError`; by stream and REST differently."""
    return "" if value in ("UNKNOWN", "EC_NoError") else value


def _decimal(value: Any) -> Decimal:
    # A float has already lost digits by the time it is here. Bybit sends text, and whole numbers for a few fields.
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        number = Decimal(value)
        if number.is_finite():
            return number
    raise ValueError(f"{value!r} is no finite number as text")


def _number(item: Item, name: str) -> Decimal:
    value = item[name]
    try:
        # As _decimal, without another call: most fields of most messages are numbers.
        if isinstance(value, str) and (number := Decimal(value)).is_finite():
            return number
        return _decimal(value)
    except (ValueError, InvalidOperation):
        raise ValueError(f"{name} is {value!r}") from None


def _amount(item: Item, name: str) -> Decimal:
    """A number that is 0 where it is empty or not mentioned."""
    value = item.get(name)
    return ZERO if value is None or value == "" or value == "0" else _number(item, name)


def _price(item: Item, name: str) -> Decimal | None:
    """A price, or None where it is unset: empty, 0, null or not mentioned."""
    return _amount(item, name) or None


# Looked up before they are asked for by name, which takes ten times as long and is only needed to say what is wrong.
_SIDES = {side.value: side for side in Side}
_EXEC_TYPES = {exec_type.value: exec_type for exec_type in ExecType}
_ORDER_TYPES = {order_type.value: order_type for order_type in OrderType}
_ORDER_STATUSES = {status.value: status for status in OrderStatus}


def _side(item: Item) -> Side:
    name = _text(item, "side")
    return _SIDES.get(name) or Side(name)


def _exec_type(item: Item) -> ExecType:
    name = _text(item, "execType")
    return _EXEC_TYPES.get(name) or ExecType(name)


def _order_type(item: Item) -> OrderType:
    name = _text(item, "orderType")
    return _ORDER_TYPES.get(name) or OrderType(name)


def _order_status(item: Item) -> OrderStatus:
    name = _text(item, "orderStatus")
    return _ORDER_STATUSES.get(name) or OrderStatus(name)


def _fee(item: Item, name: str) -> Decimal | None:
    """A fee, or None where it is not told: unlike a price it may well be 0."""
    return None if item.get(name) in (None, "") else _number(item, name)


def _integer(item: Item, name: str) -> int:
    value = item[name]
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return int(value)
    raise ValueError(f"{name} is {value!r}")


def _flag(item: Item, name: str) -> bool:
    value = item[name]
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}")
    return value


def _time(item: Item, name: str) -> datetime:
    return from_ms(_integer(item, name))


def _unknown(what: str, error: Exception, raw: Any) -> UnknownMessage:
    said = f"field {error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return UnknownMessage(f"{what}: {said}", raw)
