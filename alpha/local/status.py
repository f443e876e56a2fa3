"""`alpha status`: what the platform does now, in one look."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.ids import BotId
from alpha.live.health import ListenerHealth
from alpha.live.positions import LivePosition
from alpha.local.attach import running_platform
from alpha.local.errors import NotRunning
from alpha.local.run_file import RunFile
from telegram_manager.rendering.amounts import fill_words
from telegram_manager.seeing.facts import BotStatus, Status
from telegram_manager.seeing.overview import take_status as take_status_of

_OPTIONAL = ("listener-standby", "trade-sync", "telegram-manager")
_SUPERVISED = ("postgres", "valkey", "paper-exchange", "feed", "listener", *_OPTIONAL)


def take_status(settings: Settings, registry: Registry) -> Status:
    """Of the platform that runs here, with its processes, or of the one that the settings describe. Raises
    NothingAnswers."""
    running = running_here(settings)
    at = datetime.now(UTC)
    return take_status_of(settings, registry, at=at, bots=bots_of(running), pids=processes_of(running))


def bots_of(running: RunFile | None) -> tuple[BotId, ...] | None:
    """The bots of a platform that runs here."""
    return None if running is None else tuple(BotId(bot) for bot in running.bots)


def processes_of(running: RunFile | None) -> dict[str, int | None]:
    """What should run of it, with the process id of what does."""
    return {} if running is None else {name: running.pids.get(name) for name in _expected(running)}


def print_status(status: Status, *, as_json: bool, bot: BotId | None = None) -> None:
    """As JSON, as tables on a terminal, else as plain lines. Of `bot` alone: what it does and how its limits stand."""
    console = Console()
    if as_json:
        told = to_json(status)
        print(json.dumps(told if bot is None else {**told, "bots": {bot: told["bots"].get(bot)}}))
    elif bot is not None:
        print("\n".join(_bot_lines(status, bot)))
    elif console.is_terminal:
        _print_tables(console, status)
    else:
        print("\n".join(plain_lines(status)))


def to_json(status: Status) -> dict[str, Any]:
    """Money as strings, times in ISO form."""
    return {
        "ok": status.ok,
        "problems": list(status.problems),
        "at": status.at.isoformat(),
        "mode": status.mode,
        "processes": dict(status.pids),
        "feed": None
        if status.feed is None
        else {
            "state": status.feed.state,
            "live": status.feed.is_live(status.at),
            "last_bar_at": _iso(status.feed.last_bar_at),
        },
        "accounts": {
            name: None
            if health is None
            else {
                "state": health.state,
                "live": health.is_live(status.at),
                "proven_until": _iso(health.proven_until),
                "backlog": health.backlog,
                "drifted": health.drifted,
            }
            for name, health in status.accounts.items()
        },
        "standings": {
            name: {
                "unproven": [[start.isoformat(), end.isoformat()] for start, end in standing.unproven],
                "unreachable": [[start.isoformat(), end.isoformat()] for start, end in standing.unreachable],
                "raw_waiting": standing.raw_waiting,
                "drift_blocking": standing.drift_blocking,
                "drift_accepted": standing.drift_accepted,
            }
            for name, standing in status.standings.items()
        },
        "degraded": {service: list(modes) for service, modes in status.degraded.items()},
        "ledger_known": status.ledger_known,
        "bots": {
            bot.id: {
                "state": bot.state,
                "standing": bot.standing.value,
                "why": bot.why,
                "wanted": bot.wanted,
                "entries_allowed": bot.entries_allowed,
                "positions": [
                    {
                        "symbol": live.symbol,
                        "quantity": str(live.position.quantity),
                        "entry_price": str(live.position.entry_price),
                        "unrealized_pnl": None if live.unrealized_pnl is None else str(live.unrealized_pnl),
                        "stop_loss": None if live.stop_loss is None else str(live.stop_loss),
                    }
                    for live in bot.positions
                ],
                "limits": [limit.model_dump(mode="json") for limit in bot.limits],
                **_figures(bot, known=status.ledger_known),
            }
            for bot in status.bots
        },
    }


def _figures(bot: BotStatus, *, known: bool) -> dict[str, Any]:
    figures = {
        "fills": bot.fills,
        "trades": bot.trades,
        "realized_pnl": str(bot.realized_pnl),
        "fees": str(bot.fees),
        "funding": str(bot.funding),
        "net_pnl": str(bot.net_pnl),
        "last_fill": None if bot.last_fill is None else fill_words(bot.last_fill),
    }
    return figures if known else dict.fromkeys(figures)


def plain_lines(status: Status) -> list[str]:
    """One line per thing, for logs and pipes."""
    lines = [f"mode {status.mode}, {'all well' if status.ok else f'{len(status.problems)} problems'}"]
    lines += [f"problem: {problem}" for problem in status.problems]
    lines += [f"process {name} {'down' if pid is None else f'pid {pid}'}" for name, pid in status.pids.items()]
    lines.append(f"feed {_feed(status)}")
    lines += [f"account {name} {_account(health, status.at)}" for name, health in status.accounts.items()]
    return lines + [_bot_line(status, bot) for bot in status.bots]


def _bot_line(status: Status, bot: BotStatus) -> str:
    held = f"bot {bot.id} {bot.state}{_restrictions(bot)}, {', '.join(map(_position, bot.positions)) or 'flat'}"
    if not status.ledger_known:
        return f"{held}, its figures are in the ledger, which is away"
    return (
        f"{held}, {bot.fills} fills, {bot.trades} trades, realized {bot.realized_pnl:.2f}, fees {bot.fees:.2f}, "
        f"net {bot.net_pnl:.2f}, last fill {_last_fill(bot) or 'none'}"
    )


def _bot_lines(status: Status, bot_id: BotId) -> list[str]:
    bot = next((bot for bot in status.bots if bot.id == bot_id), None)
    if bot is None:
        return [f"bot {bot_id} is not part of the platform that runs here", *status.problems]
    lines = [_bot_line(status, bot)]
    lines += [f"problem: {problem}" for problem in status.problems if f"bot {bot_id}" in problem]
    for limit in bot.limits:
        value = "not known" if limit.value is None else f"{limit.value:f}"
        lines.append(f"limit {limit.name}: {value} of {limit.bound:f}{', reached' if limit.reached else ''}")
    return lines


def _print_tables(console: Console, status: Status) -> None:
    bots = Table(box=None, header_style="bold")
    for title in ("bot", "state", "position", "last fill"):
        bots.add_column(title)
    for title in ("fills", "trades", "realized", "fees", "net"):
        bots.add_column(title, justify="right")
    for bot in status.bots:
        bots.add_row(
            Text(bot.id, style="cyan"),
            bot.state + _restrictions(bot),
            "\n".join(map(_position, bot.positions)) or "flat",
            _last_fill(bot) or "-",
            *(
                (
                    str(bot.fills),
                    str(bot.trades),
                    f"{bot.realized_pnl:+,.2f}",
                    f"{bot.fees:,.2f}",
                    f"{bot.net_pnl:+,.2f}",
                )
                if status.ledger_known
                else ("?",) * 5
            ),
        )
    console.print(bots)
    health = Table(box=None, show_header=False)
    health.add_row("mode", status.mode)
    health.add_row("feed", _feed(status))
    for name, account in status.accounts.items():
        health.add_row(f"account {name}", _account(account, status.at))
    if status.pids:
        health.add_row("processes", ", ".join(f"{name} {pid or 'down'}" for name, pid in status.pids.items()))
    console.print(health)
    for problem in status.problems:
        console.print(Text(problem, style="yellow"))


def running_here(settings: Settings) -> RunFile | None:
    """The platform that runs in ALPHA_HOME, if one does."""
    try:
        return running_platform(settings.alpha_home)
    except NotRunning:
        return None


def _expected(running: RunFile) -> tuple[str, ...]:
    """What has to run: some of it only where the platform was started with it."""
    optional = {"paper-exchange": bool(running.exchange_url)} | {name: name in running.ports for name in _OPTIONAL}
    return tuple(name for name in _SUPERVISED if optional.get(name, True)) + running.bots


def _feed(status: Status) -> str:
    if status.feed is None:
        return "silent"
    return status.feed.state if status.feed.is_live(status.at) else f"silent (was {status.feed.state})"


def _account(health: ListenerHealth | None, at: datetime) -> str:
    if health is None:
        return "not heard"
    state = health.state if health.is_live(at) or health.state != "live" else "silent"
    proven = (
        "nothing proven yet" if health.proven_until is None else f"proven until {health.proven_until:%Y-%m-%d %H:%M}"
    )
    return f"{state}, {proven}, {health.backlog} waiting{', DRIFTED' if health.drifted else ''}"


def _restrictions(bot: BotStatus) -> str:
    words = ([] if bot.wanted else ["stopped"]) + ([] if bot.entries_allowed else ["no entries"])
    words += [f"{limit.name} reached" for limit in bot.limits if limit.reached]
    return f" ({', '.join(words)})" if words else ""


def _position(live: LivePosition) -> str:
    stop = f" stop {live.stop_loss}" if live.stop_loss else ""
    return f"{live.position.quantity:+f} {live.symbol} at {live.position.entry_price:.2f}{stop}"


def _last_fill(bot: BotStatus) -> str:
    return "" if bot.last_fill is None else fill_words(bot.last_fill)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
