from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alpha.domain.errors import AlphaError
from paper_exchange.market.instruments import listable
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


def test_for_a_bot_that_trades_all_symbols_the_whole_table_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A_KEY", "key-of-the-account")
    monkeypatch.setenv("A_SECRET", "word-of-the-account")
    bots = tmp_path / "bots.yaml"
    bots.write_text(
        """
accounts: {whole: {key_env: A_KEY, secret_env: A_SECRET}}
bots: [{id: whole_001, code: wh, account: whole, strategy: "a:B", redis_db: 3, symbols: all}]
"""
    )
    options = ServerOptions(
        port=0, admin_port=0, registry=bots, speed=1.0, symbols=(), journal=tmp_path / "journal", accounts=None
    )
    exchange = build_exchange(options)
    try:
        assert sorted(exchange.listings) == sorted(listable())
    finally:
        exchange.close()
