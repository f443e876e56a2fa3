"""The paper exchange of a local platform: its ports, its accounts, and when its market moves."""

from __future__ import annotations

import secrets
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

from alpha.config.registry import Registry
from alpha.local.loopback_http import status_of
from alpha.local.paper_accounts import paper_accounts
from alpha.local.ports import LOOPBACK, free_port


class PaperMarket:
    """What is needed to start `alpha paper-exchange` and to let its market move. Makes the accounts file."""

    def __init__(self, home: Path, registry: Registry, balance_usdt: Decimal) -> None:
        self.port = free_port()
        self.admin_port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.admin_url = f"http://{LOOPBACK}:{self.admin_port}"
        self.admin_token = secrets.token_urlsafe(24)
        self._accounts_file = home / "paper-accounts.json"
        accounts = paper_accounts(self._accounts_file, registry, balance_usdt)
        self.keys = {name: (account.api_key, account.api_secret) for name, account in accounts.items()}
        self._symbols = registry.symbols

    def arguments(
        self,
        *,
        speed: float,
        seed: int,
        candles: Path | None,
        journal: Path,
        state: Path | None,
        full_lockstep_of: int | None = None,
    ) -> list[str]:
        """The command line after `alpha`. The market begins paused. With `full_lockstep_of` so many bots every bar
        waits for all of them."""
        arguments = ["paper-exchange", "--port", str(self.port), "--admin-port", str(self.admin_port)]
        arguments += ["--accounts", str(self._accounts_file), "--speed", str(speed)]
        arguments += ["--seed", str(seed)] if candles is None else ["--candles", str(candles.absolute())]
        arguments += ["--symbols", ",".join(self._symbols), "--journal", str(journal.absolute())]
        if state is not None:
            arguments += ["--state", str(state.absolute())]
        if full_lockstep_of is not None:
            arguments += ["--lockstep", "full", "--bots", str(full_lockstep_of)]
        return [*arguments, "--paused"]

    def release(self) -> bool:
        """Lets the market move. False when the exchange does not answer."""
        headers = {"X-Admin-Token": self.admin_token}
        return status_of(f"{self.admin_url}/admin/resume", method="POST", headers=headers) == HTTPStatus.OK
