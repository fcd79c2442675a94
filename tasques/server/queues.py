"""The resources that show operators queues and their tasks, and that pause queues."""

from __future__ import annotations

import falcon

from tasques.core.listing import Position
from tasques.core.queues import queue_name
from tasques.core.service.operator_service import OperatorService
from tasques.core.service.queue_policies import QueuePolicies
from tasques.schemas.converter import encode, unstructure
from tasques.schemas.queue_answers import encode_listing, queue_policy_answer, queues_answer
from tasques.server import query


class QueuesResource:
    """``/queues``: all of them."""

    def __init__(self, operators: OperatorService, policies: QueuePolicies) -> None:
        self._operators = operators
        self._policies = policies

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Say how they stand."""
        answer = queues_answer(self._operators.queues(), self._policies.read())
        response.data = encode(unstructure(answer))


class QueueTasksResource:
    """``/queues/{queue}/tasks``: the tasks of one, or those archived from it."""

    def __init__(self, operators: OperatorService) -> None:
        self._operators = operators

    def on_get(self, request: falcon.Request, response: falcon.Response, queue: str) -> None:
        """List a page of them."""
        asked = query.listing(request, queue_name(queue))
        found = self._operators.find(asked.query, archived=asked.archived)
        is_end = len(found) < asked.query.limit
        next = None if is_end else Position.of(found[-1].document)
        response.data = encode_listing(found, next, is_archived=asked.archived)


class PauseQueueResource:
    """``/queues/{queue}/pause``."""

    def __init__(self, policies: QueuePolicies) -> None:
        self._policies = policies

    def on_post(self, request: falcon.Request, response: falcon.Response, queue: str) -> None:
        """Have nothing handed out."""
        paused = self._policies.pause(queue_name(queue))
        response.data = encode(unstructure(queue_policy_answer(paused)))


class ResumeQueueResource:
    """``/queues/{queue}/resume``."""

    def __init__(self, policies: QueuePolicies) -> None:
        self._policies = policies

    def on_post(self, request: falcon.Request, response: falcon.Response, queue: str) -> None:
        """Have tasks handed out again."""
        resumed = self._policies.resume(queue_name(queue))
        response.data = encode(unstructure(queue_policy_answer(resumed)))
