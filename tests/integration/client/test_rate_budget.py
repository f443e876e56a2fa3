"""The budget that all processes share, against a real Valkey."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.ids import AccountName
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from alpha.exchange.budget import Call, Limit, LocalBudget, Purpose, Scope, SlidingWindow
from alpha.exchange.errors import ExchangeRateLimited
from alpha.exchange.new_order import NewOrder
from alpha.exchange.rest import ExchangeClient
from alpha.live.connection import FLAGS_DB, RedisAddress, open_redis
from alpha.live.rate_budget import SharedBudget, count_or_wait
from tests.exchange_process import PROJECT_ROOT
from tests.integration.client.conftest import KEYS
from tests.integration.client.stub_exchange import Reply, StubExchange, ok, refusal
from tests.support import free_port
from tests.unit.domain.fills import BTCUSDT

HOST = "api.example.com"
SHARES = {Purpose.EXIT: 0.3, Purpose.BACKGROUND: 0.2}
ONE = Decimal(1)


@pytest.fixture
def flags(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, FLAGS_DB) as client:
        yield client


@pytest.fixture
def shared(redis_address: RedisAddress) -> Iterator[SharedBudget]:
    budget = SharedBudget(redis_address)
    yield budget
    budget.close()


def a_call(purpose: Purpose = Purpose.ORDINARY, *, path: str = "/v5/order/create", account: str = "main") -> Call:
    return Call(HOST, path, AccountName(account), purpose, changes=True)


def granted(budget: SharedBudget | LocalBudget, call: Call, of: int = 60) -> int:
    return sum(budget.take(call) == 0.0 for _ in range(of))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    requests=st.integers(min_value=1, max_value=12),
    attempts=st.lists(
        st.tuples(st.sampled_from(list(Purpose)), st.integers(min_value=0, max_value=400_000)), min_size=1, max_size=60
    ),
)
def test_it_decides_as_the_sliding_window_does(
    flags: redis.Redis, requests: int, attempts: list[tuple[Purpose, int]]
) -> None:
    scope = Scope(f"{uuid.uuid4()}", Limit(requests, 1.0), SHARES)
    window = SlidingWindow(scope)
    at_us = 1_795_219_423_000_000
    for number, (purpose, pause_us) in enumerate(attempts):
        at_us += pause_us
        wait_s = count_or_wait(flags, [scope], purpose, str(number), at_us=at_us)
        expected = window.wait_s(purpose, at_us / 1_000_000)
        assert (wait_s == 0.0) == (expected == 0.0)
        assert wait_s == pytest.approx(expected, abs=2e-6)
        if wait_s == 0.0:
            window.count(purpose, at_us / 1_000_000)


_PROCESS = """
import sys
from alpha.exchange.budget import Call, Limit, Purpose
from alpha.live.connection import RedisAddress
from alpha.live.rate_budget import SharedBudget
# so long that all calls fall into one window, however busy the machine is
budget = SharedBudget(RedisAddress("127.0.0.1", int(sys.argv[1]), sys.argv[2]), limit=Limit(200, 600.0))
sys.stdin.readline()
for purpose in (Purpose.BACKGROUND, Purpose.ORDINARY, Purpose.EXIT):
    call = Call("api.example.com", "/v5/market/time", None, purpose)
    print(purpose, sum(budget.take(call) == 0.0 for _ in range(150)), flush=True)
    sys.stdin.readline()
