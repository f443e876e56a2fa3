"""`alpha sweep`: look for parameters on one period and judge them on the next, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.backtest import Amount, Instant, pairs, surroundings
from alpha.commands.shape import INTERRUPTED, FiniteRange, candles_option, example, ids_of, one_line

if TYPE_CHECKING:
    from alpha.ledger.connection import Dsn
    from backtest.sweep.task import Task
    from backtest.sweep.verdict import SweepVerdict

_OBJECTIVES = ("sharpe", "sortino", "calmar", "return_percent", "cagr_percent", "profit_factor", "expectancy_usdt")


@click.command(
    epilog=example(
        "alpha sweep shortseller --vary ema_fast_bars=120,240 --vary ema_slow_bars=400,600,800 --windows 4",
        "alpha sweep momentum --search optuna --trials 200 --vary width_share_below=0.2..0.5 --json",
    )
)
@click.argument("subject", metavar="STRATEGY|BOT")
@click.option("--vary", multiple=True, metavar="NAME=VALUES", help="Values 1,2,3 or a range 10..50:5; may be repeated.")
@click.option(
    "--search",
    type=click.Choice(["grid", "optuna"]),
    default="grid",
    show_default=True,
    help="How to choose what to try.",
)
@click.option("--trials", type=click.IntRange(min=1), help="Of each window.  [default: the whole grid; optuna: 100]")
@click.option("--windows", type=click.IntRange(min=1), default=3, show_default=True, help="Windows to walk forward by.")
@click.option(
    "--in-sample",
    type=FiniteRange(min=0, max=1, min_open=True, max_open=True),
    default=0.7,
    show_default=True,
    help="Share of a window on which to choose; the rest judges.",
)
@click.option(
    "--objective", type=click.Choice(_OBJECTIVES), default="sharpe", show_default=True, help="Figure to make large."
)
@candles_option("Folder of recorded candles.  [default: candles below ALPHA_HOME]")
@click.option("--symbols", metavar="A,B|all", help="Symbols to trade, or all that is recorded.  [default: the bot's]")
@click.option("--from", "start", type=Instant(), help="First day or time (UTC).  [default: all there is]")
@click.option("--to", "end", type=Instant(ends=True), help="Last day, or the time it ends (UTC).")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Change a parameter that is not varied.")
@click.option("--balance", type=Amount(positive=True), default="10000", show_default=True, help="USDT at the start.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one for each core]")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of Optuna's sampler.")
@click.option("--name", help="Name of the sweep.  [default: made from what is asked for, so it is found again]")
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Write every trial there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@one_line
def sweep(
    subject: str,
    vary: tuple[str, ...],
    search: str,
    trials: int | None,
    windows: int,
    in_sample: float,
    objective: str,
    candles: Path | None,
    symbols: str | None,
    start: datetime | None,
    end: datetime | None,
    params: tuple[str, ...],
    balance: Decimal,
    jobs: int | None,
    seed: int,
    name: str | None,
    csv: Path | None,
    as_json: bool,
) -> int:
    """Tries parameters of a strategy over recorded candles, and shows whether choosing them is worth anything.

    The period is cut into windows. In each, the best by the objective is chosen on the first part and judged on the
    part that follows, which took no part in the choice. Trials are kept in PostgreSQL: the same command goes on where
    it was stopped, and several machines whose environment names the same database (POSTGRES_HOST, POSTGRES_PASSWORD)
    share one sweep. Without one a server of its own keeps them below ALPHA_HOME. Exit code 130 when stopped before its
    end.
    """
    import json
    from dataclasses import replace

    from alpha.candles.store import CandleStore
    from alpha.commands.output import check_file, writing
    from alpha.domain.ids import Symbol
    from alpha.local.backtesting import plan_of, strategy_name, subject_of
    from backtest.errors import BacktestRefused
    from backtest.sweep.period import period_of
    from backtest.sweep.space import check_names, grid, read_space
    from backtest.sweep.task import Search, Task, name_of
    from backtest.sweep.verdict import first_refusal, to_json
    from backtest.sweep.windows import walk_forward

    check_file(csv)
    space = read_space(vary)
    folder, registry = surroundings(candles)
    store = CandleStore(folder)
    plan = plan_of(
        subject_of(subject, registry),
        symbols=[Symbol(symbol) for symbol in ids_of(symbols)] if symbols is not None else (),
        store=store,
        overrides=pairs(params),
        start=start,
        end=end,
        balance=balance,
    )
    check_names(space, plan.params.model_dump(mode="json"))
    begin, finish = period_of(plan, store)
    task = Task(
        name="",
        strategy=strategy_name(plan.strategy),
        plan=plan,
        candles=folder.absolute(),
        windows=walk_forward(begin, finish, count=windows, in_sample=in_sample),
        space=space,
        search=Search(search),
        trials=trials or (sum(1 for _ in grid(space)) if search == Search.GRID else 100),
        objective=objective,
        seed=seed,
    )
    task = replace(task, name=name or name_of(task.definition()))
    verdict = _run(task, jobs or os.cpu_count() or 1)
    if verdict is None:
        click.echo(f"stopped; the same command goes on with sweep {task.name}", err=True)
        return INTERRUPTED
    if csv is not None:
        with writing(csv):
            _write_csv(csv, verdict)
    if as_json:
        click.echo(json.dumps({"name": task.name, **to_json(verdict)}, indent=2))
    else:
        _show(task, verdict)
    if verdict.mean_in is None:
        raise BacktestRefused(f"no trial could be run; of the first was said: {first_refusal(verdict)}")
    return 0


def _run(task: Task, jobs: int) -> SweepVerdict | None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from alpha.ledger.sweeps import SCHEMA, alone, make_schema, url_of
    from alpha.service.shutdown import StopSignal
    from backtest.sweep import run
    from backtest.sweep.storage import Address

    console = Console(stderr=True)
    stop = StopSignal().install()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _database(stop.is_set) as dsn:
        make_schema(dsn)
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
            bar = shown.add_task(f"trials of {task.name}")

            def show(now: run.Progress) -> None:
                shown.update(bar, completed=now.ended, total=now.wanted)

            address = Address(url_of(dsn), SCHEMA)
            return run.run_sweep(task, address, jobs=jobs, show=show, stopping=stop.is_set, alone=alone(dsn))


@contextmanager
def _database(interrupted: Callable[[], bool]) -> Iterator[Dsn]:
    """The environment's PostgreSQL, or one of our own, below ALPHA_HOME, for as long as it is needed."""
    from alpha.config.settings import environment, load_settings
    from alpha.local.postgres import EmbeddedPostgres

    settings = load_settings()
    if environment().get("POSTGRES_PASSWORD"):
        yield settings.dsn()
        return
    server = EmbeddedPostgres(settings.alpha_home / "sweeps")
    server.start(interrupted)
    try:
        yield server.dsn()
    finally:
        server.stop()


