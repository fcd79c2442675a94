"""
Every route of the API, as one table.

The application is built from it and so are the API descriptions, so that what is served is what is
described. Operation ids, tags and names are those of the original's description, from which its
clients were generated (wire contract, sections 1 and 11).

- :mod:`~tasques.server.routes.model`: what a route is, and what any request may meet.
- :mod:`~tasques.server.routes.parameters`: parameters that several routes have; names of headers.
- :mod:`~tasques.server.routes.tasks`, :mod:`~tasques.server.routes.recurring`,
  :mod:`~tasques.server.routes.queues`, :mod:`~tasques.server.routes.operations`,
  :mod:`~tasques.server.routes.health`: the parts of the table.
"""

from __future__ import annotations

from typing import Final

from tasques.server.routes.health import HEALTH_ROUTES
from tasques.server.routes.model import COMMON_ERRORS, OPEN_ERRORS, UNAUTHORIZED, Parameter, Route
from tasques.server.routes.operations import OPERATION_ROUTES
from tasques.server.routes.parameters import (
    CLAIM_ID_HEADER,
    IDEMPOTENCY_KEY_HEADER,
    REQUEST_ID_HEADER,
    WORKER_ID_HEADER,
)
from tasques.server.routes.queues import LISTED, QUEUE_ROUTES
from tasques.server.routes.recurring import PREVIEWED, RECURRING_ROUTES
from tasques.server.routes.tasks import TASK_ROUTES

ROUTES: Final[tuple[Route, ...]] = (
    *TASK_ROUTES,
    *RECURRING_ROUTES,
    *QUEUE_ROUTES,
    *OPERATION_ROUTES,
    *HEALTH_ROUTES,
)

__all__ = [
    "CLAIM_ID_HEADER",
    "COMMON_ERRORS",
    "IDEMPOTENCY_KEY_HEADER",
    "LISTED",
    "OPEN_ERRORS",
    "PREVIEWED",
    "REQUEST_ID_HEADER",
    "ROUTES",
    "UNAUTHORIZED",
    "WORKER_ID_HEADER",
    "Parameter",
    "Route",
]
