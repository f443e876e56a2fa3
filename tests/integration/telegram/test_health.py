from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bot_api import BotApi
from tests.integration.telegram.centre import Centre
from tests.support import eventually


def test_it_is_well_while_telegram_answers_its_polls_and_no_longer(
    centre_of: Callable[..., Centre], api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given polls that are held for a second, and three seconds without one until it is called deaf
    monkeypatch.setattr("telegram_manager.main.POLL_S", 1)
    monkeypatch.setattr("telegram_manager.main._DEAF_AFTER_S", 3.0)
    with centre_of() as centre:
        eventually(lambda: centre.health()[0] == 200, 30, "a healthy command centre")

        api.goes_down()

        eventually(lambda: centre.health()[0] == 503, 60, "the silence being seen")
        assert centre.health()[1]["last_poll_s_ago"] >= 3.0
        api.comes_back()
        eventually(lambda: centre.health()[0] == 200, 60, "health")
