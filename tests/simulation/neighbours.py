"""
What servers of one history tell each other: some of it is lost, comes late, twice, or never was true.

Nothing depends on it, so whatever becomes of it, every property must hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from tasques.core.metrics import MetricFamily
from tasques.core.ports import Appetite, Heard, Neighbour, Words
from tasques.core.values import Duration
from tests.simulation.runtime import Actor, Node, Scheduler

#: From this seed on, the servers of a history know of each other; the others need not take the steps.
TALKING_FROM: Final = 1_000_000
_LOST: Final = 0.2
_TWICE: Final = 0.1
_UNTRUE: Final = 0.1
_LATEST: Final = 0.5
_SOON: Final = 0.003


class Air:
    """Carries words between the servers of a history."""

    def __init__(self, scheduler: Scheduler, seed: int) -> None:
        self._scheduler = scheduler
        self._chance = Random(f"{seed}/neighbours")
        self._mouths: dict[Neighbour, Mouth] = {}
        self._said: list[Words] = []

    def mouth(self, place: int, node: Node) -> Mouth:
        """The neighbours of the server in that place; it is reached where the one before it was."""
        name = Neighbour(str(place))
        mouth = self._mouths[name] = Mouth(self, name, node)
        return mouth

    def carry(self, speaker: Neighbour, words: Words, to: Neighbour | None) -> None:
        """Bring *words* to others, as it happens."""
        self._said.append(words)
        for name in self._mouths:
            if name == speaker or to not in (None, name) or self._chance.random() < _LOST:
                continue
            for _ in range(2 if self._chance.random() < _TWICE else 1):
                self._bring(speaker, words, name)
            if self._chance.random() < _UNTRUE:
                self._bring(speaker, self._untrue(), name)

    def _untrue(self) -> Words:
        """What was said at some time, and an appetite for anything that nobody has."""
        stale = self._chance.choice(self._said)
        return Words(appetites=(Appetite(queue=None, tasks=3),), waiting=stale.waiting)

    def _bring(self, speaker: Neighbour, words: Words, to: Neighbour) -> None:
        longest = _LATEST if self._chance.random() < _LOST else _SOON
        when = self._scheduler.now + self._chance.random() * longest

        def arrive() -> None:
            self._mouths[to].take(Heard(neighbour=speaker, words=words))

        self._scheduler.at(when, arrive)

    def wait(self, seconds: float) -> None:
        """Let others run for so long, or until :meth:`wake`."""
        self._scheduler.block(seconds)

    def wake(self, actor: Actor) -> None:
        """Words have come for it."""
        self._scheduler.wake(actor)

    @property
    def listener(self) -> Actor:
        """Who listens now."""
        return self._scheduler.current


class Mouth:
    """The :class:`~tasques.core.ports.Neighbours` of one server."""

    def __init__(self, air: Air, name: Neighbour, node: Node) -> None:
        self._air = air
        self._name = name
        self._node = node
        self._heard: list[Heard] = []
        self._listener: Actor | None = None

    def take(self, heard: Heard) -> None:
        """Words have come."""
        self._heard.append(heard)
        if self._listener is not None:
            self._air.wake(self._listener)
            self._listener = None

    def tell(self, words: Words, to: Neighbour | None = None) -> None:
        """Say it; without a wait, as datagrams are."""
        self._air.carry(self._name, words, to)

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What has come, or comes within *seconds* of its clock."""
        if not self._heard:
            self._listener = self._air.listener
            self._air.wait(seconds / self._node.rate)
            self._listener = None
        heard, self._heard = self._heard, []
        return heard

    def look_up(self) -> Duration:
        """They are known."""
        return Duration.of_seconds(30)

    def measurements(self) -> Iterable[MetricFamily]:
        """None."""
        return ()

    def close(self) -> None:
        """Nothing is to be let go of."""
