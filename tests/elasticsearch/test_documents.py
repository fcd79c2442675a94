"""A task as a document: what is written, what of others' documents is read, and what is refused."""

import json
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.adapters.elasticsearch.documents import NOT_WAITING_RANK, decode, encode, rank
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.core import lifecycle
from tasques.core.documents import Operation
from tasques.core.json_object import JsonObject
from tasques.core.queues import QueueName, TaskId, WorkerId
from tasques.core.tasks import (
    ClaimId,
    Ended,
    EndReason,
    Extensions,
    NewTask,
    State,
    Task,
    Verdict,
)
from tasques.core.values import Duration, Instant
from tasques.testing import strategies

NOW = Instant.parse("2026-11-22T04:01:04.004061931Z")

#: Written by an original server, word for word (wire contract, section 7).
ORIGINAL = {
    "id": "t0",
    "queue": "run-later",
    "retry_times": 25,
    "remaining_attempts": 25,
    "kind": "sayHello",
    "state": "done",
    "run_at": "2020-01-02T00:00:00Z",
    "processing_timeout": 1800000000000,
    "priority": 0,
    "args": {"name": "Ann"},
    "last_enqueued_at": "2026-11-22T04:01:04.004061931Z",
    "last_claimed": {
        "worker_id": "worker-1",
        "claimed_at": "2026-11-22T04:01:05.167363462Z",
        "times_out_at": "2026-11-22T04:31:05.238893989Z",
        "last_report": {"at": "2026-11-22T04:01:05.238893989Z", "data": {"progress": 0.5}},
        "result": {"at": "2026-11-22T04:01:05.274354585Z", "success": {"ok": True}},
    },
    "metadata": {
        "created_at": "2026-11-22T04:01:04.004061931Z",
        "modified_at": "2026-11-22T04:01:05.274354585Z",
    },
    "recurring_task_id": "repeat-every-minute",
}


def read(document: dict[str, object], **changes: object) -> Task:
    """The task in *document* with *changes*; a change to None takes the field away."""
    changed = {name: value for name, value in {**document, **changes}.items() if value is not None}
    source = msgspec.json.encode(changed)
    return decode(source, queue=QueueName("run-later"), id="t0")


def a_task(**changes: Any) -> Task:
    """A task as it is created."""
    new = NewTask(
        queue=QueueName("run-later"),
        kind="sayHello",
        retry_times=25,
        processing_timeout=Duration.parse("30m"),
    )
    return attrs.evolve(lifecycle.create(new, id=TaskId("t0"), now=NOW), **changes)


def test_a_new_task_is_the_original_s_document_with_a_rank() -> None:
    """Every field an original server expects is there, and of ours nothing but the rank."""
    assert json.loads(encode(a_task())) == {
        "id": "t0",
        "queue": "run-later",
        "retry_times": 25,
        "remaining_attempts": 26,
        "kind": "sayHello",
        "state": "queued",
        "run_at": "2026-11-22T04:01:04.004061931Z",
        "processing_timeout": 1800000000000,
        "priority": 0,
        "last_enqueued_at": "2026-11-22T04:01:04.004061931Z",
        "metadata": {
            "created_at": "2026-11-22T04:01:04.004061931Z",
            "modified_at": "2026-11-22T04:01:04.004061931Z",
        },
        "rank": 1795320064004,
    }


def test_what_only_tasques_for_python_knows_is_under_ext() -> None:
    """One object with a version, so that an original drops it whole and a later one may grow."""
    extensions = Extensions(
        operation=Operation(token="00ff", verb="claim", digest="d1"),
        claim_id=ClaimId("00ff"),
        created_digest="d0",
        cancel_requested_at=NOW,
        expires_at=NOW,
        ended=Ended(reason=EndReason.EXPIRED, at=NOW),
    )
    assert json.loads(encode(a_task(extensions=extensions)))["ext"] == {
        "op": {"token": "00ff", "verb": "claim", "digest": "d1"},
        "claim": "00ff",
        "created": "d0",
        "cancel": str(NOW),
        "expires_at": str(NOW),
        "ended": {"reason": "expired", "at": str(NOW)},
        "v": 1,
    }


