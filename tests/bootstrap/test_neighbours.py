"""Who tells whom of tasks, by the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasques import bootstrap
from tasques.adapters.memory.backend import MemoryBackend
from tasques.adapters.neighbours import CannotHear
from tasques.bootstrap.neighbours import Lines, lines
from tasques.core.ports import Words
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tasques.runtime import ThreadRuntime
from tasques.settings import Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
SECRET = "a secret of some length"
WORDS = Words(waiting=(TaskKey(queue=QueueName("mail"), id=TaskId("a")),))
PATIENCE_SECONDS = 30.0


def settings(**given: str) -> Settings:
    return load(overrides={name.replace("__", "."): value for name, value in given.items()})


@pytest.fixture
def two() -> Iterator[Lines]:
    """Those of a server of two processes."""
    made = lines(settings(backend="elasticsearch:", http__processes="2"))
    yield made
    for each in made.sockets:
        each.close()


def test_a_lone_process_tells_nobody() -> None:
    """So it has no thread for it, and no socket."""
    alone = lines(settings())
    assert alone.sockets == ()
    assert alone.neighbours() is None


def test_processes_that_are_to_be_silent_are() -> None:
    """Whatever else is said."""
    more = {"nudges__bind_address": "127.0.0.1:0", "nudges__secret": SECRET}
    chosen = settings(
        backend="elasticsearch:", http__processes="2", nudges__enabled="false", **more
    )
    assert lines(chosen).neighbours(1) is None


def test_processes_tell_each_other(two: Lines) -> None:
    """On this machine, with a secret that nobody chose."""
    first, second = two.neighbours(0), two.neighbours(1)
    assert first is not None
    assert second is not None
    assert len(two.secret) == 32
    assert {each.getsockname()[0] for each in two.sockets} == {"127.0.0.1"}
    first.tell(WORDS)
    assert [heard.words for heard in second.hear(PATIENCE_SECONDS)] == [WORDS]


def test_one_that_takes_anothers_place_is_reached_there(two: Lines) -> None:
    """As the place is its supervisor's."""
    first, second, again = two.neighbours(0), two.neighbours(1), two.neighbours(1)
    assert first is not None
    assert second is not None
    assert again is not None
    first.tell(WORDS)
    assert len(second.hear(PATIENCE_SECONDS)) == 1
    first.tell(WORDS)
    assert len(again.hear(PATIENCE_SECONDS)) == 1


def test_a_server_with_peers_listens_where_it_was_told() -> None:
    """With the secret that was chosen."""
    made = lines(
        settings(
            nudges__bind_address="127.0.0.1:0",
            nudges__peers="127.0.0.1:7077",
            nudges__secret=SECRET,
        )
    )
    neighbours = made.neighbours()
    assert neighbours is not None
    assert made.secret == SECRET.encode()
    assert [str(peer) for peer in neighbours.peers] == ["127.0.0.1:7077"]
    neighbours.close()


def test_an_address_that_is_taken_stops_the_start(two: Lines) -> None:
    """It was asked for; what nobody asked for is done without."""
    host, port = two.sockets[0].getsockname()
    with pytest.raises(CannotHear):
        lines(settings(nudges__bind_address=f"{host}:{port}", nudges__secret=SECRET))


def test_a_machine_without_a_loopback_interface_does_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server serves, and says so."""

    def fails(address: object) -> None:
        raise CannotHear("no such interface")

    monkeypatch.setattr("tasques.adapters.neighbours.bind", fails)
    made = lines(settings(backend="elasticsearch:", http__processes="2"))
    assert made.neighbours(0) is None
    assert "no such interface" in caplog.text


def test_a_node_talks_to_its_neighbours_once_started(two: Lines) -> None:
    """And lets go of them in the end; what is counted is documented."""
    runtime = ThreadRuntime()
    node = bootstrap.build(
        Settings(), MemoryBackend(runtime), runtime, neighbours=two.neighbours(0)
    )
    talking = {"told by neighbours", "telling neighbours", "whereabouts of neighbours"}
    assert talking <= {loop.name for loop in node.loops}
    documented = set(re.findall(r"^\| `(tasques_\w+)`", PAGE.read_text(), re.MULTILINE))
    measured = {family.name for family in node.services.meter.collect()}
    assert {"tasques_nudges_sent_total", "tasques_neighbour_datagrams_dropped_total"} <= measured
    assert measured - documented == set()
    node.start()
    node.stop()
    assert two.sockets[0].fileno() == -1
