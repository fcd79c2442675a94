"""Servers that tell each other over UDP: who is heard, and that nothing ever waits."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence

import pytest

from tasques.adapters.neighbours import CannotHear, UdpNeighbours, bind
from tasques.core.metrics import MetricFamily
from tasques.core.ports import Appetite, Neighbour, Words
from tasques.core.queues import QueueName
from tasques.settings.kinds import Address

SECRET = b"s" * 16
WORDS = Words(appetites=(Appetite(queue=QueueName("mail"), tasks=3),))
PATIENCE_SECONDS = 60.0


def words(number: int) -> Words:
    return Words(appetites=(Appetite(queue=QueueName("mail"), tasks=number),))


@pytest.fixture
def sockets() -> Iterator[Sequence[socket.socket]]:
    """Three on this machine; closed by whoever they are given to, or here."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(bind(Address("127.0.0.1", 0))) for _ in range(3)]


def siblings(sockets: Sequence[socket.socket], *secrets: bytes) -> list[UdpNeighbours]:
    given = secrets or (SECRET,) * len(sockets)
    return [
        UdpNeighbours(mine, secret=secret, siblings=[each for each in sockets if each is not mine])
        for mine, secret in zip(sockets, given, strict=True)
    ]


def heard(neighbours: UdpNeighbours) -> list[Words]:
    return [each.words for each in neighbours.hear(PATIENCE_SECONDS)]


def counted(neighbours: UdpNeighbours, reason: str) -> float:
    families: list[MetricFamily] = list(neighbours.measurements())
    (dropped,) = (family for family in families if family.name.endswith("dropped_total"))
    (value,) = (s.value for s in dropped.samples if dict(s.labels) == {"reason": reason})
    assert isinstance(value, int)
    return value


def test_all_are_told(sockets: Sequence[socket.socket]) -> None:
    """But who speaks."""
    first, second, third = siblings(sockets)
    first.tell(WORDS)
    assert heard(second) == heard(third) == [WORDS]
    assert first.hear(0) == ()


def test_one_is_told(sockets: Sequence[socket.socket]) -> None:
    """The one that said something, say."""
    first, second, third = siblings(sockets)
    first.tell(WORDS)
    (told,) = second.hear(PATIENCE_SECONDS)
    heard(third)
    second.tell(words(7), told.neighbour)
    assert heard(first) == [words(7)]
    assert third.hear(0) == ()


def test_what_has_gathered_comes_in_order(sockets: Sequence[socket.socket]) -> None:
    """A bounded number in one go."""
    first, second = siblings(sockets[:2])
    for number in range(100):
        first.tell(words(number))
    assert heard(second) + heard(second) == [words(number) for number in range(100)]


def test_who_is_not_known_is_not_heard(sockets: Sequence[socket.socket]) -> None:
    """Though it knows the secret."""
    first, second = siblings(sockets[:2])
    stranger = UdpNeighbours(sockets[2], secret=SECRET, siblings=sockets[:2])
    stranger.tell(WORDS)
    assert heard(first) == heard(second) == []
    assert counted(first, "stranger") == 1


def test_who_does_not_know_the_secret_is_not_heard(sockets: Sequence[socket.socket]) -> None:
    """Though it is known."""
    first, second = siblings(sockets[:2], SECRET, b"t" * 16)
    second.tell(WORDS)
    assert heard(first) == []
    assert counted(first, "forged") == 1


def test_rubbish_is_counted(sockets: Sequence[socket.socket]) -> None:
    """And what comes after it is heard."""
    first, second = siblings(sockets[:2])
    sockets[1].sendto(b"rubbish", sockets[0].getsockname())
    sockets[1].sendto(b"", sockets[0].getsockname())
    second.tell(WORDS)
    assert heard(first) == [WORDS]
    assert counted(first, "malformed") == 2


def test_who_is_not_there_costs_nothing(sockets: Sequence[socket.socket]) -> None:
    """Nor what nobody reads; what goes in is heard in the end."""
    first, second, gone = siblings(sockets)
    gone.close()
    for _ in range(5000):
        first.tell(WORDS)
    first.tell(WORDS, Neighbour("nobody"))
    assert heard(second)[0] == WORDS


def test_what_cannot_be_sent_is_counted(sockets: Sequence[socket.socket]) -> None:
    """And raises nothing."""
    first, _ = siblings(sockets[:2])
    first.close()
    first.tell(WORDS)
    assert counted(first, "unsent") == 1


def test_peers_are_looked_up(sockets: Sequence[socket.socket]) -> None:
    """A name that cannot be found keeps none of the others from being told; one finds itself, too."""
    places = [Address(*each.getsockname()[:2]) for each in sockets[:2]]
    peers = [Address("no.such.name.invalid", 7077), *places]
    first, second = (UdpNeighbours(each, secret=SECRET, peers=peers) for each in sockets[:2])
    first.tell(WORDS)
    assert second.hear(0) == ()
    assert first.look_up().seconds == second.look_up().seconds == 30
    first.tell(WORDS)
    assert heard(second) == [WORDS]
    assert heard(first) == []  # its own words


def test_a_name_that_is_found_no_more_keeps_its_address(
    sockets: Sequence[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that is away for a while changes nothing."""
    first = UdpNeighbours(sockets[0], secret=SECRET, peers=[Address(*sockets[1].getsockname()[:2])])
    second = siblings(sockets[:2])[1]
    first.look_up()

    def fails(*where: object, **more: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    first.look_up()
    first.tell(WORDS)
    assert heard(second) == [WORDS]


def test_an_address_that_is_taken_says_so(sockets: Sequence[socket.socket]) -> None:
    """As one that is not of this machine does."""
    with pytest.raises(CannotHear, match=r"127\.0\.0\.1"):
        bind(Address(*sockets[0].getsockname()[:2]))
    with pytest.raises(CannotHear, match=r"no\.such\.name"):
        bind(Address("no.such.name.invalid", 0))


def test_siblings_of_every_interface_are_reached() -> None:
    """At the loopback one, and known by it."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(bind(Address("", 0))) for _ in range(2)]
        first, second = siblings(made)
        first.tell(WORDS)
        assert heard(second) == [WORDS]
