"""Servers that know nothing of each other end up on shares of their own."""

from __future__ import annotations

from random import Random

import pytest

from tasques.core.queues import QueueName, TaskId
from tasques.core.service.rivalry import Rivalries, _hash
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
        assert not rivalries.note(MAIL, tried=IDS[:100], lost=[])
    assert rivalries.slots(MAIL) == 1
    assert shares(rivalries) == set(IDS)


def test_a_race_lost_now_and_then_changes_nothing() -> None:
    """One in twenty is cheaper than leaving others what may not be wanted."""
    rivalries = Rivalries(Chance(1))
    for _ in range(100):
        assert not rivalries.note(MAIL, tried=IDS[:60], lost=IDS[:2])
    assert rivalries.slots(MAIL) == 1


def test_who_loses_races_takes_a_share() -> None:
    """Of that queue alone."""
    rivalries = Rivalries(Chance(1))
    assert rivalries.note(MAIL, tried=IDS[:20], lost=IDS[:10])
    assert rivalries.slots(MAIL) == 2
    assert 300 < len(shares(rivalries)) < 700
    assert rivalries.slots(QueueName("sms")) == 1


@pytest.mark.parametrize("servers", [2, 3, 5])
def test_servers_settle_on_shares_that_hardly_overlap(servers: int) -> None:
    """By losses alone, whatever chance says: one batch after the other, of what falls to each."""
    for seed in range(20):
        chance = Random(seed)
        everybody = [Rivalries(Chance(100 * seed + number)) for number in range(servers)]
        lost_late = tried_late = 0
        for number in range(200):
            # All see the same window; who writes first wins.
            window = chance.sample(IDS, 400)
            taken: set[TaskId] = set()
            chance.shuffle(everybody)
            for one in everybody:
                own = [id for id in window if not one.falls_to_others(MAIL, id)][:10]
                lost = [id for id in own if id in taken]
                one.note(MAIL, tried=own, lost=lost)
                taken.update(own)
                if number >= 100:
                    lost_late, tried_late = lost_late + len(lost), tried_late + len(own)
        assert lost_late <= 0.05 * tried_late, seed


def test_who_meets_the_tracks_of_another_keeps_out_of_them() -> None:
    """What was lost shows where the other works."""
    lost = [id for id in IDS if _hash(id) % 2 == 1][:10]
    for seed in range(10):
        rivalries = Rivalries(Chance(seed))
        assert rivalries.note(MAIL, tried=[*lost, *IDS[:30]], lost=lost)
        assert not shares(rivalries) & set(lost)


def test_a_share_grows_again_when_the_rival_has_gone() -> None:
    """Nothing was lost for a while: fewer slots, and in the end all of it, and nothing is kept."""
    runtime = Chance(1)
    rivalries = Rivalries(runtime)
    rivalries.note(MAIL, tried=IDS[:20], lost=IDS[:10])
    for _ in range(3):
        runtime.sleep(11)
        rivalries.forget_old()
    assert shares(rivalries) == set(IDS)
    assert rivalries._of == {}


def test_what_others_leave_is_tried_in_small_and_given_up_at_a_loss() -> None:
    """Who is merely slow is about to take it."""
    runtime = Chance(1)
    rivalries = Rivalries(runtime)
    rivalries.note(MAIL, tried=IDS[:20], lost=IDS[:10])
    left = [id for id in IDS if rivalries.falls_to_others(MAIL, id)]
    assert rivalries.leftovers(MAIL) == 10
    assert not rivalries.note(MAIL, tried=left[:10], lost=[])
    assert not rivalries.note(MAIL, tried=left[10:30], lost=[])
    assert rivalries.leftovers(MAIL) == 40
    assert rivalries.note(MAIL, tried=left[30:70], lost=left[69:70]), "the rest is let go"
    assert rivalries.leftovers(MAIL) == 0
    runtime.sleep(6)
    assert rivalries.leftovers(MAIL) == 10
    slots = rivalries.slots(MAIL)
    assert not rivalries.note(MAIL, tried=left[:10], lost=left[:10])
    assert rivalries.slots(MAIL) == slots, "what falls to others tells nothing of one's own share"
