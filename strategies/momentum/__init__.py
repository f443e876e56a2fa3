from strategies.momentum.strategy import Momentum

__all__ = ["Momentum"]
