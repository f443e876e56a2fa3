from __future__ import annotations

from functools import lru_cache

from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol


@lru_cache(maxsize=4096)
def settle_coin(category: str, symbol: Symbol) -> str:
    """The coin a contract settles in, which is also the coin of its fees: executions of linear contracts often leave
    `feeCurrency` empty.

    Raises InvalidValue for spot and options, where it cannot be told from the symbol.
    """
    contract = symbol.split("-")[0]
    if category == "linear":
        return "USDT" if contract.endswith("USDT") else "USDC"
    if category == "inverse" and "USD" in contract:
        return contract[: contract.index("USD")]
    raise InvalidValue(f"no fee currency for {category} {symbol}")
