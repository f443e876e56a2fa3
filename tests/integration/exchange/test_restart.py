"""What an exchange with a state folder remembers, and what it refuses to go on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from paper_exchange.engine import OrderRequest, Refused
from paper_exchange.server.app import ServerOptions, build_exchange
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.params import Params
from paper_exchange.server.render_positions import rest_position
from paper_exchange.server.routes_market import risk_limit
from paper_exchange.state import PlaceOrder, SetLeverage
from tests.exchange_process import PROJECT_ROOT, ExchangeProcess
from tests.integration.exchange.clients import BTC, LINEAR, buy, client, last_price, refusal_of


@pytest.mark.slow
def test_killed_and_started_again_it_is_the_same_exchange(tmp_path: Path) -> None:
    # given an exchange with a position, its stop, a resting order and an order that waits for the next bar
    exchange = ExchangeProcess(tmp_path, state=True, speed=100_000)
    with exchange:
        http = client(exchange)
        price = last_price(http)
        http.set_leverage(**LINEAR, symbol=BTC, buyLeverage="4", sellLeverage="4")
        buy(http, "0.020", orderLinkId="kept-1", stopLoss=f"{price * 0.8:.0f}")
        assert refusal_of(buy, http=http, quantity="900") in (10001, 110007)
        exchange.admin.run(5)
        resting = {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": f"{last_price(http) * 0.985:.0f}"}
        http.place_order(**LINEAR, symbol=BTC, **resting, orderLinkId="kept-2")
        buy(http, "0.001")
        before, journal = _everything(http), exchange.executions()
        # when
        exchange.kill()
        exchange.start()
        # then
        assert _everything(http) == before
        assert exchange.executions() == journal
        assert exchange.admin.state()["bars"] == 5
        assert refusal_of(buy, http=http, quantity="0.020", orderLinkId="kept-1") == 110072
        # and the order that was waiting is filled by the next bar
        exchange.admin.run(1)
        assert len(exchange.executions()) == len(journal) + 1


@pytest.mark.slow
def test_it_goes_on_as_one_that_was_never_killed(tmp_path: Path) -> None:
    outcomes = []
    for name in ("killed", "spared"):
        with ExchangeProcess(tmp_path / name, state=True, speed=100_000, seed=7) as exchange:
            http = client(exchange)
            for number in range(3):
                buy(http, "0.010", orderLinkId=f"same-{number}")
                exchange.admin.run(7)
                if name == "killed" and number == 1:
                    exchange.kill()
                    exchange.start()
            outcomes.append(exchange.executions())
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]


def test_a_torn_last_line_is_a_request_that_nobody_was_answered(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path, state=True, speed=100_000) as exchange:
        buy(client(exchange), "0.010", orderLinkId="whole")
        exchange.admin.run(1)
        exchange.kill()
        journal = exchange.journal.read_bytes()
        with (tmp_path / "state" / "inputs.jsonl").open("ab") as file:
            file.write(b'{"uid":100002,"op":"pla')
        exchange.journal.write_bytes(journal[:-20])
        exchange.start()
        assert exchange.journal.read_bytes() == journal
        exchange.admin.run(1)


def test_the_state_of_another_market_is_refused_with_one_line(tmp_path: Path) -> None:
    exchange = ExchangeProcess(tmp_path, state=True, seed=1)
    with exchange:
        pass
    arguments = [*exchange.arguments[: exchange.arguments.index("--seed")], "--seed", "2"]
    arguments += ["--state", str(tmp_path / "state")]
    failed = _run(arguments)
    assert failed.returncode == 2
    assert "another market, seed" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_a_state_that_is_older_than_the_risk_tiers_stays_what_it_was(tmp_path: Path) -> None:
    # given an order that is larger than the tiers allow with its leverage, taken when there were none
    options = _with_state(tmp_path)
    build_exchange(options).close()
    _without_tiers(tmp_path)
    with closing(build_exchange(options)) as exchange:
        uid = _buy_doge(exchange)
        exchange.advance()
        (before,) = exchange.engine.positions(uid)
        assert before.quantity > 0
    # when it is started again
    with closing(build_exchange(options)) as exchange:
        # then what was bought is there, and the exchange goes on as it was
        assert list(exchange.engine.positions(uid)) == [before]
        _buy_doge(exchange)
        exchange.advance()
        (after,) = exchange.engine.positions(uid)
        assert after.quantity > before.quantity
        # and says of itself that there is one tier without a bound
        (row,) = risk_limit(exchange, Params({"category": "linear"}))["list"]
        assert (row["id"], row["riskLimitValue"], rest_position(after)["riskLimitValue"]) == (1, "0", "0")
    assert "tiers" not in _header(tmp_path)


def test_a_state_that_began_with_the_risk_tiers_keeps_them(tmp_path: Path) -> None:
    options = _with_state(tmp_path)
    for _ in range(2):
        with closing(build_exchange(options)) as exchange:
            with pytest.raises(Refused) as refused:
                _buy_doge(exchange)
            assert refused.value.code == 110090
            assert len(risk_limit(exchange, Params({"category": "linear"}))["list"]) == 10
    assert _header(tmp_path)["tiers"] == "graded"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"symbols": ("NOPEUSDT",)}, "NOPEUSDT is not in the table"),
        ({"symbols": ()}, "needs something to trade"),
        ({"accounts": Path("/nowhere/accounts.json")}, "cannot be read"),
        ({"candles": Path("/nowhere/candles")}, "does not exist"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    ExchangeProcess(tmp_path)
    options = ServerOptions(
        port=0,
        admin_port=0,
        accounts=tmp_path / "accounts.json",
        speed=1.0,
        symbols=(BTC,),
        journal=tmp_path / "journal.jsonl",
    )
    with pytest.raises(AlphaError, match=says):
        build_exchange(replace(options, **change))


def test_a_taken_port_says_so(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path) as exchange:
        failed = _run([*exchange.arguments, "--admin-port", "0"])
        assert failed.returncode == 2
        assert f"port {exchange.port} cannot be opened" in failed.stderr


def test_it_ends_cleanly_when_asked_to(tmp_path: Path) -> None:
    exchange = ExchangeProcess(tmp_path, paused=False)
    with exchange:
        assert exchange.stop() == 0
    assert "Traceback" not in exchange.log.read_text()


def _with_state(folder: Path) -> ServerOptions:
    ExchangeProcess(folder, balance_usdt="1000000")
    return ServerOptions(
        port=0,
        admin_port=0,
        accounts=folder / "accounts.json",
        speed=1.0,
        symbols=("DOGEUSDT",),
        journal=folder / "journal.jsonl",
        state=folder / "state",
    )


def _buy_doge(exchange: Exchange) -> int:
    """Buys 3,000,000 at the next open, for about a million USDT with a leverage of 50. Gives the buyer's uid."""
    doge, uid = Symbol("DOGEUSDT"), exchange.accounts.all[0].uid
    with suppress(Refused):  # it is 50 already
        exchange.accept(SetLeverage(uid=uid, symbol=doge, leverage=Decimal(50)))
    request = OrderRequest(symbol=doge, side=Side.BUY, order_type=OrderType.MARKET, quantity=Decimal(3_000_000))
    exchange.accept(PlaceOrder(uid=uid, request=request))
    return uid


def _header(folder: Path) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((folder / "state" / "inputs.jsonl").read_text().splitlines()[0])
    return header


def _without_tiers(folder: Path) -> None:
    """A state in which nothing happened yet, as it was written before there were tiers."""
    header = _header(folder)
    header.pop("tiers", None)
    (folder / "state" / "inputs.jsonl").write_text(json.dumps(header) + "\n")


def _everything(http: Any) -> dict[str, Any]:
    return {
        "orders": http.get_open_orders(**LINEAR, settleCoin="USDT")["result"],
        "positions": http.get_positions(**LINEAR, settleCoin="USDT")["result"],
        "executions": http.get_executions(**LINEAR)["result"],
        "wallet": http.get_wallet_balance(accountType="UNIFIED")["result"],
        "log": http.get_transaction_log()["result"],
        "ticker": http.get_tickers(**LINEAR, symbol=BTC)["result"],
    }


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paper_exchange", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "ALPHA_EXCHANGE_ADMIN_TOKEN": "token"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
