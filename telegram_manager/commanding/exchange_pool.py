"""Clients with the accounts' own keys, kept connected, so that the first cancel need not wait for a handshake."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import structlog

from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.budget import LocalBudget
from alpha.exchange.rest import ExchangeClient

log = structlog.get_logger(__name__)

ClientFactory = Callable[[AccountName], ExchangeClient]

_ANSWER_TIMEOUT_S = 3.0
# Not the budget of all processes, which lives in Redis: closing must not wait for that. Of the limits of an account all
# may be used, because nobody else should trade there then; of those of the address, which all bots share, a third.
_ADDRESS_SHARE, _PATH_SHARE = 0.3, 1.0


def client_factory(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> ClientFactory:
    """Clients of the registry's accounts. Making one raises ConfigError for a key that is missing or an URL that does
    not agree with the mode: that account's alone, because the others have to be closed all the same."""
    budget = LocalBudget(address_share=_ADDRESS_SHARE, path_share=_PATH_SHARE)

    def client(name: AccountName) -> ExchangeClient:
        account = registry.account(name)
        where, key = endpoints(account, settings), credentials(account, environ)
        return ExchangeClient(name, where, key, budget=budget, answer_timeout_s=_ANSWER_TIMEOUT_S)

    return client


class ExchangePool:
    """Lends clients, one to a thread at a time, and takes them back connected."""

    def __init__(self, factory: ClientFactory) -> None:
        self._factory = factory
        self._lock = threading.Lock()
        self._idle: dict[AccountName, list[ExchangeClient]] = defaultdict(list)
        self._is_closed = False
        self._largest: dict[Symbol, Decimal] = {}

    @contextmanager
    def client(self, account: AccountName) -> Iterator[ExchangeClient]:
        with self._lock:
            idle = self._idle[account]
            client = idle.pop() if idle else None
        if client is None:
            client = self._factory(account)
        try:
            yield client
        finally:
            with self._lock:
                if not self._is_closed:
                    self._idle[account].append(client)
            if self._is_closed:
                client.close()

    def largest_order(self, symbol: Symbol) -> Decimal | None:
        """The largest market order of a symbol in base units; None when it was not asked for yet."""
        return self._largest.get(symbol)

    def warm(self, account: AccountName, symbols: tuple[Symbol, ...]) -> None:
        """Opens a connection, or keeps the one that is there alive, and asks for what is not known of the symbols."""
        try:
            with self.client(account) as client:
                missing = [symbol for symbol in symbols if symbol not in self._largest]
                for symbol, instrument in client.instruments(missing).items():
                    self._largest[symbol] = instrument.max_market_quantity
                if not missing:
                    client.server_time()
        except AlphaError as error:
            if self._is_closed:
                return
            log.debug("exchange_not_warm", account=account, error=str(error))

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            clients = [client for idle in self._idle.values() for client in idle]
            self._idle.clear()
        for client in clients:
            client.close()
