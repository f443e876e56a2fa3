"""`alpha status`: what the platform does now, in one look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alpha.bot.result import LimitStanding
from alpha.bot.risk_limits import DRAWDOWN_HALT
from alpha.config.registry import BotConfig, Registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import LedgerUnavailable, connect
from alpha.ledger.controls import PLATFORM, Control, DesiredState, account_scope, bot_scope, load_controls
from alpha.ledger.reading import BotSummary, bot_summaries
from alpha.ledger.standing import AccountStanding, standings
from alpha.live import positions as live_positions
from alpha.live.bot_state import read_state
from alpha.live.connection import LIVE_ERRORS, STATE_DB, LiveStateError, open_redis
from alpha.live.degraded import read_degraded
from alpha.live.health import FeedHealth, ListenerHealth, read_feed_health, read_heartbeat, read_listener_health
from alpha.live.positions import LivePosition
from alpha.local.attach import running_platform
from alpha.local.errors import NotRunning, ServerUnreachable
from alpha.local.run_file import RunFile
from alpha.service.causes import Cause, cause_of

_ZERO = Decimal(0)
_SUPERVISED = ("postgres", "valkey", "paper-exchange", "feed", "listener", "listener-standby")


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStatus:
    """One bot. Amounts in USDT; positions are live state, the rest is the ledger."""

    id: BotId
    state: str
    wanted: bool
    entries_allowed: bool
    positions: Sequence[LivePosition]
    stale: bool
    fills: int
    trades: int
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    last_fill: str | None
    limits: Sequence[LimitStanding] = ()
    """How far each limit was used when the bot last saved its state; none when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The platform at one moment. `problems` are sentences; without any it is well."""

    at: datetime
    mode: str
    pids: Mapping[str, int | None]
    """The processes of a local platform; empty when it is run in another way."""
    accounts: Mapping[AccountName, ListenerHealth | None]
    feed: FeedHealth | None
    bots: Sequence[BotStatus]
    problems: Sequence[str]
    standings: Mapping[AccountName, AccountStanding] = field(default_factory=dict)
    """What the ledger says of each account; without any when the ledger is away, and so are the bots' figures."""
    degraded: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """What each service says that works less well than it should: part, cause, text, advice, since."""
    ledger_known: bool = True

    @property
    def ok(self) -> bool:
        return not self.problems


