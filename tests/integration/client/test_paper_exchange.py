"""Both clients against the paper exchange: what REST says equals what the streams say and what the engine did."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alpha.config import Credentials
from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, Symbol
from alpha.domain.order import OrderStatus, OrderType
from alpha.domain.side import Side
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.errors import ExchangeAuthError, ExchangeRefused
from alpha.exchange.executions import walk_executions
from alpha.exchange.new_order import NewOrder, TradingStop
from alpha.exchange.parse import PrivateMessage, parse_private, parse_public
from alpha.exchange.rest import ExchangeClient
from alpha.exchange.stream import Frame, StreamClient, StreamState
from tests.exchange_process import ExchangeProcess
from tests.support import eventually

pytestmark = pytest.mark.slow

CANARY = AccountName("canary")
BTCUSDT, ETHUSDT = Symbol("BTCUSDT"), Symbol("ETHUSDT")
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One exchange for the module: no test depends on what another did."""
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.fixture
def keys(paper: ExchangeProcess) -> Credentials:
    account = paper.accounts["canary"]
    return Credentials(key=account.api_key, secret=account.api_secret)


@pytest.fixture
def exchange(paper: ExchangeProcess, keys: Credentials) -> Iterator[ExchangeClient]:
    client = ExchangeClient(CANARY, paper_endpoints(paper.rest_url), keys)
    assert client.uid() == paper.accounts["canary"].uid
    yield client
    client.close()


class Listening:
    """Both streams of the exchange, in a thread of their own."""

    def __init__(self, exchange: ExchangeProcess, keys: Credentials) -> None:
        self.private: list[Frame] = []
        self.public: list[Frame] = []
        self.states: list[StreamState] = []
        self.clients = [
            StreamClient(
                exchange.private_url,
                ("execution", "order", "position", "wallet"),
                keys,
                on_frame=self.private.append,
                on_state=lambda state, _: self.states.append(state),
            ),
            StreamClient(
                exchange.public_url,
                ("kline.5.BTCUSDT", "tickers.BTCUSDT"),
                None,
                on_frame=self.public.append,
                on_state=lambda *_: None,
            ),
        ]
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def subscribed(self) -> bool:
        return all(client.state is StreamState.SUBSCRIBED for client in self.clients)

    @property
    def messages(self) -> list[PrivateMessage]:
        return [parse_private(frame, CANARY) for frame in list(self.private)]

    @property
    def fills(self) -> list[Fill]:
        return [fill for message in self.messages for fill in message.fills]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    def _run(self) -> None:
        async def both() -> None:
            await asyncio.gather(*(client.run(self._stop) for client in self.clients))

        self._loop.run_until_complete(both())


@pytest.fixture
def listening(paper: ExchangeProcess, keys: Credentials) -> Iterator[Listening]:
    streams = Listening(paper, keys)
    eventually(lambda: streams.subscribed, what="both subscriptions")
    yield streams
    streams.close()


def market(side: Side, number: int, quantity: str = "0.002") -> NewOrder:
    return NewOrder(
        symbol=BTCUSDT,
        side=side,
        order_type=OrderType.MARKET,
        quantity=Decimal(quantity),
        order_link_id=f"by-hand-{number}",
    )


def test_what_was_traded_is_the_same_from_rest_the_stream_and_the_engine(
    paper: ExchangeProcess, exchange: ExchangeClient, listening: Listening
) -> None:
    began, before = exchange.market_time(), len(paper.executions())
    exchange.set_leverage(BTCUSDT, Decimal(5))
    exchange.set_leverage(BTCUSDT, Decimal(5))
    # when 5 orders are placed, one a bar, which leaves a long of 0.002
    for number in range(5):
        exchange.place_order(market(Side.BUY if number % 2 == 0 else Side.SELL, number))
        paper.admin.run(1)
    # then the engine's journal, execution/list and the stream hold the same
    done = [line["exec_id"] for line in paper.executions()[before:]]
    assert len(done) >= 5
    walked = [fill for window in walk_executions(exchange, began, exchange.market_time()) for fill in window]
    assert [fill.exec_id for fill in walked] == done
    eventually(lambda: len(listening.fills) == len(done), what="all fills on the stream")
    assert {fill.exec_id: fill for fill in listening.fills} == {fill.exec_id: fill for fill in walked}
    # and every message could be read
    assert [message.unreadable for message in listening.messages if message.unreadable] == []
    # and REST and the stream agree on position, orders and wallet
    (held,) = [row for row in exchange.positions() if row.symbol == BTCUSDT]
    assert held.position.quantity == Decimal("0.002")
    assert held.leverage == Decimal(5)
    streamed = [row for message in listening.messages for row in message.positions if row.symbol == BTCUSDT][-1]
    assert streamed.position == held.position
    order = exchange.order(BTCUSDT, "by-hand-4")
    assert order is not None
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, Decimal("0.002"))
    wallets = [wallet for message in listening.messages for wallet in message.wallets]
    assert wallets[-1].balance == exchange.wallet().balance


