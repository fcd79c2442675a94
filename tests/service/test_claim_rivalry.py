"""Servers that know nothing of each other end up on shares of their own."""

from __future__ import annotations

from random import Random

import pytest

from tasques.core.queues import QueueName, TaskId
from tasques.core.service.rivalry import Rivalries
from tests.service.test_claim_pace import Still

MAIL = QueueName("mail")
IDS = [TaskId(f"t{number}") for number in range(1000)]


class Chance(Still):
    """Chance by a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)

    def random(self) -> float:
        return self._random.random()


def shares(rivalries: Rivalries) -> set[TaskId]:
    return {id for id in IDS if not rivalries.falls_to_others(MAIL, id)}


def test_who_loses_nothing_has_no_rival() -> None:
    """Every task falls to a lone server, in its exact order."""
    rivalries = Rivalries(Chance(1))
    for _ in range(100):
        assert not rivalries.note(MAIL, tried=100, lost=0)
    assert rivalries.slots(MAIL) == 1
    assert shares(rivalries) == set(IDS)


def test_a_race_lost_now_and_then_changes_nothing() -> None:
    """One in twenty is cheaper than leaving others what may not be wanted."""
    rivalries = Rivalries(Chance(1))
    for _ in range(100):
        assert not rivalries.note(MAIL, tried=60, lost=2)
    assert rivalries.slots(MAIL) == 1


def test_who_loses_races_takes_a_share() -> None:
    """Of that queue alone."""
    rivalries = Rivalries(Chance(1))
    assert rivalries.note(MAIL, tried=20, lost=10)
    assert rivalries.slots(MAIL) == 2
    assert 300 < len(shares(rivalries)) < 700
    assert rivalries.slots(QueueName("sms")) == 1


@pytest.mark.parametrize("servers", [2, 3, 5])
def test_servers_settle_on_shares_that_hardly_overlap(servers: int) -> None:
    """By losses alone, from whatever chance gave them."""
    for seed in range(20):
        everybody = [Rivalries(Chance(100 * seed + number)) for number in range(servers)]
        lost_late = tried_late = 0
        for number in range(300):
            asked = [shares(each) for each in everybody]
            for one, own in enumerate(asked):
                others = set().union(*(share for other, share in enumerate(asked) if other != one))
                lost = 10 * len(own & others) // len(own)
                everybody[one].note(MAIL, tried=10, lost=lost)
                if number >= 150:
                    lost_late, tried_late = lost_late + lost, tried_late + 10
        assert lost_late <= 0.05 * tried_late, seed


def test_a_share_grows_again_when_the_rival_has_gone() -> None:
    """Nothing was lost for a while: fewer slots, and in the end all of it, and nothing is kept."""
    runtime = Chance(1)
    rivalries = Rivalries(runtime)
    rivalries.note(MAIL, tried=20, lost=10)
    for _ in range(3):
        runtime.sleep(11)
        rivalries.forget_old()
    assert shares(rivalries) == set(IDS)
    assert rivalries._of == {}
