"""Claims that wait hold up nobody, whether they are parked or hold a thread each."""

from __future__ import annotations

import contextlib
import statistics
import time

import pytest

from tests.processes.conftest import Start
from tests.processes.wire import Connection, ask, eventually, fill_waiting_places
from tools.tasques_server import TasquesServer

#: Far beyond what any request takes, and far below what a claim waits.
POLL_SECONDS = 600
CLAIM = {"queues": ["quiet"], "block_for": f"{POLL_SECONDS}s"}


def one_life(connection: Connection, number: int) -> list[float]:
    """Seconds of each request in the life of a task on a queue that nobody waits for."""
    path = f"busy/{number}"
    seconds = []
    for method, target, body, expected in (
        ("POST", "/tasques", {"queue": "busy", "kind": "send", "id": str(number)}, 201),
        ("GET", f"/tasques/{path}", None, 200),
        ("POST", "/tasques/claims", {"queues": ["busy"], "block_for": "50s"}, 200),
        ("PUT", f"/tasques/reports/{path}", {}, 200),
        ("PUT", f"/tasques/done/{path}", {}, 200),
        ("GET", "/health/ready", None, 200),
    ):
        began = time.monotonic()
        answer = connection.call(method, target, body)
        seconds.append(time.monotonic() - began)
        assert answer.status == expected, answer.content
    return seconds


def let_200_wait(stack: contextlib.ExitStack, server: TasquesServer) -> list[Connection]:
    """200 claims that are known to wait."""
    waiting = fill_waiting_places(stack, server.url, CLAIM, 256)
    for claim in waiting[200:]:
        claim.close()
    assert eventually(lambda: _probe(server) == 200)
    return waiting[:200]


def hold_up_nobody(server: TasquesServer) -> None:
    with Connection(server.url) as connection:
        alone = [one_life(connection, number) for number in range(20)]
        with contextlib.ExitStack() as stack:
            waiting = let_200_wait(stack, server)
            beside = [one_life(connection, 100 + number) for number in range(20)]
            slowest = max(max(seconds) for seconds in beside)
            # No bound on speed: had a request waited for a claim to end, a claim would have ended.
            assert not any(claim.has_answer for claim in waiting)
            assert slowest < POLL_SECONDS / 2
            # The one that has waited longest, and no other, gets what comes.
            task = {"queue": "quiet", "kind": "send", "id": "at-last"}
            assert connection.call("POST", "/tasques", task).status == 201
            assert eventually(lambda: any(claim.has_answer for claim in waiting))
            (answered,) = [claim for claim in waiting if claim.has_answer]
            assert [task["id"] for task in answered.answer().json] == ["at-last"]
    before, after = (
        1000 * statistics.median(seconds[0] for seconds in lives) for lives in (alone, beside)
    )
    print(f"create, median: {before:.1f} ms alone, {after:.1f} ms beside 200 waiting claims")


#: So that it can be told how many wait.
PLACES = {"http.waiting_claims": "256"}


@pytest.mark.parametrize("parking", ["true", "false"])
def test_200_waiting_claims_hold_up_nobody_on_memory(start: Start, parking: str) -> None:
    """Every request in a task's life is answered while 200 claims go on waiting beside it."""
    hold_up_nobody(start({**PLACES, "http.parking": parking}))


def test_200_waiting_claims_hold_up_nobody_on_elasticsearch(
    start: Start, on_elasticsearch: dict[str, str]
) -> None:
    """The same where a claim has to search."""
    hold_up_nobody(start({**PLACES, **on_elasticsearch}))


def test_a_claim_beyond_the_limit_is_told_to_come_back(start: Start) -> None:
    """A full server answers 503 with Retry-After, never with an empty array at once."""
    server = start({"http.waiting_claims": "3"})
    with contextlib.ExitStack() as stack:
        fill_waiting_places(stack, server.url, CLAIM, 3)
        refused = stack.enter_context(Connection(server.url))
        answer = refused.call("POST", "/tasques/claims", CLAIM)
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        # Who does not want to wait needs no place.
        assert refused.call("POST", "/tasques/claims", {**CLAIM, "block_for": "0s"}).json == []


def test_workers_that_hang_up_give_their_places_back(start: Start) -> None:
    """However many workers die while they wait, others find a place, and tasks go to the living."""
    server = start({"http.waiting_claims": "20"})
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            fill_waiting_places(stack, server.url, CLAIM, 20)
        assert eventually(lambda: _probe(server) == 200)
    with Connection(server.url) as living:
        living.request("POST", "/tasques/claims", CLAIM)
        assert ask(server.url, "POST", "/tasques", {"queue": "quiet", "kind": "send"}).status == 201
        (task,) = living.answer().json
        assert task["attempted"] == 1


def _probe(server: TasquesServer) -> int:
    """200 if one more claim may wait, 503 if all places are taken."""
    return ask(server.url, "POST", "/tasques/claims", {**CLAIM, "block_for": "10ms"}).status
