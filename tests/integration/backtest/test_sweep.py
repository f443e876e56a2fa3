"""A sweep in processes of its own, its trials in PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from alpha.ledger.connection import connect, transaction
from alpha.ledger.sweeps import SCHEMA, alone, make_schema, url_of
from backtest.errors import BacktestRefused
from backtest.sweep import storage
from backtest.sweep.evaluate import evaluate
from backtest.sweep.run import Progress, run_sweep
from backtest.sweep.space import grid, read_space
from backtest.sweep.task import Search, Task, name_of
from backtest.sweep.verdict import SweepVerdict
from backtest.sweep.windows import walk_forward
from tests.integration.backtest.toy import BARS, START, a_plan, write_candles
from tests.support import Database

pytestmark = pytest.mark.slow


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    write_candles(tmp_path)
    return tmp_path


@pytest.fixture
def address(database: Database) -> storage.Address:
    make_schema(database.owner)
    return storage.Address(url_of(database.owner), SCHEMA)


def a_task(candles: Path, *, space: str = "rise_bars=2,4,9", search: Search = Search.GRID, trials: int = 6) -> Task:
    begin = START + timedelta(hours=1)
    task = Task(
        name="",
        strategy="tests.integration.backtest.toy:Ripple",
        plan=a_plan(),
        candles=candles,
        windows=walk_forward(begin, START + BARS * timedelta(minutes=5), count=2, in_sample=0.5),
        space=read_space([space, "hold_bars=4,8"]),
        search=search,
        trials=trials,
        objective="return_percent",
        seed=1,
    )
    return replace(task, name=name_of(task.definition()))


def run(task: Task, address: storage.Address, jobs: int = 1) -> SweepVerdict:
    verdict = run_sweep(task, address, jobs=jobs, show=lambda _: None, stopping=lambda: False)
    assert verdict is not None
    return verdict


def tried(database: Database) -> int:
    with closing(connect(database.owner, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute(f"SELECT count(*) FROM {SCHEMA}.trials WHERE state IN ('COMPLETE', 'PRUNED')")
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def test_a_grid_is_tried_whole_in_every_window_and_the_choice_is_judged_on_what_follows(
    candles: Path, address: storage.Address
):
    task = a_task(candles)
    seen: list[Progress] = []
    verdict = run_sweep(task, address, jobs=2, show=seen.append, stopping=lambda: False)
    assert verdict is not None
    assert verdict.trials == 12
    assert seen[-1] == Progress(12, 12)
    for each in verdict.windows:
        assert (each.trials, each.refused) == (6, 2)  # rise_bars 9 is above both values of hold_bars
        assert each.best is not None
        inside = evaluate(task, dict(each.best.values), each.window.start, each.window.split)
        outside = evaluate(task, dict(each.best.values), each.window.split, each.window.end)
        assert (each.best.in_sample, each.best.out_of_sample) == (inside["return_percent"], outside["return_percent"])
        assert each.best.in_figures == inside


def test_what_was_stopped_goes_on_where_it_was_and_what_is_done_is_not_done_again(
    candles: Path, address: storage.Address, database: Database
):
    task = a_task(candles)
    ended: list[int] = []
    stopped = run_sweep(
        task, address, jobs=1, show=lambda now: ended.append(now.ended), stopping=lambda: bool(ended) and ended[-1] > 0
    )
    assert stopped is None
    assert 0 < ended[-1] < 12
    assert run(task, address) is not None
    assert run(task, address) is not None
    assert tried(database) == 12


def test_optuna_searches_ranges_and_more_trials_can_be_asked_for_later(
    candles: Path, address: storage.Address, database: Database
):
    task = a_task(candles, space="rise_bars=1..6", search=Search.OPTUNA, trials=3)
    assert run(task, address) is not None
    assert tried(database) == 6
    verdict = run(replace(task, trials=5), address)
    assert tried(database) == 10
    for each in verdict.windows:
        assert each.best is not None
        assert 1 <= int(each.best.values["rise_bars"]) <= int(each.best.values["hold_bars"])


def test_a_cell_that_the_strategy_cannot_reckon_with_is_refused_and_the_others_are_tried(
    candles: Path, address: storage.Address
):
    verdict = run(a_task(candles, space="pause_minutes=0,1.0e+300", trials=4), address)
    for each in verdict.windows:
        assert (each.trials, each.refused) == (4, 2)
        assert each.best is not None
        assert each.best.values["pause_minutes"] == 0


def test_two_machines_that_begin_at_once_queue_every_cell_once(
    candles: Path, address: storage.Address, database: Database
):
    task = a_task(candles)
    meet = threading.Barrier(2)

    def begin() -> None:
        meet.wait(timeout=10)
        with alone(database.owner):
            storage.prepare(storage.open_storage(address), task, task.windows[0])

    with ThreadPoolExecutor(2) as machines:
        for machine in [machines.submit(begin) for _ in range(2)]:
            machine.result()
    study = storage.begin(storage.open_storage(address), task, task.windows[0])
    assert len(study.get_trials(deepcopy=False)) == 6


def test_a_grid_ends_when_every_cell_was_tried_whatever_was_queued_twice_or_failed(
    candles: Path, address: storage.Address
):
    task = a_task(candles)
    opened = storage.open_storage(address)

    def fails(_: optuna.Trial) -> float:
        raise ZeroDivisionError

    for window in task.windows:
        study = storage.begin(opened, task, window)
        for cell in grid(task.space):
            study.enqueue_trial(cell)
            study.enqueue_trial(cell)
        study.set_user_attr("queued", True)
        # One was being tried, by a worker that failed.
        study.optimize(fails, n_trials=2, catch=ZeroDivisionError)
    verdict = run(task, address)
    assert [len(each.tried) for each in verdict.windows] == [6, 6]


def test_more_trials_than_a_grid_has_cells_are_those_cells(candles: Path, address: storage.Address, database: Database):
    assert run(a_task(candles, space="rise_bars=2,4", trials=50), address) is not None
    assert tried(database) == 8


def test_a_name_of_another_sweep_is_refused(candles: Path, address: storage.Address):
    task = a_task(candles)
    storage.begin(storage.open_storage(address), task, task.windows[0])
    other = replace(task, objective="sharpe")
    with pytest.raises(BacktestRefused, match="was begun with other objective: give this one another --name"):
        run(other, address)
