"""
What all tests share: real Elasticsearch nodes, and how Hypothesis searches.

A test that asks for ``elasticsearch_url``, directly or through a fixture of its own, runs once on
every version in ``VERSIONS``; ``prefix`` keeps its indices apart from those of others. A test that
stops, kills or pauses the server asks for ``own_elasticsearch_node`` instead.

With ``TASQUES_TEST_ES_URL`` set, the tests run on that cluster alone. What could not be run is
named in the last lines of the report; where no node can be had at all, the tests fail and say what
to install.
"""

import os
import secrets
import urllib.parse
from collections.abc import Iterator

import hypothesis
import pytest

from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable, call, minimum_java
from tools.java import find_java

VERSIONS = ("8.19.8", "9.5.0")
"""The oldest version that is supported, and a recent one."""

# print_blob: a failure seen once can be replayed anywhere. No deadline: a busy machine is no bug.
hypothesis.settings.register_profile("ci", derandomize=False, print_blob=True, deadline=None)
hypothesis.settings.load_profile("ci")

_NOT_RUN = pytest.StashKey[dict[str, None]]()
_TARGETS = pytest.StashKey[list[str]]()


class Nodes:
    """One node of each version, started when first asked for and shared by the whole run."""

    def __init__(self) -> None:
        self._started: dict[str, ElasticsearchNode] = {}
        self._failed: dict[str, NodeUnavailable] = {}

    def url(self, version: str) -> str:
        """The address of the node of *version*; fails at once where it failed before."""
        if version in self._failed:
            raise self._failed[version]
        if version not in self._started:
            node = ElasticsearchNode(version)
            try:
                node.start()
            except NodeUnavailable as error:
                node.close()
                self._failed[version] = error
                raise
            self._started[version] = node
        return self._started[version].url

    def close(self) -> None:
        """Stop every node."""
        for node in self._started.values():
            node.close()


@pytest.fixture(scope="session")
def elasticsearch_nodes() -> Iterator[Nodes]:
    """The shared nodes by version."""
    nodes = Nodes()
    yield nodes
    nodes.close()


@pytest.fixture(scope="session")
def elasticsearch_target(request: pytest.FixtureRequest) -> str:
    """What this test runs on: a version, or the address of the cluster that was given."""
    target: str = request.param
    return target


@pytest.fixture(scope="session")
def elasticsearch_url(elasticsearch_target: str, elasticsearch_nodes: Nodes) -> str:
    """The address of an Elasticsearch shared with other tests; see ``prefix``."""
    if "://" in elasticsearch_target:
        return elasticsearch_target
    return elasticsearch_nodes.url(elasticsearch_target)


@pytest.fixture
def prefix(elasticsearch_url: str) -> Iterator[str]:
    """A prefix for names of indices and templates that is this test's own; removed at its end."""
    unique = f".t{secrets.token_hex(6)}_"
    yield unique
    _remove(elasticsearch_url, unique)


@pytest.fixture(scope="module")
def _own_node(elasticsearch_target: str) -> Iterator[ElasticsearchNode]:
    # One for a module: a start takes about ten seconds.
    with ElasticsearchNode(elasticsearch_target) as node:
        yield node


@pytest.fixture
def own_elasticsearch_node(_own_node: ElasticsearchNode) -> ElasticsearchNode:
    """A running node that only this module's tests use, to stop, kill, pause and restart."""
    _own_node.resume()
    _own_node.start()
    return _own_node


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what is noted about this run."""
    config.stash[_NOT_RUN] = {}


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what may not be done to a cluster that was given to us, and note it."""
    if "TASQUES_TEST_ES_URL" not in os.environ:
        return
    disruptive = [item for item in items if "_own_node" in getattr(item, "fixturenames", ())]
    if disruptive:
        config.hook.pytest_deselected(items=disruptive)
        items[:] = [item for item in items if item not in disruptive]
        config.stash[_NOT_RUN][
            f"{len(disruptive)} tests that stop or kill their node, because TASQUES_TEST_ES_URL"
            " is set"
        ] = None


# Outermost and after all others, so that it stands right above the last line.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say on which Elasticsearch the tests ran, and what was left out."""
    yield
    if _TARGETS in config.stash:
        # The address may hold a password.
        targets = ("the given cluster" if "://" in t else t for t in config.stash[_TARGETS])
        terminalreporter.write_line(f"Elasticsearch: {', '.join(targets)}")
    for reason in config.stash[_NOT_RUN]:
        terminalreporter.write_line(f"NOT RUN: {reason}", yellow=True, bold=True)


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
