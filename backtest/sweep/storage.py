"""Trials in PostgreSQL, through Optuna: one study for each window of a sweep.

Several processes, and machines, may work on one sweep: each trial is taken by one of them, and one whose worker died is
taken again by another.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from backtest.errors import BacktestRefused
from backtest.sweep.space import Choice, Range, Space, Value, grid
from backtest.sweep.task import Search, Task
from backtest.sweep.verdict import Trial
from backtest.sweep.windows import Window

_DEFINITION, _QUEUED = "definition", "queued"
_HEARTBEAT_S, _DEAD_AFTER_S = 10, 30
_Key = tuple[tuple[str, Any], ...]
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, slots=True)
class Address:
    """A database as SQLAlchemy writes it, password included, and the schema in it that trials live in."""

    url: str = field(repr=False)
    schema: str


def open_storage(address: Address) -> RDBStorage:
    """Optuna's tables in the schema, made if they are not there."""
    with _without_warnings():
        return RDBStorage(
            address.url,
            engine_kwargs={
                "pool_size": 2,
                "pool_pre_ping": True,
                "connect_args": {"options": f"-csearch_path={address.schema}", "application_name": "alpha-sweep"},
            },
            heartbeat_interval=_HEARTBEAT_S,
            grace_period=_DEAD_AFTER_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=3),
        )


def prepare(storage: RDBStorage, task: Task, window: Window) -> Study:
    """The window's study with the whole grid in its queue. Only one process may do this at a time: two would both find
    nothing queued. Raises as `begin` does."""
    study = begin(storage, task, window)
    if task.search is Search.GRID and not study.user_attrs.get(_QUEUED):
        again = bool(study.get_trials(deepcopy=False))
        for cell in grid(task.space):
            study.enqueue_trial(cell, skip_if_exists=again)
        study.set_user_attr(_QUEUED, True)
    return study


def queue_what_is_left(study: Study, task: Task) -> None:
    """Cells of a grid whose queue is empty and that were not tried: their workers died, or failed. Without this the
    sampler would draw others in their place."""
    if task.search is not Search.GRID or study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        return
    known = _cells(study, (*_DONE, TrialState.RUNNING))
    for cell in grid(task.space):
        if _key(cell) not in known:
            study.enqueue_trial(cell)


def begin(storage: RDBStorage, task: Task, window: Window, *, worker: int = 0) -> Study:
    """The window's study, made by whoever comes first.

    Raises BacktestRefused when the name belongs to a sweep of something else.
    """
    sampler = optuna.samplers.TPESampler(seed=task.seed + worker, multivariate=True, constant_liar=True)
    with _without_warnings():
        study = optuna.create_study(
            storage=storage,
            study_name=f"{task.name}/{window.number}",
            sampler=sampler,
            direction="maximize",
            load_if_exists=True,
        )
    known = study.user_attrs.get(_DEFINITION)
    if known is None:
        study.set_user_attr(_DEFINITION, task.definition())
    elif known != task.definition():
        differs = sorted(name for name, value in task.definition().items() if known.get(name) != value)
        raise BacktestRefused(
            f"the sweep {task.name} was begun with other {' and '.join(differs)}: give this one another --name"
        )
    return study


def wanted(task: Task) -> int:
    """How many trials end a window: those asked for, of a grid at most its cells."""
    if task.search is not Search.GRID:
        return task.trials
    return min(task.trials, sum(1 for _ in grid(task.space)))


def taken(study: Study, task: Task) -> int:
    """Trials that have ended or are being run; cells, of a grid."""
    return _count(study, task, (*_DONE, TrialState.RUNNING))


def ended(study: Study, task: Task) -> int:
    return _count(study, task, _DONE)


def give_back_dead_trials(study: Study) -> None:
    """Lets those be tried again whose worker has not been heard of for half a minute."""
    with _without_warnings():
        optuna.storages.fail_stale_trials(study)


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """The values of a trial, which the grid queued or the sampler finds."""
    return {name: _suggested(trial, name, values) for name, values in space.items()}


def trials_of(study: Study) -> list[Trial]:
    """Those that have ended, in order of their numbers; of a combination tried twice the first."""
    found: dict[_Key, Trial] = {}
    for frozen in study.get_trials(deepcopy=False, states=_DONE):
        trial = _trial(frozen)
        found.setdefault(_key(trial.values), trial)
    return list(found.values())


def _count(study: Study, task: Task, states: tuple[TrialState, ...]) -> int:
    # A cell that is there twice, as one is whose worker was taken for dead, must not stand for one never tried.
    if task.search is Search.GRID:
        return len(_cells(study, states))
    return len(study.get_trials(deepcopy=False, states=states))


def _cells(study: Study, states: tuple[TrialState, ...]) -> set[_Key]:
    # What was queued tells its cell from the first moment on; parameters are known once they are suggested.
    trials = study.get_trials(deepcopy=False, states=states)
    return {_key(each.system_attrs.get("fixed_params", each.params)) for each in trials}


def _key(values: Mapping[str, Any]) -> _Key:
    return tuple(sorted(values.items()))


def _suggested(trial: optuna.Trial, name: str, values: Choice | Range) -> Value:
    if isinstance(values, Choice):
        chosen = trial.suggest_categorical(name, values.values)
        assert chosen is not None, "a choice has values only"
        return chosen
    if values.is_whole:
        return trial.suggest_int(name, int(values.low), int(values.high), step=int(values.step or 1))
    return trial.suggest_float(name, float(values.low), float(values.high), step=values.step)


def _trial(frozen: FrozenTrial) -> Trial:
    attributes = frozen.user_attrs
    return Trial(
        number=frozen.number,
        values=frozen.params,
        in_sample=frozen.value if frozen.state is TrialState.COMPLETE else None,
        out_of_sample=attributes.get("out_of_sample"),
        in_figures=attributes.get("in_figures", {}),
        out_figures=attributes.get("out_figures", {}),
        refused=attributes.get("refused", ""),
    )


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Heartbeats, multivariate TPE and the constant liar are marked experimental, which says nothing to a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
