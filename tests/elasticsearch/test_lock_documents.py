"""A leader's lock as a document: what is written, what of others' is read, what is refused."""

import json
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.elasticsearch.lock_documents import decode, encode
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.core.documents import Operation, Version
from tasques.core.leadership import LOCK_NAME, LeaderLock
from tasques.core.values import Duration, Instant
from tasques.testing import strategies

NOW = Instant.parse("2026-11-22T04:01:43.268870157Z")

#: Written by an original server, word for word (wire contract, section 7).
ORIGINAL: dict[str, Any] = {
    "leader_id": "recurring-tasks-leader-3f9ddabf638848dc8c0fdad22c47273b",
    "at": "2026-11-22T04:01:43.268870157Z",
    "leader_lock_lease": 5000000000,
}


def read(**changes: object) -> LeaderLock:
    """The lock in the original's document with *changes*; a change to None takes the field away."""
    changed = {name: value for name, value in {**ORIGINAL, **changes}.items() if value is not None}
    return decode(msgspec.json.encode(changed), name=LOCK_NAME)


def test_an_original_s_document_is_read_and_written_back_as_it_was() -> None:
    """To the field: nothing of ours is in it until there is something to say."""
    lock = read()
    assert lock == LeaderLock(
        leader_id="recurring-tasks-leader-3f9ddabf638848dc8c0fdad22c47273b",
        at=NOW,
        lease=Duration.parse("5s"),
    )
    assert json.loads(encode(lock)) == ORIGINAL


def test_what_only_tasques_for_python_knows_is_under_ext() -> None:
    """One object with a version, so that an original drops it whole and a later one may grow."""
    lock = attrs.evolve(
        read(),
        taken_at=NOW,
        term=Version(3, 9),
        released=True,
        operation=Operation(token="00ff", verb="renew"),
    )
    document = json.loads(encode(lock))
    assert document.pop("ext") == {
        "op": {"token": "00ff", "verb": "renew"},
        "taken_at": str(NOW),
        "term": {"primary_term": 3, "seq_no": 9},
        "released": True,
        "v": 1,
    }
    assert document == ORIGINAL


def test_keys_of_a_later_ext_are_passed_over() -> None:
    """A newer server beside us may keep more under ext; what is known here is read."""
    assert read(ext={"v": 2, "released": True, "more": [1]}).released


@given(strategies.leader_locks())
def test_every_lock_reads_back_equal(lock: LeaderLock) -> None:
    """Whatever the core can hold, in every field; one line of a bulk request."""
    encoded = encode(lock)
    assert b"\n" not in encoded
    assert decode(encoded, name=lock.name) == lock


POISON: dict[str, dict[str, object]] = {
    "no holder": {"leader_id": None},
    "no time": {"at": None},
    "a time without a zone": {"at": "2020-01-02T00:00:00"},
    "no lease": {"leader_lock_lease": None},
    "a lease in quotes": {"leader_lock_lease": "5s"},
    "a lease beyond 64 bits": {"leader_lock_lease": 2**63},
    "ext that is none of ours": {"ext": {"v": 1, "released": "yes"}},
}


@pytest.mark.parametrize("changes", POISON.values(), ids=POISON.keys())
def test_what_is_no_lock_is_malformed(changes: dict[str, object]) -> None:
    """One error for all of it, with a reason; never another exception."""
    with pytest.raises(MalformedDocument):
        read(**changes)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_lock_or_malformed(source: bytes) -> None:
    """A document of any content hurts itself only."""
    with pytest.raises(MalformedDocument):
        decode(source, name=LOCK_NAME)


def test_nesting_beyond_reading_is_malformed() -> None:
    """In a field that nobody knows, too: passed over or refused, and never a RecursionError."""
    deep = b'{"ext":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001
    with pytest.raises(MalformedDocument):
        decode(deep, name=LOCK_NAME)
