"""Which of the tasks found may be handed out."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tasques.core import admission, lifecycle
from tasques.core.admission import admit
from tasques.core.documents import Stored, Version
from tasques.core.policies import QueuePolicy
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import Extensions, NewTask, State, StoredTask, Task
from tasques.core.values import Duration, Instant
from tasques.testing import strategies
from tasques.testing.examples import NOW

SECOND = Duration.of_seconds(1)
EARLIER = NOW.plus(Duration.of_seconds(-1))
QUEUES = st.sampled_from([QueueName("a"), QueueName("b")])
NEAR = st.sampled_from([EARLIER, NOW, NOW.plus(SECOND)])


def waiting(id: str, *, queue: str = "a", run_at: Instant = NOW) -> StoredTask:
    """A queued task."""
    new = NewTask(
        queue=QueueName(queue),
        kind="k",
        retry_times=1,
        processing_timeout=SECOND,
        run_at=run_at,
    )
    return StoredTask(
        document=lifecycle.create(new, id=TaskId(id), now=EARLIER), version=Version(1, 0)
    )


def expiring(candidate: StoredTask, at: Instant) -> StoredTask:
    """*candidate*, to be started before *at*."""
    extensions = Extensions(expires_at=at)
    return attrs.evolve(candidate, document=attrs.evolve(candidate.document, extensions=extensions))


def test_what_is_due_is_ready_in_the_order_of_claims() -> None:
    """However they were found, the longest due comes first; what is not due is left out."""
    late, early, future = (
        waiting("l"),
        waiting("e", run_at=EARLIER),
        waiting("f", run_at=NOW.plus(SECOND)),
    )
    admitted = admit([future, late, early], {}, NOW)
    assert (early, late) == admitted.ready
    assert admitted.expired == ()


def test_a_paused_queue_hands_nothing_out() -> None:
    """Its tasks stay where they are, expired ones too; the other queues go on."""
    paused, open_ = waiting("p", queue="a"), waiting("o", queue="b")
    over = expiring(waiting("x", queue="a"), EARLIER)
    a, b = QueueName("a"), QueueName("b")
    policies = {a: QueuePolicy(queue=a, paused_at=EARLIER), b: QueuePolicy(queue=b)}
    admitted = admit([paused, over, open_], policies, NOW)
    assert admission.Admitted(ready=(open_,)) == admitted


def test_what_was_not_started_in_time_is_expired() -> None:
    """At its moment of expiry a task is over, a nanosecond earlier it may be started."""
    over = expiring(waiting("over"), NOW)
    just = expiring(waiting("just"), NOW.plus(Duration(1)))
    assert admission.is_expired(over, NOW)
    assert not admission.is_expired(just, NOW)
    assert admission.Admitted(ready=(just,), expired=(over,)) == admit([over, just], {}, NOW)


@given(
    strategies.lists_of_distinct_tasks(strategies.tasks(queues=QUEUES, times=NEAR)),
    st.dictionaries(
        QUEUES, st.builds(QueuePolicy, queue=QUEUES, paused_at=st.none() | st.just(EARLIER))
    ),
)
def test_each_candidate_has_one_place(
    tasks: Sequence[Task], policies: dict[QueueName, QueuePolicy]
) -> None:
    """
    Ready or expired is whoever may be claimed, never both; ready ones can be claimed, expired ones
    can be ended.
    """
    candidates = [Stored(document=task, version=Version(1, i)) for i, task in enumerate(tasks)]
    admitted = admit(candidates, policies, NOW)
    expected = [
        c
        for c in candidates
        if c.document.state in (State.QUEUED, State.FAILED)
        and c.document.run_at <= NOW
        and c.document.attempted <= c.document.retry_times
        and not (c.document.queue in policies and policies[c.document.queue].is_paused)
    ]
    assert len(expected) == len(admitted.ready) + len(admitted.expired)
    assert all(c in expected for c in (*admitted.ready, *admitted.expired))
    orders = [c.document.claim_order for c in admitted.ready]
    assert orders == sorted(orders)
    for candidate in admitted.ready:
        lifecycle.claim(candidate.document, worker=WorkerId("w"), now=NOW)
    for candidate in admitted.expired:
        assert lifecycle.expire(candidate.document, now=NOW).state is State.DEAD
