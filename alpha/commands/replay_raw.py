"""`alpha replay-raw`: have what could not be read, read again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import FAILED, FiniteRange, example, one_line, who

if TYPE_CHECKING:
    from alpha.domain.ids import AccountName
    from alpha.ledger.connection import Connection
    from alpha.ledger.raw_events import RawEvent

_ASK_EVERY_S = 0.2
_LISTED = 20
_UNREACHABLE = 3


@click.command("replay-raw", epilog=example("alpha replay-raw", "alpha replay-raw --account canary --json"))
@click.option("--account", default=None, help="One account.  [default: all]")
@click.option(
    "--wait",
    "wait_s",
    type=FiniteRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the listener's answer.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def replay_raw(account: str | None, wait_s: float, as_json: bool) -> int:
    """Asks the listener to read again the messages that it could not read, as after an update.

    A listener does so by itself when it starts. What can be read goes into the ledger in the one way that every fill
    goes, so nothing is recorded twice and running this again changes nothing. Exit code 1 when messages are left that
    still cannot be read, 3 when no listener answers.
    """
    from alpha.domain.ids import AccountName
    from alpha.ledger.connection import connect
    from alpha.ledger.raw_events import count_waiting, waiting_raw_events
    from alpha.local.attach import settings_of

    settings, registry = settings_of("commander")
    with closing(connect(settings.dsn(), "alpha-replay-raw")) as connection:
        before = count_waiting(connection)
        if account is not None:
            name = registry.account(AccountName(account)).name
            before = {name: before[name]} if name in before else {}
        silent = _replay(connection, before, wait_s)
        left = [event for name in before for event in waiting_raw_events(connection, account=name)]
    if as_json:
        click.echo(
            json.dumps(
                {
                    "waiting_before": sum(before.values()),
                    "waiting": [_as_json(event) for event in left],
                    "not_answered": sorted(silent),
                }
            )
        )
    else:
        click.echo("\n".join(_lines(before, left, silent)))
    if silent:
        return _UNREACHABLE
    return FAILED if left else 0


def _replay(connection: Connection, waiting: Mapping[AccountName, int], wait_s: float) -> set[AccountName]:
    """Asks for every account and waits for the answers; returns the accounts whose listener did not answer."""
    from alpha.ledger.alerts import alert_answering
    from alpha.ledger.raw_events import ask_for_replay

    asked = {ask_for_replay(connection, account, by=who()): account for account in waiting}
    give_up = time.monotonic() + wait_s
    while asked:
        asked = {number: account for number, account in asked.items() if alert_answering(connection, number) is None}
        if asked and time.monotonic() > give_up:
            break
        time.sleep(_ASK_EVERY_S if asked else 0)
    return set(asked.values())


def _lines(before: Mapping[AccountName, int], left: Sequence[RawEvent], silent: set[AccountName]) -> list[str]:
    total = sum(before.values())
    if not total:
        return ["nothing waits: every message was read"]
    lines = [f"{total - len(left)} of {total} messages could be read"]
    lines += [f"account {account}: no listener answers; it reads them when it starts" for account in sorted(silent)]
    lines += [
        f"{event.number} {event.account} {event.topic or 'no topic'}: {event.tried or event.reason}"
        for event in left[:_LISTED]
    ]
    if len(left) > _LISTED:
        lines.append(f"and {len(left) - _LISTED} more in trading.raw_events")
    return lines


def _as_json(event: RawEvent) -> dict[str, object]:
    return {
        "id": event.number,
        "account": event.account,
        "topic": event.topic,
        "reason": event.tried or event.reason,
        "received_at": event.received_at.isoformat(),
        "raw": event.raw,
    }
