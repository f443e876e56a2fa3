from __future__ import annotations

from datetime import timedelta

from alpha.config import load_registry, load_settings
from tests.integration.listener.processes import SHORTSELLER
from tests.integration.sync.scene import Scene
from tests.support import eventually
from trade_sync_service.main import Rhythm, TradeSync


def test_it_is_well_while_comparisons_succeed_and_no_longer(scene: Scene) -> None:
    environ = scene.env("sync_writer")
    settings = load_settings(environ)
    registry = load_registry(settings.alpha_bots_file).in_use(environ)
    service = TradeSync(
        settings, registry, environ, rhythm=Rhythm(first_after=timedelta(0), every=timedelta(seconds=1))
    )
    service.start()
    try:
        eventually(lambda: service.status()["accounts"][SHORTSELLER]["last_success_at"], 60, "a comparison")
        assert service.status()["ok"]

        scene.exchange.admin.arm({"kind": "maintenance", "for_s": 600})

        eventually(lambda: not service.status()["ok"], 120, "the failures being seen")
        assert service.status()["accounts"][SHORTSELLER]["failures"] >= 2
        assert service.status()["accounts"][SHORTSELLER]["detail"]
        scene.exchange.admin.end_faults()
        eventually(lambda: service.status()["ok"], 120, "health")
    finally:
        service.stop()
