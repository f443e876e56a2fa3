"""Recorded candles on disk, read as gapless series."""
