from __future__ import annotations

import json
import re
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.backtest import Instant
from alpha.commands.shape import FAILED, candles_option, example, ids_of, one_line

if TYPE_CHECKING:
    from alpha.candles.months import MonthFiles
    from alpha.domain.ids import Symbol
    from alpha.exchange.rest import ExchangeClient

_DEFAULT = "Folder of recorded candles.  [default: candles below ALPHA_HOME]"


@click.group(epilog=example("alpha candles download BTCUSDT --from 2025-01-01", "alpha candles check"))
def candles() -> None:
    """Recorded candles: download them, take them in, check them."""


@candles.command(
    epilog=example(
        "alpha candles download BTCUSDT,ETHUSDT --interval 5m --from 2025-01-01",
        "alpha candles download BTCUSDT --interval 1h --from 2024-01-01 --to 2024-12-31 --url http://127.0.0.1:8090",
    )
)
@click.argument("symbols", metavar="A,B")
@click.option("--interval", default="5m", show_default=True, help="1m, 5m, 1h, 4h, 1d...")
@click.option("--from", "start", type=Instant(), required=True, help="First day or time (UTC).")
@click.option("--to", "end", type=Instant(ends=True), help="Last day, or the time it ends.  [default: now]")
@click.option(
    "--folder", "--candles", "folder", type=click.Path(file_okay=False, path_type=Path), default=None, help=_DEFAULT
)
@click.option("--url", metavar="URL", default=None, help="REST address.  [default: Bybit's]")
@click.option("--no-extras", is_flag=True, help="No mark prices and funding rates beside the candles.")
@one_line
def download(
    symbols: str,
    interval: str,
    start: datetime,
    end: datetime | None,
    folder: Path | None,
    url: str | None,
    no_extras: bool,
) -> None:
    """Downloads candles, hourly mark prices and funding rates from the exchange's public REST.

    Only what is missing in the folder is asked for: after an interruption the same command goes on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from alpha.candles.download import download as fetch_missing
    from alpha.candles.download import missing_periods
    from alpha.candles.months import MonthFiles
    from alpha.candles.store import interval_of, interval_text

    length = interval_of(interval)
    interval = interval_text(length)
    files = MonthFiles(_folder(folder))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        closing(_client(url)) as client,
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
    ):
        now = client.market_time()
        until = now if end is None else min(end, now)
        for name in ids_of(symbols):
            symbol = _symbol(name)
            missing = missing_periods(files.starts(symbol, interval), length, start, until)
            task = progress.add_task(symbol, total=sum((last - first) // length for first, last in missing))

            def stored(bars: int, task: TaskID = task) -> None:
                progress.advance(task, bars)

            fetch = partial(client.klines, symbol, length)
            fetched = fetch_missing(fetch, files, symbol, interval, length, start, until, stored=stored)
            extras = "" if no_extras else _extras(client, files, symbol, start, until)
            click.echo(f"{symbol}: {fetched:,} candles of {interval}{extras}")


@candles.command("import", epilog=example("alpha candles import btc.csv --symbol BTCUSDT --interval 5m"))
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--symbol", "name", required=True, help="Whose candles they are.")
@click.option("--interval", required=True, help="How long they are: 1m, 5m, 1h, 4h, 1d...")
@click.option(
    "--folder", "--candles", "folder", type=click.Path(file_okay=False, path_type=Path), default=None, help=_DEFAULT
)
@click.option("--replace", is_flag=True, help="Overwrite candles that are there and say something else.")
@one_line
def import_(paths: tuple[Path, ...], name: str, interval: str, folder: Path | None, replace: bool) -> None:
    """Takes in candles from CSV or Parquet files with a heading."""
    from alpha.candles.importing import read_recording
    from alpha.candles.months import MonthFiles
    from alpha.candles.store import interval_of, interval_text

    symbol, length = _symbol(name), interval_of(interval)
    files = MonthFiles(_folder(folder))
    for path in paths:
        columns = read_recording(path, length)
        files.add(symbol, interval_text(length), columns, replace=replace)
        click.echo(f"{path}: {len(columns['ts_ms']):,} candles of {symbol} {interval_text(length)}")


@candles.command(epilog=example("alpha candles check", "alpha candles check --candles DIR --json"))
@candles_option(_DEFAULT, "--folder")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@one_line
def check(candles: Path | None, as_json: bool) -> int:
    """Looks for gaps, candles that are there twice, bars that cannot be, and files that disagree.

    Exit code 1 when something is wrong.
    """
    from alpha.candles.check import check_store
    from alpha.candles.store import CandleStore

    found = list(check_store(CandleStore(_folder(candles))))
    if as_json:
        rows = [
            {
                "symbol": each.symbol,
                "interval": each.interval,
                "file": None if each.file is None else str(each.file),
                "rows": each.rows,
                "from": None if each.first is None else each.first.isoformat(),
                "to": None if each.end is None else each.end.isoformat(),
                "problems": list(each.problems),
                "remarks": list(each.remarks),
            }
            for each in found
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        for each in found:
            if each.file is None or each.problems:
                where = f"{each.symbol} {each.interval}" if each.file is None else each.file.name
                period = f", {each.first:%Y-%m-%d %H:%M} to {each.end:%Y-%m-%d %H:%M}" if each.first else ""
                click.echo(f"{where}: {each.rows:,} candles{period}")
                for problem in each.problems:
                    click.echo(f"  {problem}")
    wrong = sum(bool(each.problems) for each in found)
    click.echo(f"{wrong} of {len(found)} looked at have problems" if wrong else "nothing is wrong", err=True)
    return FAILED if wrong else 0


def _extras(client: ExchangeClient, files: MonthFiles, symbol: Symbol, start: datetime, end: datetime) -> str:
    """What a backtest needs beside candles; answers what came."""
    from alpha.candles.download import download, download_funding

    hour = timedelta(hours=1)
    fetch_marks = partial(client.mark_klines, symbol, hour)
    marks = download(fetch_marks, files, symbol, "mark-1h", hour, start, end, stored=lambda _: None)
    rates = download_funding(partial(client.funding_rates, symbol), files, symbol, start, end)
    return f", {marks:,} mark prices, {rates:,} funding rates"


def _symbol(text: str) -> Symbol:
    """It names a folder, so nothing else may be in it than is in a symbol. Raises click.UsageError."""
    from alpha.domain.ids import Symbol

    if not re.fullmatch("[A-Z0-9]+", text):
        raise click.UsageError(f"{text!r} is no symbol: they are written like BTCUSDT")
    return Symbol(text)


def _folder(given: Path | None) -> Path:
    from alpha.config.settings import load_settings

    return given or load_settings().alpha_home / "candles"


def _client(url: str | None) -> ExchangeClient:
    from dataclasses import replace

    from alpha.domain.ids import AccountName
    from alpha.exchange.endpoints import LIVE_ENDPOINTS
    from alpha.exchange.rest import ExchangeClient

    where = LIVE_ENDPOINTS if url is None else replace(LIVE_ENDPOINTS, environment="paper", rest_url=url)
    return ExchangeClient(AccountName("candles"), where)
