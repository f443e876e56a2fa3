"""The pictures are looked at: that they carry the series, and that the series is to be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from alpha.ledger.analytics import Curve, Step
from telegram_manager.charts.result_chart import DRAWDOWN_COLOUR, RESULT_COLOUR, figure_of, result_chart

START = datetime(2026, 1, 5, tzinfo=UTC)


def curve(*results: int) -> Curve:
    """Hourly, with its drawdowns."""
    steps, highest = [], 0
    for number, result in enumerate(results, 1):
        highest = max(highest, result)
        steps.append(Step(START + timedelta(hours=number), Decimal(result), Decimal(result - highest)))
    worst = min((step.drawdown for step in steps), default=Decimal(0))
    return Curve(steps=tuple(steps), every=timedelta(hours=1), worst_drawdown=worst)


def dots(png: bytes, colour: str) -> np.ndarray:
    """Which dots of the picture are (nearly) of a colour, on white."""
    picture = imread(BytesIO(png), format="png")[:, :, :3]
    distance: np.ndarray = np.abs(picture - np.array(to_rgb(colour))).sum(axis=2)
    return distance < 0.35


def test_the_picture_carries_the_series() -> None:
    made = curve(10, 30, -20, 5)
    above, below = figure_of(made, "canary").axes
    line = above.lines[0]
    # It starts from nothing when the first hour began, and ends with the result.
    assert list(line.get_ydata()) == [0, 10, 30, -20, 5]
    assert line.get_xdata()[0] == START
    assert line.get_xdata()[-1] == START + timedelta(hours=4)
    (area,) = below.collections
    assert min(y for _, y in area.get_paths()[0].vertices) == -50
    assert above.get_title() == "canary"
    assert [axes.get_ylabel() for axes in (above, below)] == ["net result, USDT", "drawdown, USDT"]


def test_the_series_is_to_be_seen_from_one_side_to_the_other() -> None:
    png = result_chart(curve(*range(0, 200, 10), *range(190, 50, -10)), "canary")
    line = dots(png, RESULT_COLOUR)
    height, width = line.shape
    assert (width, height) == (960, 720)
    seen = np.flatnonzero(line.any(axis=0))
    assert seen.min() < 0.2 * width
    assert seen.max() > 0.9 * width
    # It rises: the line is high up (a low row) in the middle and low down at the left.
    left, middle = np.flatnonzero(line[:, seen.min() + 3]).mean(), np.flatnonzero(line[:, int(width * 0.65)]).mean()
    assert middle < left - 0.3 * height


def test_a_drawdown_is_a_filled_area_and_none_is_none() -> None:
    fell = dots(result_chart(curve(100, 20, 20, 20), "fell"), DRAWDOWN_COLOUR)
    rose = dots(result_chart(curve(10, 20, 30, 40), "rose"), DRAWDOWN_COLOUR)
    assert fell.sum() > 20_000
    assert rose.sum() < 100


@pytest.mark.parametrize("results", [(5,), (0,), (0, 0, 0), (-1_000_000, 9_999_999)])
def test_any_series_makes_a_picture(results: tuple[int, ...]) -> None:
    assert result_chart(curve(*results), "any").startswith(b"\x89PNG")
