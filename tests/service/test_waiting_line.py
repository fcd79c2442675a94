"""Those who wait, by age, by queues and by deadline; and what a crowd of them costs a round."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tasques.core.queues import QueueName, WorkerId
from tasques.core.service.waiting import ClaimRequest, Waiter
from tasques.core.service.waiting_line import WaitingLine
from tasques.core.values import ZERO

QUEUES = [(), ("a",), ("b",), ("a", "b")]


def waiter(number: int, queues: tuple[str, ...] = ("a",), deadline: float = 1.0) -> Waiter:
    request = ClaimRequest(
        worker=WorkerId("w"),
        queues=tuple(QueueName(name) for name in queues),
        amount=number,
        block_for=ZERO,
    )
    return Waiter(
        number=number,
        request=request,
        deadline=deadline,
        deliver=lambda answer: None,
        is_connected=lambda: True,
    )


def test_whose_time_is_over_is_told_until_they_leave() -> None:
    """The oldest first, whatever their deadlines; and the next moment is of those to come."""
    line = WaitingLine()
    first, second, third = waiter(1, deadline=5.0), waiter(2, deadline=4.0), waiter(3, deadline=9.0)
    for each in (first, second, third):
        line.add(each)
    assert line.next_deadline == 4.0
    assert line.overdue(3.9) == []
    assert line.overdue(5.0) == [first, second]
    assert line.next_deadline == 9.0
    line.remove(first)
    assert line.overdue(5.0) == [second]
    line.remove(third)
    assert line.next_deadline == math.inf


def test_a_search_is_for_those_who_came_before_it() -> None:
    """Who comes while it runs is new still, and for them it has to be repeated."""
    line = WaitingLine()
    for number in (1, 2, 3):
        line.add(waiter(number, deadline=10.0 - number))
    (group,) = line.groups.values()
    assert group.new_deadline == 7.0
    group.note_looked(2)
    assert [each.looked for each in line] == [True, True, False]
    assert list(group.new) == [3]


class Line(RuleBasedStateMachine):
    """Against a list of all who wait."""

    def __init__(self) -> None:
        super().__init__()
        self.line = WaitingLine()
        self.here: list[Waiter] = []
        self.came = 0
        self.at = 0.0

    @rule(queues=st.sampled_from(QUEUES), wait=st.integers(0, 9))
    def come(self, queues: tuple[str, ...], wait: int) -> None:
        self.came += 1
        self.here.append(waiter(self.came, queues, self.at + wait))
        self.line.add(self.here[-1])

    # Many leave, so that what they leave behind is cleared away.
    @rule(which=st.lists(st.integers(0, 1000), max_size=5))
    def leave(self, which: list[int]) -> None:
        for number in which:
            if self.here:
                self.line.remove(self.here.pop(number % len(self.here)))

    @rule(number=st.integers(0, 200))
    def a_crowd_comes_and_goes(self, number: int) -> None:
        for _ in range(number):
            self.came += 1
            passing = waiter(self.came, ("a",), self.at + 60.0)
            self.line.add(passing)
            self.line.remove(passing)

    @rule(queues=st.sampled_from(QUEUES), back=st.integers(0, 3))
    def look(self, queues: tuple[str, ...], back: int) -> None:
        group = self.line.groups.get(tuple(QueueName(name) for name in queues))
        if group is not None:
            group.note_looked(self.came - back)

    @rule(later=st.integers(0, 5))
    def time_passes(self, later: int) -> None:
        self.at += later
        over = [each for each in self.here if each.deadline <= self.at]
        assert self.line.overdue(self.at) == over
        to_come = [each.deadline for each in self.here if each.deadline > self.at]
        assert self.line.next_deadline == min(to_come, default=math.inf)

    @invariant()
    def all_are_there_in_order(self) -> None:
        assert list(self.line) == self.here
        assert len(self.line) == len(self.here)

    @invariant()
    def groups_know_theirs(self) -> None:
        theirs: dict[tuple[str, ...], list[Waiter]] = {}
        for each in self.here:
            theirs.setdefault(each.request.queues, []).append(each)
        assert self.line.groups.keys() == theirs.keys()
        for queues, group in self.line.groups.items():
            assert group.wanted == sum(each.request.amount for each in theirs[queues])
            assert list(group.new.values()) == [e for e in theirs[queues] if not e.looked]


TestLine = Line.TestCase
