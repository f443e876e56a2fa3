from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_exchange.engine import stepping
from tests.property.engine.script import UIDS, Turn, live, scripts
from tests.property.engine.test_engine_laws import laws


@laws
@given(scripts(), st.sampled_from(["150", "500", "5000"]))
def test_a_bar_that_is_not_walked_leaves_what_walking_it_would_have_left(script: list[Turn], balance: str):
    quick = live(script, balance=balance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stepping, "_touches_nobody", lambda *_: False)
        walked = live(script, balance=balance)
    assert quick.events == walked.events
    for uid in UIDS:
        assert quick.engine.positions(uid) == walked.engine.positions(uid)
        assert quick.engine.wallet(uid) == walked.engine.wallet(uid)