def test_an_original_s_document_is_read() -> None:
    """Every field arrives where it belongs; what it does not have is absent."""
    task = read(ORIGINAL)
    assert task.attempted == 1
    assert task.processing_timeout == Duration.parse("30m")
    assert task.args == JsonObject('{"name":"Ann"}')
    assert task.context is None
    assert task.recurring_task_id == "repeat-every-minute"
    assert task.extensions == Extensions()
    claim = task.last_claim
    assert claim is not None
    assert claim.last_report is not None
    assert claim.result is not None
    assert claim.worker_id == "worker-1"
    assert claim.last_report.data == JsonObject('{"progress":0.5}')
    assert claim.result.verdict is Verdict.SUCCESS
    assert claim.result.data == JsonObject('{"ok":true}')


def test_what_an_original_lets_through_is_read() -> None:
    """It stores the offset that a client gave, and negative time-outs."""
    task = read(
        ORIGINAL,
        run_at="2020-01-02T09:00:00.5+09:00",
        processing_timeout=-1,
        recurring_task_id=None,
        last_claimed=None,
        state="queued",
        remaining_attempts=26,
    )
    assert task.run_at == Instant.parse("2020-01-02T00:00:00.5Z")
    assert task.processing_timeout == Duration(-1)
    assert task.attempted == 0


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("done", Verdict.SUCCESS), ("failed", Verdict.FAILURE), ("dead", Verdict.FAILURE)],
)
def test_a_result_without_data_is_what_the_state_says(state: str, verdict: Verdict) -> None:
    """The document has no other place for it."""
    claim = {**ORIGINAL["last_claimed"], "result": {"at": str(NOW)}}  # type: ignore[dict-item]
    task = read(ORIGINAL, state=state, last_claimed=claim)
    assert task.last_claim is not None
    assert task.last_claim.result is not None
    assert task.last_claim.result.verdict is verdict


def test_keys_of_a_later_ext_are_passed_over() -> None:
    """A newer server beside us may keep more under ext; what is known here is read."""
    task = read(ORIGINAL, ext={"v": 2, "op": {"token": "a", "verb": "done"}, "more": [1]})
    assert task.extensions.operation == Operation(token="a", verb="done")


def test_white_space_in_others_objects_goes_and_nothing_else() -> None:
    """A JsonObject is compact; numbers and escapes stay as they were written."""
    source = msgspec.json.encode(
        {**ORIGINAL, "args": msgspec.Raw(b'{ "a" : [1.10, 1e5, "\\u003c x"] }')}
    )
    task = decode(source, queue=QueueName("run-later"), id="t0")
    assert task.args == JsonObject('{"a":[1.10,1e5,"\\u003c x"]}')


def test_a_line_break_in_an_object_s_text_cannot_split_a_request() -> None:
    """A bulk request is read line by line, and the text of a JsonObject is taken on trust."""
    assert b"\n" not in encode(a_task(args=JsonObject('{"a":\n1}')))


def test_integers_of_a_thousand_digits_pass_untouched() -> None:
    """Nothing here reads a number inside free-form objects."""
    task = a_task(args=JsonObject.of({"n": 10**999 + 7}))
    assert decode(encode(task), queue=task.queue, id=task.id) == task


@given(strategies.tasks())
def test_every_task_reads_back_equal(task: Task) -> None:
    """Whatever the core can hold, in every field."""
    assert decode(encode(task), queue=task.queue, id=task.id) == task


POISON: dict[str, dict[str, object]] = {
    "no kind": {"kind": None},
    "no metadata": {"metadata": None},
    "a state that is none": {"state": "sleeping"},
    "a priority in quotes": {"priority": "5"},
    "a fraction": {"retry_times": 1.5},
    "a priority beyond 64 bits": {"priority": 2**63},
    "a time-out beyond 64 bits": {"processing_timeout": 2**63},
    "negative retries": {"retry_times": -1},
    "negative attempts": {"remaining_attempts": -1},
    "more attempts than there are": {"remaining_attempts": 27},
    "a time without a zone": {"run_at": "2020-01-02T00:00:00"},
    "a day that does not exist": {"run_at": "2020-02-30T00:00:00Z"},
    "claimed by nobody": {"state": "claimed", "last_claimed": None},
    "arguments that are no object": {"args": [1]},
    "arguments that are a text": {"args": "x"},
    "another id": {"id": "t1"},
    "another queue": {"queue": "other"},
    "ext that is none of ours": {"ext": {"v": 1, "op": "claim"}},
    "an end for no known reason": {"ext": {"v": 1, "ended": {"reason": "?", "at": str(NOW)}}},
}


