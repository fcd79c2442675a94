"""
What all tests share: real Elasticsearch nodes, and how Hypothesis searches.

A test that asks for ``elasticsearch_url``, directly or through a fixture of its own, runs once on
every version in ``VERSIONS``; ``prefix`` keeps its indices apart from those of others. A test that
stops, kills or pauses the server, or changes its settings, asks for ``own_elasticsearch_node``
instead. In a run with workers (pytest-xdist) ``distribution.py`` says which tests stay together.

With ``TASQUES_TEST_ES_URL`` set, the tests run on that cluster alone. What could not be run is
named in the last lines of the report; where no node can be had at all, the tests fail and say what
to install.
"""

import os
import secrets
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import distribution
from tests.shared_nodes import Nodes, NodesOfController, OwnNodes, SharingNodes
from tools.elasticsearch_node import ElasticsearchNode, call, minimum_java
from tools.java import find_java

VERSIONS = ("8.19.8", "9.5.0")
"""The oldest version that is supported, and a recent one."""

# No deadline, and no complaint that examples come slowly: a busy machine is no bug. The same examples
# each time, so that a commit passes or fails for what it changes; to look for more than that, and to
# replay what was found: pytest --hypothesis-profile explore.
_PATIENT = hypothesis.settings(
    print_blob=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("same", _PATIENT, derandomize=True)
hypothesis.settings.register_profile("explore", _PATIENT, derandomize=False)
hypothesis.settings.load_profile("same")

_NOT_RUN = pytest.StashKey[dict[str, None]]()
_TARGETS = pytest.StashKey[list[str]]()
_NODES = pytest.StashKey[Nodes]()
_SHARING = pytest.StashKey[SharingNodes]()
_TURNSTILE = pytest.StashKey[distribution.Turnstile]()


@pytest.fixture(scope="session")
def elasticsearch_target(request: pytest.FixtureRequest) -> str:
    """What this test runs on: a version, or the address of the cluster that was given."""
    target: str = request.param
    return target


@pytest.fixture(scope="session")
def elasticsearch_url(elasticsearch_target: str, pytestconfig: pytest.Config) -> str:
    """The address of an Elasticsearch shared with other tests; see ``prefix``."""
    if "://" in elasticsearch_target:
        return elasticsearch_target
    return pytestconfig.stash[_NODES].url(elasticsearch_target)


@pytest.fixture
def prefix(elasticsearch_url: str) -> Iterator[str]:
    """A prefix for names of indices and templates that is this test's own; removed at its end."""
    unique = f".t{secrets.token_hex(6)}_"
    yield unique
    _remove(elasticsearch_url, unique)


@pytest.fixture(scope="session")
def _own_node(elasticsearch_target: str) -> Iterator[ElasticsearchNode]:
    # One for all of them: a start takes about ten seconds.
    with ElasticsearchNode(elasticsearch_target) as node:
        yield node


@pytest.fixture
def own_elasticsearch_node(_own_node: ElasticsearchNode) -> ElasticsearchNode:
    """A running node to stop, kill, pause and restart; what earlier tests stored may be there."""
    _own_node.resume()
    _own_node.start()
    return _own_node


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what is noted about this run, and where its nodes come from."""
    config.stash[_NOT_RUN] = {}
    if (worker := _worker_input(config)) is not None:
        folder = Path(worker["folder"])
        config.stash[_NODES] = NodesOfController(folder)
        config.stash[_TURNSTILE] = distribution.Turnstile(folder)
    else:
        config.stash[_NODES] = OwnNodes()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the nodes that this process has started."""
    config.stash[_NODES].close()
    if _SHARING in config.stash:
        config.stash[_SHARING].close()
    if _TURNSTILE in config.stash:
        config.stash[_TURNSTILE].close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what depends on an Elasticsearch once on each."""
    if "elasticsearch_target" in metafunc.fixturenames:
        metafunc.parametrize(
            "elasticsearch_target",
            _targets(metafunc.config),
            ids=lambda target: "given-cluster" if "://" in target else target,
            indirect=True,
            scope="session",
        )


# After pytest itself, which puts those with the same parameter of a session together.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what may not be done to a cluster that was given to us, and note it."""
    if "TASQUES_TEST_ES_URL" in os.environ:
        _leave_out_disruptive(config, items)
    if _worker_input(config) is not None:
        distribution.put_in_order(items)


# Before the controller hears of it, which wants to know the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the nodes that will be needed start meanwhile; in a worker, tell the groups, too."""
    if (worker := _worker_input(session.config)) is not None:
        distribution.write_groups(Path(worker["folder"]), session.items)
    asking = (item for item in session.items if "elasticsearch_url" in _fixtures(item))
    for target in {item.callspec.params["elasticsearch_target"] for item in asking}:  # type: ignore[attr-defined]
        if "://" not in target:
            session.config.stash[_NODES].want(target)


# -------------------------------------------------------------------- a run with workers


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """In a worker, wait as long as a test of another one wants to be alone."""
    turnstile = item.config.stash.get(_TURNSTILE, None)
    if turnstile is None:
        return (yield)
    with turnstile.passed(alone=distribution.is_alone(item)):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In the controller: hand out tests in groups, whatever ``--dist`` says."""
    return distribution.scheduler(config, log, config.stash[_SHARING].folder)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller: tell a worker where to ask for nodes, and be ready to start them."""
    stash = node.config.stash
    if _SHARING not in stash:
        stash[_SHARING] = SharingNodes()
    node.workerinput["folder"] = str(stash[_SHARING].folder)


# Before the worker says good-bye, which takes this along.
@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: leave what is to be said at the end of the report to the controller."""
    stash = session.config.stash
    if (left := getattr(session.config, "workeroutput", None)) is not None:
        not_run = stash[_NOT_RUN]
        left.update(targets=stash.get(_TARGETS, []), not_run=list(not_run))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the controller: take over what a worker has left."""
    # One that crashed has left nothing; the others know the same.
    left = getattr(node, "workeroutput", {})
    not_run: list[str] = left.get("not_run", [])
    if left.get("targets"):
        node.config.stash[_TARGETS] = left["targets"]
    node.config.stash[_NOT_RUN].update(dict.fromkeys(not_run))


# ------------------------------------------------------------------------------ the report


# Outermost and after all others, so that it stands right above the last line.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say what tests want said, on which Elasticsearch they ran, and what was left out."""
    yield
    for line in _reported(terminalreporter):
        terminalreporter.write_line(line)
    if _TARGETS in config.stash:
        # The address may hold a password.
        targets = ("the given cluster" if "://" in t else t for t in config.stash[_TARGETS])
        terminalreporter.write_line(f"Elasticsearch: {', '.join(targets)}")
    for reason in config.stash[_NOT_RUN]:
        terminalreporter.write_line(f"NOT RUN: {reason}", yellow=True, bold=True)


def _reported(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    """What tests have recorded under ``report``, which workers cannot print."""
    for kind in ("passed", "failed"):
        for report in terminalreporter.stats.get(kind, ()):
            recorded: list[tuple[str, object]] = getattr(report, "user_properties", [])
            yield from (str(line) for name, line in recorded if name == "report")


def _leave_out_disruptive(config: pytest.Config, items: list[pytest.Item]) -> None:
    disruptive = [item for item in items if "_own_node" in _fixtures(item)]
    if disruptive:
        config.hook.pytest_deselected(items=disruptive)
        items[:] = [item for item in items if item not in disruptive]
        config.stash[_NOT_RUN][
            f"{len(disruptive)} tests that stop or change their node, because TASQUES_TEST_ES_URL"
            " is set"
        ] = None


def _worker_input(config: pytest.Config) -> dict[str, Any] | None:
    """What the controller has told this worker; None where this is no worker."""
    told: dict[str, Any] | None = getattr(config, "workerinput", None)
    return told


def _fixtures(item: pytest.Item) -> Iterable[str]:
    names: Iterable[str] = getattr(item, "fixturenames", ())
    return names


def _targets(config: pytest.Config) -> list[str]:
    if _TARGETS not in config.stash:
        if given := os.environ.get("TASQUES_TEST_ES_URL"):
            config.stash[_TARGETS] = [given]
        else:
            config.stash[_TARGETS] = _versions(config)
    return config.stash[_TARGETS]


def _versions(config: pytest.Config) -> list[str]:
    # The first stays whatever is missing: its tests then fail and say what to install.
    versions = [VERSIONS[0]]
    for version in VERSIONS[1:]:
        if find_java(minimum_java(version)) is not None:
            versions.append(version)
        else:
            config.stash[_NOT_RUN][
                f"Elasticsearch {version}, because it needs a JDK >= {minimum_java(version)} and"
                " none was found in JAVA_HOME, on the path or in /usr/lib/jvm"
            ] = None
    return versions


def _remove(url: str, prefix: str) -> None:
    # By their names: a cluster may refuse deletion by wildcard, and usually does.
    _, found = call(url, "GET", f"/_resolve/index/{prefix}*?expand_wildcards=all")
    names = [index["name"] for index in found.get("indices", ())]
    for index in names:
        call(url, "DELETE", f"/{urllib.parse.quote(index)}")  # a queue may be called %日本
    _, composable = call(url, "GET", f"/_index_template/{prefix}*")
    for template in composable.get("index_templates", ()):
        call(url, "DELETE", f"/_index_template/{template['name']}")
    _, legacy = call(url, "GET", f"/_template/{prefix}*")
    for template in legacy:
        call(url, "DELETE", f"/_template/{template}")
    # Where there is no lifecycle management, this is an error without policies in it.
    status, policies = call(url, "GET", f"/_ilm/policy/{prefix}*")
    for policy in policies if status == 200 else ():
        call(url, "DELETE", f"/_ilm/policy/{policy}")
