from strategies.lxalgo.strategy import LXAlgo

__all__ = ["LXAlgo"]
