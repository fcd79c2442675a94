"""Servers that tell each other of tasks: who is told, of how many, and that nothing depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

import attrs
import pytest

from tasques.core import errors
from tasques.core.metrics import MetricFamily
from tasques.core.policies import QueuePolicy
from tasques.core.ports import Appetite, Heard, Missing, Neighbour, ReadOutcome, Words
from tasques.core.queues import QueueName, TaskId
from tasques.core.service.appetites import KEPT_SECONDS, Appetites
from tasques.core.service.claims import ClaimDispatcher
from tasques.core.service.meter import Meter
from tasques.core.service.nudges import Nudges
from tasques.core.tasks import State, Task, TaskKey
from tasques.core.values import Duration, Instant
from tasques.testing.fake_runtime import FakeRuntime
from tests.service.conftest import START, make_task
from tests.service.test_claim_searches import LaggingStore
from tests.service.test_claims import LONG, ids, request

MAIL = QueueName("mail")
#: How often a server looks who waits.
LOOK = Duration.of_seconds(0.1)
MILLISECOND = Duration.of_seconds(0.001)


class Air:
    """Carries words between servers, as far as a test lets it."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Words, str | None]] = []
        self.mouths: dict[str, Mouth] = {}

    def carry(self, speaker: str, words: Words, to: str | None) -> None:
        self.said.append((speaker, words, to))
        for name, mouth in self.mouths.items():
            if name != speaker and to in (None, name) and not mouth.is_deaf:
                mouth.heard.append(Heard(neighbour=Neighbour(speaker), words=words))

    def nudges(self) -> list[tuple[str | None, list[str]]]:
        """Who was told of which tasks."""
        return [
            (to, [key.id for key in words.waiting]) for _, words, to in self.said if words.waiting
        ]

    def appetites(self) -> list[tuple[str | None, int]]:
        """What was asked for."""
        said = [appetite for _, words, _ in self.said for appetite in words.appetites]
        return [(appetite.queue, appetite.tasks) for appetite in said]


@attrs.define(eq=False)
class Mouth:
    """The :class:`~tasques.core.ports.Neighbours` of one server."""

    name: str
    air: Air
    heard: list[Heard] = attrs.Factory(list)
    is_deaf: bool = False

    def tell(self, words: Words, to: Neighbour | None = None) -> None:
        self.air.carry(self.name, words, to)

    def hear(self, seconds: float) -> Sequence[Heard]:
        heard, self.heard = self.heard, []
        return heard

    def look_up(self) -> Duration:
        return Duration(0)

    def measurements(self) -> Iterable[MetricFamily]:
        return ()

    def close(self) -> None:
        pass


class CountingStore(LaggingStore):
    """
    No search shows anything, as no refresh is demanded before one has.

    Attributes:
        reads: What was read, by request.
        is_away: Whether nothing can be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[list[TaskKey]] = []
        self.is_away = False

    def get(self, keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        self.reads.append(list(keys))
        if self.is_away:
            raise errors.StoreUnavailable("away")
        return [self.stored.get(key, Missing()) for key in keys]


class Server:
    """One of several on a store; its threads are the test's."""

    def __init__(self, name: str, air: Air, store: CountingStore, runtime: FakeRuntime) -> None:
        self.mouth = air.mouths[name] = Mouth(name, air)
        self.policies: dict[QueueName, QueuePolicy] = {}
        self.claims = ClaimDispatcher(store, runtime, policies=self._policies)
        self.meter = Meter(runtime)
        self.nudges = Nudges(self.mouth, self.claims, store, runtime, self.meter)
        self._store, self._runtime = store, runtime

    def _policies(self) -> Mapping[QueueName, QueuePolicy]:
        return self.policies

    def wait(self, *queues: str, amount: int = 1) -> list[str]:
        """A claim that waits; the ids of what it gets come into the list."""
        got: list[str] = []
        self.claims.register(
            request(*queues, amount=amount, block_for=LONG),
            lambda answer: got.extend(ids(answer) if isinstance(answer, Sequence) else ()),
        )
        self.claims.step()
        return got

    def look(self) -> None:
        """Find out who waits here, and say so; some time passes."""
        self._runtime.advance(LOOK)
        self.nudges.speak()

    def make(self, *names: str, queue: str = "mail", run_at: Instant | None = None) -> None:
        """Tasks are created here."""
        for name in names:
            task = make_task(name, queue, run_at=run_at)
            self.nudges.offer(self._store.put(task).stored)

    def listen(self) -> None:
        """Act on what was said, and hand out what there is."""
        self.nudges.listen()
        self.claims.step()

    def received(self) -> dict[str, int]:
        """Of how many tasks it was told, by what came of it."""
        families = {family.name: family for family in self.meter.collect()}
        samples = families["tasques_nudges_received_total"].samples
        counts = {dict(s.labels)["outcome"]: s.value for s in samples}
        return {outcome: n for outcome, n in counts.items() if isinstance(n, int) and n}


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(now=START)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
def here(air: Air, store: CountingStore, runtime: FakeRuntime) -> Server:
    return Server("here", air, store, runtime)


