from __future__ import annotations

import pytest

from alpha.exchange.endpoints import DEMO_ENDPOINTS, LIVE_ENDPOINTS, is_loopback, paper_endpoints


def test_the_paper_exchange_serves_everything_on_one_port() -> None:
    paper = paper_endpoints("http://127.0.0.1:8787/")
    assert paper.is_paper
    assert paper.rest_url == "http://127.0.0.1:8787"
    assert paper.private_url == "ws://127.0.0.1:8787/v5/private"
    assert paper.public_url == "ws://127.0.0.1:8787/v5/public/linear"


def test_demo_trading_takes_its_market_data_from_the_live_exchange() -> None:
    assert DEMO_ENDPOINTS.public_url == LIVE_ENDPOINTS.public_url
    assert not DEMO_ENDPOINTS.is_paper


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8787", True),
        ("ws://localhost:1/v5/private", True),
        ("http://[::1]:80", True),
        ("https://api.bybit.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_loopback(url: str, here: bool) -> None:
    assert is_loopback(url) is here
