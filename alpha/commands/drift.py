"""`alpha drift`: what disagrees with the exchange, and what a person says to it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line, who

if TYPE_CHECKING:
    from alpha.ledger.drift import OpenDrift


@click.group(invoke_without_command=True, epilog=example("alpha drift", "alpha drift --account canary --json"))
@click.option("--account", default=None, help="One account.  [default: all]")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def drift(context: click.Context, account: str | None, as_json: bool) -> None:
    """Lists where ledger and exchange disagree. Exit code 1 when something of it blocks new entries.

    Drift of a bot blocks that bot's new entries; drift that is no single bot's blocks every bot of its account. Exits
    always pass. It ends by itself when both sides agree again, or by `resolve` or `accept`.
    """
    if context.invoked_subcommand is None:
        _list(account, as_json)


@one_line
def _list(account: str | None, as_json: bool) -> int:
    from alpha.domain.ids import AccountName
    from alpha.ledger.connection import connect
    from alpha.ledger.drift import open_drift
    from alpha.local.attach import settings_of

    settings, registry = settings_of("reader")
    named = None if account is None else registry.account(AccountName(account)).name
    with closing(connect(settings.dsn(), "alpha-drift")) as connection:
        found = open_drift(connection, named)
    if as_json:
        click.echo(json.dumps({"open": [_as_json(each) for each in found]}))
    else:
        click.echo("\n".join(_line(each) for each in found) or "ledger and exchange agree")
    return FAILED if any(each.blocks for each in found) else 0


def _say(name: str, text: str, done: str, why_example: str) -> None:
    @drift.command(name, help=text, epilog=example(f'alpha drift {name} 17 --why "{why_example}"'))
    @click.argument("number", metavar="ID", type=click.IntRange(min=1))
    @click.option("--why", required=True, help="Reason, kept in the audit trail.")
    @one_line
    def command(number: int, why: str) -> int:
        if not why.strip():
            raise click.UsageError("--why must say something: it is what the audit trail will show")
        if not _decide(name, number, why.strip()):
            click.echo(f"alpha: no open drift has the number {number}: see alpha drift", err=True)
            return FAILED
        click.echo(f"{number}: {done}")
        return 0


_say(
    "resolve",
    "Closes a disagreement that was mended. Found again, it is new and blocks again.",
    "resolved",
    "position closed by hand",
)
_say(
    "accept",
    "Lets bots open positions although ledger and exchange disagree. It holds while they disagree in the same way: "
    "another difference blocks again, and so does this one after an agreement in between.",
    "accepted as it is; it stays listed until both agree",
    "an airdropped position, known",
)


def _decide(action: str, number: int, why: str) -> bool:
    """Whether there was such an open drift to decide on; the audit event is written with the decision or not at all."""
    from alpha.ledger.audit import add_audit_event
    from alpha.ledger.connection import connect, transaction
    from alpha.ledger.drift import accept_drift, open_drift, resolve_drift
    from alpha.local.attach import settings_of

    settings, _ = settings_of("commander")
    with closing(connect(settings.dsn(), "alpha-drift")) as connection, transaction(connection):
        found = next((each for each in open_drift(connection) if each.number == number), None)
        if found is None:
            return False
        if action == "accept":
            decided = accept_drift(connection, number, by=who(), why=why)
        else:
            decided = resolve_drift(connection, [number], by=who(), resolution=why) == 1
        if decided:
            add_audit_event(
                connection,
                actor=who(),
                action=f"drift_{action}",
                subject=f"drift:{number}",
                why=why,
                detail={
                    "account": found.finding.account,
                    "bot": found.finding.bot,
                    "subject": found.finding.subject,
                    **found.finding.detail,
                },
            )
    return decided


def _as_json(each: OpenDrift) -> dict[str, object]:
    finding = each.finding
    return {
        "id": each.number,
        "kind": finding.kind.value,
        "account": finding.account,
        "bot": finding.bot,
        "symbol": finding.symbol,
        "subject": finding.subject,
        "detail": dict(finding.detail),
        "blocks_entries": each.blocks,
        "accepted": each.accepted,
        "found_at": each.found_at.isoformat(),
        "last_seen_at": each.last_seen_at.isoformat(),
        "times": each.times,
    }


def _line(each: OpenDrift) -> str:
    finding = each.finding
    if each.blocks:
        state = f"blocks new entries of {finding.bot or f'every bot on {finding.account}'}"
    else:
        state = each.accepted or "blocks nothing"
    said = ", ".join(f"{name} {value}" for name, value in finding.detail.items())
    return (
        f"{each.number} {finding.kind.value} {finding.account} {finding.subject}: {said}; "
        f"found {each.found_at:%Y-%m-%d %H:%M:%S} UTC, {each.times} times; {state}"
    )
