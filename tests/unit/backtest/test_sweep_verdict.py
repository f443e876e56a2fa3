from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from backtest.sweep.verdict import Trial, judge, to_json
from backtest.sweep.windows import Window

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def window(number: int = 1) -> Window:
    return Window(number, START + number * DAY, START + (number + 1) * DAY, START + (number + 2) * DAY)


def trial(number: int, inside: float | None, outside: float | None, *, refused: str = "") -> Trial:
    return Trial(number, {"fast": number}, inside, outside, {}, {}, refused)


def test_the_best_in_sample_is_chosen_whatever_it_does_out_of_sample():
    verdict = judge("sharpe", {window(): [trial(0, 1.0, 5.0), trial(1, 3.0, -1.0), trial(2, 2.0, 2.0)]})
    (only,) = verdict.windows
    assert only.best is not None
    assert only.best.values == {"fast": 1}
    assert (only.out_rank, only.median_in, only.median_out) == (0.0, 2.0, 2.0)
    assert (verdict.mean_in, verdict.mean_out, verdict.efficiency) == (3.0, -1.0, pytest.approx(-1 / 3))
    assert verdict.overfit == 1.0


def test_of_equal_ones_the_first_tried_is_chosen_and_equal_ranks_are_shared():
    verdict = judge("sharpe", {window(): [trial(4, 1.0, 2.0), trial(2, 1.0, 2.0), trial(3, 0.0, 2.0)]})
    (only,) = verdict.windows
    assert only.best is not None
    assert (only.best.number, only.out_rank) == (2, 0.5)


def test_refused_trials_are_counted_and_not_chosen():
    verdict = judge("sharpe", {window(): [trial(0, None, None, refused="no trades"), trial(1, -1.0, 0.5)]})
    (only,) = verdict.windows
    assert (only.trials, only.refused) == (2, 1)
    assert only.best is not None
    assert only.best.number == 1
    assert verdict.efficiency is None


def test_a_window_in_which_nothing_runs_has_no_choice():
    verdict = judge("sharpe", {window(): [trial(0, None, None, refused="no data")]})
    assert verdict.windows[0].best is None
    assert (verdict.mean_in, verdict.mean_out, verdict.overfit) == (None, None, None)
    assert json.loads(json.dumps(to_json(verdict)))["windows"][0]["chosen"] is None


@pytest.mark.parametrize("nothing", [None, math.inf, math.nan])
def test_a_choice_without_a_figure_out_of_sample_has_failed_and_counts_as_overfit(nothing: float | None):
    kept = [trial(0, 1.0, 0.9), trial(1, 0.5, 0.1)]
    gone = [trial(0, 5.0, nothing), trial(1, 0.5, 0.1), trial(2, 0.4, 0.2)]
    verdict = judge("sharpe", {window(1): kept, window(2): gone, window(3): gone})
    assert [each.failed for each in verdict.windows] == [False, True, True]
    assert (verdict.failed, verdict.overfit) == (2, pytest.approx(2 / 3))
    assert (verdict.mean_in, verdict.mean_out) == (pytest.approx(11 / 3), 0.9)
    # Of the one window that has both: what the others promised is not held against it, nor for it.
    assert verdict.efficiency == pytest.approx(0.9)
    assert to_json(verdict)["failed_windows"] == 2


def test_nothing_is_left_to_measure_where_every_choice_failed():
    verdict = judge("sharpe", {window(): [trial(0, 5.0, None), trial(1, 4.0, None)]})
    assert (verdict.failed, verdict.overfit, verdict.efficiency, verdict.mean_out) == (1, 1.0, None, None)


def test_noise_is_shown_as_overfit_about_half_of_the_time_and_skill_never():
    draw = random.Random(7)
    noise = {window(n): [trial(i, draw.random(), draw.random()) for i in range(30)] for n in range(400)}
    assert judge("sharpe", noise).overfit == pytest.approx(0.5, abs=0.1)
    skill = {window(n): [trial(i, float(i), float(i)) for i in range(30)] for n in range(20)}
    assert judge("sharpe", skill).overfit == 0.0