"""


def test_several_processes_never_exceed_the_limit_and_exits_find_their_share(redis_address: RedisAddress) -> None:
    command = [sys.executable, "-c", _PROCESS, str(redis_address.port), redis_address.password]
    processes = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    passed: Counter[str] = Counter()
    try:
        for _ in Purpose:
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            for process in processes:
                assert process.stdout is not None
                purpose, count = process.stdout.readline().split()
                passed[purpose] += int(count)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    # 190 with the margin, of which 38 are kept for exits and 38 for what is ordinary
    assert passed == {"background": 190 - 2 * 38, "ordinary": 38, "exit": 38}


def test_every_key_has_a_time_to_live(flags: redis.Redis, shared: SharedBudget) -> None:
    assert granted(shared, a_call(), of=20) == 6
    shared.pause(a_call(), 5.0, whole_address=False)
    keys = list(flags.scan_iter("*"))
    assert len(keys) == 3
    assert all(0 < int(str(flags.pttl(key))) <= 10_000 for key in keys)


def test_a_pause_holds_for_all_processes(redis_address: RedisAddress, shared: SharedBudget) -> None:
    other = SharedBudget(redis_address)
    shared.pause(a_call(), 30.0, whole_address=False)
    shared.pause(a_call(), 0.1, whole_address=False)
    assert 20.0 < other.take(a_call(Purpose.EXIT)) <= 30.0
    assert other.take(a_call(path="/v5/order/amend")) == 0.0
    shared.pause(a_call(), 60.0, whole_address=True)
    assert 50.0 < other.take(a_call(account="other")) <= 60.0
    other.close()


def test_without_redis_each_process_keeps_to_its_share() -> None:
    alone = SharedBudget(RedisAddress("127.0.0.1", free_port()))
    assert granted(alone, a_call()) + granted(alone, a_call(Purpose.EXIT)) == 2
    alone.close()


def test_after_redis_returns_what_was_sent_without_it_still_counts(redis_address: RedisAddress) -> None:
    at_s = [1000.0]
    away = RedisAddress("127.0.0.1", free_port())
    local = LocalBudget(clock=lambda: at_s[0])
    budget = SharedBudget(away, local=local, clock=lambda: at_s[0])
    assert granted(budget, a_call()) == 1  # one of two is kept for exits
    budget._redis = open_redis(redis_address, FLAGS_DB)
    at_s[0] += 2.0
    assert granted(budget, a_call()) == 1
    at_s[0] += 20.0
    assert granted(budget, a_call()) == 5  # six of nine, and one was sent through Redis a moment ago
    budget.close()


class TestClient:
    """The budget in the hands of the REST client."""

    @pytest.fixture
    def slept(self) -> list[float]:
        return []

    @pytest.fixture
    def budgeted(
        self, stub: StubExchange, redis_address: RedisAddress, slept: list[float]
    ) -> Iterator[Callable[[], ExchangeClient]]:
        """Makes a client as each process has one. Its fourth wait is one too many."""
        made: list[tuple[ExchangeClient, SharedBudget]] = []
        # not a paper exchange's: that one forgives an address sooner
        endpoints = replace(stub.endpoints, environment="testnet")

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) > 3:
                raise Waited

        def make() -> ExchangeClient:
            budget = SharedBudget(redis_address)
            client = ExchangeClient(AccountName("main"), endpoints, KEYS, budget=budget, sleep=sleep)
            made.append((client, budget))
            return client

        yield make
        for client, budget in made:
            client.close()
            budget.close()

    def test_it_learns_the_limit_from_the_answers_and_waits(
        self, stub: StubExchange, budgeted: Callable[[], ExchangeClient], slept: list[float]
    ) -> None:
        client = budgeted()
        stub.rest["/v5/position/list"] = lambda _: ok({"list": [], "nextPageCursor": ""}, **{"X-Bapi-Limit": "3"})
        until_it_waits(client.positions)
        assert len(stub.received) <= 3
        assert all(0.0 < seconds <= 1.1 for seconds in slept)

    def test_a_paper_exchange_without_limits_is_not_limited(
        self, stub: StubExchange, redis_address: RedisAddress, slept: list[float]
    ) -> None:
        budget = SharedBudget(redis_address)
        client = ExchangeClient(AccountName("main"), stub.endpoints, KEYS, budget=budget, sleep=slept.append)
        stub.rest["/v5/position/list"] = lambda _: ok({"list": [], "nextPageCursor": ""})
        for _ in range(60):
            client.positions()
        assert slept == []
        client.close()
        budget.close()

    def test_a_refusal_of_the_address_is_heeded_by_all_processes(
        self, stub: StubExchange, budgeted: Callable[[], ExchangeClient]
    ) -> None:
        first, second = budgeted(), budgeted()
        stub.rest["/v5/position/list"] = lambda _: Reply(status=403, body=b"access too frequent")
        with pytest.raises(ExchangeRateLimited, match="HTTP 403"):
            first.positions()
        with pytest.raises(ExchangeRateLimited, match="was not sent") as refused:
            second.cancel_all(BTCUSDT)
        assert 590.0 < refused.value.retry_after_s <= 600.0
        assert len(stub.received) == 1

    def test_after_too_many_requests_the_path_rests_until_the_reset(
        self, stub: StubExchange, budgeted: Callable[[], ExchangeClient], slept: list[float]
    ) -> None:
        client = budgeted()
        reset_ms = time.time_ns() // 1_000_000 + 3_000
        limited = refusal(10006, "Too many visits!", **{"X-Bapi-Limit-Reset-Timestamp": str(reset_ms)})
        stub.rest["/v5/order/cancel-all"] = lambda _: limited
        with pytest.raises(ExchangeRateLimited, match="10006"):
            client.cancel_all(BTCUSDT)
        with pytest.raises(Waited):
            client.cancel_all(BTCUSDT)
        assert len(stub.received) == 1
        assert slept[0] == pytest.approx(3.0, abs=1.5)

    def test_an_exit_is_sent_although_entries_have_used_up_their_part(
        self, stub: StubExchange, budgeted: Callable[[], ExchangeClient], slept: list[float]
    ) -> None:
        client = budgeted()
        stub.rest["/v5/order/create"] = lambda _: ok({"orderId": "o-1", "orderLinkId": ""})
        entry = NewOrder(
            symbol=BTCUSDT, side=Side.BUY, order_type=OrderType.MARKET, quantity=ONE, order_link_id="b1-en-1"
        )
        until_it_waits(lambda: client.place_order(entry))
        slept.clear()
        client.place_order(replace(entry, side=Side.SELL, reduce_only=True))
        assert slept == []


class Waited(Exception):
    """A client that sleeps in earnest would have waited long enough."""


def until_it_waits(call: Callable[[], object]) -> None:
    """Repeats a call until the budget has no room for it."""
    with pytest.raises(Waited):
        [call() for _ in range(100)]
