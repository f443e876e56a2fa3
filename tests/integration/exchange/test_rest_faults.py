"""What faults do to REST, as pybit sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP
from websockets.exceptions import InvalidStatus

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client
from tests.integration.exchange.listener import listening, open_socket
from tests.support import eventually


@pytest.fixture(autouse=True)
def no_faults_left(exchange: ExchangeProcess) -> Iterator[None]:
    yield
    exchange.admin.end_faults()


def test_a_late_answer_is_late_and_its_order_was_taken_long_before(exchange: ExchangeProcess) -> None:
    fault = _arm(exchange, kind="rest_late", for_s=60, by_s=1.0, paths=["/v5/order/create"])
    with pytest.raises(requests.ReadTimeout):
        buy(client(exchange, timeout=0.3), "0.001", orderLinkId="late-1")
    # a client with more patience, because a busy machine may be late as well
    assert _exists(client(exchange), "late-1")
    assert _counts(exchange, fault) == (1, 1)


def test_an_empty_answer_lists_nothing_until_the_fault_is_over(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    _trade(exchange, 3)
    fault = _arm(exchange, kind="rest_empty", for_s=60, paths=["/v5/execution/list"])
    result = http.get_executions(**LINEAR)["result"]
    assert (result["list"], result["nextPageCursor"], result["category"]) == ([], "", "linear")
    assert http.get_positions(**LINEAR, settleCoin="USDT")["result"]["list"]
    assert _counts(exchange, fault) == (1, 1)
    exchange.admin.end_faults()
    assert len(http.get_executions(**LINEAR)["result"]["list"]) >= 3


@pytest.mark.parametrize("answer", [10000, 10016])
@pytest.mark.parametrize("took_effect", [True, False])
def test_a_server_error_leaves_open_whether_the_order_was_taken(
    exchange: ExchangeProcess, answer: int, took_effect: bool
) -> None:
    http, link_id = client(exchange), f"error-{answer}-{took_effect}"
    fault = _arm(
        exchange, kind="rest_error", for_s=60, answer=answer, took_effect=took_effect, paths=["/v5/order/create"]
    )
    with pytest.raises(InvalidRequestError) as refused:
        buy(http, "0.001", orderLinkId=link_id)
    assert refused.value.status_code == answer
    assert _exists(http, link_id) is took_effect
    assert _counts(exchange, fault) == (1, 1)


@pytest.mark.parametrize("answer", ["500", "502", "503", "403"])
def test_a_gateways_error_is_an_http_status(exchange: ExchangeProcess, answer: str) -> None:
    fault = _arm(exchange, kind="rest_error", for_s=60, answer=answer)
    with pytest.raises(FailedRequestError) as failed:
        client(exchange).get_positions(**LINEAR, symbol=BTC)
    assert failed.value.status_code == int(answer)
    assert _counts(exchange, fault) == (1, 1)


def test_a_10006_says_when_to_come_back_and_has_no_effect(exchange: ExchangeProcess) -> None:
    # pybit waits until the time in the header and tries again, three times in all
    http = client(exchange, max_retries=2)
    fault = _arm(exchange, kind="rest_error", for_s=60, answer=10006, paths=["/v5/order/create"])
    began = time.monotonic()
    with pytest.raises(FailedRequestError, match="retries exceeded"):
        buy(http, "0.001", orderLinkId="limited-1")
    assert time.monotonic() - began >= 0.9
    assert not _exists(http, "limited-1")
    assert _counts(exchange, fault) == (2, 2)


@pytest.mark.parametrize(("kind", "taken"), [("rest_cut_before", False), ("rest_cut_after", True)])
def test_a_connection_is_cut_before_or_after_the_order_was_taken(
    exchange: ExchangeProcess, kind: str, taken: bool
) -> None:
    http = client(exchange)
    fault = _arm(exchange, kind=kind, for_s=60, paths=["/v5/order/create"])
    with pytest.raises(requests.ConnectionError):
        buy(http, "0.001", orderLinkId=kind)
    assert _exists(http, kind) is taken
    assert _counts(exchange, fault) == (1, 1)


def test_the_last_page_of_a_list_is_cut_and_no_other(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    _trade(exchange, 4)
    fault = _arm(exchange, kind="rest_cut_last_page", for_s=60, account="canary")
    made = sum(row["account"] == "canary" for row in exchange.executions())
    seen, cursor = 0, ""
    while seen < made - 3:
        result = http.get_executions(**LINEAR, limit=3, cursor=cursor)["result"]
        seen, cursor = seen + len(result["list"]), result["nextPageCursor"]
    assert seen < made
    with pytest.raises(requests.ConnectionError):
        http.get_executions(**LINEAR, limit=3, cursor=cursor)
    assert _counts(exchange, fault) == (1, 1)


def test_lagging_executions_are_listed_later_though_the_stream_told_them(exchange: ExchangeProcess) -> None:
    http = client(exchange)
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="rest_lag", for_s=60, by_s=1.0)
        made = _trade(exchange, 3)
        eventually(lambda: listener.exec_ids() == made, what="the executions on the stream")
        before = _listed(http)
        began = time.monotonic()
        eventually(lambda: set(made) <= set(_listed(http)), what="the executions in the list")
        assert time.monotonic() - began >= 0.3
    # the position is not said to lag
    assert not set(made) & set(before)
    injected, hit = _counts(exchange, fault)
    assert injected == hit >= 1


def test_rate_limits_refuse_with_their_headers_and_then_the_address(exchange: ExchangeProcess) -> None:
    http = client(exchange, max_retries=1, return_response_headers=True)
    fault = _arm(exchange, kind="rate_limit", for_s=60, limit=2, ip_limit=6)
    left = [http.get_positions(**LINEAR, symbol=BTC)[2]["X-Bapi-Limit-Status"] for _ in range(2)]
    assert left == ["1", "0"]
    with pytest.raises(FailedRequestError, match="retries exceeded"):
        http.get_positions(**LINEAR, symbol=BTC)
    # another endpoint has a limit of its own
    headers = http.get_executions(**LINEAR)[2]
    assert (headers["X-Bapi-Limit"], headers["X-Bapi-Limit-Status"]) == ("2", "1")
    assert _counts(exchange, fault) == (4, 1)
    http.get_server_time()
    http.get_server_time()
    with pytest.raises(FailedRequestError) as banned:
        http.get_server_time()
    assert banned.value.status_code == 403
    assert _counts(exchange, fault) == (5, 2)
    exchange.admin.end_faults()
    assert "X-Bapi-Limit" not in http.get_positions(**LINEAR, symbol=BTC)[2]


def test_a_skewed_clock_refuses_what_is_signed_with_the_right_one(exchange: ExchangeProcess) -> None:
    http = client(exchange, max_retries=1)
    fault = _arm(exchange, kind="clock_skew", for_s=60, by_s=60.5)
    assert http.get_server_time()["time"] - time.time() * 1000 > 59_000
    with listening(exchange) as listener:
        _trade(exchange, 1)
        frame = eventually(lambda: listener.received, what="a frame")[0].frame
        assert frame["creationTime"] - time.time() * 1000 > 30_000
    with pytest.raises(FailedRequestError, match="retries exceeded"):
        http.get_positions(**LINEAR, symbol=BTC)
    exchange.admin.end_faults()
    assert http.get_positions(**LINEAR, symbol=BTC)["retCode"] == 0
    assert abs(http.get_server_time()["time"] - time.time() * 1000) < 30_000
    # what the client asked and tried again; the time itself may be asked for by anybody
    assert _counts(exchange, fault) == (1, 1)


def test_a_clock_that_is_not_wrong_by_enough_refuses_nobody_and_has_hit_nothing(exchange: ExchangeProcess) -> None:
    http = client(exchange, max_retries=1)
    fault = _arm(exchange, kind="clock_skew", for_s=60, by_s=2.0)
    assert http.get_positions(**LINEAR, symbol=BTC)["retCode"] == 0
    assert _counts(exchange, fault) == (0, 0)


@pytest.mark.parametrize(("answer", "raised"), [("503", FailedRequestError), (10016, InvalidRequestError)])
def test_maintenance_closes_everything(exchange: ExchangeProcess, answer: object, raised: type[Exception]) -> None:
    http = client(exchange)
    with listening(exchange) as listener:
        fault = _arm(exchange, kind="maintenance", for_s=60, answer=answer)
        eventually(lambda: listener.has_ended, what="the socket to be cut")
    with pytest.raises(raised):
        http.get_positions(**LINEAR, symbol=BTC)
    with pytest.raises(InvalidStatus), open_socket(exchange):
        pass
    assert _counts(exchange, fault) == (3, 3)
    exchange.admin.end_faults()
    with listening(exchange):
        assert http.get_server_time()["retCode"] == 0


def test_a_fault_of_one_account_leaves_the_others_alone(exchange: ExchangeProcess) -> None:
    fault = _arm(exchange, kind="rest_error", for_s=60, answer=10016, account="canary")
    assert client(exchange, "shortseller").get_positions(**LINEAR, symbol=BTC)["retCode"] == 0
    with pytest.raises(InvalidRequestError):
        client(exchange, "canary").get_positions(**LINEAR, symbol=BTC)
    assert client(exchange).get_server_time()["retCode"] == 0
    assert _counts(exchange, fault) == (1, 1)


def test_the_same_seed_fails_the_same_requests(exchange: ExchangeProcess) -> None:
    http, outcomes = client(exchange), []
    for _ in range(2):
        exchange.admin.arm({"kind": "rest_cut_before", "for_s": 60, "probability": 0.5}, seed=11)
        outcomes.append([_is_cut(http, f"seed-{number}") for number in range(16)])
        exchange.admin.end_faults()
    assert outcomes[0] == outcomes[1]
    assert 0 < sum(outcomes[0]) < 16


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "not JSON"),
        ('{"faults": [{"kind": "flood", "for_s": 1}]}', "faults[0]: there is no kind 'flood'"),
        ('{"faults": [{"kind": "drop", "for_s": NaN}]}', "faults[0]: for_s must be a number"),
    ],
)
def test_a_script_that_cannot_be_is_answered_with_a_sentence(exchange: ExchangeProcess, body: str, says: str) -> None:
    headers = {"X-Admin-Token": exchange.admin.token}
    answer = requests.post(f"{exchange.admin.url}/admin/faults", data=body, headers=headers, timeout=10)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def _arm(exchange: ExchangeProcess, **fault: Any) -> int:
    identity: int = exchange.admin.arm(fault)[0]["id"]
    return identity


def _counts(exchange: ExchangeProcess, fault: int) -> tuple[int, int]:
    row = next(row for row in exchange.admin.faults()["faults"] if row["id"] == fault)
    return row["injected"], row["hit"]


def _trade(exchange: ExchangeProcess, orders: int) -> list[str]:
    before = len(exchange.executions())
    exchange.admin.trade([{"account": "canary", "symbol": BTC, "side": "Buy", "qty": "0.001"}] * orders)
    return [row["exec_id"] for row in exchange.executions()[before:]]


def _listed(http: HTTP) -> list[str]:
    return [row["execId"] for row in http.get_executions(**LINEAR, limit=100)["result"]["list"]]


def _exists(http: HTTP, link_id: str) -> bool:
    return bool(http.get_open_orders(**LINEAR, orderLinkId=link_id)["result"]["list"])


def _is_cut(http: HTTP, link_id: str) -> bool:
    try:
        _exists(http, link_id)
    except requests.ConnectionError:
        return True
    return False
