"""`alpha proof`: each account brought up to date with the exchange, judged, and the verdict stored and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import click
import orjson
from rich.console import Console

from alpha.config import ConfigError, Registry, Settings, credentials, endpoints
from alpha.domain.errors import AlphaError, Unreachable
from alpha.domain.ids import AccountName
from alpha.exchange.budget import LocalBudget
from alpha.exchange.errors import ExchangeError, ExchangeUnknown
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.coverage import start_of_account
from alpha.ledger.proofs import add_proofs
from alpha.local.kept import opened_platform
from alpha.proof.days import end_of_day, start_of_day
from alpha.proof.gathering import COVERED_WITHIN_S, prove_account
from alpha.proof.rows import rows_of
from alpha.proof.telling import lines
from alpha.proof.verdict import AccountProof
from alpha.verify import SETTLE_S
from trade_sync_service.account_sync import sync_account
from trade_sync_service.causes import Cause

PROVEN, NOT_PROVEN, UNREACHABLE = 0, 1, 3


class NotSynced(AlphaError):
    """The exchange's own books could not be read, so there is nothing to judge by."""


class BooksUnreachable(NotSynced, Unreachable):
    """The exchange did not answer when its books were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """All accounts asked for, and those that could not be judged, with the reason. `later` are accounts that the
    platform first saw after the day that was asked about, at this (market) time: there is nothing to judge."""

    proofs: tuple[AccountProof, ...]
    failed: Mapping[AccountName, AlphaError] = field(default_factory=dict)
    later: Mapping[AccountName, datetime] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        return not self.failed and all(proof.proven for proof in self.proofs)

    @property
    def exit_code(self) -> int:
        """1 when something speaks against a day or an account was refused, 3 when an exchange gave no answer."""
        if not all(proof.proven for proof in self.proofs):
            return NOT_PROVEN
        if any(not isinstance(error, Unreachable | ExchangeUnknown) for error in self.failed.values()):
            return NOT_PROVEN
        return UNREACHABLE if self.failed else PROVEN

    def to_json(self) -> dict[str, Any]:
        """The documented object of `alpha proof --json`."""
        return {
            "proven": self.proven,
            "accounts": [proof.to_json() for proof in self.proofs],
            "not_judged": {account: str(error) for account, error in self.failed.items()},
            "first_seen_later": {account: at.isoformat() for account, at in self.later.items()},
        }

    def show(self, console: Console) -> None:
        for proof in self.proofs:
            for line, style in lines(proof):
                console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
        for account, error in self.failed.items():
            console.print(f"{account}: NOT JUDGED: {error}", style="bold red", markup=False, soft_wrap=True)
        for account, at in self.later.items():
            console.print(f"{account}: nothing to judge, first seen at {at.isoformat()}", markup=False, soft_wrap=True)
        if self.proofs or self.failed:
            verdict, style = ("proven", "bold green") if self.proven else ("not proven", "bold red")
            console.print(f"verdict: {verdict}", style=style)


def prove(
    settings: Settings,
    registry: Registry,
    environ: Mapping[str, str],
    *,
    account: str | None = None,
    day: date | None = None,
    by: str,
    settle_s: float = SETTLE_S,
    covered_within_s: float = COVERED_WITHIN_S,
) -> ProofResult:
    """Judges one account or all, one UTC day or everything since the first contact, and stores the verdicts.

    Raises LedgerError, and ConfigError for an account that is not there, a day that has not begun or one before the
    first contact with every account.
    """
    chosen = [registry.account(account)] if account is not None else list(registry.accounts.values())
    proofs: list[AccountProof] = []
    failed: dict[AccountName, AlphaError] = {}
    later: dict[AccountName, datetime] = {}
    budget = LocalBudget()
    with closing(connect(settings.dsn(), "alpha-proof", statement_timeout_s=120)) as ledger:
        for config in chosen:
            began = start_of_account(ledger, config.name)
            if day is not None and began is not None and end_of_day(day) < began:
                later[config.name] = began
                continue
            client = ExchangeClient(
                config.name, endpoints(config, settings), credentials(config, environ), budget=budget
            )
            with closing(client):
                try:
                    proof = prove_account(
                        client,
                        ledger,
                        _refresh(client, ledger),
                        since=None if day is None else start_of_day(day),
                        until=None if day is None else end_of_day(day),
                        symbols=registry.traded_on(config.name),
                        settle_s=settle_s,
                        covered_within_s=covered_within_s,
                    )
                except (ExchangeError, NotSynced) as error:
                    failed[config.name] = error
                    continue
            add_proofs(ledger, rows_of(proof, by=by))
            proofs.append(proof)
    if later and not proofs and not failed:
        seen = ", ".join(f"{name} at {at.isoformat()}" for name, at in later.items())
        raise ConfigError(f"nothing is known of {day}, which was over at the first contact (market time): {seen}")
    return ProofResult(proofs=tuple(proofs), failed=failed, later=later)


def run_proof(*, account: str | None, day: date | None, as_json: bool, by: str) -> int:
    """The command: judges, prints, and answers the exit code."""

    def say(words: str) -> None:
        click.echo(f"alpha: {words}", err=True)

    with opened_platform("sync", "sync_writer", say) as (settings, registry, environ):
        result = prove(settings, registry, environ, account=account, day=day, by=by)
    if as_json:
        click.echo(orjson.dumps(result.to_json()).decode())
    else:
        result.show(Console(soft_wrap=True, highlight=False))
    return result.exit_code


def _refresh(client: ExchangeClient, ledger: Connection) -> Callable[[datetime], None]:
    """Has the sync service's own work done for this account."""

    def refresh(until: datetime) -> None:
        synced = sync_account(client, ledger, until=until)
        failure = synced.failure
        if failure is None:
            return
        kind = BooksUnreachable if failure.cause is Cause.UNREACHABLE else NotSynced
        raise kind(f"the exchange's books of {client.account} cannot be read: {failure.text}")

    return refresh
