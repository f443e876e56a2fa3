from strategies.canary.strategy import Canary

__all__ = ["Canary"]
