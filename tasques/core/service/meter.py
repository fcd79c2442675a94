"""
Where services count what they do.

An instrument is made once, when a service is, and held by it; counting is an addition under a lock,
with no names looked up and nothing sent. Whoever collects reads all of them at a moment of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from tasques.core.metrics import Distribution, Labels, MetricFamily, MetricKind, Sample
from tasques.core.ports import Condition, Runtime


class Counter:
    """Counts events; from several threads at once."""

    __slots__ = ("_lock", "_value")

    def __init__(self, lock: Condition) -> None:
        self._lock = lock
        self._value = 0

    def add(self, count: int = 1) -> None:
        """*count* more happened."""
        with self._lock:
            self._value += count

    @property
    def value(self) -> int:
        """How many so far."""
        return self._value


class Histogram:
    """Notes how large things are; from several threads at once."""

    __slots__ = ("_bounds", "_counts", "_lock", "_total")

    def __init__(self, lock: Condition, bounds: tuple[float, ...]) -> None:
        self._lock = lock
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, size: float) -> None:
        """One of that *size*."""
        bucket = bisect_left(self._bounds, size)
        with self._lock:
            self._counts[bucket] += 1
            self._total += size

    @property
    def value(self) -> Distribution:
        """What was noted so far."""
        with self._lock:
            return Distribution(self._bounds, tuple(self._counts), self._total)


class Meter:
    """
    Makes instruments, and reads them all.

    An instrument asked for twice, by the same name and labels, is the same one.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = runtime.condition()
        self._kinds: dict[str, tuple[MetricKind, str]] = {}
        self._instruments: dict[str, dict[Labels, Counter | Histogram]] = {}
        self._sources: list[Callable[[], Iterable[MetricFamily]]] = []

    def counter(self, name: str, help: str, **labels: str) -> Counter:
        """A counter of the family *name*."""
        made = self._made(name, MetricKind.COUNTER, help, labels, Counter)
        assert isinstance(made, Counter)
        return made

    def histogram(
        self, name: str, help: str, bounds: tuple[float, ...], **labels: str
    ) -> Histogram:
        """A histogram of the family *name*, whose members should have the same *bounds*."""

        def make(lock: Condition) -> Histogram:
            return Histogram(lock, bounds)

        made = self._made(name, MetricKind.HISTOGRAM, help, labels, make)
        assert isinstance(made, Histogram)
        return made

    def watch(self, source: Callable[[], Iterable[MetricFamily]]) -> None:
        """Ask *source* too whenever somebody collects; it must neither block nor raise."""
        self._sources.append(source)

    def collect(self) -> Sequence[MetricFamily]:
        """All families, by name, with what was counted until now."""
        with self._lock:
            made = [(name, dict(each)) for name, each in self._instruments.items()]
        families = [
            MetricFamily(
                name=name,
                kind=self._kinds[name][0],
                help=self._kinds[name][1],
                samples=tuple(Sample(labels, each.value) for labels, each in instruments.items()),
            )
            for name, instruments in made
        ]
        for source in self._sources:
            families.extend(source())
        return sorted(families, key=lambda family: family.name)

    def _made(
        self,
        name: str,
        kind: MetricKind,
        help: str,
        labels: dict[str, str],
        make: Callable[[Condition], Counter | Histogram],
    ) -> Counter | Histogram:
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._kinds.setdefault(name, (kind, help))
            family = self._instruments.setdefault(name, {})
            if key not in family:
                family[key] = make(self._runtime.condition())
            return family[key]
