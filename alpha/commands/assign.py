"""`alpha assign`: whose a fill is, when a person knows better."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, FiniteRange, example, one_line, who

if TYPE_CHECKING:
    from alpha.domain.ids import AccountName
    from alpha.ledger.assignments import Outcome
    from alpha.ledger.connection import Connection
    from alpha.ledger.fill_rows import RecordedFill

_POLL_S = 0.1


@click.command(
    epilog=example(
        'alpha assign 5d1e5a5e-7a5e-5d5c-9c9f-0b7a0a3c1d11 canary_001 --why "closed in the app, its position"',
        "alpha assign --list",
    )
)
@click.argument("fill", required=False, metavar="[FILL]")
@click.argument("bot", required=False, metavar="[BOT]")
@click.option("--why", default=None, help="Reason, kept in the audit trail.")
@click.option("--account", default=None, help="The fill's account, where an execution id is there twice.")
@click.option("--symbol", default=None, help="The fill's symbol, where an execution id is there twice.")
@click.option("--reason", default=None, help="Why the fill happened, for example manual.  [default: as recorded]")
@click.option("--list", "listing", is_flag=True, help="Lists fills that nobody owns. Exit code 1 when there are any.")
@click.option(
    "--wait",
    "wait_s",
    type=FiniteRange(min=0),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the listener.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def assign(
    fill: str | None,
    bot: str | None,
    why: str | None,
    account: str | None,
    symbol: str | None,
    reason: str | None,
    listing: bool,
    wait_s: float,
    as_json: bool,
) -> int:
    """Counts the fill with the execution id FILL as BOT's from now on, for its whole past.

    The fill itself stays as it was recorded. The correction is a row beside it, both bots' books are folded again, and
    both bots are told. The listener that holds the account does it within a second; where none runs it is done here.

    Exit code 1 when the fill could not be given to the bot, or nobody took it up in time: then it is taken up when a
    listener holds the account.
    """
    if listing:
        return _list(account, as_json)
    if fill is None or bot is None:
        raise click.UsageError("name a fill and a bot, or ask for --list")
    if why is None or not why.strip():
        raise click.UsageError("--why must say something: it is what the audit trail will show")
    return _assign(fill, bot, why.strip(), account, symbol, reason, wait_s, as_json)


def _assign(
    exec_id: str,
    bot_id: str,
    why: str,
    account: str | None,
    symbol: str | None,
    reason: str | None,
    wait_s: float,
    as_json: bool,
) -> int:
    from alpha.domain.ids import AccountName, Symbol
    from alpha.domain.reason import Reason
    from alpha.ledger.assignments import Assignment, find_fill, request_assignment
    from alpha.ledger.connection import connect
    from alpha.local.attach import settings_of

    settings, registry = settings_of("commander")
    bot = registry.bot(bot_id).id
    try:
        said = None if reason is None else Reason(reason)
    except ValueError:
        raise click.UsageError(f"--reason is one of {', '.join(Reason)}") from None
    with closing(connect(settings.dsn(), "alpha-assign")) as connection:
        fill = find_fill(
            connection,
            exec_id,
            account=None if account is None else AccountName(account),
            symbol=None if symbol is None else Symbol(symbol),
        )
        wanted = Assignment(fill=fill, bot=bot, reason=said or fill.attribution.reason, by=who(), why=why)
        number = request_assignment(connection, wanted)
        outcome = _outcome(connection, number, fill.fill.account, wait_s)
    if as_json:
        click.echo(json.dumps(_as_json(number, outcome)))
    elif outcome is None:
        click.echo(f"assignment {number} is written and waits for a listener that holds {fill.fill.account}", err=True)
    elif outcome.done:
        click.echo(f"{outcome.exec_id}: {outcome.detail}; its books were folded again")
    else:
        click.echo(f"alpha: {outcome.exec_id} stays as it was: {outcome.detail}", err=True)
    return 0 if outcome is not None and outcome.done else FAILED


def _outcome(connection: Connection, number: int, account: AccountName, wait_s: float) -> Outcome | None:
    from alpha.ledger.assignments import outcome_of
    from alpha.ledger.heads import account_heads

    head = account_heads(connection).get(account)
    if head is None or head.lease_expired:
        _take_up_here(account)
    give_up_s = time.monotonic() + wait_s
    while (outcome := outcome_of(connection, number)) is None and time.monotonic() < give_up_s:
        time.sleep(_POLL_S)
    return outcome


def _take_up_here(account: AccountName) -> None:
    """With the listener's login, where this environment has it, since no listener holds the account. One that comes
    meanwhile waits for us, or we find nothing to do."""
    from alpha.domain.errors import AlphaError
    from alpha.ledger.assignments import apply_assignments
    from alpha.ledger.connection import connect, transaction
    from alpha.ledger.heads import account_heads, lock_heads
    from alpha.local.attach import settings_of

    try:
        settings, _ = settings_of("listener")
        with closing(connect(settings.dsn(), "alpha-assign")) as connection:
            head = account_heads(connection).get(account)
            if head is None:
                return
            with transaction(connection) as cursor:
                lock_heads(cursor, {account: head.epoch})
                apply_assignments(cursor, [account])
    except AlphaError as error:
        click.echo(f"alpha: not taken up here: {error}", err=True)


def _list(account: str | None, as_json: bool) -> int:
    from alpha.domain.ids import AccountName
    from alpha.ledger.assignments import unattributed_fills
    from alpha.ledger.connection import connect
    from alpha.local.attach import settings_of

    settings, registry = settings_of("reader")
    named = None if account is None else registry.account(AccountName(account)).name
    with closing(connect(settings.dsn(), "alpha-assign")) as connection:
        found = unattributed_fills(connection, named)
    if as_json:
        click.echo(json.dumps({"unattributed": [_fill_as_json(each) for each in found]}))
    else:
        click.echo("\n".join(_line(each) for each in found) or "every fill has an owner")
    return FAILED if found else 0


def _as_json(number: int, outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        return {"assignment": number, "done": False, "waiting": True}
    return {
        "assignment": number,
        "done": outcome.done,
        "waiting": False,
        "account": outcome.account,
        "symbol": outcome.symbol,
        "fill": outcome.exec_id,
        "from": outcome.before,
        "to": outcome.bot,
        "detail": outcome.detail,
    }


def _fill_as_json(each: RecordedFill) -> dict[str, object]:
    fill = each.fill
    return {
        "fill": fill.exec_id,
        "account": fill.account,
        "category": fill.category,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity": str(fill.quantity),
        "price": str(fill.price),
        "exec_type": fill.exec_type.value,
        "order_id": fill.order_id,
        "order_link_id": fill.order_link_id,
        "at": fill.exec_time.isoformat(),
    }


def _line(each: RecordedFill) -> str:
    fill = each.fill
    return (
        f"{fill.exec_id} {fill.account} {fill.exec_time:%Y-%m-%d %H:%M:%S} UTC: {fill.side} {fill.quantity} "
        f"{fill.symbol} at {fill.price} ({fill.exec_type}, order {fill.order_link_id or fill.order_id})"
    )
