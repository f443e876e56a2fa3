"""What a sweep shows: for each window what was chosen, what it promised and what it kept, among how many tries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from backtest.sweep.space import Value
from backtest.sweep.windows import Window


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination of parameters in one window: the objective in sample and out of sample. None: it could not be
    run, and `refused` says why."""

    number: int
    values: Mapping[str, Value]
    in_sample: float | None
    out_of_sample: float | None
    in_figures: Mapping[str, float]
    out_figures: Mapping[str, float]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """`best` was chosen in sample; None when no trial could be run. `out_rank` is its place among all trials out of
    sample, from 0 (worst) to 1 (best): parameters that mean something stay near 1, luck is anywhere. None where the
    choice has no figure out of sample, or no other trial has."""

    window: Window
    tried: Sequence[Trial]
    refused: int
    best: Trial | None
    out_rank: float | None
    median_in: float | None
    median_out: float | None

    @property
    def trials(self) -> int:
        return len(self.tried)

    @property
    def failed(self) -> bool:
        """Whether the choice has no figure out of sample: it was not run, or did not trade."""
        return self.best is not None and not _is_number(self.best.out_of_sample)


@dataclass(frozen=True, slots=True)
class SweepVerdict:
    """`efficiency` is the mean objective out of sample in parts of the one in sample, of the windows that have both;
    None where that is not above 0. `failed` is the number of windows that have none out of sample. `overfit` is the
    share of windows whose choice failed or was below the median out of sample: about one half is what choosing by lot
    gives (after Bailey, Borwein, Lopez de Prado and Zhu, "The probability of backtest overfitting", 2015, with
    the windows of a walk forward in place of their combinations)."""

    objective: str
    windows: Sequence[WindowVerdict]
    trials: int
    mean_in: float | None
    mean_out: float | None
    efficiency: float | None
    overfit: float | None
    failed: int


def judge(objective: str, trials: Mapping[Window, Sequence[Trial]]) -> SweepVerdict:
    """Of every trial of every window. Of equal ones the first tried is chosen."""
    windows = [_of_window(window, found) for window, found in trials.items()]
    chosen = [each.best for each in windows if each.best is not None]
    inside = [each.in_sample for each in chosen if each.in_sample is not None]
    kept = [
        (each.in_sample, each.out_of_sample)
        for each in chosen
        if each.in_sample is not None and each.out_of_sample is not None and _is_number(each.out_of_sample)
    ]
    failed = sum(each.failed for each in windows)
    ranks = [each.out_rank for each in windows if each.out_rank is not None]
    mean_out = fmean(outside for _, outside in kept) if kept else None
    promised = fmean(inside for inside, _ in kept) if kept else 0.0
    judged = len(ranks) + failed
    return SweepVerdict(
        objective=objective,
        windows=windows,
        trials=sum(each.trials for each in windows),
        mean_in=fmean(inside) if inside else None,
        mean_out=mean_out,
        efficiency=None if mean_out is None or promised <= 0 else mean_out / promised,
        overfit=(sum(rank < 0.5 for rank in ranks) + failed) / judged if judged else None,
        failed=failed,
    )


def first_refusal(verdict: SweepVerdict) -> str:
    """Why the first trial that was refused could not be run; "" when none was."""
    return next((trial.refused for each in verdict.windows for trial in each.tried if trial.refused), "")


def to_json(verdict: SweepVerdict) -> dict[str, Any]:
    return {
        "objective": verdict.objective,
        "trials": verdict.trials,
        "mean_in_sample": verdict.mean_in,
        "mean_out_of_sample": verdict.mean_out,
        "efficiency": verdict.efficiency,
        "overfit": verdict.overfit,
        "failed_windows": verdict.failed,
        "windows": [
            {
                "window": each.window.number,
                "start": each.window.start.isoformat(),
                "split": each.window.split.isoformat(),
                "end": each.window.end.isoformat(),
                "trials": each.trials,
                "refused": each.refused,
                "failed": each.failed,
                "chosen": None if each.best is None else dict(each.best.values),
                "in_sample": None if each.best is None else each.best.in_sample,
                "out_of_sample": None if each.best is None else each.best.out_of_sample,
                "in_figures": {} if each.best is None else dict(each.best.in_figures),
                "out_figures": {} if each.best is None else dict(each.best.out_figures),
                "out_rank": each.out_rank,
                "median_in_sample": each.median_in,
                "median_out_of_sample": each.median_out,
            }
            for each in verdict.windows
        ],
    }


def _of_window(window: Window, trials: Sequence[Trial]) -> WindowVerdict:
    run = [each for each in trials if _is_number(each.in_sample)]
    best = max(run, key=lambda each: (each.in_sample or 0.0, -each.number), default=None)
    outside = [each.out_of_sample for each in run if each.out_of_sample is not None and _is_number(each.out_of_sample)]
    rank = None
    if best is not None and best.out_of_sample is not None and _is_number(best.out_of_sample) and len(outside) > 1:
        below = sum(each < best.out_of_sample for each in outside)
        equal = sum(each == best.out_of_sample for each in outside) - 1
        rank = (below + equal / 2) / (len(outside) - 1)
    return WindowVerdict(
        window=window,
        tried=trials,
        refused=sum(bool(each.refused) for each in trials),
        best=best,
        out_rank=rank,
        median_in=median([each.in_sample or 0.0 for each in run]) if run else None,
        median_out=median(outside) if outside else None,
    )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
