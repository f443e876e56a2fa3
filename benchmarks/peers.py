"""The same strategy in other people's backtesters, on the same bars, in the same run."""

from __future__ import annotations

import time
import warnings

from alpha.candles.store import CandleSeries
from benchmarks.scene import BenchmarkFailed

FAST, SLOW = 12, 26


def backtesting_py(series: CandleSeries, taker: float) -> tuple[float, int]:
    """CPU seconds of backtesting.py's run of the EMA cross with market orders and fees, and how many trades it made.

    Indicators are computed ahead over whole columns there, by TA-Lib, and the run has no order ids, no margin, no
    liquidity and no ledger: it is the lower bound of what a bar can cost. Raises BenchmarkFailed where it is not
    installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pandas as pd
            import talib
            from backtesting import Backtest, Strategy  # type: ignore[import-untyped]
            from backtesting.lib import crossover  # type: ignore[import-untyped]
        except ImportError as error:
            raise BenchmarkFailed(f"the peer is a development dependency and is not installed: {error}") from error

        class Cross(Strategy):  # type: ignore[misc]
            def init(self) -> None:
                close = self.data.Close.astype(float)
                self.fast = self.I(talib.EMA, close, FAST)
                self.slow = self.I(talib.EMA, close, SLOW)

            def next(self) -> None:
                if crossover(self.fast, self.slow):
                    self.buy(size=0.1)
                elif crossover(self.slow, self.fast):
                    self.position.close()

        frame = pd.DataFrame(
            {
                "Open": series.open,
                "High": series.high,
                "Low": series.low,
                "Close": series.close,
                "Volume": series.volume,
            },
            index=pd.to_datetime(series.starts_ms, unit="ms"),
        )
        # So rich that a tenth of it always buys a whole unit: with less it stops trading long before the end.
        backtest = Backtest(frame, Cross, cash=1_000_000_000, commission=taker, finalize_trades=True)
        begun = time.process_time()
        told = backtest.run()
        return time.process_time() - begun, int(told["# Trades"])
