"""When the accounts' API keys end, asked of the exchange apart from whoever looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import datetime

import structlog

from alpha.config.registry import Registry
from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from telegram_manager.commanding.exchange_pool import ExchangePool

log = structlog.get_logger(__name__)

_EVERY_S, _AGAIN_S = 6 * 3600.0, 60.0
_DUE_EVERY_S = 5.0


class KeyEnds:
    """A thread of its own, since an exchange that is away takes long to say nothing. It asks a few times a day, and
    soon again where an account does not answer: then what it answered before stands."""

    def __init__(self, exchange: ExchangePool, registry: Registry, *, first_s: float) -> None:
        self._exchange, self._registry, self._first_s = exchange, registry, first_s
        self._known: Mapping[AccountName, datetime | None] = {}
        self._ask_at_s: dict[AccountName, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-ends", daemon=True)

    def known(self) -> Mapping[AccountName, datetime | None]:
        """At once. None: never, or it is not told. Without the accounts that have not answered yet."""
        return self._known

    def start(self) -> None:
        self._thread.start()

    def ask_to_end(self) -> None:
        """What is being asked is the last; does not wait for it."""
        self._stopping.set()

    def stop(self) -> None:
        self.ask_to_end()
        if self._thread.is_alive():
            self._thread.join(10)

    def ask(self) -> None:
        """Those accounts with bots whose time has come."""
        for account in self._registry.accounts:
            if self._stopping.is_set():
                return
            if self._registry.bots_on(account) and time.monotonic() >= self._ask_at_s.get(account, 0.0):
                answered = self._ask(account)
                self._ask_at_s[account] = time.monotonic() + (_EVERY_S if answered else _AGAIN_S)

    def _ask(self, account: AccountName) -> bool:
        try:
            with self._exchange.client(account) as client:
                information = client.key_information()
        except AlphaError as error:
            log.warning("key_end_not_known", account=account, error=str(error))
            return False
        except Exception:
            log.exception("key_end_failed", account=account)
            return False
        self._known = {**self._known, account: None if information is None else information.expires_at}
        return True

    def _run(self) -> None:
        self._stopping.wait(self._first_s)
        while not self._stopping.is_set():
            self.ask()
            self._stopping.wait(_DUE_EVERY_S)
