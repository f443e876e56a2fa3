from strategies.ema_cross.strategy import EmaCross

__all__ = ["EmaCross"]
