"""Workers on all cores, each taking trials from the database until every window has had enough."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event, Lock

import optuna
import structlog
from optuna.study import Study

from backtest.errors import BacktestRefused
from backtest.sweep import storage
from backtest.sweep.evaluate import TrialRefused, evaluate, objective_of
from backtest.sweep.space import Value
from backtest.sweep.task import Task
from backtest.sweep.verdict import SweepVerdict, judge
from backtest.sweep.windows import Window

_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """Trials that have ended, of all windows, and how many there will be."""

    ended: int
    wanted: int


def run_sweep(
    task: Task,
    address: storage.Address,
    *,
    jobs: int,
    show: Callable[[Progress], None],
    stopping: Callable[[], bool],
    alone: AbstractContextManager[object] | None = None,
) -> SweepVerdict | None:
    """Until every window has its trials, in `jobs` processes. None when it was told to stop before: what has ended is
    kept, and the same call goes on from there. While in `alone` no other machine begins a sweep in this database; None
    where there is no other machine.

    Raises BacktestRefused when the database or the definition of the sweep does not fit, or a worker failed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with alone or nullcontext():
        opened = storage.open_storage(address)
        studies = {window: storage.prepare(opened, task, window) for window in task.windows}
    wanted = storage.wanted(task) * len(studies)
    context = multiprocessing.get_context("spawn")
    stop, claiming = context.Event(), context.Lock()
    workers = [
        context.Process(target=_work, args=(task, address, number, stop, claiming), daemon=True)
        for number in range(jobs)
    ]
    for worker in workers:
        worker.start()
    try:
        while (ended := _ended(studies, task)) < wanted:
            show(Progress(ended, wanted))
            if stopping():
                return None
            _check(workers)
            time.sleep(_LOOK_EVERY_S)
        show(Progress(wanted, wanted))
    finally:
        stop.set()
        for worker in workers:
            worker.join(timeout=60)
            worker.kill()
    return judge(task.objective, {window: storage.trials_of(study) for window, study in studies.items()})


def _ended(studies: dict[Window, Study], task: Task) -> int:
    return sum(storage.ended(study, task) for study in studies.values())


def _check(workers: list[SpawnProcess]) -> None:
    """A worker that has nothing left to do ends with 0; others may still be at their last trial."""
    failed = next((worker for worker in workers if worker.exitcode not in (None, 0)), None)
    if failed is not None:
        raise BacktestRefused(
            f"a worker of the sweep ended with {failed.exitcode}; its trials are tried again next time"
        )


def _work(task: Task, address: storage.Address, number: int, stop: Event, claiming: Lock) -> None:
    """`claiming` is held from counting the trials to having one, so that two workers do not both take the last."""
    # Ctrl-C is for the process that started us; it lets us finish the trial at hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # What every trial's bot did is nobody's to read.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    opened = storage.open_storage(address)
    wanted = storage.wanted(task)
    for window in task.windows:
        study = storage.begin(opened, task, window, worker=number)

        def objective(trial: optuna.Trial, window: Window = window) -> float:
            values = storage.suggest(trial, task.space)
            claiming.release()
            return _try(task, window, trial, values)

        while not stop.is_set():
            claiming.acquire()
            if storage.taken(study, task) < wanted:
                storage.queue_what_is_left(study, task)
                study.optimize(objective, n_trials=1)
                continue
            claiming.release()
            if storage.ended(study, task) >= wanted:
                break
            # Others are at the last ones; should one of them die, its trial comes back to us.
            stop.wait(_LOOK_EVERY_S)
            storage.give_back_dead_trials(study)


def _try(task: Task, window: Window, trial: optuna.Trial, values: dict[str, Value]) -> float:
    try:
        inside = evaluate(task, values, window.start, window.split)
        worth = objective_of(task, inside)
    except TrialRefused as refused:
        trial.set_user_attr("refused", str(refused))
        raise optuna.TrialPruned from refused
    trial.set_user_attr("in_figures", inside)
    try:
        # Measured for every trial and used for no choice: it shows what choosing is worth.
        outside = evaluate(task, values, window.split, window.end)
        trial.set_user_attr("out_figures", outside)
        trial.set_user_attr("out_of_sample", objective_of(task, outside))
    except TrialRefused as refused:
        trial.set_user_attr("refused_out_of_sample", str(refused))
    return worth
