"""
What keeps the cluster from being relied on, asked every second or two.

One cheap request each time says whether the cluster answers; the rest is asked again only after a
while, or at once as long as it was found wrong, so that health turns green as soon as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.client import Answer, Client
from tasques.adapters.elasticsearch.differences import flat_settings
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.setup import (
    ARCHIVE_INDEX,
    INDEX_TEMPLATE,
    LIFECYCLE_POLICY,
    MAPPINGS,
    Setup,
)
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Problem, Runtime, SetupStep
from tasques.core.values import Instant

#: For so long good news about blocks and durability, and about templates and mappings, are good.
SETTINGS_SECONDS: Final = 10.0
SETUP_SECONDS: Final = 60.0
#: An answer that takes longer is none: health is asked for often.
TIMEOUT_SECONDS: Final = 2.0

# The time at which the answer was made. Not that of the statistics in it: they are cached, and who
# asks while another one has them refreshed is given those of the time before, however long ago that
# was, or of a node that has just started those of 1970. (Source: Elasticsearch,
# ``SingleObjectCache.getOrRefresh``.)
_TIME: Final = "/_nodes/_local/stats/os?filter_path=nodes.*.timestamp"
_CLUSTER_SETTINGS: Final = "/_cluster/settings?filter_path=*.cluster.blocks&master_timeout=1s"


class Health:
    """Asks, and remembers good news for a while; safe for several threads, which may ask twice."""

    def __init__(self, client: Client, names: IndexNames, setup: Setup, runtime: Runtime) -> None:
        self._client = client
        self._names = names
        self._setup = setup
        self._slow = (
            _Remembered(self._settings_problems, SETTINGS_SECONDS, runtime),
            _Remembered(self._setup_problems, SETUP_SECONDS, runtime),
        )

    def check(self) -> Sequence[Problem]:
        """All problems there are; never raises."""
        try:
            problems = list(self._cluster_problems())
            if not any(problem.fatal for problem in problems):
                for part in self._slow:
                    problems.extend(part())
        except errors.RequestFailed as failure:
            return [_unreachable(str(failure))]
        except StoreUnavailable as error:
            return [_unreachable(str(error))]
        return problems

    def server_time(self) -> Instant | None:
        """The clock of the node that answers, to the millisecond; None where it may not be asked."""
        try:
            answer = self._get(_TIME)
            if answer.status in (401, 403, 404, 410):
                return None
            if not answer.is_ok:
                raise errors.unavailable(answer.status, answers.error(answer.body))
            found = list(flat_settings(answer.json()).items())
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure
        return Instant(int(str(found[0][1])) * 1_000_000) if found else None

    def _cluster_problems(self) -> Iterator[Problem]:
        pattern = quote(f"{self._names.prefix}*", safe="*")
        answer = self._get(
            f"/_cluster/health/{pattern}?filter_path=status&timeout=1s&master_timeout=1s"
            "&expand_wildcards=all"
        )
        if answer.is_ok:
            if dict(flat_settings(answer.json())).get("status") == "red":
                yield Problem(
                    code="shards_missing",
                    message="some index has no primary shard just now; its queue stands still."
                    f" See GET /_cluster/health/{pattern}?level=indices",
                    fatal=False,
                )
            return
        cause = answers.error(answer.body)
        text = errors.describe(answer.status, cause)
        if cause.type == "media_type_header_exception":
            message = f"this Elasticsearch understands no client of version 8: {text}"
            yield Problem(code="client_version", message=message)
        elif answer.status in (401, 403):
            message = f"Elasticsearch refuses us; see elasticsearch.user or api_key: {text}"
            yield Problem(code="unauthorized", message=message)
        else:
            yield _unreachable(text)

    def _settings_problems(self) -> Sequence[Problem]:
        names = self._names
        indices = (names.all_queues, names.recurring_tasks, names.leader_locks, names.policies)
        answer = self._ok(
            f"/{quote(','.join(indices), safe='*,')}/_settings"
            "/index.blocks.*,index.translog.durability"
            "?flat_settings=true&expand_wildcards=all&ignore_unavailable=true"
            "&allow_no_indices=true&master_timeout=1s"
        )
        cluster = self._ok(_CLUSTER_SETTINGS).json()
        return list(_of_settings(answer.json(), cluster))

    def _setup_problems(self) -> Sequence[Problem]:
        return list(_of_steps(self._setup.run(apply=False)))

    def _ok(self, path: str) -> Answer:
        answer = self._get(path)
        if not answer.is_ok:
            raise errors.unavailable(answer.status, answers.error(answer.body))
        return answer

    def _get(self, path: str) -> Answer:
        return self._client.request("GET", path, timeout_seconds=TIMEOUT_SECONDS, repeatable=True)


class _Remembered:
    """The outcome of a function, kept for a while if it was good."""

    def __init__(
        self, function: Callable[[], Sequence[Problem]], seconds: float, runtime: Runtime
    ) -> None:
        self._function = function
        self._seconds = seconds
        self._runtime = runtime
        self._good_until = float("-inf")

    def __call__(self) -> Sequence[Problem]:
        now = self._runtime.monotonic()
        if now < self._good_until:
            return ()
        problems = self._function()
        if not problems:
            self._good_until = now + self._seconds
        return problems


def _unreachable(text: str) -> Problem:
    return Problem(code="unreachable", message=f"Elasticsearch is out of reach: {text}")


def _of_settings(by_index: object, cluster: object) -> Iterator[Problem]:
    """Problems in the settings of our indices and of the cluster."""
    blocked, asynchronous = [], []
    for index, content in by_index.items() if isinstance(by_index, Mapping) else ():
        settings = {
            name.removeprefix("settings."): value for name, value in flat_settings(content).items()
        }
        if settings.get("index.translog.durability") == "async":
            asynchronous.append(index)
        if settings.get("index.blocks.read_only_allow_delete") == "true":
            blocked.append(index)
    if any(str(value) == "true" for value in flat_settings(cluster).values()):
        blocked.append("the whole cluster")
    if asynchronous:
        yield Problem(
            code="translog_async",
            message="index.translog.durability is async, so that acknowledged tasks may be lost,"
            f" for {_some(asynchronous)}: set it to request",
        )
    if blocked:
        yield Problem(
            code="disk_block",
            message=f"Elasticsearch refuses writes, its disk being nearly full, for"
            f" {_some(blocked)}: make room, and it lifts the block by itself",
        )


def _of_steps(steps: Sequence[SetupStep]) -> Iterator[Problem]:
    """Problems in what ``setup`` would do."""
    missing = [
        step.what
        for step in steps
        if step.state == "missing" and step.what.startswith((INDEX_TEMPLATE, LIFECYCLE_POLICY))
    ]
    if missing:
        message = f"not installed: {_some(missing)}. Run `tasques setup`"
        yield Problem(code="templates_missing", message=message)
    elif any(step.state == "missing" and step.what.startswith(ARCHIVE_INDEX) for step in steps):
        message = (
            "the archive has no index, and finished tasks stay in their queues. Run `tasques setup`"
        )
        yield Problem(code="archive_missing", message=message, fatal=False)
    outdated = [
        step.what
        for step in steps
        if step.state == "different" and step.what.startswith(INDEX_TEMPLATE)
    ]
    if outdated:
        message = f"not as they should be: {_some(outdated)}. Run `tasques setup`"
        yield Problem(code="templates_different", message=message, fatal=False)
    for step in steps:
        if step.what.startswith(MAPPINGS) and step.state == "tolerated":
            yield Problem(code="mapping_drift", message=step.detail, fatal=False)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
