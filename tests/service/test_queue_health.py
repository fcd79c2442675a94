"""Which queues take writes: what a batch says of them, and when a troubled one may be tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.documents import Stored, Version
from tasques.core.ports import (
    Blocked,
    Conflict,
    Deleted,
    Exists,
    Invalid,
    Rejected,
    Unknown,
    WriteOutcome,
    Written,
)
from tasques.core.queues import QueueName
from tasques.core.service.queue_health import QueueHealth, Standing, Verdict, verdict
from tasques.core.tasks import Task
from tests.service.conftest import make_task

MAIL = QueueName("mail")
WRITTEN = Written(Stored(document=make_task(), version=Version(1, 1)))
GONE = Unknown("503", is_local=True)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([WRITTEN], Verdict.WELL),
        ([Deleted()], Verdict.WELL),
        # Whatever was answered, somebody was there to answer.
        ([Exists(), Conflict(), Invalid("id"), Blocked("disk full")], Verdict.WELL),
        ([Unknown("no answer"), Rejected("429")], Verdict.SILENT),
        ([], Verdict.SILENT),
        ([Rejected("429"), WRITTEN], Verdict.WELL),
        ([WRITTEN, GONE], Verdict.TROUBLED),
        ([Rejected("the index was not made in time", is_local=True)], Verdict.TROUBLED),
    ],
)
def test_what_outcomes_say(outcomes: list[WriteOutcome[Task]], expected: Verdict) -> None:
    """Only an answer that blames the place alone is the queue's; no answer at all says nothing."""
    assert verdict(outcomes) is expected


def test_a_queue_is_new_until_it_was_answered() -> None:
    """Silence teaches nothing; an answer of either kind does."""
    health = QueueHealth()
    assert health.standing(MAIL) is Standing.NEW
    health.note(MAIL, Verdict.SILENT, now=0.0)
    assert health.standing(MAIL) is Standing.NEW
    health.note(MAIL, Verdict.WELL, now=0.0)
    assert health.standing(MAIL) is Standing.WELL
    health.note(MAIL, Verdict.SILENT, now=0.0)
    assert health.standing(MAIL) is Standing.WELL
    health.note(MAIL, Verdict.TROUBLED, now=0.0)
    assert health.standing(MAIL) is Standing.TROUBLED
    health.note(MAIL, Verdict.WELL, now=0.0)
    assert health.standing(MAIL) is Standing.WELL


@pytest.mark.parametrize(
    ("failures", "closed_for"), [(1, 0.0), (2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0), (500, 4.0)]
)
def test_pauses_grow_up_to_a_bound(failures: int, closed_for: float) -> None:
    """The first failure closes nothing; the longest pause leaves a completion a second try."""
    health = QueueHealth()
    for _ in range(failures):
        health.note(MAIL, Verdict.TROUBLED, now=100.0)
    assert health.is_closed(MAIL, now=100.0 + closed_for * 0.99) is (closed_for > 0)
    assert not health.is_closed(MAIL, now=100.0 + closed_for)
    assert not health.is_closed(QueueName("other"), now=100.0)


def test_silence_after_trouble_is_one_more_failure() -> None:
    """What was tried did not get through, for whatever reason."""
    health = QueueHealth()
    health.note(MAIL, Verdict.TROUBLED, now=0.0)
    health.note(MAIL, Verdict.SILENT, now=0.0)
    assert health.is_closed(MAIL, now=0.4)


def test_a_queue_that_got_well_begins_anew() -> None:
    """Past failures are forgiven."""
    health = QueueHealth()
    for _ in range(5):
        health.note(MAIL, Verdict.TROUBLED, now=0.0)
    health.note(MAIL, Verdict.WELL, now=0.0)
    assert health.troubled == 0
    health.note(MAIL, Verdict.TROUBLED, now=0.0)
    assert not health.is_closed(MAIL, now=0.0)
    assert health.troubled == 1


@given(
    notes=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(Verdict))), max_size=60
    )
)
def test_memory_is_bounded(notes: list[tuple[str, Verdict]]) -> None:
    """However many queues there are, so many are remembered; the last one noted always is."""
    health = QueueHealth(remembered=2)
    for name, said in notes:
        before = health.standing(QueueName(name))
        health.note(QueueName(name), said, now=0.0)
        assert len(health._well) <= 2
        assert len(health._troubled) <= 2
        after = health.standing(QueueName(name))
        expected = {Verdict.WELL: Standing.WELL, Verdict.TROUBLED: Standing.TROUBLED}
        assert after is expected.get(said, before)
