from __future__ import annotations

from collections.abc import Iterator

import pytest

from alpha.config.credentials import Credentials
from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from tests.integration.client.stub_exchange import StubExchange

KEYS = Credentials(key="testkey", secret="testsecret")
ACCOUNT = AccountName("canary")


@pytest.fixture
def stub() -> Iterator[StubExchange]:
    with StubExchange() as exchange:
        yield exchange


@pytest.fixture
def client(stub: StubExchange) -> Iterator[ExchangeClient]:
    """A client of the stub that gives up on an answer after half a second and does not pause between attempts."""
    made = ExchangeClient(ACCOUNT, stub.endpoints, KEYS, answer_timeout_s=0.5, sleep=lambda _: None)
    yield made
    made.close()
