"""The plans of a roll-out are those of its phases, and the same for a seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.rollout.__main__ import main
from tools.rollout.plan import PHASES, STORIES, Scheme, Step, held_over, plans
from tools.rollout.recurring import ACTS

SCHEME = Scheme(tasks=2000, seed=1, run="test")


def test_every_phase_has_its_share() -> None:
    """And each story is told in each phase, but those that want a phase after it in the last."""
    told = Counter((plan.phase, plan.story.name) for plan in plans(SCHEME))

    assert [sum(n for (p, _), n in told.items() if p == phase) for phase in range(5)] == [400] * 5
    for phase in range(len(PHASES)):
        for story in STORIES:
            is_told = (phase, story.name) in told
            assert is_told is not (phase == len(PHASES) - 1 and story.wants_next_phase)


def test_a_seed_decides() -> None:
    """So that a run can be repeated."""
    assert plans(SCHEME) == plans(SCHEME)
    assert plans(SCHEME) != plans(Scheme(tasks=2000, seed=2, run="test"))


def test_each_plan_can_be_followed() -> None:
    """There are as many attempts as it takes, and none is left for one that ends dead."""
    for plan in plans(SCHEME):
        failures = sum(step.is_failure for step in plan.steps)
        if plan.end == "dead":
            assert plan.retry_times == failures - 1
        else:
            assert plan.retry_times >= failures
        assert 0 <= plan.at < 1


def test_some_are_held_over_every_change() -> None:
    """By workers that got them before it, and finish them after it."""
    made = plans(SCHEME)

    assert all(held_over(made, phase) for phase in range(len(PHASES) - 1))
    assert all(made[n].steps == (Step.HOLD_THEN_DONE,) for n in held_over(made, 0))


def test_recurring_tasks_are_changed_where_a_server_can_do_it() -> None:
    """In order, and by a kind that takes requests in that phase."""
    assert list(ACTS) == sorted(ACTS, key=lambda act: (act.phase, act.at))
    for act in ACTS:
        phase = PHASES[act.phase]
        assert phase.has_original if act.kind.value == "Go" else phase.has_ours


def test_it_says_how_to_build_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    """In its help, and where there is no binary."""
    for line in (["--help"], ["--go", "/nowhere/tasques-go"]):
        with pytest.raises(SystemExit):
            main(line)
        printed = capsys.readouterr()
        assert "git clone https://github.com/lloydmeta/tasques" in printed.out + printed.err
