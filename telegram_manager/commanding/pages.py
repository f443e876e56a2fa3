"""What the reports of commands look like. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from alpha.ledger.controls import PLATFORM, Control, name_of
from alpha.ledger.kills import KillKind
from telegram_manager.commanding.evidence import AccountEvidence
from telegram_manager.commanding.kill_run import KillReport
from telegram_manager.commanding.killing import UnkillReport
from telegram_manager.commanding.pausing import PauseReport
from telegram_manager.commanding.rehearsal import RehearsalReport
from telegram_manager.commanding.starting import StartReport
from telegram_manager.commanding.stopping import OpenPosition, StopReport
from telegram_manager.commanding.syncing import SyncReport
from telegram_manager.rendering.amounts import NONE, count, position, price, quantity, short_duration, signed
from telegram_manager.rendering.answer import Align, Answer, Button, Column, Facts, Table, Text, Tone, answer_of

_RIGHT = Align.RIGHT


def start_page(report: StartReport) -> Answer:
    bot, done = report.bot, "restarted" if report.restarted else "started"
    notes = []
    if report.held_back is not None:
        notes.append(Text(f"{bot} may run, but {_forbids(report.held_back, 'stopped')}", Tone.WARNING))
    elif not report.alive:
        state = (
            "" if report.state is None else f" Its process: {report.state.state.value} {report.state.detail}".rstrip()
        )
        text = f"{bot} has given no sign of life within {_seconds(report.took_s)}.{state}."
        notes.append(Text(text, Tone.WARNING))
    else:
        words = "" if report.heartbeat is None else f" ({report.heartbeat.state})"
        notes.append(Text(f"{bot} {done}: its heartbeat is fresh{words}, after {_seconds(report.took_s)}"))
    if report.paused_by is not None and report.held_back is None:
        notes.append(Text(f"It opens no position: {_forbids(report.paused_by, 'paused')}", Tone.WARNING))
    buttons = [] if report.alive else [[Button("Logs", f"/logs {bot}"), Button("Status", f"/status {bot}")]]
    return answer_of(notes, buttons=buttons, ok=report.alive)


def stop_page(report: StopReport) -> Answer:
    bot = report.bot
    blocks: list[Text | Table] = []
    if report.ended:
        blocks.append(Text(f"{bot} is stopped, after {_seconds(report.took_s)}"))
    else:
        blocks.append(Text(f"{bot} shall stop, but its process is still there", Tone.WARNING))
    if report.entries_cancelled:
        blocks.append(Text(f"Cancelled: {count(len(report.entries_cancelled), 'resting entry', 'resting entries')}"))
    if report.entries_left:
        ids = ", ".join(order.order_link_id for order in report.entries_left)
        blocks.append(Text(f"Could not be cancelled: {ids}", Tone.WARNING))
    if report.unknown:
        blocks.append(Text(f"What it holds could not be read: {report.unknown}", Tone.WARNING))
    elif not report.positions:
        blocks.append(Text("It holds no position."))
    else:
        blocks.append(_positions(report.positions))
        unguarded = [held.symbol for held in report.positions if not held.is_guarded]
        if unguarded:
            blocks.append(Text(f"Without a stop loss: {', '.join(unguarded)}", Tone.WARNING))
        blocks.append(Text("Nothing was sold: positions stay open under their stops at the exchange.", Tone.NOTE))
    buttons = [[Button(f"Flatten {bot}", f"/flatten {bot}")]] if report.positions else []
    return answer_of(blocks, buttons=buttons, ok=report.ok)


def pause_page(report: PauseReport) -> Answer:
    who = "All bots" if report.bot is None else report.bot
    verb = "may open positions again" if report.control.entries_allowed else "open no new position; exits go on"
    if report.bot is not None:
        verb = verb.replace("open no", "opens no")
    blocks = [Text(f"{who} {verb}")]
    if not report.in_force:
        text = "Redis does not show it yet: bots open nothing on controls older than 5 s. Does the listener run?"
        blocks.append(Text(text, Tone.WARNING))
    if report.control.entries_allowed:
        blocks += [Text(_forbids(other, "paused"), Tone.NOTE) for other in report.others]
    return answer_of(blocks, ok=report.in_force)


def kill_page(report: KillReport) -> Answer:
    is_kill = report.kill.kind is KillKind.KILL
    what = "Kill" if is_kill else "Flatten"
    if report.kill.symbols is not None:
        what = f"{what} {', '.join(report.kill.symbols)} of"
    name, took = report.name, _seconds(report.took_s)
    if report.proven:
        head = Text(f"{what} {name}: flat, proven after {took}", Tone.HEADING)
    elif report.lifted:
        head = Text(f"{what} {name}: NOT PROVEN after {took}; it was lifted, and nothing of it goes on", Tone.WARNING)
    else:
        head = Text(f"{what} {name}: NOT PROVEN after {took}; it goes on until it is", Tone.WARNING)
    blocks: list[Text | Table | Facts] = [head, _accounts(report.accounts)]
    closes = tuple(
        (account.account, close.symbol, close.side.value, quantity(close.quantity))
        for account in report.accounts
        for close in account.closes
    )
    blocks.append(
        Table(
            (Column("account"), Column("closed"), Column("side"), Column("quantity", _RIGHT)), closes, "Closing orders"
        )
    )
    blocks += [
        Text(f"{a.account}: {a.last_error}", Tone.WARNING) for a in report.accounts if a.last_error and not a.proven
    ]
    blocks.append(Facts(tuple(_writings(report)), "Written"))
    if is_kill and not report.lifted:
        blocks.append(Text(f"Nothing of it runs or trades until /unkill {name}", Tone.NOTE))
    elif not is_kill:
        blocks.append(
            Text(f"{name} may open positions again as it was allowed before; /pause {name} forbids it.", Tone.NOTE)
        )
    return answer_of(blocks, ok=report.proven and (report.written or not is_kill))


def unkill_page(report: UnkillReport) -> Answer:
    control = report.control
    entries = "entries are allowed" if control.entries_allowed else "entries stay paused, as before"
    blocks = [Text(f"The kill of {report.name} is lifted: it shall be {control.desired_state.value}, {entries}")]
    if report.still_held:
        blocks.append(Text(f"Still killed: {', '.join(report.still_held)}", Tone.WARNING))
    if not report.thawed:
        blocks.append(Text("Redis is away; entries are frozen there until it is back", Tone.WARNING))
    return answer_of(blocks)


def rehearsal_page(report: RehearsalReport) -> Answer:
    head = Text(
        f"Rehearsal: {'all of it works' if report.ok else 'NOT ALL OF IT WORKS'}, {_seconds(report.took_s)}",
        Tone.HEADING if report.ok else Tone.WARNING,
    )
    checks = Table(
        (Column("step"), Column(""), Column("what was seen", unlabelled=True)),
        tuple((check.name, "yes" if check.ok else "NO", check.text) for check in report.checks),
    )
    note = Text("No order of a real account was touched; closing was done on a paper exchange of its own.", Tone.NOTE)
    return answer_of([head, checks, _accounts(report.accounts, "On paper"), note], ok=report.ok)


def sync_page(report: SyncReport) -> Answer:
    request = report.request
    if request.done_at is None:
        state = "has taken it and is at work" if request.taken_at is not None else "has not taken it: does it run?"
        return answer_of([Text(f"{report.account}: the sync service {state}", Tone.WARNING)], ok=False)
    blocks: list[Text | Facts] = []
    if report.ok:
        blocks.append(Text(f"{report.account}: synchronised, after {_seconds(report.took_s)}"))
    else:
        blocks.append(Text(f"{report.account}: not synchronised, after {_seconds(report.took_s)}", Tone.WARNING))
    for result in (request.result or {}).values():
        tasks = result.get("tasks", {}) if isinstance(result, dict) else {}
        blocks.append(Facts(tuple((task, _task_words(told)) for task, told in tasks.items())))
    return answer_of(blocks, ok=report.ok)


def _task_words(told: object) -> str:
    """Of what the sync service tells of a task, what says something."""
    if not isinstance(told, dict):
        return str(told)
    words = [f"{told['rows']} rows"] if told.get("rows") else ["nothing new"]
    words += [f"{told['findings']} findings"] if told.get("findings") else []
    words += [str(told[name]) for name in ("cause", "detail") if told.get(name)]
    return ", ".join(words if told.get("ok", True) else ["FAILED", *words])


def _accounts(accounts: Iterable[AccountEvidence], title: str = "") -> Table:
    columns = (
        Column("account"),
        Column("orders", _RIGHT),
        Column("positions", _RIGHT),
        Column("cancelled", _RIGHT),
        Column("closes", _RIGHT),
        Column("1st cancel", _RIGHT),
        Column("flat after", _RIGHT),
        Column("errors", _RIGHT),
    )
    rows = tuple(
        (
            account.account,
            "?" if account.orders_left is None else str(account.orders_left),
            "?" if account.positions_left is None else str(len(account.positions_left)),
            str(len(account.orders_cancelled)),
            str(len(account.closes)),
            NONE if account.first_cancel_s is None else short_duration(timedelta(seconds=account.first_cancel_s)),
            _seconds(account.took_s) if account.proven else "not yet",
            str(account.errors),
        )
        for account in accounts
    )
    return Table(columns, rows, title)


def _writings(report: KillReport) -> Iterable[tuple[str, str]]:
    yield "on disk", "yes" if report.kept else "NO: it would not be taken up after a crash"
    yield "PostgreSQL", "yes" if report.written else "not yet: it is away, and is told when it is back"
    if report.proven and report.kill.kind is KillKind.FLATTEN:
        yield "Redis", "entries were frozen meanwhile" if report.frozen else "away: bots open nothing without it"
    else:
        yield "Redis", "entries are frozen" if report.frozen else "away: bots open nothing without it"
    yield from report.bots.items()


def _positions(positions: Iterable[OpenPosition]) -> Table:
    return Table(
        (
            Column("position"),
            Column("size", _RIGHT),
            Column("entry", _RIGHT),
            Column("mark", _RIGHT),
            Column("P&L USDT", _RIGHT),
            Column("stop", _RIGHT),
            Column("take profit", _RIGHT),
            Column("trailing by", _RIGHT),
        ),
        tuple(
            (
                held.symbol,
                position(held.quantity),
                price(held.entry_price),
                price(held.mark_price),
                signed(held.unrealized_pnl),
                "NONE" if held.stop_loss is None else price(held.stop_loss),
                price(held.take_profit),
                price(held.trailing_stop),
            )
            for held in positions
        ),
        "Still open",
    )


def _forbids(control: Control, word: str) -> str:
    who = "all bots are" if control.scope == PLATFORM else f"{name_of(control.scope)} is"
    return f"{who} {'killed' if control.kill else word} by {control.by}: {control.why}"


def _seconds(seconds: float) -> str:
    return short_duration(timedelta(seconds=max(seconds, 0.0)))
