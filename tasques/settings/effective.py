"""The effective settings: every value, where each came from, and what was odd about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from tasques.core.values import Duration
from tasques.settings.background import Recurring
from tasques.settings.kinds import ADDRESS, BACKEND, DURATION, Address
from tasques.settings.serving import Auth, Http, Logging, Nudges
from tasques.settings.storage import Apm, Elasticsearch, Kibana, LifecycleSetup
from tasques.settings.table import Setting, flatten, group, rows, sections, setting
from tasques.settings.work import Clock, QueueRules, Tasks

#: The source of a value that nothing was said about.
DEFAULT: Final = "default"


@attrs.frozen(kw_only=True)
class Settings:
    """
    Every setting, as attributes along its dotted name: ``settings.tasks.defaults.block_for``.

    ``Settings()`` has the defaults. Durations are :class:`~tasques.core.values.Duration`.

    Attributes:
        sources: Where values came from, by dotted name: ``file ./tasques.yaml``, ``environment
            TASQUES_SERVER_BIND_ADDRESS``, ``command line``; a name that is missing has its default.
        warnings: What was odd and did not keep the settings from being used, for a person.
    """

    bind_address: Address = setting(
        ADDRESS,
        "localhost:8080",
        "Where to listen: `host:port`, `:port` for every interface, `[IPv6]:port`. Port 0 takes a "
        "free one. An address that is taken stops the start.",
    )
    shutdown_timeout: Duration = setting(
        DURATION,
        "5s",
        "How long running requests get to finish when the server stops.",
        minimum="0",
        too_small="Requests are cut off, and the exit status is 1.",
        too_large="Whoever stops the server may lose patience and kill it.",
    )
    backend: str | None = setting(
        BACKEND,
        None,
        "Where tasks are kept, as a URL: `memory:`, `elasticsearch://host:9200`, or what a plugin "
        "brings. Not set: Elasticsearch where `elasticsearch.addresses` is set, else memory, which "
        "forgets everything when the server stops.",
        is_ours=True,
    )
    logging: Logging = group(Logging)
    http: Http = group(Http)
    nudges: Nudges = group(Nudges)
    auth: Auth = group(Auth)
    elasticsearch: Elasticsearch = group(Elasticsearch)
    tasks: Tasks = group(Tasks)
    queues: QueueRules = group(QueueRules)
    recurring: Recurring = group(Recurring)
    clock: Clock = group(Clock)
    lifecycle_setup: LifecycleSetup = group(LifecycleSetup)
    kibana: Kibana = group(Kibana)
    apm: Apm = group(Apm)

    sources: Mapping[str, str] = attrs.field(factory=dict, converter=MappingProxyType)
    warnings: tuple[str, ...] = ()

    def as_options(self) -> Mapping[str, object]:
        """
        Every value by dotted name, secrets included, as ``tasques_backend`` hands them to plugins.

        The values are those of the attributes: durations as durations, lists as tuples.
        """
        return MappingProxyType(dict(flatten(self)))

    def source(self, name: str) -> str:
        """Where the value of a dotted name came from; ``default`` where nothing was said."""
        return self.sources.get(name, DEFAULT)


#: The table of settings by dotted name, in the order of the reference page.
TABLE: Final[Mapping[str, Setting]] = MappingProxyType({row.name: row for row in rows(Settings)})

#: The dotted names of all sections; the empty one is ``tasques.server`` itself.
SECTIONS: Final = ("", *sections(Settings))


def backend_url(settings: Settings) -> str:
    """
    The URL of the backend to open.

    The setting ``backend`` decides; without it Elasticsearch is used where its addresses are set,
    and memory otherwise. ``elasticsearch:`` stands for what the settings say of Elasticsearch.
    """
    if settings.backend is not None:
        return settings.backend
    return "elasticsearch:" if settings.elasticsearch.addresses else "memory:"
