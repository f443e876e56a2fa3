"""A field that is missing or of the wrong type is seen where it leaves the exchange."""

from __future__ import annotations

from pathlib import Path

from tests.exchange_process import ExchangeProcess, new_field_problems
from tests.integration.exchange.clients import buy, client
from tests.integration.exchange.listener import listening
from tests.support import eventually


def test_what_is_wrong_with_answers_and_frames_is_told_once(tmp_path: Path) -> None:
    program = "tests.integration.exchange.crippled_exchange"
    with ExchangeProcess(tmp_path, program=program) as exchange, listening(exchange) as listener:
        http = client(exchange)
        http.get_account_info()
        http.get_account_info()
        buy(http)
        exchange.admin.run(1)
        eventually(lambda: listener.rows("execution"), what="an execution")
        assert new_field_problems() == [
            "GET /v5/account/info.result.updatedTime: 0 is not milliseconds in text",
            "execution.data[].execFee: missing",
        ]
