"""A backend: the stores together, with what a server has to know about where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from tasques.core.metrics import MetricFamily
from tasques.core.ports.stores import (
    ArchiveStore,
    LeaderLockStore,
    PolicyStore,
    RecurringTaskStore,
    TaskStore,
)
from tasques.core.values import Instant


@attrs.frozen(kw_only=True)
class Problem:
    """
    Something that keeps a backend from being relied on.

    Attributes:
        code: Stable, for machines: ``unreachable``, ``templates_missing``, ``mapping_drift``.
        message: What is wrong and what to do, for a person.
        fatal: Whether the server must not take requests while it lasts.
    """

    code: str
    message: str
    fatal: bool = True


@attrs.frozen(kw_only=True)
class SetupStep:
    """
    One thing that ``setup`` found to do, or to be there already.

    Attributes:
        what: What it is about: ``index template .tasques_queues_index_template``.
        state: ``present``, ``missing``, ``different``, ``installed`` or ``updated``;
            ``tolerated`` where it differs, ``setup`` cannot change it and tasks do not mind;
            ``skipped`` where it was not looked at.
        detail: More, where there is more to say.
    """

    what: str
    state: str
    detail: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do here."""
        return self.state in ("present", "installed", "updated", "tolerated", "skipped")


class Backend(Protocol):
    """
    The stores with all that a server needs to run on it; what a plugin brings for a URL scheme.

    ``check`` and ``server_time`` may be called while the store is out of reach, and say so.
    """

    @property
    def url(self) -> str:
        """Where it is, without credentials; for logs and health."""

    @property
    def is_durable(self) -> bool:
        """Whether what was written outlives this process."""

    @property
    def tasks(self) -> TaskStore:
        """The store of tasks."""

    @property
    def recurring_tasks(self) -> RecurringTaskStore:
        """The store of recurring tasks."""

    @property
    def leader_locks(self) -> LeaderLockStore:
        """The store of leaders' locks."""

    @property
    def policies(self) -> PolicyStore:
        """The store of what operators laid down for queues."""

    @property
    def archive(self) -> ArchiveStore:
        """The store of finished tasks."""

    def check(self) -> Sequence[Problem]:
        """What is wrong just now, fatal or not; empty when all is well. Never raises."""

    def server_time(self) -> Instant | None:
        """
        The store's own wall clock, or None if it has none to compare with.

        Raises:
            StoreUnavailable: If it cannot be asked now.
        """

    def measurements(self) -> Sequence[MetricFamily]:
        """What it counts of its own, since it was opened; neither blocks nor raises."""

    def setup(self, *, apply: bool, dashboards: bool = False) -> Sequence[SetupStep]:
        """
        Install what is missing, or only say so; doing it twice changes nothing.

        Args:
            dashboards: Install what people look at tasks with once more, over what they may have
                made of it, if the store has such a thing.

        Raises:
            StoreUnavailable: If the store cannot be reached or refuses.
        """

    def close(self) -> None:
        """Give back connections and threads; nothing is called afterwards."""
