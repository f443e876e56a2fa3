from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alpha.domain.errors import AlphaError
from paper_exchange.server.app import ServerOptions, build_exchange


@pytest.mark.parametrize("market", ["candles", "trades"])
def test_where_recorded_markets_cannot_be_read_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, market: str
) -> None:
    # given an installation without pyarrow, as in the image of the paper exchange
    for name in ("alpha.candles.store", "paper_exchange.market.trades"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    accounts = tmp_path / "accounts.json"
    accounts.write_text('[{"name": "main", "uid": 1, "api_key": "key", "api_secret": "word", "balance_usdt": "1000"}]')
    options = ServerOptions(
        port=0,
        admin_port=0,
        accounts=accounts,
        speed=1.0,
        symbols=("BTCUSDT",),
        journal=tmp_path / "journal",
        candles=tmp_path if market == "candles" else None,
        trades=tmp_path if market == "trades" else None,
    )

    with pytest.raises(AlphaError, match=r"a recorded market needs the package pyarrow, .* on the machine itself$"):
        build_exchange(options)