@pytest.fixture
def there(air: Air, store: CountingStore, runtime: FakeRuntime) -> Server:
    return Server("there", air, store, runtime)


def ask_for_more(there: Server, here: Server, *queues: str, amount: int = 1) -> list[str]:
    """Somebody waits *there*, and *here* has heard of it."""
    got = there.wait(*queues, amount=amount)
    there.look()
    here.nudges.listen()
    return got


def test_a_task_reaches_who_waits_at_another_server(here: Server, there: Server) -> None:
    """Although no search ever shows it."""
    got = ask_for_more(there, here)
    here.make("a")
    here.nudges.speak()
    there.listen()
    assert got == ["a"]
    assert there.received() == {"offered": 1}


@pytest.mark.parametrize("queues", [("mail",), ("letters", "mail", "parcels"), None])
def test_it_may_wait_for_several_queues_or_for_all(
    here: Server, there: Server, queues: tuple[str, ...] | None
) -> None:
    """One of which the task's is."""
    got: list[str] = []
    names = [QueueName(queue) for queue in queues or ()]
    wanted = attrs.evolve(request(block_for=LONG), queues=names)
    there.claims.register(wanted, lambda answer: got.extend(ids(answer)))  # type: ignore[arg-type]
    there.claims.step()
    there.look()
    here.nudges.listen()
    here.make("a")
    here.nudges.speak()
    there.listen()
    assert got == ["a"]


def test_nothing_is_told_where_nobody_asks(here: Server, air: Air) -> None:
    """A flood of creations costs nothing then."""
    here.make(*(f"t{n}" for n in range(100)))
    here.look()
    assert air.said == []


def test_a_nudge_for_another_queue_is_not_sent(here: Server, there: Server, air: Air) -> None:
    """Only of what it asked for is a server told."""
    ask_for_more(there, here)
    here.make("a", queue="letters")
    here.nudges.speak()
    assert air.nudges() == []


def test_who_waits_here_comes_first(here: Server, there: Server, air: Air) -> None:
    """Nobody else is told of what goes out at once."""
    ask_for_more(there, here)
    got = here.wait()
    here.make("a")
    here.claims.step()
    here.nudges.speak()
    assert got == ["a"]
    assert air.nudges() == []


def test_what_gathers_goes_together(here: Server, there: Server, air: Air) -> None:
    """The creations of one batch are one message, and one read."""
    got = ask_for_more(there, here, amount=4)
    here.make("a", "b", "c", "d")
    here.nudges.speak()
    there.listen()
    assert air.nudges() == [("there", ["a", "b", "c", "d"])]
    assert sorted(got) == ["a", "b", "c", "d"]


def test_a_flood_costs_no_more_than_was_asked_for(
    here: Server, there: Server, air: Air, store: CountingStore
) -> None:
    """However many are created, until the other asks again."""
    ask_for_more(there, here, amount=3)
    here.make(*(f"t{n}" for n in range(500)))
    here.nudges.speak()
    there.listen()
    assert [len(names) for _, names in air.nudges()] == [2 * 3 + 2]
    assert len(store.reads) == 1


def test_one_of_several_is_told_each_in_turn(
    here: Server, air: Air, store: CountingStore, runtime: FakeRuntime
) -> None:
    """So that they do not race for a task."""
    others = [Server(name, air, store, runtime) for name in ("b", "c", "d")]
    for other in others:
        ask_for_more(other, here)
    for name in ("1", "2", "3", "4"):
        here.make(name)
        here.nudges.speak()
    assert air.nudges() == [("b", ["1"]), ("c", ["2"]), ("d", ["3"]), ("b", ["4"])]


def test_it_is_asked_for_anew_when_it_may_be_used_up(here: Server, there: Server, air: Air) -> None:
    """One hand-off follows the other, at each look."""
    got = [ask_for_more(there, here)]
    for name in ("1", "2", "3", "4", "5", "6"):
        here.make(name)
        here.nudges.speak()
        there.listen()
        got.append(ask_for_more(there, here))
    assert [len(each) for each in got] == [1, 1, 1, 1, 1, 1, 0]
    assert air.appetites() == [("mail", 4)] * 7


