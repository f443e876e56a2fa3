"""`alpha verify` tells every way in which a ledger can be wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.settings import load_settings
from alpha.domain.ids import AccountName, Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from alpha.exchange.new_order import NewOrder
from alpha.exchange.rest import ExchangeClient
from tests.chaos.trading import Trading

pytestmark = pytest.mark.slow
BTCUSDT = Symbol("BTCUSDT")
MISSED = 20


def a_person_trades(trading: Trading, orders: int) -> None:
    """Orders placed by hand on the canaries' account: small buys and sells that end where they began."""
    environ = trading.platform.env("listener")
    settings = load_settings(environ)
    account = trading.registry.account("canary")
    client = ExchangeClient(AccountName("canary"), endpoints(account, settings), credentials(account, environ))
    for n in range(orders):
        side = Side.BUY if n % 2 == 0 else Side.SELL
        client.place_order(
            NewOrder(
                symbol=BTCUSDT,
                side=side,
                order_type=OrderType.MARKET,
                quantity=Decimal("0.002"),
                order_link_id=f"by-hand-{n}",
            )
        )


def test_fills_missed_by_a_stopped_listener_are_listed_and_then_recovered(trading: Trading) -> None:
    # given a listener that is down while at least 20 executions happen
    trading.more_fills(4)
    listener = trading.platform.child("listener")
    listener.want(False)
    trading.until(lambda: not listener.running, what="the listener to end")
    before = trading.admin.state().executions
    a_person_trades(trading, MISSED)
    trading.until(lambda: trading.admin.state().executions >= before + MISSED, what="20 executions")
    # when asked meanwhile, then they are missing, by their ids
    code, report = trading.verify()
    assert code == 1
    missing = [exec_id for account in report["accounts"] for exec_id in account["missing"]]
    assert len(missing) >= MISSED
    # and when the listener is back, none is
    listener.want(True)
    trading.more_fills(2)
    assert trading.at_rest().equal
    code, report = trading.verify()
    assert (code, report["passed"]) == (0, True)
    trading.resume()


def test_a_dropped_socket_loses_nothing(trading: Trading) -> None:
    trading.resume()
    for _ in range(3):
        trading.admin.drop_sockets()
        trading.more_fills(3)
    assert trading.at_rest().equal
    assert trading.verify()[0] == 0
    trading.resume()


TAMPERINGS = {
    "row removed": (
        "CREATE TABLE trading.tests_removed AS SELECT * FROM trading.fills ORDER BY exec_time LIMIT 1;"
        " DELETE FROM trading.fills f USING trading.tests_removed r WHERE f.exec_id = r.exec_id",
        "INSERT INTO trading.fills SELECT * FROM trading.tests_removed; DROP TABLE trading.tests_removed",
    ),
    "fee changed": (
        "UPDATE trading.fills SET fee = fee + 0.01 WHERE exec_id = (SELECT min(exec_id) FROM trading.fills)",
        "UPDATE trading.fills SET fee = fee - 0.01 WHERE exec_id = (SELECT min(exec_id) FROM trading.fills)",
    ),
    "row added": (
        "CREATE TABLE trading.tests_added AS SELECT * FROM trading.fills ORDER BY exec_time LIMIT 1;"
        " UPDATE trading.tests_added SET exec_id = 'zz-nobody-made-this', bot_seq = 1000000;"
        " INSERT INTO trading.fills SELECT * FROM trading.tests_added; DROP TABLE trading.tests_added",
        "DELETE FROM trading.fills WHERE exec_id = 'zz-nobody-made-this'",
    ),
}


def test_a_ledger_changed_behind_its_back_is_told(trading: Trading) -> None:
    # given a ledger that is right and a listener that does not mend it meanwhile
    trading.resume()
    trading.more_fills(2)
    trading.at_rest()
    listener = trading.platform.child("listener")
    listener.want(False)
    trading.until(lambda: not listener.running, what="the listener to end")
    assert trading.verify()[0] == 0
    for tampering, mending in TAMPERINGS.values():
        # when one row is tampered with, as nobody but the database's owner could
        trading.owner_sql(*tampering.split(";"))
        # then it is told
        code, report = trading.verify()
        assert (code, report["passed"]) == (1, False)
        trading.owner_sql(*mending.split(";"))
    # and no more once everything is as it was
    assert trading.verify()[0] == 0
    listener.want(True)