def _show(task: Task, verdict: SweepVerdict) -> None:
    click.echo(f"{task.name}: {task.strategy} by {task.objective}, {verdict.trials} trials")
    for each in verdict.windows:
        window, best = each.window, each.best
        click.echo(
            f"\nwindow {window.number}: chosen on {window.start:%Y-%m-%d} to {window.split:%Y-%m-%d}, judged until "
            f"{window.end:%Y-%m-%d}, {each.trials} tried, {each.refused} refused"
        )
        if best is None:
            click.echo("  nothing could be run")
            continue
        click.echo(f"  {' '.join(f'{name}={value}' for name, value in best.values.items())}")
        rank = "" if each.out_rank is None else f", better than {100 * each.out_rank:.0f} % of the others"
        if each.failed:
            rank = ": the choice failed"
        click.echo(
            f"  in sample {_number(best.in_sample)} (median {_number(each.median_in)}), out of sample "
            f"{_number(best.out_of_sample)} (median {_number(each.median_out)}){rank}"
        )
    click.echo(f"\n{_words(verdict)}")


def _words(verdict: SweepVerdict) -> str:
    if verdict.mean_in is None:
        return "No trial could be run."
    lines = [
        f"The choices made {_number(verdict.mean_in)} in sample and {_number(verdict.mean_out)} out of sample"
        + ("." if verdict.efficiency is None else f", {100 * verdict.efficiency:.0f} % of what they promised.")
    ]
    if verdict.failed:
        lines.append(
            f"In {verdict.failed} of {len(verdict.windows)} windows the choice failed: it has no {verdict.objective} "
            "out of sample."
        )
    if verdict.overfit is not None:
        lines.append(
            f"In {100 * verdict.overfit:.0f} % of the windows the choice failed or did worse than the median of all "
            "trials; 50 % is what choosing by lot gives."
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _write_csv(path: Path, verdict: SweepVerdict) -> None:
    """Every trial of every window: parameters, objective in and out of sample, why it was refused."""
    import csv

    names = sorted({name for each in verdict.windows for trial in each.tried for name in trial.values})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["window", "trial", *names, "in_sample", "out_of_sample", "refused"])
        for each in verdict.windows:
            for trial in each.tried:
                values = [trial.values.get(name, "") for name in names]
                writer.writerow(
                    [each.window.number, trial.number, *values, trial.in_sample, trial.out_of_sample, trial.refused]
                )
    click.echo(f"wrote {path}", err=True)
