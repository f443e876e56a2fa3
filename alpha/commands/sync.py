"""`alpha sync`: every account compared with the exchange now."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, UNREACHABLE, example, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alpha.config.registry import AccountConfig
    from alpha.config.settings import Settings
    from trade_sync_service.account_sync import AccountSync


@click.command(epilog=example("alpha sync", "alpha sync --account canary --json"))
@click.option("--account", default=None, help="One account.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def sync(account: str | None, as_json: bool) -> int:
    """Compares executions, orders, closed P&L, transaction log and balances with the exchange, as the sync service does
    each hour.

    An execution that the ledger lacks makes its interval unproven, and the listener recovers it; `alpha drift` lists
    what disagrees. Exit code 1 when something disagrees or was refused, 3 when the exchange gave no answer.
    """
    from alpha.local.attach import environment_of, settings_of

    settings, registry = settings_of("sync")
    chosen = [registry.account(account)] if account is not None else list(registry.accounts.values())
    environ = environment_of("sync")
    done = [_sync_one(settings, each, environ) for each in chosen if registry.bots_on(each.name)]
    if as_json:
        accounts = {each.account: each.to_json() for each in done}
        click.echo(json.dumps({"ok": all(each.ok for each in done), "accounts": accounts}))
    else:
        for each in done:
            click.echo(_lines(each))
    return _exit_code(done)


def _sync_one(settings: Settings, account: AccountConfig, environ: Mapping[str, str]) -> AccountSync:
    from alpha.config import credentials, endpoints
    from alpha.exchange.rest import ExchangeClient
    from alpha.ledger.connection import connect
    from alpha.live.rate_budget import SharedBudget
    from alpha.service.alerts import AlertWriter
    from trade_sync_service.account_sync import sync_account

    budget = SharedBudget(settings.redis())
    client = ExchangeClient(account.name, endpoints(account, settings), credentials(account, environ), budget=budget)
    alerts = AlertWriter(settings.dsn(), settings.redis(), "alpha-sync")
    try:
        with closing(client), closing(connect(settings.dsn(), "alpha-sync", statement_timeout_s=60)) as ledger:
            return sync_account(client, ledger, alerts=alerts)
    finally:
        alerts.close()
        budget.close()


def _exit_code(done: list[AccountSync]) -> int:
    from trade_sync_service.causes import Cause

    causes = [task.failure.cause for each in done for task in each.tasks if task.failure is not None]
    if any(each.findings for each in done) or any(cause is not Cause.UNREACHABLE for cause in causes):
        return FAILED
    return UNREACHABLE if causes else 0


def _lines(done: AccountSync) -> str:
    until = "" if done.until is None else f" up to {done.until:%Y-%m-%d %H:%M:%S} UTC (market time)"
    lines = [f"{done.account}: {'compared' if done.ok else 'not wholly compared'}{until}"]
    for task in done.tasks:
        if task.failure is not None:
            said = f"failed, {task.failure.cause}: {task.failure.text}"
        else:
            said = f"{task.rows} rows" + (f", {task.findings} findings" if task.findings else "")
            said += f"; {task.detail}" if task.detail else ""
        lines.append(f"  {task.task.value:<12} {said}")
    return "\n".join(lines)
