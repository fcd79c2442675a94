"""What settings must be together, where each by itself is fine; one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import attrs

from tasques.settings.effective import Settings, backend_url

#: A shorter one can be guessed from a datagram.
_SECRET_LENGTH: Final = 16


@attrs.frozen(kw_only=True)
class Rule:
    """
    A rule over several settings.

    Attributes:
        names: Dotted; the first is the one to complain about.
        is_broken: Decides.
        message: What is wrong and what to do.
        is_fatal: Whether it stops the start, rather than being a warning.
    """

    names: tuple[str, ...]
    is_broken: Callable[[Settings], bool]
    message: str
    is_fatal: bool = True

    def describe(self, settings: Settings) -> str:
        """The message, with where the values came from."""
        sources = sorted({settings.source(name) for name in self.names})
        return f"{self.message} ({', '.join(sources)})"


RULES: Final = (
    Rule(
        names=("elasticsearch.user.password", "elasticsearch.user.name"),
        is_broken=lambda it: (
            (it.elasticsearch.user.name is None) != (it.elasticsearch.user.password is None)
        ),
        message="elasticsearch.user wants both a name and a password, or neither",
    ),
    Rule(
        names=("elasticsearch.api_key", "elasticsearch.user.name"),
        is_broken=lambda it: (
            it.elasticsearch.api_key is not None and it.elasticsearch.user.name is not None
        ),
        message="set elasticsearch.api_key or elasticsearch.user, not both",
    ),
    Rule(
        names=(
            "lifecycle_setup.archived_tasks.custom_policy.policy",
            "lifecycle_setup.archived_tasks.custom_policy.name",
        ),
        is_broken=lambda it: (
            (it.lifecycle_setup.archived_tasks.custom_policy.name is None)
            != (it.lifecycle_setup.archived_tasks.custom_policy.policy is None)
        ),
        message="custom_policy wants both a name and a policy, or neither",
    ),
    Rule(
        names=("kibana.user.password", "kibana.user.name"),
        is_broken=lambda it: (it.kibana.user.name is None) != (it.kibana.user.password is None),
        message="kibana.user wants both a name and a password, or neither",
        # The server does without Kibana, and the original's starts, too.
        is_fatal=False,
    ),
    Rule(
        names=("http.processes", "backend"),
        is_broken=lambda it: (
            it.http.processes > 1 and backend_url(it).lower().startswith("memory:")
        ),
        message="processes cannot share tasks that are kept in memory; have one, or Elasticsearch",
    ),
    Rule(
        names=("nudges.secret", "nudges.bind_address"),
        is_broken=lambda it: (
            it.nudges.bind_address is not None and len(it.nudges.secret or "") < _SECRET_LENGTH
        ),
        message="nudges.bind_address wants a nudges.secret of at least 16 characters",
    ),
    Rule(
        names=("nudges.peers", "nudges.bind_address"),
        is_broken=lambda it: bool(it.nudges.peers) and it.nudges.bind_address is None,
        message="nudges.peers wants a nudges.bind_address, where they can nudge this server",
    ),
    Rule(
        names=("clock.red", "clock.amber"),
        is_broken=lambda it: it.clock.red < it.clock.amber,
        message="clock.red must not be less than clock.amber",
    ),
    Rule(
        names=("recurring.leader_lock.leader_lock_lease", "recurring.leader_lock.run_interval"),
        is_broken=lambda it: (
            it.recurring.leader_lock.leader_lock_lease <= it.recurring.leader_lock.run_interval
        ),
        message="recurring.leader_lock.leader_lock_lease should be longer than its run_interval",
        is_fatal=False,
    ),
)


def broken(settings: Settings, *, except_for: Collection[str]) -> Iterator[Rule]:
    """The rules that *settings* break, without those about a name in *except_for*."""
    for rule in RULES:
        if not set(rule.names) & set(except_for) and rule.is_broken(settings):
            yield rule
