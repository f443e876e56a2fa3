"""What the listener writes to Redis, and that Redis may be lost at any time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import redis

from alpha.domain.ids import OrderId
from alpha.domain.order import OrderStatus
from alpha.ledger.connection import Connection
from alpha.ledger.drift import DriftKind, Finding, add_drift
from alpha.ledger.heads import take_account
from alpha.live import fill_stream, order_stream, positions
from alpha.live.connection import RedisAddress
from alpha.live.health import read_listener_health
from alpha.live.wallet import read_wallet
from alpha.live.wire import now
from alpha.local.valkey import EmbeddedValkey
from tests.integration.listener.live_parts import Parts
from tests.support import Database, eventually
from tests.unit.domain.fills import BTCUSDT, MAIN
from tests.unit.listener.accounts import ONE, TWO, a_wallet, an_order, said
from websocket_listener import live_state


@pytest.fixture
def parts(database: Database, ledger: Connection, redis_address: RedisAddress) -> Iterator[Parts]:
    running = Parts(database, redis_address)
    running.start(take_account(ledger, MAIN, "tests"))
    yield running
    running.stop()


def test_bots_find_flat_rows_before_anything_happened(parts: Parts) -> None:
    eventually(lambda: parts.held(ONE) == 0 and parts.held(TWO) == 0, what="explicit flat rows")
    eventually(lambda: read_listener_health(parts.state, MAIN), what="the listener's health")


def test_a_committed_fill_reaches_its_bot_once_with_its_position(parts: Parts) -> None:
    parts.record(1, 2)
    parts.record(2, 3)
    eventually(lambda: parts.stream() == [1, 2, 3], what="three fills in the stream")
    # each fill buys 1; the account is shared, so the position is the fold
    eventually(lambda: parts.held() == 3, what="the position")
    assert parts.stream(TWO) == []
    assert parts.live.fill_to_redis.summary().count == 3


def test_after_a_flush_everything_is_there_again_with_the_same_ids(parts: Parts) -> None:
    parts.record(*range(1, 31))
    parts.live.put(
        live_state.Heard(account=MAIN, orders=(an_order("resting"),), positions=(said("30"),), wallet=a_wallet("500"))
    )
    eventually(lambda: len(parts.stream()) == 30 and read_wallet(parts.state, MAIN), what="thirty fills")
    before = fill_stream.read(parts.by_bot[ONE], ONE, after=0)
    parts.state.flushall()
    eventually(lambda: parts.stream() == list(range(1, 31)), what="the stream again")
    eventually(lambda: parts.held() == 30 and parts.held(TWO) == 0, what="the positions again")
    eventually(lambda: order_stream.open_orders(parts.by_bot[ONE], ONE), what="the open orders again")
    eventually(lambda: read_wallet(parts.state, MAIN), what="the wallet again")
    assert fill_stream.read(parts.by_bot[ONE], ONE, after=0) == before


def test_while_redis_is_away_the_ledger_goes_on_and_is_published_after(
    parts: Parts, valkey_server: EmbeddedValkey
) -> None:
    parts.record(1)
    eventually(lambda: parts.stream() == [1], what="the first fill")
    valkey_server.stop()
    try:
        parts.record(2, 3)
        eventually(lambda: not parts.live.available, what="the live state to notice")
    finally:
        valkey_server.start()
    eventually(lambda: parts.stream() == [1, 2, 3], what="the fills of the meantime")
    eventually(lambda: parts.held() == 3, what="the position")


def test_a_stream_of_another_ledger_is_dropped(parts: Parts) -> None:
    from tests.integration.listener.recorded import recorded

    eventually(lambda: parts.live.epochs(), what="the claim")
    fill_stream.publish(parts.by_bot[ONE], ONE, [recorded(n) for n in range(1, 6)], epoch=parts.live.epochs()[ONE])
    eventually(lambda: parts.stream() == [], what="the foreign stream gone")
    parts.record(1)
    eventually(lambda: parts.stream() == [1], what="the first fill")


def test_orders_are_told_and_open_ones_kept(parts: Parts) -> None:
    client = parts.by_bot[ONE]
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("a"), an_order("b"))))
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("a", OrderStatus.CANCELLED), an_order("b"))))
    eventually(lambda: len(order_stream.read(client, ONE)) == 3, what="three reports")
    assert [order.order_id for order in order_stream.open_orders(client, ONE)] == ["b"]


def test_what_waits_for_a_commit_is_told_with_it_or_when_somebody_says_so(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a live state that does not look by itself
    monkeypatch.setattr(live_state, "_TICK_S", 60.0)
    client = parts.by_bot[ONE]
    parts.refresh()
    # when a fill is committed
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("a"),)), wake=False)
    parts.record(1)
    # then what came with it is told with it
    eventually(lambda: parts.stream() == [1], what="the fill")
    assert [order.order_id for order in order_stream.open_orders(client, ONE)] == ["a"]
    # and without a commit when the thread is woken
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("b"),)), wake=False)
    parts.live.wake()
    eventually(lambda: len(order_stream.open_orders(client, ONE)) == 2, what="the other order")


def test_what_was_handed_in_before_the_end_is_told(parts: Parts) -> None:
    # given a live state that is busy
    told: list[OrderId] = []
    parts.on_orders = lambda orders: told.extend(order.order_id for order, _ in orders)
    begun, go_on = threading.Event(), threading.Event()

    def be_busy() -> None:
        begun.set()
        go_on.wait(30)

    parts.live.call(be_busy)
    assert begun.wait(30)
    # when it is told to end with something behind that
    parts.live.put(live_state.Heard(account=MAIN, orders=(an_order("last"),)))
    stopping = threading.Thread(target=parts.live.stop)
    stopping.start()
    eventually(lambda: parts.live._stopping, what="the end to begin")
    go_on.set()
    stopping.join(30)
    assert told == ["last"]


def test_the_end_does_not_wait_for_the_next_look(
    database: Database, redis_address: RedisAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given nothing that wakes the thread
    monkeypatch.setattr(live_state, "_TICK_S", 600.0)
    live = Parts(database, redis_address).live
    live.start()
    live.wake()
    eventually(lambda: live.available, what="a first look")
    live.stop()
    assert not live._own_thread.is_alive()


def test_drift_is_marked_and_told_when_fold_and_exchange_disagree(parts: Parts) -> None:
    parts.live.put(live_state.Heard(account=MAIN, positions=(said("2", seq=5),)))
    (told,) = eventually(lambda: parts.drift, what="the drift")
    assert (told[1].symbol, told[1].exchange_quantity, told[1].fold_quantity, told[2]) == (
        BTCUSDT,
        Decimal(2),
        Decimal(0),
        True,
    )
    eventually(lambda: _drifted(parts.by_bot[ONE]), what="the mark on the row")
    parts.record(1, 2)
    eventually(lambda: [began for _, _, began in parts.drift] == [True, False], what="the end of the drift")
    eventually(lambda: not _drifted(parts.by_bot[ONE]), what="the row without a mark")


def test_while_fills_are_recovered_no_difference_is_called_drift(parts: Parts) -> None:
    # given fills that are missing for a known cause, and judgements further apart than fills are in flight
    parts.settled = False
    parts.live.put(live_state.Heard(account=MAIN, positions=(said("2", seq=5),)))
    before = parts.judgements
    eventually(lambda: parts.judgements >= before + 4, what="several judgements")
    assert parts.drift == []
    assert not _drifted(parts.by_bot[ONE])
    # when they are said to be complete
    parts.settled = True
    eventually(lambda: [began for _, _, began in parts.drift] == [True], what="the drift")


def test_a_disagreement_in_the_ledger_marks_its_bots_rows(parts: Parts, ledger: Connection) -> None:
    add_drift(ledger, [Finding(kind=DriftKind.FILL_CONTENT, account=MAIN, subject="exec-1", detail={}, bot=ONE)])
    eventually(lambda: _drifted(parts.by_bot[ONE]), what="the mark on the row")


def test_positions_are_confirmed_every_second(parts: Parts) -> None:
    def confirmed_later_than(moment: object) -> bool:
        found = positions.read(parts.by_bot[ONE], ONE, BTCUSDT)
        return found is not None and found.updated_at > moment  # type: ignore[operator]

    first = now()
    eventually(lambda: confirmed_later_than(first), what="a confirmation")
    eventually(lambda: confirmed_later_than(first + timedelta(seconds=1)), what="another one")


def _drifted(client: redis.Redis) -> bool:
    found = positions.read(client, ONE, BTCUSDT)
    return found is not None and found.drifted
