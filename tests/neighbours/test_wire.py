"""Words as datagrams: they come back as they were, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.neighbours.wire import Forged, Malformed, decode, encode
from tasques.core.ports import Appetite, Words
from tasques.core.queues import QueueName, TaskId
from tasques.core.tasks import TaskKey
from tasques.testing import strategies

SECRET = b"s" * 16
SENDER = b"12345678"

keys = st.builds(TaskKey, queue=strategies.queue_names(), id=strategies.task_ids())
appetites = st.builds(
    Appetite, queue=st.none() | strategies.queue_names(), tasks=st.integers(0, 10**6)
)


def together(datagrams: list[bytes]) -> Words:
    said = [decode(datagram, secret=SECRET)[1] for datagram in datagrams]
    return Words(
        appetites=tuple(each for words in said for each in words.appetites),
        waiting=tuple(each for words in said for each in words.waiting),
    )


@given(st.lists(appetites, max_size=100), st.lists(keys, max_size=100))
def test_words_come_back_as_they_were(wanted: list[Appetite], waiting: list[TaskKey]) -> None:
    """In pieces of which each goes through any network, unless a name alone is longer."""
    words = Words(appetites=tuple(wanted), waiting=tuple(waiting))
    datagrams = list(encode(words, sender=SENDER, secret=SECRET))
    assert together(datagrams) == words
    assert all(decode(each, secret=SECRET)[0] == SENDER for each in datagrams)
    assert all(len(each) <= 1232 for each in datagrams)


def test_many_small_ones_go_in_few() -> None:
    """Two hundred tasks with ids of ours take nine or so."""
    key = TaskKey(queue=QueueName("mail"), id=TaskId("0" * 32))
    datagrams = list(encode(Words(waiting=(key,) * 200), sender=SENDER, secret=SECRET))
    assert len(datagrams) <= 9


def datagram() -> bytes:
    words = Words(appetites=(Appetite(queue=QueueName("mail"), tasks=3),))
    return next(encode(words, sender=SENDER, secret=SECRET))


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_change_anywhere_is_noticed(place: int, change: int) -> None:
    """Whoever does not know the secret cannot make one, nor alter one."""
    changed = bytearray(datagram())
    changed[place % len(changed)] ^= change
    with pytest.raises((Forged, Malformed)):
        decode(bytes(changed), secret=SECRET)


def test_another_secret_is_noticed() -> None:
    """As that of other servers is."""
    with pytest.raises(Forged):
        decode(datagram(), secret=b"t" * 16)


@pytest.mark.parametrize("end", range(60))
def test_a_part_is_noticed(end: int) -> None:
    """Wherever it was cut."""
    whole = datagram()
    with pytest.raises((Forged, Malformed)):
        decode(whole[: min(end, len(whole) - 1)], secret=SECRET)


@given(st.binary(max_size=100))
def test_anything_may_come(datagram: bytes) -> None:
    """And is refused."""
    with pytest.raises((Forged, Malformed)):
        decode(datagram, secret=SECRET)
    with pytest.raises((Forged, Malformed)):
        decode(b"TQ1" + datagram, secret=SECRET)


def test_illegal_names_are_refused() -> None:
    """Also of one who knows the secret."""
    words = Words(waiting=(TaskKey(queue=QueueName("no/such"), id=TaskId("a")),))
    with pytest.raises(Malformed):
        decode(next(encode(words, sender=SENDER, secret=SECRET)), secret=SECRET)
