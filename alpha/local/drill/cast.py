"""Who trades in a drill: accounts, bots and symbols, and the bots.yaml that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from alpha.config.registry import Registry, load_registry
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.live.connection import RESERVED_DBS

MOST_ACCOUNTS = 50

_SHARED = (("a", ("BTCUSDT", "SOLUSDT")), ("b", ("ETHUSDT",)))
_ALONE = (("", ("BTCUSDT", "XRPUSDT")),)


def write_registry(path: Path, accounts: int) -> Registry:
    """Writes bots.yaml and reads it: the first account is shared by two bots, every other one has a bot of its own."""
    databases = (number for number in range(64) if number not in RESERVED_DBS)
    names = [f"drill_{number}" for number in range(1, accounts + 1)]
    bots = [
        {
            "id": f"bot_{number}{letter}",
            "code": f"d{number}{letter}",
            "account": name,
            "strategy": "strategies.canary:Canary",
            "redis_db": next(databases),
            "symbols": list(symbols),
            "capital_usdt": "100000",
        }
        for number, name in enumerate(names, start=1)
        for letter, symbols in (_SHARED if number == 1 else _ALONE)
    ]
    keys = {
        name: {"key_env": f"{name.upper()}_BYBIT_API_KEY", "secret_env": f"{name.upper()}_BYBIT_API_SECRET"}
        for name in names
    }
    path.write_text(json.dumps({"accounts": keys, "bots": bots}, indent=2))  # JSON is YAML
    return load_registry(path)


def owners(registry: Registry) -> Mapping[tuple[AccountName, Symbol], BotId]:
    """Whose a fill of an account in a symbol is: no symbol of an account has two bots here."""
    return {(bot.account, symbol): bot.id for bot in registry.bots.values() for symbol in bot.symbols}
