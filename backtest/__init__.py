"""The same strategy class over recorded candles, through the engine that the paper exchange serves."""
