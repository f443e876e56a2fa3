"""Alpha: the shared core of the platform. `docs/architecture.md` shows how the rooms fit together."""

from alpha.compiled import refuse_stale

refuse_stale()
