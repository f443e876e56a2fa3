"""`alpha rebuild`: books and round trips once more from all fills."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, example, one_line

if TYPE_CHECKING:
    from alpha.domain.trade import BookKey
    from alpha.ledger.rebuild import AccountRebuild, BookDifference

_STATEMENT_TIMEOUT_S = 3600


@click.command(epilog=example("alpha rebuild", "alpha rebuild --account canary --check --json"))
@click.option("--account", default=None, help="One account.  [default: all that were ever recorded]")
@click.option("--check", is_flag=True, help="Only compares. Exit code 1 when something differs.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def rebuild(account: str | None, check: bool, as_json: bool) -> int:
    """Computes every book and round trip from the ledger's fills and compares them with what is stored, to the digit.

    They are the same, unless somebody wrote to the tables. What differs is replaced and alerted, and a running listener
    follows. It goes on recording meanwhile. Fills that close another quantity than the exchange says are named: a trade
    is missing before them, or one is wrong.
    """
    from alpha.domain.ids import AccountName
    from alpha.ledger.alerts import Alert, Severity, add_alert
    from alpha.ledger.connection import connect
    from alpha.ledger.heads import account_heads
    from alpha.ledger.rebuild import rebuild_account
    from alpha.live.wire import now
    from alpha.local.attach import settings_of

    settings, registry = settings_of("reader" if check else "listener")
    done: list[AccountRebuild] = []
    with closing(connect(settings.dsn(), "alpha-rebuild", statement_timeout_s=_STATEMENT_TIMEOUT_S)) as connection:
        names = sorted(account_heads(connection)) if account is None else [registry.account(AccountName(account)).name]
        for name in names:
            rebuilt = rebuild_account(connection, name, mend=not check)
            done.append(rebuilt)
            if not as_json:
                click.echo(_text(rebuilt, check))
            if rebuilt.differing and not check:
                add_alert(
                    connection,
                    Alert(
                        kind="books_rebuilt",
                        text=f"{len(rebuilt.differing)} books of {name} were not as their fills make them; mended: "
                        + ", ".join(f"{each.key.bot} {each.key.symbol}" for each in rebuilt.differing[:10]),
                        severity=Severity.ERROR,
                        service="rebuild",
                        at=now(),
                        account=name,
                    ),
                )
    if as_json:
        click.echo(json.dumps({"accounts": [_as_json(each) for each in done]}))
    return FAILED if check and any(each.differing for each in done) else 0


def _text(rebuilt: AccountRebuild, check: bool) -> str:
    speed = f"{rebuilt.fills / rebuilt.seconds:,.0f} fills/s" if rebuilt.seconds else ""
    verdict = "all as stored"
    if rebuilt.differing:
        verdict = f"{len(rebuilt.differing)} books differ" + ("" if check else " and were mended")
    lines = [
        f"{rebuilt.account}: {rebuilt.fills} fills, {rebuilt.books} books, {rebuilt.trades} round trips in "
        f"{rebuilt.seconds:.1f} s ({speed}): {verdict}"
    ]
    lines += [f"  {_difference(each)}" for each in rebuilt.differing]
    for key, found in rebuilt.closings.items():
        lines += [
            f"  {_book(key)}: fill {each.exec_id} closed {each.said} at the exchange, {each.folded} of the "
            f"{each.held} that our fills before it make"
            for each in found
        ]
    return "\n".join(lines)


def _difference(each: BookDifference) -> str:
    what = [
        f"{count} round trips {name}"
        for name, count in (("missing", each.missing), ("too many", each.extra), ("changed", each.changed))
        if count
    ]
    if each.stored != each.rebuilt:
        what.append(
            f"stored {each.stored.position.quantity} held and {each.stored.net_pnl} net, the fills make "
            f"{each.rebuilt.position.quantity} and {each.rebuilt.net_pnl}"
        )
    return f"{_book(each.key)}: {'; '.join(what)}"


def _book(key: BookKey) -> str:
    return f"{key.bot} {key.symbol}" + (f" index {key.position_idx}" if key.position_idx else "")


def _as_json(rebuilt: AccountRebuild) -> dict[str, object]:
    return {
        "account": rebuilt.account,
        "fills": rebuilt.fills,
        "books": rebuilt.books,
        "trades": rebuilt.trades,
        "seconds": round(rebuilt.seconds, 3),
        "differing": [
            {
                **asdict(each.key),
                "missing": each.missing,
                "extra": each.extra,
                "changed": each.changed,
                "stored": {"quantity": str(each.stored.position.quantity), "net_pnl": str(each.stored.net_pnl)},
                "rebuilt": {"quantity": str(each.rebuilt.position.quantity), "net_pnl": str(each.rebuilt.net_pnl)},
            }
            for each in rebuilt.differing
        ],
        "closings": [
            {
                **asdict(key),
                "fill": each.exec_id,
                "held": str(each.held),
                "exchange_closed": str(each.said),
                "fills_close": str(each.folded),
            }
            for key, found in rebuilt.closings.items()
            for each in found
        ],
    }
