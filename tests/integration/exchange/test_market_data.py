from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from pybit.exceptions import InvalidRequestError

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, client, refusal_of
from tests.integration.exchange.conftest import LISTED

FIVE_MINUTES_MS = 300_000


def test_the_history_holds_the_warm_up_gapless_and_newest_first(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    now = exchange.admin.state()["market_time"]
    rows: list[list[str]] = []
    end = now
    while len(rows) < 6_000:
        page = http.get_kline(**LINEAR, symbol=BTC, interval="5", end=end, limit=1000)["result"]["list"]
        rows += page
        end = int(page[-1][0]) - 1
    starts = [int(row[0]) for row in rows]
    assert starts == [now - number * FIVE_MINUTES_MS for number in range(len(starts))]
    # the first row is the open candle, in which nothing has traded yet
    assert rows[0][1:5] == [rows[1][4]] * 4
    assert rows[0][5:] == ["0", "0"]


def test_with_only_a_start_the_oldest_bars_come(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    start = exchange.admin.state()["market_time"] - 100 * FIVE_MINUTES_MS
    rows = http.get_kline(**LINEAR, symbol=BTC, interval="5", start=start, limit=3)["result"]["list"]
    assert [int(row[0]) - start for row in rows] == [2 * FIVE_MINUTES_MS, FIVE_MINUTES_MS, 0]


def test_longer_intervals_are_made_of_the_five_minute_bars(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    hour = http.get_kline(**LINEAR, symbol=BTC, interval="60", limit=2)["result"]["list"][1]
    start = int(hour[0])
    rows = http.get_kline(**LINEAR, symbol=BTC, interval="5", start=start, end=start + 3_599_999)["result"]["list"]
    assert len(rows) == 12
    assert hour[1] == rows[-1][1]
    assert Decimal(hour[2]) == max(Decimal(row[2]) for row in rows)
    assert Decimal(hour[3]) == min(Decimal(row[3]) for row in rows)
    assert hour[4] == rows[0][4]
    assert Decimal(hour[5]) == sum(Decimal(row[5]) for row in rows)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"symbol": "NOPEUSDT", "interval": "5"}, 10001),
        ({"symbol": BTC, "interval": "7"}, 10001),
        ({"symbol": BTC, "interval": "5", "limit": "many"}, 10001),
        ({"symbol": BTC, "interval": "5", "start": "yesterday"}, 10001),
        ({"interval": "5"}, 10001),
    ],
)
def test_bad_kline_requests_are_refused(exchange: ExchangeProcess, query: dict[str, str], code: int) -> None:
    assert refusal_of(client(exchange).get_kline, **LINEAR, **query) == code


def test_instruments_carry_the_filters(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    items = http.get_instruments_info(**LINEAR)["result"]["list"]
    assert {item["symbol"] for item in items} == set(LISTED)
    bitcoin = next(item for item in items if item["symbol"] == BTC)
    assert bitcoin["priceFilter"]["tickSize"] == "0.10"
    assert bitcoin["lotSizeFilter"]["qtyStep"] == "0.001"
    assert bitcoin["lotSizeFilter"]["minNotionalValue"] == "5"
    assert bitcoin["fundingInterval"] == 480
    assert bitcoin["unifiedMarginTrade"] is True


def test_instruments_come_in_pages(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    seen, cursor = [], ""
    for _ in LISTED:
        result = http.get_instruments_info(**LINEAR, limit=1, cursor=cursor)["result"]
        seen += [item["symbol"] for item in result["list"]]
        cursor = result["nextPageCursor"]
    assert sorted(seen) == sorted(LISTED)
    assert cursor == ""


def test_tickers_agree_with_the_last_bar(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    ticker = http.get_tickers(**LINEAR, symbol=BTC)["result"]["list"][0]
    last = http.get_kline(**LINEAR, symbol=BTC, interval="5", limit=2)["result"]["list"][1]
    assert ticker["lastPrice"] == last[4]
    assert Decimal(ticker["bid1Price"]) < Decimal(ticker["lastPrice"]) < Decimal(ticker["ask1Price"])
    assert len(http.get_tickers(**LINEAR)["result"]["list"]) == len(LISTED)


def test_funding_history_is_every_eight_hours_newest_first(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    rows = http.get_funding_rate_history(**LINEAR, symbol=BTC, limit=5)["result"]["list"]
    times = [int(row["fundingRateTimestamp"]) for row in rows]
    assert [late - early for late, early in pairwise(times)] == [8 * 3_600_000] * 4
    assert times[0] <= exchange.admin.state()["market_time"]
    assert refusal_of(http.get_funding_rate_history, **LINEAR, symbol=BTC, startTime=times[-1]) == 10001


def test_another_category_is_refused_and_not_invented(exchange: ExchangeProcess) -> None:
    with pytest.raises(InvalidRequestError, match="category"):
        client(exchange).get_tickers(category="spot", symbol=BTC)


def test_the_time_endpoint_is_the_wall_clock(exchange: ExchangeProcess) -> None:
    answer = client(exchange).get_server_time()
    assert abs(int(answer["result"]["timeNano"]) // 1_000_000 - answer["time"]) < 1_000
