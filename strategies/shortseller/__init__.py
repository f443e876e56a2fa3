from strategies.shortseller.strategy import ShortSeller

__all__ = ["ShortSeller"]
