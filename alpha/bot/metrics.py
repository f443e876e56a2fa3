from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alpha.bot.gated_broker import OrderCounter


class BotMetrics(OrderCounter):
    """What /metrics of a bot shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.fills = Counter("alpha_bot_fills", "Fills handled", registry=self.registry)
        self.rounds = Counter("alpha_bot_rounds", "Rounds of bars seen", ["traded"], registry=self.registry)
        self.denials = Counter("alpha_bot_denials", "Entries denied by the gate", ["code"], registry=self.registry)
        self.orders = Counter("alpha_bot_orders", "Orders by outcome", ["outcome"], registry=self.registry)
        self.decision_seconds = Histogram(
            "alpha_bot_decision_seconds",
            "Wall time from taking a round of bars to having decided on it",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
            registry=self.registry,
        )
        self.cursor = Gauge("alpha_bot_cursor", "Number of the last fill handled", registry=self.registry)

    def denied(self, code: str) -> None:
        self.denials.labels(code).inc()

    def sent(self, outcome: str) -> None:
        self.orders.labels(outcome).inc()
