"""The routes for those who watch over the server."""

from __future__ import annotations

from typing import Final

from tasques.schemas.answers import LivenessAnswer, ReadinessAnswer
from tasques.server.routes.model import Route

HEALTH_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/health/live",
        operation_id="get-liveness",
        tag="health",
        summary="Is the process alive?",
        description="200 as long as the server answers at all; for restarting it when it does not.",
        response=LivenessAnswer,
        wants_credentials=False,
        from_original=False,
    ),
    Route(
        method="GET",
        path="/health/ready",
        operation_id="get-readiness",
        tag="health",
        summary="Is the server to be sent requests?",
        description="200 when requests can be answered; for taking it out of a load balancer.",
        response=ReadinessAnswer,
        errors={503: "Not ready: the backend cannot be relied on, or the server is shutting down"},
        error_responses={503: ReadinessAnswer},
        wants_credentials=False,
        from_original=False,
    ),
)