def take_status(settings: Settings, registry: Registry) -> Status:
    """Asks ledger and live state, and tells what one of them knows when the other is away. Raises ServerUnreachable
    when neither answers: nothing is known then."""
    running = _running(settings)
    ledger, ledger_problem = _ask_ledger(settings, registry)
    ids = running.bots if running is not None else tuple(registry.bots)
    bots = [registry.bots[BotId(bot)] for bot in ids if BotId(bot) in registry.bots]
    accounts: dict[AccountName, ListenerHealth | None]
    try:
        with open_redis(settings.redis(), STATE_DB) as redis:
            accounts = {account: read_listener_health(redis, account) for account in registry.accounts}
            feed = read_feed_health(redis)
            degraded = read_degraded(redis)
        found = [_bot_status(settings, bot, ledger.summaries.get(bot.id), ledger.controls) for bot in bots]
        redis_problem = ""
    except LIVE_ERRORS as error:
        redis_problem = (
            f"Redis at {settings.redis_host}:{settings.redis_port} does not answer: {error}. "
            f"{cause_of(error, Cause.REDIS_AWAY).advice}"
        )
        if ledger_problem:
            raise ServerUnreachable(f"{ledger_problem} {redis_problem}") from error
        accounts, feed, found, degraded = {}, None, [], {}
    pids = {} if running is None else {name: running.pids.get(name) for name in _expected(running)}
    at = datetime.now(UTC)
    return Status(
        at=at,
        mode=settings.alpha_mode,
        pids=pids,
        accounts=accounts,
        feed=feed,
        bots=found,
        problems=[
            *(problem for problem in (ledger_problem, redis_problem) if problem),
            *degraded_problems(degraded),
            *problems_of(accounts, feed, found, pids, at, live_known=not redis_problem),
            *ledger_problems(ledger.standings),
        ],
        standings=ledger.standings,
        degraded=degraded,
        ledger_known=not ledger_problem,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """What the ledger knows; nothing while it is away."""

    summaries: Mapping[BotId, BotSummary] = field(default_factory=dict)
    controls: Mapping[str, Control] = field(default_factory=dict)
    standings: Mapping[AccountName, AccountStanding] = field(default_factory=dict)


def _ask_ledger(settings: Settings, registry: Registry) -> tuple[_Ledger, str]:
    """What it knows, and what is wrong with it."""
    try:
        with closing(connect(settings.pooled_dsn(), "alpha-status", pooled=settings.pooled)) as connection:
            return _Ledger(
                summaries=bot_summaries(connection),
                controls=load_controls(connection),
                standings=standings(connection, registry.accounts),
            ), ""
    except LedgerUnavailable as error:
        return _Ledger(), f"{error}. {cause_of(error, Cause.LEDGER_AWAY).advice}"


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
        "last_fill": bot.last_fill,
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
        f"net {bot.net_pnl:.2f}, last fill {bot.last_fill or 'none'}"
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
            bot.last_fill or "-",
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


def _running(settings: Settings) -> RunFile | None:
    try:
        return running_platform(settings.alpha_home)
    except NotRunning:
        return None


def _expected(running: RunFile) -> tuple[str, ...]:
    """What has to run: the paper exchange and a second listener only where the platform was started with them."""
    optional = {"paper-exchange": bool(running.exchange_url), "listener-standby": "listener-standby" in running.ports}
    return tuple(name for name in _SUPERVISED if optional.get(name, True)) + running.bots


def _bot_status(
    settings: Settings, bot: BotConfig, summary: BotSummary | None, controls: Mapping[str, Control]
) -> BotStatus:
    indices = (0,) if bot.side is None else (1, 2)
    with open_redis(settings.redis(), bot.redis_db) as redis:
        heartbeat = read_heartbeat(redis, bot.id)
        found: list[LivePosition | None] = []
        for symbol in bot.symbols:
            for index in indices:
                try:
                    found.append(live_positions.read(redis, bot.id, symbol, index))
                except LiveStateError:
                    found.append(None)
        limits = _limits(read_state(redis, bot.id))
    alive = heartbeat is not None and heartbeat.is_alive()
    over = [controls[name] for name in (PLATFORM, account_scope(bot.account), bot_scope(bot.id)) if name in controls]
    last = None if summary is None or summary.last_fill is None else summary.last_fill.fill
    return BotStatus(
        id=bot.id,
        state=heartbeat.state if heartbeat is not None and alive else "silent",
        wanted=all(control.desired_state is DesiredState.RUNNING for control in over),
        entries_allowed=all(control.entries_allowed for control in over),
        positions=[live for live in found if live is not None and not live.position.is_flat],
        stale=any(live is None or not live.is_fresh() or live.drifted for live in found),
        fills=summary.fills if summary else 0,
        trades=summary.trades if summary else 0,
        realized_pnl=summary.realized_pnl if summary else _ZERO,
        fees=summary.fees if summary else _ZERO,
        funding=summary.funding if summary else _ZERO,
        net_pnl=summary.net_pnl if summary else _ZERO,
        limits=limits,
        last_fill=None
        if last is None
        else f"{last.exec_time:%Y-%m-%d %H:%M} {last.side} {last.quantity} {last.symbol} at {last.price}",
    )


def _limits(state: Mapping[str, Any] | None) -> tuple[LimitStanding, ...]:
    """What the bot's saved state tells of its limits; nothing where it is of another version."""
    try:
        return tuple(LimitStanding.model_validate(each) for each in (state or {}).get("limits", ()))
    except ValidationError:
        return ()


def problems_of(
    accounts: Mapping[AccountName, ListenerHealth | None],
    feed: FeedHealth | None,
    bots: Sequence[BotStatus],
    pids: Mapping[str, int | None],
    at: datetime,
    *,
    live_known: bool = True,
) -> list[str]:
    """What is not as it should be, one sentence each. Without live state nothing can be said of feed and accounts."""
    found = []
    for name, health in accounts.items():
        if health is None or not health.is_live(at):
            found.append(f"account {name} is not heard: {'no listener' if health is None else health.state}")
        elif health.drifted:
            found.append(f"account {name}: ledger and exchange disagree; see `alpha drift`")
    if live_known and (feed is None or not feed.is_live(at)):
        found.append(f"no market data: {'no feed' if feed is None else feed.state}")
    for bot in bots:
        if bot.wanted and bot.state == "silent":
            found.append(f"bot {bot.id} gives no sign of life")
        if any(limit.name == f"{DRAWDOWN_HALT}_percent" and limit.reached for limit in bot.limits):
            found.append(f"bot {bot.id} is halted by its drawdown: alpha resume {bot.id} --why ... lets it go on")
        if bot.stale:
            found.append(f"bot {bot.id}: its live positions are not fresh, so it opens none")
    unwanted = {str(bot.id) for bot in bots if not bot.wanted}
    found += [f"process {name} is down" for name, pid in pids.items() if pid is None and name not in unwanted]
    return found


def degraded_problems(degraded: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """One sentence for each part of a service that works less well than it should, with what to do."""
    return [
        f"{service}, {mode['part']}: {mode['cause']}. {mode['advice']}"
        for service, modes in sorted(degraded.items())
        for mode in modes
    ]


def ledger_problems(standings: Mapping[AccountName, AccountStanding]) -> list[str]:
    """What the ledger knows of the accounts that a person should look at."""
    found = []
    for name, standing in standings.items():
        if standing.unproven:
            found.append(
                f"account {name}: {len(standing.unproven)} intervals are not proven, the first since "
                f"{standing.unproven[0][0]:%Y-%m-%d %H:%M:%S} UTC; recovery reads them again"
            )
        if standing.unreachable:
            found.append(
                f"account {name}: executions since {standing.unreachable[0][0]:%Y-%m-%d %H:%M:%S} UTC are older than "
                "the exchange keeps"
            )
        if standing.raw_waiting:
            found.append(
                f"account {name}: {standing.raw_waiting} messages could not be read: update, then `alpha replay-raw`"
            )
        if standing.drift_blocking:
            found.append(
                f"account {name}: {standing.drift_blocking} disagreements with the exchange block entries: see "
                "`alpha drift`"
            )
    return found


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


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
