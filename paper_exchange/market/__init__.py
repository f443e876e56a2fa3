"""Where prices come from: instruments, a synthetic market, a replay of recorded candles, and klines over both."""
