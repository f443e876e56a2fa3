"""What Prometheus is told of the command centre."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class TelegramMetrics:
    """On a registry of their own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.updates = Counter(
            "telegram_manager_updates", "Updates received from Telegram", ["kind"], registry=self.registry
        )
        self.commands = Histogram(
            "telegram_manager_command_seconds",
            "From a command's arrival to its answer",
            ["command"],
            buckets=(0.05, 0.1, 0.3, 0.6, 1.5, 3, 10, 30, 60),
            registry=self.registry,
        )
        self.poll_age = Gauge(
            "telegram_manager_poll_age_seconds", "Since Telegram last answered getUpdates", registry=self.registry
        )
        self.unreachable_chats = Gauge(
            "telegram_manager_unreachable_chats",
            "Chats that take no notification at the moment",
            registry=self.registry,
        )
