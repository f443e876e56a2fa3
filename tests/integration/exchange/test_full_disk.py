"""A disk that is full while the market moves: it stands still and says why, nothing is lost, and it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.exchange_process import ExchangeProcess
from tests.integration.exchange.clients import LINEAR, buy, client, refusal_of
from tests.support import eventually

PROGRAM = "tests.integration.exchange.full_disk_exchange"


def exchange_in(folder: Path) -> ExchangeProcess:
    return ExchangeProcess(folder, state=True, speed=100_000, lockstep="off", program=PROGRAM)


def health(exchange: ExchangeProcess) -> dict[str, Any]:
    content: dict[str, Any] = requests.get(f"http://127.0.0.1:{exchange.port}/healthz", timeout=10).json()
    return content


def make_full(exchange: ExchangeProcess, file: str) -> None:
    (exchange.folder / "full").write_text(file)


def make_room(exchange: ExchangeProcess) -> None:
    (exchange.folder / "full").unlink()


def executions_of(exchange: ExchangeProcess) -> list[str]:
    rows = client(exchange).get_executions(**LINEAR, limit=100)["result"]["list"]
    return sorted(row["execId"] for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["inputs.jsonl", "journal.jsonl"])
@pytest.mark.parametrize("restarted", [False, True], ids=["room-is-made", "killed-and-started"])
def test_a_full_disk_holds_the_market_and_loses_nothing(tmp_path: Path, file: str, restarted: bool) -> None:
    outcomes = []
    for folder in (tmp_path / "full", tmp_path / "spared"):
        with exchange_in(folder) as exchange:
            http = client(exchange)
            buy(http, "0.010", orderLinkId="filled")
            exchange.admin.run(3)
            # acknowledged, and to be filled by the step that cannot be written down
            buy(http, "0.020", orderLinkId="acknowledged")
            if folder.name == "full":
                told = executions_of(exchange)
                make_full(exchange, file)
                exchange.admin.resume()
                held = eventually(lambda: health(exchange)["held_by"])
                assert held == f"{_path(exchange, file)} cannot be written: No space left on device; " + (
                    "make room, and the exchange goes on where it is"
                )
                assert not health(exchange)["ok"]
                assert [row["exec_id"] for row in exchange.executions()] == told
                if file == "inputs.jsonl":
                    assert refusal_of(buy, http=http, quantity="0.001", orderLinkId="refused") == 10016
                if restarted:
                    exchange.kill()
                make_room(exchange)
                if restarted:
                    exchange.start()
                    exchange.admin.run(1)
                eventually(lambda: health(exchange)["bars"] > 3)
                exchange.admin.pause()
                assert health(exchange)["ok"]
                text = exchange.log.read_text()
                assert text.count("market_held") == 1
                assert "Traceback" not in text
            else:
                exchange.admin.run(1)
            outcomes.append(exchange.executions())
            assert executions_of(exchange) == sorted(row["exec_id"] for row in exchange.executions())
    assert [row["order_link_id"] for row in outcomes[0]] == ["filled", "acknowledged"]
    assert outcomes[0] == outcomes[1]


def _path(exchange: ExchangeProcess, file: str) -> Path:
    return next(exchange.folder.rglob(file))
