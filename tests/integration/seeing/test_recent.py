from __future__ import annotations

from contextlib import closing

from alpha.domain.ids import BotId
from alpha.ledger.alerts import Alert, Severity, add_alert
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.recent import bot_days, bot_results, last_fills, recent_alerts, recent_fills, recent_trades
from tests.integration.seeing.stage import FIRST, LEDGER, SECOND, TODAY, Stage


def test_the_newest_fills_of_all_and_of_one(reader: Connection) -> None:
    newest = recent_fills(reader, None, 5)
    assert [fill.at for fill in newest] == [LEDGER.time(LEDGER.fills - 1 - number) for number in range(5)]
    mine = recent_fills(reader, FIRST, 5)
    assert {fill.bot for fill in mine} == {FIRST}
    # The bot has every fiftieth fill; the last one is number 1950.
    assert [fill.at for fill in mine] == [LEDGER.time(1950 - 50 * number) for number in range(5)]


def test_asking_for_more_than_there_is(reader: Connection) -> None:
    assert len(recent_fills(reader, FIRST, 10_000)) == LEDGER.fills // 50
    assert recent_fills(reader, BotId("nobody_001"), 5) == []


def test_fills_that_nobody_owns_are_among_all_of_them(stage: Stage, reader: Connection) -> None:
    with closing(connect(stage.database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute(
            """
            INSERT INTO trading.fills
            SELECT (jsonb_populate_record(f, '{"exec_id": "foreign", "bot": null, "bot_seq": null,
                                               "attribution": "unattributed"}')).*
            FROM trading.fills AS f ORDER BY exec_time DESC LIMIT 1
            """
        )
    assert None in {fill.bot for fill in recent_fills(reader, None, 3)}


def test_a_fill_belongs_to_whom_it_was_assigned(stage: Stage, reader: Connection) -> None:
    newest = recent_fills(reader, FIRST, 1)[0]
    with closing(connect(stage.database.owner, "tests")) as owner, transaction(owner) as cursor:
        cursor.execute(
            """
            WITH assigned AS (
                INSERT INTO trading.fill_assignments
                    (account, category, symbol, exec_id, exec_time, bot, reason, by, why)
                SELECT account, category, symbol, exec_id, exec_time, %s, 'manual', 'tests', 'theirs'
                FROM trading.fills WHERE bot = %s ORDER BY bot_seq DESC LIMIT 1
                RETURNING *
            )
            INSERT INTO trading.fill_owners (exec_id, symbol, account, category, exec_time, bot, reason, assignment)
            SELECT exec_id, symbol, account, category, exec_time, bot, reason, id FROM assigned
            """,
            (SECOND, FIRST),
        )
    assert recent_fills(reader, FIRST, 1)[0].at < newest.at
    assigned = [fill for fill in recent_fills(reader, None, 100) if fill.at == newest.at]
    assert [(fill.bot, fill.reason) for fill in assigned] == [(SECOND, "manual")]


def test_the_newest_round_trips(reader: Connection) -> None:
    newest = recent_trades(reader, None, 4)
    assert [trade.closed_at for trade in newest] == [LEDGER.time(LEDGER.fills - 1 - number) for number in range(4)]
    mine = recent_trades(reader, FIRST, 2)
    assert {trade.bot for trade in mine} == {FIRST}
    assert all(trade.net_pnl == trade.gross_pnl - trade.fees + trade.funding for trade in mine)


def test_last_fills_days_and_results(reader: Connection) -> None:
    found = last_fills(reader, [FIRST, BotId("nobody_001")])
    assert {bot: fill.at for bot, fill in found.items()} == {FIRST: LEDGER.time(1950)}
    assert sum(day.fills for day in bot_days(reader, TODAY).values()) > 0
    results = bot_results(reader)[FIRST]
    assert (results.fills, results.trades) == (LEDGER.fills // 50, LEDGER.fills // 200)
    assert results.net_pnl == results.realized_pnl - results.fees + results.funding


def test_alerts_newest_first_and_of_a_bot(stage: Stage, reader: Connection) -> None:
    with closing(connect(stage.database.dsn("commander"), "tests")) as writer:
        for number, bot in enumerate((FIRST, None, FIRST)):
            add_alert(
                writer,
                Alert(
                    kind="drift",
                    text=str(number),
                    severity=Severity.ERROR,
                    service="tests",
                    at=LEDGER.end,
                    bot=bot,
                ),
            )
    assert [alert.text for _, alert in recent_alerts(reader, 2)] == ["2", "1"]
    assert [alert.text for _, alert in recent_alerts(reader, 5, bot=FIRST)] == ["2", "0"]


def test_what_a_bot_only_informs_of_does_not_hide_the_alerts_of_the_others(stage: Stage, reader: Connection) -> None:
    told = [("grave", Severity.CRITICAL, FIRST), ("over", Severity.INFO, None)]
    chatter = [(f"volume {number}", Severity.INFO, FIRST) for number in range(12)]
    with closing(connect(stage.database.dsn("commander"), "tests")) as writer:
        for words, severity, bot in told + chatter:
            add_alert(
                writer, Alert(kind="report", text=words, severity=severity, service="tests", at=LEDGER.end, bot=bot)
            )
    assert [alert.text for _, alert in recent_alerts(reader, 10)] == ["over", "grave"]
    assert [alert.text for _, alert in recent_alerts(reader, 2, bot=FIRST)] == ["volume 11", "volume 10"]
