"""The resources for those who watch over the server."""

from __future__ import annotations

import falcon

from tasques.core.service.election import Leadership
from tasques.core.service.health import Health
from tasques.schemas.answers import (
    LeaderAnswer,
    LivenessAnswer,
    ProblemAnswer,
    ReadinessAnswer,
    VersionAnswer,
)
from tasques.schemas.converter import encode, unstructure


class LiveResource:
    """``/health/live``: whether the process answers at all."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer."""
        response.data = encode(unstructure(LivenessAnswer(status="live")))


class ReadyResource:
    """``/health/ready``: whether requests should be sent here."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Say so, and what is wrong; 503 while anything fatal is."""
        found = self._health.readiness()
        fatal = "; ".join(problem.message for problem in found.problems if problem.fatal)
        answer = ReadinessAnswer(
            status="ready" if found.ready else "not ready",
            message=None if found.ready else fatal,
            backend=found.backend,
            problems=tuple(
                ProblemAnswer(code=problem.code, message=problem.message, fatal=problem.fatal)
                for problem in found.problems
            ),
            leader=None if found.leadership is None else _leader(found.leadership),
        )
        response.status = falcon.HTTP_200 if found.ready else falcon.HTTP_503
        if not found.ready:
            response.set_header("Retry-After", "1")
        response.data = encode(unstructure(answer))


def _leader(leadership: Leadership) -> LeaderAnswer | None:
    if leadership.leader_id is None:
        return None
    term = leadership.term
    return LeaderAnswer(
        leader_id=leadership.leader_id,
        is_here=leadership.is_here,
        since=leadership.since,
        term=None
        if term is None
        else VersionAnswer(seq_num=term.seq_no, primary_term=term.primary_term),
    )
