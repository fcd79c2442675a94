"""What becomes of the settings about claims that wait."""

from __future__ import annotations

import pytest

from tasques.bootstrap.serving import server_options
from tasques.server import parking_check
from tasques.server.options import CLAIMS_ON_THREADS, PARKED_CLAIMS
from tasques.settings import Settings
from tasques.settings.serving import Http


def test_claims_are_parked_unless_told_otherwise() -> None:
    """And there are places for many, or fewer where each holds a thread, unless told otherwise."""
    parked = server_options(Settings())
    assert (parked.parks, parked.waiting_claims) == (True, PARKED_CLAIMS)
    on_threads = server_options(Settings(http=Http(parking=False)))
    assert (on_threads.parks, on_threads.waiting_claims) == (False, CLAIMS_ON_THREADS)
    for parking in (True, False):
        chosen = server_options(Settings(http=Http(parking=parking, waiting_claims=7)))
        assert chosen.waiting_claims == 7


def test_parking_that_does_not_work_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server starts with threads, and its log says why."""
    monkeypatch.setattr(parking_check, "why_not_parking", lambda: "waitress has learnt to swim")
    options = server_options(Settings())
    assert (options.parks, options.waiting_claims) == (False, CLAIMS_ON_THREADS)
    assert "learnt to swim" in caplog.text
