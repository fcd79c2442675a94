"""All of it together: the backend that the server runs on."""

from __future__ import annotations

from collections.abc import Sequence

from tasques.adapters.elasticsearch import client as clients
from tasques.adapters.elasticsearch import errors, kibana
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.archive_store import ElasticsearchArchiveStore
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.health import Health
from tasques.adapters.elasticsearch.indices import (
    IndexNames,
    lock_indices,
    policy_indices,
    queue_indices,
    recurring_indices,
)
from tasques.adapters.elasticsearch.lock_store import leader_lock_store
from tasques.adapters.elasticsearch.policy_store import ElasticsearchPolicyStore
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.recurring_store import ElasticsearchRecurringTaskStore
from tasques.adapters.elasticsearch.settings import ElasticsearchSettings
from tasques.adapters.elasticsearch.setup import Setup
from tasques.adapters.elasticsearch.store import ElasticsearchTaskStore
from tasques.core.metrics import MetricFamily, counter
from tasques.core.ports import LeaderLockStore, Problem, Runtime, SetupStep
from tasques.core.values import Instant


class ElasticsearchBackend:
    """
    The :class:`~tasques.core.ports.Backend` of Elasticsearch.

    Attributes:
        client: For counts of what the cluster warned about.
        quarantine: For counts of documents that are no tasks.
    """

    def __init__(self, settings: ElasticsearchSettings, client: Client, runtime: Runtime) -> None:
        names = IndexNames(settings.prefix)
        self._settings = settings
        self.client = client
        self.quarantine, recurring, locks, policies, archive = self._quarantines = [
            Quarantine(runtime) for _ in range(5)
        ]
        adoption = Adoption(client, queue_indices(names), runtime)
        self._tasks = ElasticsearchTaskStore(client, names, adoption, self.quarantine, runtime)
        self._recurring_tasks = ElasticsearchRecurringTaskStore(
            client, names, Adoption(client, recurring_indices(names), runtime), recurring
        )
        self._leader_locks = leader_lock_store(
            client, names, Adoption(client, lock_indices(names), runtime), locks
        )
        self._archive = ElasticsearchArchiveStore(client, names, archive, runtime)
        self._policies = ElasticsearchPolicyStore(
            client, names, Adoption(client, policy_indices(names), runtime), policies
        )
        self._setup = Setup(client, names, settings.lifecycle)
        self._health = Health(client, names, self._setup, runtime)

    @classmethod
    def connect(cls, settings: ElasticsearchSettings, runtime: Runtime) -> ElasticsearchBackend:
        """
        The backend for *settings*; nothing is sent yet.

        Raises:
            InvalidInput: If the installed client library or the certificates cannot be used.
        """
        return cls(settings, clients.connect(settings, runtime), runtime)

    @property
    def url(self) -> str:
        return self._settings.url

    @property
    def is_durable(self) -> bool:
        return True

    @property
    def tasks(self) -> ElasticsearchTaskStore:
        return self._tasks

    @property
    def recurring_tasks(self) -> ElasticsearchRecurringTaskStore:
        return self._recurring_tasks

    @property
    def leader_locks(self) -> LeaderLockStore:
        return self._leader_locks

    @property
    def policies(self) -> ElasticsearchPolicyStore:
        return self._policies

    @property
    def archive(self) -> ElasticsearchArchiveStore:
        return self._archive

    def check(self) -> Sequence[Problem]:
        return self._health.check()

    def server_time(self) -> Instant | None:
        return self._health.server_time()

    def measurements(self) -> Sequence[MetricFamily]:
        return [
            *self.client.requests.collect(),
            counter(
                "tasques_elasticsearch_warnings_total",
                "Warnings of Elasticsearch about names that begin with a dot.",
                self.client.dot_warnings,
            ),
            counter(
                "tasques_elasticsearch_malformed_total",
                "Documents met that are not what they should be.",
                sum(each.met for each in self._quarantines),
            ),
        ]

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        try:
            steps = self._setup.run(apply=apply)
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure
        names = IndexNames(self._settings.prefix)
        more = kibana.steps(self._settings.kibana, names, steps, apply=apply, again=dashboards)
        return [*steps, *more]

    def close(self) -> None:
        self.client.close()
