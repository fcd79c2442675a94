"""
Under which names the wire models appear in API descriptions.

Those of the original's are kept, since clients are generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tasques.schemas import (
    answers,
    batch_answers,
    batch_requests,
    queue_answers,
    queue_requests,
    recurring_answers,
    recurring_requests,
    requests,
)

#: Each wire model's name in an API description, bodies first.
DEFINITION_NAMES: Final[Mapping[type, str]] = MappingProxyType(
    {
        requests.NewTaskBody: "task.NewTask",
        requests.ClaimBody: "task.Claim",
        requests.ReportBody: "task.NewReport",
        requests.SuccessBody: "task.Success",
        requests.FailureBody: "task.Failure",
        batch_requests.NewTasksBody: "task.NewTasks",
        batch_requests.NewTaskItem: "task.NewTaskItem",
        batch_requests.FinishTasksBody: "task.FinishTasks",
        batch_requests.FinishItem: "task.FinishItem",
        recurring_requests.NewRecurringTaskBody: "recurring.NewTask",
        recurring_requests.RecurringTaskUpdateBody: "recurring.TaskUpdate",
        requests.TaskDefinitionBody: "recurring.TaskDefinition",
        queue_requests.DelayBody: "task.Delay",
        queue_requests.ReprioritiseBody: "task.Reprioritise",
        queue_requests.ManyTasksBody: "task.Many",
        queue_requests.DelayManyBody: "task.DelayMany",
        queue_requests.ReprioritiseManyBody: "task.ReprioritiseMany",
        answers.TaskAnswer: "task.Task",
        answers.LastClaimedAnswer: "task.LastClaimed",
        answers.ReportAnswer: "task.Report",
        answers.ResultAnswer: "task.Result",
        answers.EndedAnswer: "task.Ended",
        batch_answers.ItemsAnswer: "task.Items",
        batch_answers.ItemAnswer: "task.Item",
        recurring_answers.RecurringTaskAnswer: "recurring.Task",
        recurring_answers.TaskDefinitionAnswer: "recurring.DefinedTask",
        recurring_answers.SlotAnswer: "recurring.Slot",
        recurring_answers.PreviewAnswer: "recurring.Preview",
        queue_answers.QueuesAnswer: "queue.Queues",
        queue_answers.QueueAnswer: "queue.Queue",
        queue_answers.CountsAnswer: "queue.Counts",
        queue_answers.QueuePolicyAnswer: "queue.Policy",
        queue_answers.TasksAnswer: "task.Tasks",
        queue_answers.OutcomesAnswer: "task.Outcomes",
        queue_answers.TaskOutcomeAnswer: "task.Outcome",
        answers.MetadataAnswer: "common.Metadata",
        answers.VersionAnswer: "common.Version",
        answers.ErrorAnswer: "common.Body",
        answers.FaultAnswer: "common.Fault",
        answers.LivenessAnswer: "health.Liveness",
        answers.ReadinessAnswer: "health.Readiness",
        answers.ProblemAnswer: "health.Problem",
        answers.LeaderAnswer: "health.Leader",
    }
)

#: What the original's description calls the body of a request, where a generated client shows it.
BODY_NAMES: Final[Mapping[type, str]] = MappingProxyType(
    {
        requests.NewTaskBody: "newTask",
        requests.ClaimBody: "claim",
        requests.ReportBody: "newReport",
        requests.SuccessBody: "success",
        requests.FailureBody: "failure",
        batch_requests.NewTasksBody: "newTasks",
        batch_requests.FinishTasksBody: "finishTasks",
        recurring_requests.NewRecurringTaskBody: "newRecurringTask",
        recurring_requests.RecurringTaskUpdateBody: "recurringTaskUpdate",
        queue_requests.DelayBody: "delay",
        queue_requests.ReprioritiseBody: "reprioritise",
        queue_requests.ManyTasksBody: "many",
        queue_requests.DelayManyBody: "delayMany",
        queue_requests.ReprioritiseManyBody: "reprioritiseMany",
    }
)

#: The models that are read rather than written: bodies, and what lies within them.
READ: Final = frozenset(
    {
        *BODY_NAMES,
        requests.TaskDefinitionBody,
        batch_requests.NewTaskItem,
        batch_requests.FinishItem,
    }
)