@pytest.mark.parametrize("changes", POISON.values(), ids=POISON.keys())
def test_what_is_no_task_is_malformed(changes: dict[str, object]) -> None:
    """One error for all of it, with a reason; never another exception."""
    with pytest.raises(MalformedDocument):
        read(ORIGINAL, **changes)


@pytest.mark.parametrize("levels", [501, 980, 5_000])
def test_what_is_nested_too_deeply_is_malformed(levels: int) -> None:
    """Elasticsearch takes 1000 levels, Tasques 500; neither ends in a RecursionError."""
    nested = msgspec.Raw(b'{"a":' * levels + b"1" + b"}" * levels)
    source = msgspec.json.encode({**ORIGINAL, "args": nested})
    with pytest.raises(MalformedDocument, match="nested"):
        decode(source, queue=QueueName("run-later"), id="t0")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_task_or_malformed(source: bytes) -> None:
    """A document of any content hurts itself only."""
    with pytest.raises(MalformedDocument):
        decode(source, queue=QueueName("q"), id="x")


def test_a_task_that_json_cannot_say_is_refused() -> None:
    """Half of a surrogate pair has no UTF-8, and no number has so many digits."""
    for task in (a_task(kind="\ud800"), a_task(priority=10**5000)):
        with pytest.raises(ValueError):
            encode(task)


@pytest.mark.parametrize(
    ("priority", "run_at", "expected"),
    [
        (0, "1970-01-01T00:00:00Z", 0),
        (0, "1970-01-01T00:00:00.001999999Z", 1),
        (1, "1970-01-01T00:00:00Z", -281474976710656),
        (-1, "1970-01-01T00:00:00Z", 281474976710656),
        (32767, "1970-01-01T00:00:00Z", -9223090561878065152),
        (-32767, "9999-12-31T23:59:59.999Z", 9223343964178865151),
        (32768, "1970-01-01T00:00:00Z", None),
        (-32768, "1970-01-01T00:00:00Z", None),
        (0, "1969-12-31T23:59:59.999Z", None),
        (0, "0001-01-01T00:00:00Z", None),
    ],
)
def test_rank_in_numbers(priority: int, run_at: str, expected: int | None) -> None:
    """``-priority * 2**48 + milliseconds``, and none outside its range."""
    assert rank(priority, Instant.parse(run_at)) == expected


@given(strategies.tasks(), strategies.tasks())
def test_a_lower_rank_is_claimed_first(one: Task, other: Task) -> None:
    """Where both have a rank, it never contradicts the order of claims."""
    first, second = rank(one.priority, one.run_at), rank(other.priority, other.run_at)
    if first is not None and second is not None and first < second:
        assert one.claim_order < other.claim_order


@given(strategies.instants(), st.integers(-(2**15), 2**15))
def test_a_rank_fits_in_64_bits(run_at: Instant, priority: int) -> None:
    """Elasticsearch's ``long`` holds it."""
    value = rank(priority, run_at)
    assert value is None or -(2**63) <= value < 2**63


@given(strategies.tasks())
def test_what_waits_for_nothing_stands_behind_all_that_waits(task: Task) -> None:
    """Claimed and finished tasks have the last rank, in its range or not, and the others their own."""
    written = json.loads(encode(task)).get("rank")
    if task.state.is_claimable:
        assert written == rank(task.priority, task.run_at)
    else:
        assert written == NOT_WAITING_RANK == 2**63 - 1


def test_a_claim_of_a_read_task_keeps_what_it_had() -> None:
    """Reading, deciding and writing lose nothing that both servers know."""
    queued = read(ORIGINAL, state="queued", last_claimed=None, remaining_attempts=26)
    claimed = lifecycle.claim(queued, worker=WorkerId("w"), now=NOW)
    written = json.loads(encode(claimed))
    assert written["state"] == State.CLAIMED
    assert written["args"] == ORIGINAL["args"]
    assert written["recurring_task_id"] == ORIGINAL["recurring_task_id"]
    assert written["remaining_attempts"] == 25
