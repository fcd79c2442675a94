"""``/health/live`` and ``/health/ready``: for those who watch, without credentials."""

from __future__ import annotations

from tasques.core.documents import Version
from tasques.core.ports import Problem
from tasques.core.service.election import NOBODY, Leadership
from tests.server.conftest import START, Api, World

DOWN = Problem(code="unreachable", message="the store does not answer")
ODD = Problem(code="odd", message="a want of looks", fatal=False)


def test_the_process_is_alive_whatever_is_behind_it(api: Api, world: World) -> None:
    """Restarting it would not mend the store."""
    world.backend.problems = [DOWN]
    world.services.health.step()
    world.services.health.start_draining()
    answer = api.call("GET", "/health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "live"})


def test_it_is_ready_when_nothing_is_wrong(api: Api) -> None:
    """And says where the tasks are."""
    answer = api.call("GET", "/health/ready")
    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "backend": "memory:", "problems": []}


def test_fatal_problems_make_it_red_until_they_are_gone(api: Api, world: World) -> None:
    """503 with the problems, and why in ``message`` as in every error; then green by itself."""
    world.backend.problems = [DOWN, ODD]
    world.services.health.step()
    answer = api.call("GET", "/health/ready")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json == {
        "status": "not ready",
        "message": "the store does not answer",
        "backend": "memory:",
        "problems": [
            {"code": "unreachable", "message": "the store does not answer", "fatal": True},
            {"code": "odd", "message": "a want of looks", "fatal": False},
        ],
    }
    world.backend.problems = [ODD]
    world.services.health.step()
    answer = api.call("GET", "/health/ready")
    assert answer.status_code == 200
    assert [problem["code"] for problem in answer.json["problems"]] == ["odd"]


def test_it_is_shown_who_leads(api: Api, world: World) -> None:
    """As far as is known; an original server does not say since when."""
    world.leadership[0] = Leadership(
        leader_id="leader-7f", is_here=True, since=START, term=Version(2, 9)
    )
    assert api.call("GET", "/health/ready").json["leader"] == {
        "leader_id": "leader-7f",
        "is_here": True,
        "since": str(START),
        "term": {"seq_num": 9, "primary_term": 2},
    }
    world.leadership[0] = Leadership(leader_id="leader-80")
    assert api.call("GET", "/health/ready").json["leader"] == {
        "leader_id": "leader-80",
        "is_here": False,
    }
    world.leadership[0] = NOBODY
    assert "leader" not in api.call("GET", "/health/ready").json


def test_draining_is_red(api: Api, world: World) -> None:
    """So that a load balancer looks elsewhere."""
    world.services.health.start_draining()
    answer = api.call("GET", "/health/ready")
    assert answer.status_code == 503
    assert [problem["code"] for problem in answer.json["problems"]] == ["draining"]
