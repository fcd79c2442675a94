"""By kind of command, the call of a service that carries it out, as the server's resources have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from tasques.app import rules
from tasques.app.answers import task_answer
from tasques.client.commands import queues, recurring, tasks
from tasques.core import errors
from tasques.core.listing import Position
from tasques.core.operations import MAX_PAGE
from tasques.core.recurring import CatchUp
from tasques.core.service.changes import Change, Complete, Fail, Report, Unclaim
from tasques.core.service.creations import Creation
from tasques.core.service.recurring_service import (
    MAX_PREVIEW,
    NewRecurringTask,
    RecurringTaskChanges,
)
from tasques.core.service.services import Services
from tasques.core.tasks import ClaimId
from tasques.schemas import defaulted
from tasques.schemas.answers import TaskAnswer
from tasques.schemas.queue_answers import (
    OutcomesAnswer,
    QueuePolicyAnswer,
    QueuesAnswer,
    TaskOutcomeAnswer,
    TasksAnswer,
    queue_policy_answer,
    queues_answer,
)
from tasques.schemas.recurring_answers import (
    PreviewAnswer,
    RecurringTaskAnswer,
    recurring_task_answer,
)

Finishing: TypeAlias = tasks.CompleteTask | tasks.FailTask | tasks.UnclaimTask

# ----------------------------------------------------------------------------------- tasks


def creation(services: Services, command: tasks.CreateTask) -> Creation:
    """
    What is to be created.

    Raises:
        InvalidInput: With every fault of it.
    """
    return Creation(new=rules.new_task(command.new, services.defaults), idempotency_key=command.key)


def _create(services: Services, command: tasks.CreateTask) -> TaskAnswer:
    asked = creation(services, command)
    return task_answer(services.tasks.create(asked.new, idempotency_key=asked.idempotency_key))


def _get(services: Services, command: tasks.GetTask) -> TaskAnswer:
    key = rules.task_key(command.queue, command.id)
    found = services.tasks.find(key, archived=command.archived)
    return task_answer(found.stored, is_archived=found.is_archived)


def _claim(services: Services, command: tasks.ClaimTasks) -> tuple[TaskAnswer, ...]:
    wanted = rules.claim_request(command.worker, command.wanted, services.defaults)
    try:
        return tuple(map(task_answer, services.claims.claim(wanted)))
    except errors.ShuttingDown:
        return ()


def _claim_id(text: str | None) -> ClaimId | None:
    return None if text is None else ClaimId(text)


def change(services: Services, command: Finishing | tasks.ReportOnTask) -> Change:
    """
    What is to become of a claimed task.

    Raises:
        InvalidInput: If there is no such task or worker.
    """
    held = command.held
    key, worker = rules.task_key(held.queue, held.id), rules.worker_id(held.worker)
    claim_id = _claim_id(held.claim_id)
    match command:
        case tasks.ReportOnTask(said=report):
            return Report(key=key, worker=worker, claim_id=claim_id, data=report.data)
        case tasks.CompleteTask(said=success):
            return Complete(key=key, worker=worker, claim_id=claim_id, data=success.data)
        case tasks.FailTask():
            failure = rules.checked(command.said) if command.said.retry_in else command.said
            return Fail(
                key=key,
                worker=worker,
                claim_id=claim_id,
                data=failure.data,
                retry_in=failure.retry_in,
                give_up=failure.give_up or False,
            )
    run_in = command.run_in
    if run_in is not None and run_in.nanoseconds < 0:
        fault = errors.Fault("run_in", "minimum", "must not be less than 0")
        raise errors.InvalidInput([fault])
    return Unclaim(key=key, worker=worker, claim_id=claim_id, run_in=run_in)


def _change(services: Services, command: Finishing | tasks.ReportOnTask) -> TaskAnswer:
    return task_answer(services.tasks.change(change(services, command)))


# ------------------------------------------------------------------------- recurring tasks


def _create_recurring(
    services: Services, command: recurring.CreateRecurringTask
) -> RecurringTaskAnswer:
    asked = rules.checked(command.new)
    new = NewRecurringTask(
        id=asked.id,
        schedule_expression=asked.schedule_expression,
        definition=defaulted.definition(asked.task_definition, services.defaults),
        skip_if_outstanding_tasks_exist=asked.skip_if_outstanding_tasks_exist or False,
        catch_up=asked.catch_up or CatchUp.LAST,
    )
    return recurring_task_answer(services.recurring.create(new))


def _list_recurring(
    services: Services, command: recurring.ListRecurringTasks
) -> tuple[RecurringTaskAnswer, ...]:
    return tuple(map(recurring_task_answer, services.recurring.list()))


def _get_recurring(services: Services, command: recurring.GetRecurringTask) -> RecurringTaskAnswer:
    return recurring_task_answer(services.recurring.get(rules.recurring_id(command.id)))


def _update_recurring(
    services: Services, command: recurring.UpdateRecurringTask
) -> RecurringTaskAnswer:
    asked = rules.checked(command.changes)
    definition = asked.task_definition
    changes = RecurringTaskChanges(
        schedule_expression=asked.schedule_expression,
        definition=(
            None if definition is None else defaulted.definition(definition, services.defaults)
        ),
        skip_if_outstanding_tasks_exist=asked.skip_if_outstanding_tasks_exist,
        catch_up=asked.catch_up,
    )
    id = rules.recurring_id(command.id)
    return recurring_task_answer(services.recurring.update(id, changes))


def _delete_recurring(
    services: Services, command: recurring.DeleteRecurringTask
) -> RecurringTaskAnswer:
    return recurring_task_answer(services.recurring.delete(rules.recurring_id(command.id)))


def _pause_recurring(
    services: Services, command: recurring.PauseRecurringTask
) -> RecurringTaskAnswer:
    return recurring_task_answer(services.recurring.pause(rules.recurring_id(command.id)))


def _resume_recurring(
    services: Services, command: recurring.ResumeRecurringTask
) -> RecurringTaskAnswer:
    return recurring_task_answer(services.recurring.resume(rules.recurring_id(command.id)))


def _run_recurring(services: Services, command: recurring.RunRecurringTask) -> TaskAnswer:
    return task_answer(services.recurring.run_now(rules.recurring_id(command.id)))


def _preview_recurring(
    services: Services, command: recurring.PreviewRecurringTask
) -> PreviewAnswer:
    id, count = rules.recurring_id(command.id), command.count
    _ensure_within("count", count, MAX_PREVIEW)
    return PreviewAnswer(slots=tuple(services.recurring.preview(id, count)))


def _ensure_within(name: str, number: int, most: int) -> None:
    if number < 1:
        raise errors.InvalidInput([errors.Fault(name, "minimum", "must not be less than 1")])
    if number > most:
        fault = errors.Fault(name, "maximum", f"must not be more than {most}")
        raise errors.InvalidInput([fault])


# ------------------------------------------------------------------------------- operators


def _queues(services: Services, command: queues.ShowQueues) -> QueuesAnswer:
    return queues_answer(services.operators.queues(), services.policies.read())


def _list_tasks(services: Services, command: queues.ListTasks) -> TasksAnswer:
    query = command.query
    rules.queue(query.filter.queue)
    _ensure_within("limit", query.limit, MAX_PAGE)
    found = services.operators.find(query, archived=command.archived)
    is_end = len(found) < query.limit
    return TasksAnswer(
        tasks=tuple(task_answer(each, is_archived=command.archived) for each in found),
        next=None if is_end else Position.of(found[-1].document),
    )


def _pause_queue(services: Services, command: queues.PauseQueue) -> QueuePolicyAnswer:
    return queue_policy_answer(services.policies.pause(rules.queue(command.queue)))


def _resume_queue(services: Services, command: queues.ResumeQueue) -> QueuePolicyAnswer:
    return queue_policy_answer(services.policies.resume(rules.queue(command.queue)))


def _change_task(services: Services, command: queues.ChangeTask) -> TaskAnswer:
    key = rules.task_key(command.queue, command.id)
    return task_answer(services.operators.apply(command.operation, key))


def _change_tasks(services: Services, command: queues.ChangeTasks) -> OutcomesAnswer:
    limit = MAX_PAGE if command.limit is None else command.limit
    _ensure_within("limit", limit, MAX_PAGE)
    rules.queue(command.meant.queue)
    swept = services.operators.sweep(
        command.operation,
        command.meant,
        after=command.after,
        limit=limit,
        dry_run=command.dry_run,
    )
    return OutcomesAnswer(
        outcomes=tuple(
            TaskOutcomeAnswer(id=each.key.id, outcome=each.outcome, reason=each.reason or None)
            for each in swept.outcomes
        ),
        next=swept.next,
    )


#: By kind of command, what carries it out.
CALLS: Final[Mapping[type, Callable[[Services, Any], Any]]] = MappingProxyType(
    {
        tasks.CreateTask: _create,
        tasks.GetTask: _get,
        tasks.ClaimTasks: _claim,
        tasks.ReportOnTask: _change,
        tasks.CompleteTask: _change,
        tasks.FailTask: _change,
        tasks.UnclaimTask: _change,
        recurring.CreateRecurringTask: _create_recurring,
        recurring.ListRecurringTasks: _list_recurring,
        recurring.GetRecurringTask: _get_recurring,
        recurring.UpdateRecurringTask: _update_recurring,
        recurring.DeleteRecurringTask: _delete_recurring,
        recurring.PauseRecurringTask: _pause_recurring,
        recurring.ResumeRecurringTask: _resume_recurring,
        recurring.RunRecurringTask: _run_recurring,
        recurring.PreviewRecurringTask: _preview_recurring,
        queues.ShowQueues: _queues,
        queues.ListTasks: _list_tasks,
        queues.PauseQueue: _pause_queue,
        queues.ResumeQueue: _resume_queue,
        queues.ChangeTask: _change_task,
        queues.ChangeTasks: _change_tasks,
    }
)
