from __future__ import annotations

import pytest
from pybit.unified_trading import HTTP

from alpha.config.credentials import Credentials
from alpha.exchange.signing import sign_request, stream_signature

KEYS = Credentials(key="testkey", secret="testsecret")
QUERY = "category=linear&limit=2&symbol=BTCUSDT"
BODY = (
    '{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.003", '
    '"orderLinkId": "s1-000017"}'
)


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (QUERY, "ec2deedb3b3a965fff9400eb9e939fdd11502260c9efcb09e12ff708111740a4"),
        (BODY, "5cf2b91e35a2d2840b4ac1e9617ee7c24ebe08ad3b80e893d8bd9151e117e8d1"),
    ],
)
def test_requests_are_signed_as_bybit_documents(payload: str, signature: str) -> None:
    assert sign_request(KEYS, timestamp_ms=1700000000000, recv_window_ms=5000, payload=payload) == signature
    # pybit, which signs ours, agrees
    http = HTTP(api_key=KEYS.key, api_secret=KEYS.secret)
    assert http._auth(payload, 5000, 1700000000000) == signature


def test_streams_are_signed_as_bybit_documents() -> None:
    expected = "26df689652787d6e2816d6ac43239f177f3a452676ef6c0a64e80828cb7144c7"
    assert stream_signature(KEYS.secret, 1700000001000) == expected
