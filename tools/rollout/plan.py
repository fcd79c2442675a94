"""
The phases of a roll-out, and what is to become of each task: decided before it is created.

A task follows a story: the steps that the workers take, one for each time it is handed out, and the
state in which it ends. The stories keep to what both kinds of server understand.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Which kinds of server take requests."""

    name: str
    has_original: bool
    has_ours: bool


#: There and back.
PHASES: tuple[Phase, ...] = (
    Phase(name="Go alone", has_original=True, has_ours=False),
    Phase(name="both", has_original=True, has_ours=True),
    Phase(name="ours alone", has_original=False, has_ours=True),
    Phase(name="both again", has_original=True, has_ours=True),
    Phase(name="Go alone again", has_original=True, has_ours=False),
)


class Step(enum.Enum):
    """What a worker does with a task that it was given."""

    DONE = "done"
    REPORT_THEN_DONE = "a report, then done"
    HOLD_THEN_DONE = "kept until the next phase, then a report and done"
    FAIL = "failed, to be tried again after the usual wait"
    UNCLAIM = "given back"
    DROP = "nothing: its time runs out"
    DROP_THEN_LATE = "nothing, and a done after its time has run out: refused"
    KEEP = "nothing, with time left at the end of the run"

    @property
    def is_dropped(self) -> bool:
        """Whether the worker falls silent, and the task times out."""
        return self in {Step.DROP, Step.DROP_THEN_LATE}

    @property
    def is_failure(self) -> bool:
        """Whether the attempt ends as a failure."""
        return self is Step.FAIL or self.is_dropped

    @property
    def costs_attempt(self) -> bool:
        """Whether the attempt counts; one that is given back does not."""
        return self is not Step.UNCLAIM


class Due(enum.Enum):
    """When a task may run first."""

    AT_ONCE = "at once"
    NEXT_PHASE = "in the phase after the one in which it is created"
    NEVER = "not before the end of the run"


@dataclass(frozen=True, kw_only=True)
class Story:
    """
    A way through life.

    Attributes:
        share: Of a thousand tasks of a phase, so many.
        variants: Sequences of steps to choose from.
        end: The state that it ends in.
        timeout_seconds: How long a worker has.
        due: When it may run first.
        wants_next_phase: It goes on in the phase after the one in which it is created.
    """

    name: str
    share: int
    variants: tuple[tuple[Step, ...], ...]
    end: str = "done"
    timeout_seconds: int = 120
    due: Due = Due.AT_ONCE
    wants_next_phase: bool = False


#: Enough for a busy machine to end the attempts that are not to time out.
_SHORT_SECONDS = 5
_LONG_SECONDS = 24 * 3600
#: Of the tasks that recurring tasks make.
SLOT_TIMEOUT_SECONDS = 120

_D, _F, _U = Step.DONE, Step.FAIL, Step.UNCLAIM

#: Their waits, of up to 44 s after a first failure, reach into the next phase. No story ends well
#: after two failures, since the second wait would make the run longer.
STORIES: tuple[Story, ...] = (
    Story(
        name="timed out, then done",
        share=40,
        variants=((Step.DROP, _D), (Step.DROP_THEN_LATE, _D)),
        timeout_seconds=_SHORT_SECONDS,
    ),
    Story(
        name="timed out and dead",
        share=30,
        variants=((Step.DROP,), (Step.DROP_THEN_LATE,)),
        end="dead",
        timeout_seconds=_SHORT_SECONDS,
    ),
    Story(name="failed, then done", share=80, variants=((_F, _D),)),
    Story(name="failed until dead", share=60, variants=((_F,), (_F, _F)), end="dead"),
    Story(name="unclaimed, then done", share=90, variants=((_U, _D), (_U, _U, _D))),
    Story(
        name="held into the next phase, then done",
        share=60,
        variants=((Step.HOLD_THEN_DONE,),),
        timeout_seconds=600,
        wants_next_phase=True,
    ),
    Story(
        name="due in the next phase",
        share=60,
        variants=((_D,),),
        due=Due.NEXT_PHASE,
        wants_next_phase=True,
    ),
    Story(name="never due", share=40, variants=((),), end="queued", due=Due.NEVER),
    Story(
        name="held at the end",
        share=20,
        variants=((Step.KEEP,),),
        end="claimed",
        timeout_seconds=_LONG_SECONDS,
    ),
    Story(name="reported on, then done", share=100, variants=((Step.REPORT_THEN_DONE,),)),
    Story(name="done", share=420, variants=((_D,),)),
)

