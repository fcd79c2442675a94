"""
What is to become of each task, decided by a seed before the task is created.

A task follows a story: the steps that the workers take, one for each time it is handed out, and the
state in which it ends. So what is found at the end can be compared with something.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass


class Step(enum.Enum):
    """What a worker does with a task that it was given."""

    DONE = "done"
    DONE_TWICE = "done, then the same request again: answered as the first"
    DONE_DISPUTED = "a stranger's done is refused, then done"
    REPORT_THEN_DONE = "a report, then done"
    KEEP_THEN_DONE = "reports for much longer than the time-out, then done"
    FAIL = "failed, to be tried again at once"
    FAIL_WITH_BACKOFF = "failed, to be tried again after the usual wait"
    GIVE_UP = "failed, not to be tried again"
    UNCLAIM = "given back"
    DROP = "nothing: its time runs out"
    DROP_THEN_LATE = "nothing, and a done after its time has run out: refused"

    @property
    def costs_attempt(self) -> bool:
        """Whether the attempt counts; one that is given back does not."""
        return self is not Step.UNCLAIM

    @property
    def is_dropped(self) -> bool:
        """Whether the worker falls silent."""
        return self in {Step.DROP, Step.DROP_THEN_LATE}


_FAILURES = frozenset(
    {Step.FAIL, Step.FAIL_WITH_BACKOFF, Step.GIVE_UP, Step.DROP, Step.DROP_THEN_LATE}
)


@dataclass(frozen=True, kw_only=True)
class Story:
    """
    A way through life.

    Attributes:
        share: Of a thousand tasks, so many.
        variants: Sequences of steps to choose from.
        end: The state that it ends in.
        most: No more than so many tasks, because each takes long.
        timeout_seconds: How long a worker has; None for as long as the run says.
        is_late: Due only some seconds after the start.
    """

    name: str
    share: int
    variants: tuple[tuple[Step, ...], ...]
    end: str = "done"
    most: int | None = None
    timeout_seconds: int | None = None
    is_late: bool = False

    @property
    def backs_off(self) -> bool:
        """Whether the task waits after a failure that does not say how long."""
        waits = {Step.FAIL_WITH_BACKOFF, Step.DROP, Step.DROP_THEN_LATE}
        return any(step in waits for steps in self.variants for step in steps[:-1])

    @property
    def is_urgent(self) -> bool:
        """Whether it has to wait for time to pass, so that it had better begin soon."""
        return self.backs_off or self.is_late or self.timeout_seconds is not None


_TIMEOUT_SECONDS = 1
KEPT_TIMEOUT_SECONDS = 2
KEPT_FOR_SECONDS = 5

_D, _F, _U = Step.DONE, Step.FAIL, Step.UNCLAIM

#: Those that have to wait for time to pass come first, so that the wait overlaps with the rest.
STORIES: tuple[Story, ...] = (
    Story(
        name="timed out, then done",
        share=25,
        variants=((Step.DROP, _D),),
        timeout_seconds=_TIMEOUT_SECONDS,
    ),
    Story(
        name="timed out, finished too late, then done",
        share=10,
        variants=((Step.DROP_THEN_LATE, _D),),
        timeout_seconds=_TIMEOUT_SECONDS,
    ),
    Story(
        name="timed out and dead",
        share=20,
        variants=((Step.DROP,), (Step.DROP_THEN_LATE,), (_F, Step.DROP)),
        end="dead",
        timeout_seconds=_TIMEOUT_SECONDS,
    ),
    Story(
        name="kept by reports, then done",
        share=5,
        most=8,
        variants=((Step.KEEP_THEN_DONE,),),
        timeout_seconds=KEPT_TIMEOUT_SECONDS,
    ),
    Story(
        name="failed, backed off, then done",
        share=5,
        most=10,
        variants=((Step.FAIL_WITH_BACKOFF, _D),),
    ),
    Story(name="due later, then done", share=10, variants=((_D,),), is_late=True),
    Story(name="never due", share=5, variants=((),), end="queued"),
    Story(
        name="failed, retried, then done",
        share=150,
        variants=((_F, _D), (_F, _F, _D), (_F, _F, _F, _D)),
    ),
    Story(
        name="failed until dead",
        share=80,
        variants=((_F,), (_F, _F), (_F, _F, _F)),
        end="dead",
    ),
    Story(
        name="given up",
        share=30,
        variants=((Step.GIVE_UP,), (_F, Step.GIVE_UP)),
        end="dead",
    ),
    Story(
        name="unclaimed, then done",
        share=90,
        variants=((_U, _D), (_U, _U, _D), (_U, _F, _D)),
    ),
    Story(name="reported on, then done", share=60, variants=((Step.REPORT_THEN_DONE,),)),
    Story(name="done, said twice", share=20, variants=((Step.DONE_TWICE,),)),
    Story(name="done, disputed", share=20, variants=((Step.DONE_DISPUTED,),)),
    Story(name="done", share=470, variants=((_D,),)),
)

#: These wait for time to pass; they go first.
_URGENT = 100


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    One task, before it exists.

    Attributes:
        number: Counts from 0; travels in the task's arguments.
        id: Given by the producer; None where the server makes it of *key*.
        key: Sent as ``Idempotency-Key`` in place of an id.
        creations: How many requests to create it are sent, perhaps by several producers at once.
        due_seconds: After the start of the run; None for at once.
    """

    number: int
    story: Story
    steps: tuple[Step, ...]
    queue: str
    id: str | None
    key: str | None
    creations: int
    priority: int
    retry_times: int
    timeout_seconds: int
    due_seconds: float | None

    @property
    def end(self) -> str:
        """The state that it ends in."""
        return self.story.end

    @property
    def attempted(self) -> int:
        """How many attempts are counted at its end."""
        return sum(step.costs_attempt for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """
    What the plans of a run have in common.

    Attributes:
        seed: The same seed and count give the same plans.
        run: Part of every name, so that runs on one server do not meet.
        timeout_seconds: How long a worker has where the story does not say.
        spare_attempts: Attempts beyond those that a task that ends done needs; under faults a claim
            may reach nobody, and costs one. Then no story has more than one failure, since what is
            lost after the third comes back after minutes.
        waits: Whether there are stories in which a task waits for a backoff.
    """

    tasks: int
    seed: int
    run: str
    timeout_seconds: int = 120
    spare_attempts: int = 0
    waits: bool = True

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that the tasks are spread over; the last one tries a path's encoding."""
        return tuple(f"accounting-{self.run}-{name}" for name in ("a", "b.c", "d=e", "f+g%日本"))


def plans(scheme: Scheme) -> list[Plan]:
    """The plans of a run, in the order in which the tasks are to be created."""
    chance = random.Random(scheme.seed)
    told = [story for story in STORIES if scheme.waits or not story.backs_off]
    stories = [story for story, count in _shares(told, scheme.tasks) for _ in range(count)]
    urgent = [story for story in stories if story.is_urgent]
    others = [story for story in stories if not story.is_urgent]
    chance.shuffle(others)
    return [_plan(number, story, scheme, chance) for number, story in enumerate((*urgent, *others))]


def _shares(stories: Sequence[Story], tasks: int) -> Sequence[tuple[Story, int]]:
    """How many tasks follow each story; at least one each where there are enough."""
    shares = []
    left = tasks
    for story in stories[:-1]:
        count = max(1, tasks * story.share // 1000)
        count = min(count, left, count if story.most is None else story.most)
        shares.append((story, count))
        left -= count
    return [*shares, (stories[-1], left)]


def _plan(number: int, story: Story, scheme: Scheme, chance: random.Random) -> Plan:
    variants = story.variants
    if scheme.spare_attempts:
        variants = tuple(steps for steps in variants if _failures(steps) <= 1)
    steps = chance.choice(variants)
    failures = _failures(steps)
    if story.end == "dead":
        # The last attempt is the last failure, unless it is given up with attempts left.
        retry_times = failures + 2 if Step.GIVE_UP in steps else failures - 1
    else:
        retry_times = failures + scheme.spare_attempts + chance.choice((0, 0, 3))
    # A name with an "id" of its own in a tenth of the cases, and a key in another tenth.
    has_key = chance.random() < 0.1
    due: float | None = None
    if story.end == "queued":
        due = 24 * 3600.0
    elif story.is_late:
        due = chance.uniform(2, 6)
    return Plan(
        number=number,
        story=story,
        steps=steps,
        queue=chance.choice(scheme.queues),
        id=None if has_key else f"{scheme.run}-{number:06d}",
        key=f"{scheme.run}-{number:06d}" if has_key else None,
        creations=chance.choice((1,) * 8 + (2, 3)),
        priority=_URGENT if story.is_urgent else chance.randint(-3, 9),
        retry_times=retry_times,
        timeout_seconds=story.timeout_seconds or scheme.timeout_seconds,
        due_seconds=due,
    )


def _failures(steps: Sequence[Step]) -> int:
    return sum(step in _FAILURES for step in steps)
