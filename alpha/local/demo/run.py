"""`alpha demo`: start a platform, let it trade, and judge its ledger by the exchange's own journal."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.live import Live

from alpha.config.errors import ConfigError
from alpha.config.modes import Mode
from alpha.config.registry import load_registry
from alpha.config.settings import load_settings
from alpha.domain.side import Side
from alpha.ledger.connection import connect
from alpha.ledger.coverage import proven_until
from alpha.ledger.orders import filled_entries_with_stop
from alpha.local.attach import DEMO_DIRECTORY
from alpha.local.demo.comparison import Comparison, compare
from alpha.local.demo.report import BotOutcome, DemoReport
from alpha.local.demo.screen import picture, plain_line
from alpha.local.demo.watch import Watcher
from alpha.local.errors import StartFailed, StartInterrupted
from alpha.local.exchange_admin import ExchangeAdmin, ExchangeState
from alpha.local.journal import read_journal
from alpha.local.kept import KeptRun
from alpha.local.platform import Platform, PlatformOptions
from alpha.service.shutdown import StopSignal

DEFAULT_SECONDS = 60.0

_STATE = "paper-exchange"
_LOOK_EVERY_S = 0.1
_DRAW_EVERY_S, _LINE_EVERY_S = 0.25, 5.0
_SETTLE_WITHIN_S = 20.0
_PROVEN_WITHIN_S = 20.0
# How much longer the market may run to find a position open; a canary holds one about half of the time.
_PAUSE_WITHIN_BARS = 60
_INTERRUPTED = 130
_SHORT_SELLER = "strategies.shortseller:"
# They decide on bars of hours, of which a demo sees a few.
_PATIENT = ("strategies.lxalgo:", "strategies.momentum:")


def run_demo(
    *,
    bots: Sequence[str] | None = None,
    seconds: float | None = None,
    speed: float = 1800.0,
    candles: Path | None = None,
    seed: int = 1,
    keep: bool = False,
    as_json: bool = False,
) -> int:
    """Runs a demo with fresh data in `ALPHA_HOME/demo` and answers the exit code: 0 passed, 1 not, 130 interrupted.

    `seconds` of trading in wall time, at `speed` market seconds per wall second. Ctrl-C while it starts ends it at
    once; while bots trade it ends the trading and goes on to the verdict, and a second one ends that too.
    Raises AlreadyRunning, StartFailed and ConfigError when it cannot be started.
    """
    settings = load_settings()
    if settings.alpha_mode is not Mode.PAPER:
        raise ConfigError(
            f"a demo trades on the paper exchange; ALPHA_MODE says {settings.alpha_mode}: set it to paper"
        )
    registry = load_registry(settings.alpha_bots_file)
    stop = StopSignal().install()
    console = Console(stderr=as_json)
    directory = settings.alpha_home / DEMO_DIRECTORY
    platform = Platform(
        directory,
        registry,
        PlatformOptions(
            bots=tuple(registry.bot(bot).id for bot in bots) if bots is not None else tuple(registry.bots),
            speed=speed,
            candles=candles,
            seed=seed,
            journal=directory / "journal.jsonl",
            state=directory / _STATE if keep else None,
            fresh=True,
            hold_market=True,
        ),
        settings=settings,
        interrupted=stop.is_set,
        on_progress=lambda words: console.print(words, style="dim"),
    )
    try:
        platform.start()
    except StartInterrupted:
        _remove(platform)
        console.print("Interrupted before anything traded; everything that was started is stopped.")
        return _INTERRUPTED
    except (StartFailed, SystemExit):  # rich leaves with SystemExit when the reader of our output has gone
        platform.remove_data()  # the logs stay: the message names one
        raise
    try:
        report = _trade_and_judge(platform, seconds or DEFAULT_SECONDS, stop, console)
        if keep:
            _keep(platform)
    except StartInterrupted:
        console.print("Interrupted before the verdict; everything that was started is stopped.")
        return _INTERRUPTED
    finally:
        platform.stop()
        if keep:
            console.print(
                f"Data, logs and the exchange's journal are kept in {directory} until the next demo; "
                "`alpha proof` judges them.",
                soft_wrap=True,
            )
        else:
            _remove(platform)
    report.print(console)
    if as_json:
        print(json.dumps(report.to_json()))
    return 0 if report.passed else 1


def _keep(platform: Platform) -> None:
    """Notes what a later proof needs, once the listener has proven everything: nobody will do so afterwards."""
    options = platform.options
    KeptRun(
        mode=platform.settings.alpha_mode,
        state=_STATE,
        seed=options.seed,
        candles=None if options.candles is None else str(options.candles.absolute()),
    ).write(platform.home, platform.registry)
    assert platform.exchange_admin is not None, "a platform in mode paper runs an exchange"
    until = ExchangeAdmin(*platform.exchange_admin).state().market_time
    give_up = time.monotonic() + _PROVEN_WITHIN_S
    with closing(connect(platform.dsn("reader"), "demo")) as connection:
        while time.monotonic() < give_up and not all(
            (proven := proven_until(connection, account)) is not None and proven >= until
            for account in platform.registry.accounts
        ):
            platform.tick()
            time.sleep(_LOOK_EVERY_S)


def _remove(platform: Platform) -> None:
    """Deletes everything that a stopped demo wrote."""
    platform.remove_data()
    shutil.rmtree(platform.home, ignore_errors=True)


def _trade_and_judge(platform: Platform, seconds: float, stop: StopSignal, console: Console) -> DemoReport:
    assert platform.exchange_admin is not None, "a platform in mode paper runs an exchange"
    admin = ExchangeAdmin(*platform.exchange_admin)
    with closing(Watcher(platform, admin)) as watcher:
        platform.release_market()
        _trade(platform, watcher, seconds, stop, console)
        interrupted = StopSignal().install()
        exchange = admin.pause(when_position_open=True, within_bars=_PAUSE_WITHIN_BARS)
        comparison = _settle(platform, watcher, exchange, interrupted)
        to_commit, to_redis = watcher.latencies()
        return DemoReport(
            comparison=comparison,
            bots=_outcomes(platform, watcher),
            orders=exchange.orders,
            bars=exchange.bars,
            bars_waited=exchange.bars_waited,
            to_commit=to_commit,
            to_redis=to_redis,
            seed=platform.options.seed,
            market=str(platform.options.candles) if platform.options.candles else "synthetic",
            restarts=sum(process.restarts for process in platform.processes.values()),
        )


def _trade(platform: Platform, watcher: Watcher, seconds: float, stop: StopSignal, console: Console) -> None:
    """Lets the bots trade for the time asked for, and shows it."""
    started = time.monotonic()
    live = Live(console=console, auto_refresh=False) if console.is_terminal else None
    next_look = 0.0
    if live is not None:
        live.start()
    try:
        while (elapsed := time.monotonic() - started) < seconds and not stop.is_set():
            platform.tick()
            if elapsed >= next_look:
                snapshot = watcher.snapshot(elapsed_s=elapsed, total_s=seconds)
                if live is not None:
                    live.update(picture(snapshot, console.width), refresh=True)
                else:
                    console.print(plain_line(snapshot), soft_wrap=True, highlight=False, markup=False)
                next_look = elapsed + (_DRAW_EVERY_S if live is not None else _LINE_EVERY_S)
            stop.wait(_LOOK_EVERY_S)
    finally:
        if live is not None:
            live.stop()


def _settle(platform: Platform, watcher: Watcher, exchange: ExchangeState, interrupted: StopSignal) -> Comparison:
    """The comparison once everything that was on its way has arrived, or as it is after the time allowed.

    The market stands still, so what differs at the end differs for good.
    """
    give_up = time.monotonic() + _SETTLE_WITHIN_S
    journal = read_journal(platform.options.journal)
    while True:
        platform.tick()
        comparison = compare(journal, watcher.ledger(), watcher.position_checks(exchange))
        if comparison.equal or time.monotonic() > give_up:
            return comparison
        if interrupted.wait(_LOOK_EVERY_S * 2):
            raise StartInterrupted("stopped before the verdict")


def _outcomes(platform: Platform, watcher: Watcher) -> Mapping[str, BotOutcome]:
    summaries = watcher.summaries()
    outcomes: dict[str, BotOutcome] = {}
    with closing(connect(platform.dsn("reader"), "demo")) as connection:
        for bot in platform.options.bots:
            summary = summaries.get(bot)
            strategy = platform.registry.bot(bot).strategy
            sells_short = strategy.startswith(_SHORT_SELLER)
            outcomes[bot] = BotOutcome(
                fills=summary.fills if summary else 0,
                realized_pnl=summary.realized_pnl if summary else Decimal(0),
                net_pnl=summary.net_pnl if summary else Decimal(0),
                fees=summary.fees if summary else Decimal(0),
                positions={book.key.symbol: book.position.quantity for book in summary.open_books} if summary else {},
                may_wait=strategy.startswith(_PATIENT),
                needs_short_with_stop=sells_short,
                shorts_with_stop=filled_entries_with_stop(connection, bot, Side.SELL) if sells_short else 0,
            )
    return outcomes
