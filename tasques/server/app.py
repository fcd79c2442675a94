"""The Falcon application, made of the table of routes and the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from wsgiref.types import WSGIApplication

import falcon
from falcon.responders import create_method_not_allowed
from falcon.routing import CompiledRouter

from tasques.core.service.meter import Meter
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.services import Services
from tasques.http_middleware import HttpMiddleware
from tasques.server import errors
from tasques.server.batches import CreateManyResource, FinishManyResource
from tasques.server.bodies import BodyBudgetMiddleware
from tasques.server.claiming import ClaimsResource
from tasques.server.credentials import CredentialsMiddleware, Users
from tasques.server.delivery import DeliveryMiddleware
from tasques.server.documentation.resources import add_documentation
from tasques.server.handing_in import HandingIn
from tasques.server.health import LiveResource, ReadyResource
from tasques.server.measuring import MeasuringMiddleware
from tasques.server.middleware import AccessLogMiddleware, GzipMiddleware, PathMiddleware
from tasques.server.mounted import MountedResource
from tasques.server.operations import (
    ON_MANY,
    ON_ONE,
    TaskOperationResource,
    TasksOperationResource,
)
from tasques.server.options import ServerOptions
from tasques.server.plugged import PluggedMiddleware
from tasques.server.queues import (
    PauseQueueResource,
    QueuesResource,
    QueueTasksResource,
    ResumeQueueResource,
)
from tasques.server.recurring import (
    PauseResource,
    PreviewResource,
    RecurringTaskResource,
    RecurringTasksResource,
    ResumeResource,
    RunResource,
)
from tasques.server.routes import ROUTES
from tasques.server.tasks import (
    ClaimResource,
    DoneResource,
    FailedResource,
    ReportResource,
    TaskResource,
    TasksResource,
)
from tasques.server.waiting import WaitingClaims

App: TypeAlias = falcon.App[falcon.Request, falcon.Response]

CONTENT_TYPE: Final = "application/json; charset=utf-8"


def create_app(
    services: Services,
    options: ServerOptions,
    *,
    waiting: WaitingClaims | None = None,
    mounted: Mapping[str, WSGIApplication] | None = None,
    middleware: Sequence[HttpMiddleware] = (),
) -> App:
    """
    The API as a WSGI application; it may be served by several threads.

    Args:
        waiting: The places for waiting claims, for those who want to watch them; made of the
            options if not given.
        mounted: Applications of plugins by their paths.
        middleware: Of plugins, the outermost first.
    """
    app: App = falcon.App(
        media_type=CONTENT_TYPE,
        middleware=_middleware(options, services.meter, middleware),
        router=_Router(),
    )
    app.req_options.strip_url_path_trailing_slash = True
    errors.install(app)
    resources = _resources(services, waiting or WaitingClaims(options.waiting_claims))
    for path in dict.fromkeys(route.path for route in ROUTES):
        app.add_route(path, resources[path])
    for path, application in (mounted or {}).items():
        app.add_route(path, MountedResource(application))
    add_documentation(app, credentials=bool(options.users))
    return app


class _Router(CompiledRouter):
    """Has the methods of the table and no others; Falcon would add OPTIONS everywhere."""

    def map_http_methods(self, resource: object, **kwargs: Any) -> Any:
        """The responders of *resource* by method."""
        methods: dict[str, Any] = dict(super().map_http_methods(resource, **kwargs))
        methods.setdefault("OPTIONS", create_method_not_allowed(sorted(methods)))
        return methods


def _resources(services: Services, waiting: WaitingClaims) -> Mapping[str, object]:
    tasks, recurring, defaults = services.tasks, services.recurring, services.defaults
    operators, policies = services.operators, services.policies
    handing_in = HandingIn(services.hand_in)
    return {
        "/tasques": TasksResource(tasks, defaults, handing_in),
        "/tasques/create-many": CreateManyResource(tasks, defaults, services.meter),
        "/tasques/finish-many": FinishManyResource(tasks, services.meter),
        "/tasques/{queue}/{id}": TaskResource(tasks),
        "/tasques/claims": ClaimsResource(services.claims, defaults, waiting),
        "/tasques/claims/{queue}/{id}": ClaimResource(tasks, handing_in),
        "/tasques/reports/{queue}/{id}": ReportResource(tasks, handing_in),
        "/tasques/done/{queue}/{id}": DoneResource(tasks, handing_in),
        "/tasques/failed/{queue}/{id}": FailedResource(tasks, handing_in),
        "/recurring_tasques": RecurringTasksResource(recurring, defaults),
        "/recurring_tasques/{id}": RecurringTaskResource(recurring, defaults),
        "/recurring_tasques/{id}/pause": PauseResource(recurring),
        "/recurring_tasques/{id}/resume": ResumeResource(recurring),
        "/recurring_tasques/{id}/run": RunResource(recurring),
        "/recurring_tasques/{id}/preview": PreviewResource(recurring),
        "/queues": QueuesResource(operators, policies),
        "/queues/{queue}/tasks": QueueTasksResource(operators),
        "/queues/{queue}/pause": PauseQueueResource(policies),
        "/queues/{queue}/resume": ResumeQueueResource(policies),
        **_operations(operators),
        "/health/live": LiveResource(),
        "/health/ready": ReadyResource(services.health),
    }


def _operations(operators: OperatorService) -> Mapping[str, object]:
    one = {
        f"/queues/{{queue}}/tasks/{{id}}/{verb}": TaskOperationResource(operators, read)
        for verb, read in ON_ONE.items()
    }
    many = {
        f"/queues/{{queue}}/tasks/{verb}": TasksOperationResource(operators, asked)
        for verb, asked in ON_MANY.items()
    }
    return {**one, **many}


def _middleware(
    options: ServerOptions, meter: Meter, plugged: Sequence[HttpMiddleware]
) -> list[Any]:
    """Outermost first: it sees the request first and the answer last."""
    users = Users(options.users)
    return [
        AccessLogMiddleware(),
        MeasuringMiddleware(meter),
        DeliveryMiddleware(),
        *([PluggedMiddleware(plugged, meter)] if plugged else []),
        GzipMiddleware(),
        *([CredentialsMiddleware(users)] if users else []),
        PathMiddleware(),
        BodyBudgetMiddleware(options.max_bodies_in_flight),
    ]
