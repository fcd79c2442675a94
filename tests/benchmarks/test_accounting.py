"""Nothing that is wrong with a run goes unsaid."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.accounting import faults

CLEAN: dict[str, Any] = {
    "account": {
        "created": 100,
        "creates_ambiguous": 0,
        "claimed_once": 100,
        "claimed_more_than_once": 0,
        "done": 100,
        "exactly_once": True,
    },
    "errors": {},
}


def but(**changes: Any) -> dict[str, Any]:
    return {**CLEAN, "account": {**CLEAN["account"], **changes}}


def test_a_clean_run_has_no_faults() -> None:
    """Each task was claimed once and done once."""
    assert not faults(CLEAN)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (but(claimed_more_than_once=2), "2 claimed more than once"),
        (but(creates_ambiguous=1), "1 creations without a clear answer"),
        (but(exactly_once=False, done=99), "done 99"),
        (but(exactly_once=None), "not exactly once"),
        ({**CLEAN, "errors": {"done 500": 3}}, "3 times done 500"),
        ({**CLEAN, "other_queue": {"errors": {"create 503": 1}}}, "1 times create 503"),
        ({"errors": {}}, "nothing was accounted for"),
    ],
)
def test_whatever_is_wrong_is_said(result: dict[str, Any], said: str) -> None:
    """In words, with the number."""
    assert any(said in fault for fault in faults(result))
