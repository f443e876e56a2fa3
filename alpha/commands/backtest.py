from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpha.commands.shape import candles_option, example, ids_of, one_line

if TYPE_CHECKING:
    from alpha.config import Registry
    from backtest.outcome import Outcome


_PLACES = 12


class Instant(click.ParamType):  # type: ignore[type-arg]
    """A date, or a date with a time, in UTC, from 1970 to 2099. With `ends` a date means the end of that day."""

    name = "date"

    def __init__(self, *, ends: bool = False) -> None:
        self._ends = ends

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date like 2025-11-01 or a time like 2025-11-01T08:00", param, ctx)
        if not 1970 <= at.year < 2100:
            self.fail(f"{value!r} is not a time between 1970 and 2099", param, ctx)
        if self._ends and len(value) == len("2025-11-01"):
            at += timedelta(days=1)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Amount(click.ParamType):  # type: ignore[type-arg]
    """An exact decimal number with at most 12 places, not below 0 and at most `most`; above 0 with `positive`."""

    name = "number"

    def __init__(self, *, positive: bool = False, most: int = 10**12) -> None:
        self._positive = positive
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not number.is_finite() or number < 0 or (self._positive and number == 0):
            self.fail(f"{value} is not {'above' if self._positive else 'at least'} 0", param, ctx)
        if number > self._most:
            self.fail(f"{value} is above {self._most:,}", param, ctx)
        if number != round(number, _PLACES):
            self.fail(f"{value} has more than {_PLACES} places", param, ctx)
        return number


_PERCENT = Amount(most=25)
"""A cost. Half a spread and slippage together must leave something of the price."""


@click.command(
    "backtest",
    epilog=example(
        "alpha backtest shortseller --candles DIR --from 2025-11-01 --to 2026-03-31",
        "alpha backtest canary_001 --param hold_bars=3 --html report.html --export fills",
    ),
)
@click.argument("name", metavar="STRATEGY|BOT")
@candles_option("Folder of recorded candles.  [default: candles below ALPHA_HOME]")
@click.option("--symbols", metavar="A,B|all", help="Symbols to trade, or all that is recorded.  [default: the bot's]")
@click.option("--from", "start", type=Instant(), help="First day or time (UTC).  [default: all there is]")
@click.option("--to", "end", type=Instant(ends=True), help="Last day, or the time it ends (UTC).")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Change a parameter; `a.b=1` goes deeper.")
@click.option("--balance", type=Amount(positive=True), default="10000", show_default=True, help="USDT at the start.")
@click.option("--taker", type=_PERCENT, help="Taker fee in percent.  [default: the instrument's]")
@click.option("--maker", type=_PERCENT, help="Maker fee in percent.  [default: the instrument's]")
@click.option("--spread", type=_PERCENT, help="Half the spread in percent of the price.  [default: 0.005]")
@click.option("--slippage", type=_PERCENT, help="What taking costs on top, in percent.  [default: the strategy's]")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as one page.")
@click.option("--export", type=click.Path(file_okay=False, path_type=Path), help="Write fills and trades there.")
@click.option("--ledger", is_flag=True, help="Record the run in PostgreSQL, under an account of its own.")
@one_line
def backtest(
    name: str,
    candles: Path | None,
    symbols: str | None,
    start: datetime | None,
    end: datetime | None,
    params: tuple[str, ...],
    balance: Decimal,
    taker: Decimal | None,
    maker: Decimal | None,
    spread: Decimal | None,
    slippage: Decimal | None,
    as_json: bool,
    html: Path | None,
    export: Path | None,
    ledger: bool,
) -> None:
    """Runs a strategy over recorded candles, through the engine of the paper exchange, as it would run live.

    STRATEGY is a folder below strategies/ or package.module:Class, BOT an id of bots.yaml. Exit code 2 when it cannot
    be run as asked for.
    """
    import logging

    import structlog

    from alpha.candles.store import CandleStore
    from alpha.commands.output import check_file, check_folder, writing
    from alpha.domain.ids import Symbol
    from alpha.local.backtesting import Costs, plan_of, subject_of

    # What a bot logs of every order is for whoever operates it; here the report tells all of it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    check_file(html)
    check_folder(export)
    folder, registry = surroundings(candles)
    store = CandleStore(folder)
    plan = plan_of(
        subject_of(name, registry),
        symbols=[Symbol(symbol) for symbol in ids_of(symbols)] if symbols is not None else (),
        store=store,
        overrides=pairs(params),
        start=start,
        end=end,
        balance=balance,
        costs=Costs(taker_percent=taker, maker_percent=maker, half_spread_percent=spread, slippage_percent=slippage),
    )
    if ledger:
        from alpha.local.backtest_ledger import check_ledger

        check_ledger()
    outcome = _run(plan, store)
    _tell(outcome, as_json=as_json)
    if html is not None:
        from backtest.page import as_page

        page = as_page(outcome)
        with writing(html):
            html.write_text(page, encoding="utf-8")
        click.echo(f"wrote {html}", err=True)
    if export is not None:
        from alpha.local.backtest_rows import export_outcome

        with writing(export):
            written = export_outcome(outcome, export)
        for path in written:
            click.echo(f"wrote {path}", err=True)
    if ledger:
        from alpha.local.backtest_ledger import record_outcome

        click.echo(record_outcome(outcome), err=True)


def surroundings(candles: Path | None) -> tuple[Path, Registry | None]:
    """The folder of candles and the bots, where there is a bots.yaml."""
    from alpha.config.registry import load_registry
    from alpha.config.settings import load_settings

    settings = load_settings()
    path = settings.alpha_bots_file
    return candles or settings.alpha_home / "candles", load_registry(path) if path.exists() else None


def pairs(params: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` by name. Raises click.UsageError."""
    found = {}
    for each in params:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"--param {each!r} must be written NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _run(plan: Any, store: Any) -> Outcome:
    """With a progress bar where somebody looks on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from alpha.bot.errors import BotError
    from backtest.errors import BacktestRefused
    from backtest.run import run_backtest

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("bars", total=None)

        def ticked(done: int, bars: int) -> None:
            progress.update(task, completed=done, total=bars)

        try:
            return run_backtest(plan, store, ticked=ticked)
        except BotError as error:
            raise BacktestRefused(str(error)) from error


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    from rich.console import Console

    from backtest import report

    if as_json:
        import json

        click.echo(json.dumps(report.as_json(outcome), indent=2))
    else:
        report.show(Console(), outcome)
