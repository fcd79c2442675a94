"""The settings of what stands behind the server: Elasticsearch, and what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import (
    ADDRESSES,
    BOOLEAN,
    DURATION,
    OBJECT,
    OPTIONAL_TEXT,
    OPTIONAL_URL,
    PREFIX,
    SECRET,
)
from tasques.settings.table import group, setting

_NO_APM: Final = (
    "The server sends nothing to an APM server by itself; the plugin `tasques-opentelemetry` does."
)


@attrs.frozen(kw_only=True)
class ElasticsearchUser:
    """Basic authentication towards Elasticsearch."""

    name: str | None = setting(OPTIONAL_TEXT, None, "The user; wants a password too.")
    password: str | None = setting(SECRET, None, "The user's password.")


@attrs.frozen(kw_only=True)
class Elasticsearch:
    """Where Elasticsearch is, and how to speak to it."""

    addresses: tuple[str, ...] | None = setting(
        ADDRESSES,
        None,
        "The nodes. Where it is set, tasks are kept in Elasticsearch, unless `backend` says "
        "otherwise. In the environment a comma list. The original's example has "
        "`http://localhost:9200`.",
    )
    user: ElasticsearchUser = group(ElasticsearchUser)
    api_key: str | None = setting(
        SECRET,
        None,
        "An API key, encoded as Elasticsearch gives it out; in place of a user.",
        is_ours=True,
    )
    ca_file: str | None = setting(
        OPTIONAL_TEXT,
        None,
        "A file of PEM certificates to trust for `https`; not set: those of the system.",
        is_ours=True,
    )
    prefix: str = setting(
        PREFIX,
        ".tasques_",
        "What the names of all indices and templates begin with. The original's is fixed, so a "
        "server with another one shares nothing with it. Indices are hidden where it begins with "
        "a dot.",
        is_ours=True,
    )
    request_timeout: Duration = setting(
        DURATION,
        "10s",
        "How long to wait for an answer of Elasticsearch.",
        minimum="100ms",
        maximum="10m",
        too_small="Busy clusters look as if they were gone, and writes end unknown.",
        too_large="Requests wait for nodes that will not answer.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class KibanaUser:
    """Basic authentication towards Kibana."""

    name: str | None = setting(OPTIONAL_TEXT, None, "The user; wants a password too.")
    password: str | None = setting(SECRET, None, "The user's password.")


@attrs.frozen(kw_only=True)
class Kibana:
    """Where Kibana is, for `setup` alone."""

    address: str | None = setting(
        OPTIONAL_URL,
        None,
        "Where `setup` imports dashboards, with the path of a space if need be: "
        "`http://localhost:5601/s/ops`. Not set: nowhere. For `https`, the certificates in "
        "`elasticsearch.ca_file` are trusted besides the system's.",
    )
    user: KibanaUser = group(KibanaUser)


@attrs.frozen(kw_only=True)
class Apm:
    """Where the original sends its traces."""

    address: str | None = setting(
        OPTIONAL_TEXT, None, "The APM server of the original.", without_effect=_NO_APM
    )
    secret_token: str | None = setting(
        SECRET, None, "The token for the APM server.", without_effect=_NO_APM
    )


@attrs.frozen(kw_only=True)
class CustomPolicy:
    """A lifecycle policy in place of the default one."""

    name: str | None = setting(OPTIONAL_TEXT, None, "Its name; wants a policy too.")
    policy: Mapping[str, object] | None = setting(
        OBJECT,
        None,
        "The policy as Elasticsearch takes it; in the environment a JSON object.",
    )


@attrs.frozen(kw_only=True)
class ArchivedTasksLifecycle:
    """Lifecycle management of the archive."""

    enabled: bool = setting(
        BOOLEAN, True, "Whether `setup` puts the archive under lifecycle management."
    )
    custom_policy: CustomPolicy = group(CustomPolicy)


@attrs.frozen(kw_only=True)
class LifecycleSetup:
    """Lifecycle management of indices."""

    archived_tasks: ArchivedTasksLifecycle = group(ArchivedTasksLifecycle)