def test_who_was_told_of_a_task_asks_again_soon(
    here: Server, there: Server, air: Air, runtime: FakeRuntime
) -> None:
    """Sooner than it would look otherwise, who waits by then is known to the other."""
    ask_for_more(there, here)
    there.nudges.speak()  # nothing was to be said, for a whole pause
    here.make("a")
    here.nudges.speak()
    there.listen()
    there.wait()
    runtime.advance(Duration.of_seconds(0.05))
    there.nudges.speak()
    assert air.appetites() == [("mail", 4)] * 2


def test_what_is_asked_for_is_said_again_in_case_it_was_lost(
    here: Server, there: Server, air: Air
) -> None:
    """Once a second, and not at every look."""
    there.wait()
    for _ in range(50):
        there.look()
    assert 5 <= len(air.said) <= 6


def test_who_waits_no_more_takes_it_back(here: Server, there: Server, air: Air) -> None:
    """After a moment: who asks again and again is away for moments only."""
    there.wait()
    there.look()
    there.nudges.offer(there._store.put(make_task("a")).stored)
    there.claims.step()
    there.look()
    assert air.appetites() == [("mail", 4)]
    there.look()
    there.look()
    assert air.appetites() == [("mail", 4), ("mail", 0)]
    here.nudges.listen()
    here.make("b")
    here.nudges.speak()
    assert air.nudges() == []


def test_a_nudge_that_gets_lost_keeps_the_task_from_nobody(here: Server, there: Server) -> None:
    """Who comes to wait where it was made gets it, a moment later."""
    ask_for_more(there, here)
    there.mouth.is_deaf = True
    here.make("a")
    here.nudges.speak()
    for _ in range(5):
        here.look()
    got = here.wait()
    assert got == []
    here.look()
    here.look()
    here.claims.step()
    assert got == ["a"]


def test_what_a_neighbour_has_taken_is_not_raced_for(
    here: Server, there: Server, store: CountingStore
) -> None:
    """It is read before it is taken up again, once."""
    got = ask_for_more(there, here)
    here.make("a")
    here.nudges.speak()
    there.listen()
    writes = len(store.batches)
    here.wait()
    for _ in range(40):
        here.look()
    assert got == ["a"]
    assert here.received() == {"over": 1}
    assert len(store.reads) == 2
    assert len(store.batches) == writes


def test_a_repeated_nudge_is_harmless(here: Server, there: Server) -> None:
    """Two workers wait, and one of them gets the task."""
    first, second = ask_for_more(there, here), there.wait()
    here.make("a")
    here.nudges.speak()
    there.mouth.heard *= 3
    there.listen()
    there.mouth.heard = [heard(here, "a")]
    there.listen()
    assert (first, second) == (["a"], [])
    assert there.received() == {"offered": 1, "over": 1}


def heard(speaker: Server, *names: str) -> Heard:
    keys = tuple(TaskKey(queue=MAIL, id=TaskId(name)) for name in names)
    return Heard(neighbour=Neighbour(speaker.mouth.name), words=Words(waiting=keys))


def test_what_is_not_true_is_not_believed(
    here: Server, there: Server, store: CountingStore
) -> None:
    """A task that does not exist, is done, claimed, or for later: nothing is handed out."""
    store.put(make_task("later", run_at=START.plus(LONG)))
    store.put(attrs.evolve(make_task("done"), state=State.DONE))
    store.put(attrs.evolve(make_task("claimed"), state=State.CLAIMED))
    got = there.wait()
    there.mouth.heard.append(heard(here, "none", "later", "done", "claimed"))
    there.listen()
    assert got == []
    assert there.received() == {"over": 4}
    assert store.batches == []


def test_what_nobody_waits_for_is_not_read(
    here: Server, there: Server, store: CountingStore
) -> None:
    """Whatever is said, and however often: it costs no request."""
    store.put(make_task("a"))
    there.wait("letters")
    there.mouth.heard += [heard(here, "a")] * 100
    there.listen()
    assert store.reads == []
    assert there.received() == {"unwanted": 1}


def test_so_many_are_read_at_once_and_no_more(
    here: Server, there: Server, store: CountingStore
) -> None:
    """A neighbour that says too much costs one request of a bounded size."""
    there.wait()
    there.mouth.heard.append(heard(here, *(f"t{n}" for n in range(5000))))
    there.listen()
    assert [len(read) for read in store.reads] == [200]


