"""What Prometheus is told: one catalogue of all metrics, from which the objects and the documentation are made."""
