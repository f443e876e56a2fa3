from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, LedgerRefused, as_json, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BotState:
    """What a bot continues from: the last fill it has handled (`cursor`, a bot_seq) and what its strategy keeps.

    `run` names this lifetime of the bot; it goes into order link ids, so it stays the same over restarts.
    """

    run: str
    cursor: int
    state: dict[str, Any]


def load_state(connection: Connection, bot: BotId, run: str) -> BotState:
    """The stored state. A bot without one begins at cursor 0 with an empty state under the given run; where one is
    stored, its own run is returned and the given one ignored."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.bot_state (bot, run) VALUES (%s, %s) ON CONFLICT (bot) DO NOTHING", (bot, run)
        )
        cursor.execute("SELECT run, cursor, state FROM trading.bot_state WHERE bot = %s", (bot,))
        row = cursor.fetchone()
    if row is None:
        raise LedgerRefused(f"the state of {bot} vanished while it was read")
    return BotState(run=row[0], cursor=row[1], state=row[2])


def stored_states(connection: Connection, bots: Collection[BotId]) -> dict[BotId, BotState]:
    """What is stored of these bots, without those that have never run."""
    if not bots:
        return {}
    with transaction(connection) as cursor:
        cursor.execute("SELECT bot, run, cursor, state FROM trading.bot_state WHERE bot = ANY(%s)", (list(bots),))
        return {BotId(bot): BotState(run=run, cursor=seq, state=state) for bot, run, seq, state in cursor.fetchall()}


def save_state(connection: Connection, bot: BotId, cursor: int, state: Mapping[str, Any]) -> None:
    """Cursor and state in one UPDATE: the effect of a fill is stored with the fact that it was handled, or not at all.

    Money in `state` is strings. Raises LedgerRefused when there is no row or its cursor is further: another copy of
    the bot went on.
    """
    with transaction(connection) as sql:
        sql.execute(
            """
            UPDATE trading.bot_state SET cursor = %(cursor)s, state = %(state)s, updated_at = clock_timestamp()
            WHERE bot = %(bot)s AND cursor <= %(cursor)s
            """,
            {"bot": bot, "cursor": cursor, "state": as_json(dict(state))},
        )
        if sql.rowcount != 1:
            raise LedgerRefused(f"the state of {bot} is past fill {cursor} or not there: does a second copy run?")