def test_who_reads_rests_as_long(here: Server, there: Server, store: CountingStore) -> None:
    """Half of the time at most goes into what others say."""
    runtime = there._runtime

    def slow(keys: Sequence[TaskKey]) -> Sequence[ReadOutcome[Task]]:
        runtime.sleep(0.3)
        return [Missing() for _ in keys]

    store.get = slow  # type: ignore[method-assign]
    there.wait()
    there.mouth.heard.append(heard(here, "a"))
    assert round(there.nudges.listen().seconds, 3) == 0.3


def test_a_paused_queue_is_not_asked_for(here: Server, there: Server, air: Air) -> None:
    """Nothing of it would be handed out."""
    there.policies[MAIL] = QueuePolicy(queue=MAIL, paused_at=START)
    there.wait("letters", "mail")
    there.look()
    assert air.appetites() == [("letters", 4)]


def test_of_a_paused_queue_nothing_is_handed_out(
    here: Server, there: Server, store: CountingStore
) -> None:
    """Also if it was paused after it had been asked for."""
    got = ask_for_more(there, here)
    there.policies[MAIL] = QueuePolicy(queue=MAIL, paused_at=START)
    here.make("a")
    here.nudges.speak()
    there.listen()
    assert got == []
    assert there.received() == {"unwanted": 1}


def test_a_task_for_later_is_not_told_of(
    here: Server, there: Server, air: Air, runtime: FakeRuntime
) -> None:
    """By then a search shows it."""
    ask_for_more(there, here)
    here.make("later", run_at=runtime.wall().plus(MILLISECOND))
    here.nudges.speak()
    assert air.nudges() == []


def test_a_store_that_is_away_is_no_end(here: Server, there: Server, store: CountingStore) -> None:
    """The nudge comes to nothing, and the next one works."""
    got = ask_for_more(there, here)
    store.is_away = True
    here.make("a")
    here.nudges.speak()
    there.listen()
    store.is_away = False
    here.make("b")
    here.nudges.speak()
    there.listen()
    assert got == ["b"]
    assert there.received() == {"unread": 1, "offered": 1}


def test_who_stops_asks_for_nothing(here: Server, there: Server, air: Air) -> None:
    """Nor while its gate is shut."""

    def shut() -> NoReturn:
        raise errors.StoreUnavailable("clock")

    there.wait()
    there.claims._rounds._gate = shut
    there.look()
    there.claims.close()
    there.look()
    assert air.appetites() == []


# ------------------------------------------------------------------------------- appetites


B, C = Neighbour("b"), Neighbour("c")


def wish(tasks: int, queue: str | None = "mail") -> Appetite:
    return Appetite(queue=None if queue is None else QueueName(queue), tasks=tasks)


def test_the_last_word_counts() -> None:
    """It is no addition to what was said before."""
    appetites = Appetites()
    appetites.note(B, [wish(5)], at=0)
    appetites.note(B, [wish(2), wish(1, "letters")], at=0)
    assert [appetites.take(MAIL, at=0) for _ in range(3)] == [B, B, None]
    assert appetites.take(QueueName("letters"), at=0) == B
    assert not appetites


def test_a_word_is_forgotten() -> None:
    """Who has not said so for a while is gone, or has what it wanted."""
    appetites = Appetites()
    appetites.note(B, [wish(5)], at=0)
    appetites.note(C, [wish(5)], at=1)
    assert appetites.take(MAIL, at=KEPT_SECONDS + 0.5) == C
    assert appetites.take(MAIL, at=KEPT_SECONDS + 1.5) is None
    assert not appetites


def test_who_named_the_queue_comes_before_who_takes_any() -> None:
    """Both get their turn."""
    appetites = Appetites()
    appetites.note(B, [wish(2, None)], at=0)
    appetites.note(C, [wish(1)], at=0)
    assert [appetites.take(MAIL, at=0) for _ in range(4)] == [C, B, B, None]


def test_they_are_bounded() -> None:
    """However many queues are named: those that came too late are not remembered, nor the old."""
    appetites = Appetites()
    appetites.note(B, [wish(1, f"q{n}") for n in range(20_000)], at=0)
    assert appetites.take(QueueName("q9999"), at=0) == B
    assert appetites.take(QueueName("q10001"), at=0) is None
    appetites.note(C, [wish(1, f"r{n}") for n in range(5000)], at=KEPT_SECONDS + 1)
    assert appetites.take(QueueName("r4999"), at=KEPT_SECONDS + 1) == C
