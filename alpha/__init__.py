"""Alpha: the shared core of the platform. `docs/architecture.md` shows how the rooms fit together."""