def test_the_market_from_rest_and_from_the_stream(
    paper: ExchangeProcess, exchange: ExchangeClient, listening: Listening
) -> None:
    paper.admin.run(3)
    now = exchange.market_time()
    bars = exchange.klines(BTCUSDT, FIVE_MINUTES, now - timedelta(days=5), now + timedelta(days=1))
    assert len(bars) == 5 * 288
    assert bars[-1].end == now

    def closed_bars() -> list[object]:
        return [
            update.bar for frame in list(listening.public) for update in parse_public(frame).bars if update.is_closed
        ]

    eventually(lambda: len(closed_bars()) >= 3, what="3 closed bars on the stream")
    assert closed_bars()[-3:] == bars[-3:]
    tickers = [parse_public(frame).ticker for frame in list(listening.public)]
    assert any(ticker is not None and ticker.mark_price for ticker in tickers)
    instrument = exchange.instruments([BTCUSDT])[BTCUSDT]
    assert instrument.is_on_tick(bars[-1].close)
    assert exchange.fee_rates([BTCUSDT])[BTCUSDT].taker == Decimal("0.00055")


def test_a_limit_order_rests_is_found_and_is_cancelled_once(paper: ExchangeProcess, exchange: ExchangeClient) -> None:
    price = exchange.klines(BTCUSDT, FIVE_MINUTES, exchange.market_time() - FIVE_MINUTES, exchange.market_time())[
        0
    ].close
    far = exchange.instruments([BTCUSDT])[BTCUSDT].round_price(price * Decimal("0.9"))
    order = NewOrder(
        symbol=BTCUSDT,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        price=far,
        quantity=Decimal("0.002"),
        order_link_id="resting",
    )
    exchange.place_order(order)
    assert [found.order_link_id for found in exchange.open_orders()] == ["resting"]
    with pytest.raises(ExchangeRefused) as caught:
        exchange.place_order(order)
    assert caught.value.is_duplicate_order
    exchange.cancel_order(BTCUSDT, order_link_id="resting")
    paper.admin.run(1)
    assert exchange.open_orders([BTCUSDT]) == []
    with pytest.raises(ExchangeRefused) as caught:
        exchange.cancel_order(BTCUSDT, order_link_id="resting")
    assert caught.value.is_order_gone


def test_stops_of_a_position_are_set_moved_and_removed(paper: ExchangeProcess, exchange: ExchangeClient) -> None:
    exchange.place_order(replace(market(Side.BUY, 100, "0.1"), symbol=ETHUSDT))
    paper.admin.run(1)
    (held,) = exchange.positions_of(ETHUSDT)
    assert held.position.quantity == Decimal("0.1")
    assert held.stop_loss is None
    stop = exchange.instruments([ETHUSDT])[ETHUSDT].round_price(held.position.entry_price * Decimal("0.8"))
    exchange.set_trading_stop(TradingStop(symbol=ETHUSDT, stop_loss=stop))
    exchange.set_trading_stop(TradingStop(symbol=ETHUSDT, stop_loss=stop))
    assert exchange.positions_of(ETHUSDT)[0].stop_loss == stop
    exchange.set_trading_stop(TradingStop(symbol=ETHUSDT, stop_loss=Decimal(0)))
    assert exchange.positions_of(ETHUSDT)[0].stop_loss is None


def test_a_dropped_socket_is_replaced(paper: ExchangeProcess, listening: Listening) -> None:
    assert paper.admin.drop_sockets("canary") == 1
    eventually(lambda: listening.states.count(StreamState.SUBSCRIBED) == 2, what="a second subscription")
    assert StreamState.STALE in listening.states


def test_a_wrong_key_names_account_and_environment(paper: ExchangeProcess, keys: Credentials) -> None:
    endpoints = paper_endpoints(paper.rest_url)
    for wrong in (Credentials(key="nobody", secret=keys.secret), Credentials(key=keys.key, secret="wrong")):
        client = ExchangeClient(CANARY, endpoints, wrong)
        with pytest.raises(ExchangeAuthError, match="account canary, environment paper") as caught:
            client.wallet()
        assert keys.key not in str(caught.value)
        client.close()
