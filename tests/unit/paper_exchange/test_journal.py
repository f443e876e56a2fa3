"""Nobody is told of an execution before the journal has it, also when the disk is full for a while."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from paper_exchange.engine import Execution, OrderRequest
from paper_exchange.server.app import ServerOptions, build_exchange
from paper_exchange.server.exchange import Exchange
from paper_exchange.state import PlaceOrder
from tests.unit.paper_exchange.small_disk import disk_of

UID = 100_001


def exchange_in(folder: Path, state: Path | None = None) -> Exchange:
    keys = {"api_key": "key", "api_secret": "secret"}
    account = {"name": "canary", "uid": UID, **keys, "balance_usdt": "10000", "position_mode": "one_way"}
    (folder / "accounts.json").write_text(json.dumps([account]))
    return build_exchange(
        ServerOptions(
            port=0,
            admin_port=0,
            accounts=folder / "accounts.json",
            speed=1.0,
            symbols=("BTCUSDT",),
            journal=folder / "journal.jsonl",
            match="at-once",
            state=state,
        )
    )


def order(link_id: str) -> PlaceOrder:
    request = OrderRequest(
        symbol=Symbol("BTCUSDT"),
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.001"),
        order_link_id=link_id,
    )
    return PlaceOrder(uid=UID, request=request)


def test_what_the_journal_could_not_take_is_told_when_it_can(tmp_path: Path) -> None:
    with closing(exchange_in(tmp_path)) as exchange:
        journal = tmp_path / "journal.jsonl"
        exchange.accept(order("first"))
        assert exchange.take_events()
        whole = journal.read_bytes()
        with disk_of(len(whole) + 8), pytest.raises(OSError, match="too large"):
            exchange.accept(order("second"))
        assert journal.read_bytes() == whole
        assert exchange.take_events() == []
        exchange.accept(order("third"))
        told = [event.order_link_id for event in exchange.take_events() if isinstance(event, Execution)]
        assert told == ["second", "third"]
        written = [json.loads(line)["order_link_id"] for line in journal.read_text().splitlines()]
        assert written == ["first", "second", "third"]


def test_what_the_journal_had_before_the_inputs_were_older_is_not_repeated(tmp_path: Path) -> None:
    # given a journal that is ahead of the inputs, of which an older copy came back
    state = tmp_path / "state"
    inputs = state / "inputs.jsonl"
    with closing(exchange_in(tmp_path, state)) as exchange:
        exchange.accept(order("first"))
        older = inputs.read_bytes()
        exchange.accept(order("second"))
        exchange.accept(order("third"))
    inputs.write_bytes(older)
    journal = tmp_path / "journal.jsonl"
    before = journal.read_bytes()
    # when what is missing is asked for again
    with closing(exchange_in(tmp_path, state)) as exchange:
        assert journal.read_bytes() == before
        for link_id in ("second", "third"):
            exchange.accept(order(link_id))
            assert exchange.take_events()
        assert journal.read_bytes() == before
        # then only what is new is written
        exchange.accept(order("fourth"))
    written = [json.loads(line)["order_link_id"] for line in journal.read_text().splitlines()]
    assert written == ["first", "second", "third", "fourth"]