#: Tasks are created in the first part of a phase, so that some are under way when it ends.
_CREATED_WITHIN = 0.9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    One task, before it exists.

    Attributes:
        number: Counts from 0; travels in the task's arguments.
        phase: The index of the phase in which it is created.
        at: When in that phase, as a part of its length.
        retry_times: As many as the story has failures, and perhaps some more.
    """

    number: int
    phase: int
    at: float
    story: Story
    steps: tuple[Step, ...]
    queue: str
    id: str
    priority: int
    retry_times: int

    @property
    def end(self) -> str:
        """The state that it ends in."""
        return self.story.end

    @property
    def is_due_later(self) -> bool:
        """Whether it may run only when the phase is over."""
        return self.story.due is Due.NEXT_PHASE

    @property
    def is_never_due(self) -> bool:
        """Whether it may not run before the end."""
        return self.story.due is Due.NEVER

    @property
    def timeout_seconds(self) -> int:
        """How long a worker has."""
        return self.story.timeout_seconds

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
        run: Part of every name.
    """

    tasks: int
    seed: int
    run: str

    @property
    def common_queues(self) -> tuple[str, ...]:
        """Queues of the whole run; their indices are made by the original server."""
        return tuple(f"rollout-{self.run}-{name}" for name in ("a", "b.c"))

    @property
    def slots_queue(self) -> str:
        """Where the tasks of recurring tasks go."""
        return f"rollout-{self.run}-slots"

    @property
    def pattern(self) -> str:
        """Matches the indices of all its queues."""
        return f".tasques_queue-rollout-{self.run}-*"

    def queue_of(self, phase: int) -> str:
        """A queue whose index is made in that phase."""
        return f"rollout-{self.run}-phase-{phase + 1}"

    def queues(self, phase: int) -> list[str]:
        """Every queue that may have tasks by then."""
        new = [self.queue_of(number) for number in range(phase + 1)]
        return [*self.common_queues, self.slots_queue, *new]


def plans(scheme: Scheme) -> list[Plan]:
    """The plans of a run, in the order in which the tasks are to be created."""
    chance = random.Random(scheme.seed)
    made: list[Plan] = []
    for phase in range(len(PHASES)):
        count = scheme.tasks * (phase + 1) // len(PHASES) - scheme.tasks * phase // len(PHASES)
        stories = _stories(count, is_last=phase == len(PHASES) - 1)
        chance.shuffle(stories)
        for place, story in enumerate(stories):
            at = _CREATED_WITHIN * place / count
            made.append(_plan(len(made), (phase, at), story, scheme, chance))
    return made


def _stories(count: int, *, is_last: bool) -> list[Story]:
    """The stories of a phase; one at least of each, where there are enough tasks."""
    stories: list[Story] = []
    for story in STORIES[:-1]:
        if not (is_last and story.wants_next_phase):
            stories += [story] * max(1, count * story.share // 1000)
    stories = stories[:count]
    return stories + [STORIES[-1]] * (count - len(stories))


def _plan(
    number: int, when: tuple[int, float], story: Story, scheme: Scheme, chance: random.Random
) -> Plan:
    phase, at = when
    steps = chance.choice(story.variants)
    failures = sum(step.is_failure for step in steps)
    spare = -1 if story.end == "dead" else chance.choice((0, 2, 5))
    return Plan(
        number=number,
        phase=phase,
        at=at,
        story=story,
        steps=steps,
        queue=chance.choice((*scheme.common_queues, scheme.queue_of(phase))),
        id=f"{scheme.run}-{number:06d}",
        priority=chance.randint(-3, 9),
        retry_times=failures + spare,
    )


def held_over(plans: Sequence[Plan], phase: int) -> list[int]:
    """The numbers of the tasks that are to be held by a worker when that phase ends."""
    return [
        plan.number
        for plan in plans
        if plan.phase == phase and plan.steps == (Step.HOLD_THEN_DONE,)
    ]
