from __future__ import annotations

from alpha.bot.broker import OutcomeStatus
from alpha.bot.order_counter import OrderCounter
from alpha.metrics.catalogue import Process
from alpha.metrics.registry import MetricSet


class BotMetrics(OrderCounter):
    """What /metrics of a bot shows."""

    def __init__(self) -> None:
        own = MetricSet(Process.BOT)
        self.registry = own.registry
        self.fills = own.counter("alpha_bot_fills")
        self.rounds = own.counter("alpha_bot_rounds")
        self.denials = own.counter("alpha_bot_denials")
        self.orders = own.counter("alpha_bot_orders")
        self.refused = own.counter("alpha_bot_orders_refused")
        self.order_seconds = own.histogram("alpha_bot_order_seconds")
        self.decision_seconds = own.histogram("alpha_bot_decision_seconds")
        self.cursor = own.gauge("alpha_bot_cursor")

    def denied(self, code: str) -> None:
        self.denials.labels(code).inc()

    def sent(self, outcome: str, code: str, seconds: float) -> None:
        self.orders.labels(outcome, code).inc()
        if outcome == OutcomeStatus.REFUSED:
            self.refused.inc()
        self.order_seconds.observe(seconds)
