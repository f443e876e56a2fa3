"""What every long-running process shares: logging, health and metrics, shutdown, alerts."""
