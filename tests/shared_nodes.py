"""
The Elasticsearch nodes that all tests of a run share: one of each version, started when asked for.

In a run with workers (pytest-xdist) there is still one of each: workers ask, and the controller,
which outlives them, starts. They talk through files in a folder of the run. A worker asks by making
``<version>.wanted``; the answer is in ``<version>.json``, ``{"url": ...}`` or ``{"error": ...}``.

A node that a program starts ends when that program does, however abruptly, so that these end with
the run.
"""

import contextlib
import json
import shutil
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Protocol

from tools.elasticsearch_node import ElasticsearchNode, NodeUnavailable

#: A node that has to be fetched first takes minutes; whoever waits longer waits for nothing.
ANSWER_SECONDS = 1200.0
_LOOK_SECONDS = 0.1
#: A start that is under way when the run ends is left to the watcher of its node after so long.
_END_SECONDS = 2.0


class Nodes(Protocol):
    """Where tests get the addresses of the shared nodes from."""

    def want(self, version: str) -> None:
        """Say that the node of *version* will be needed, so that it may start meanwhile."""

    def url(self, version: str) -> str:
        """
        The address of the node of *version*, which is started when first asked for.

        Raises:
            NodeUnavailable: If it cannot be had; at once, where it failed before.
        """

    def close(self) -> None:
        """No test needs a node any more."""


class OwnNodes:
    """The nodes of a run in this process alone."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._started: dict[str, ElasticsearchNode] = {}
        self._failed: dict[str, NodeUnavailable] = {}

    def want(self, version: str) -> None:
        """Nothing starts before it is asked for: most runs in one process are short."""

    def url(self, version: str) -> str:
        """As :class:`Nodes` says."""
        if version in self._failed:
            raise self._failed[version]
        if version not in self._started:
            try:
                self._started[version] = self._open.enter_context(ElasticsearchNode(version))
            except NodeUnavailable as error:
                self._failed[version] = error
                raise
        return self._started[version].url

    def close(self) -> None:
        """Stop every node."""
        self._open.close()


class NodesOfController:
    """What a worker sees of the nodes that the controller starts."""

    def __init__(self, folder: Path, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._folder = folder
        self._answer_seconds = answer_seconds

    def want(self, version: str) -> None:
        """Ask, and do not wait."""
        (self._folder / f"{version}.wanted").touch()

    def url(self, version: str) -> str:
        """As :class:`Nodes` says."""
        self.want(version)
        path = self._folder / f"{version}.json"
        deadline = time.monotonic() + self._answer_seconds
        while not path.exists():
            if time.monotonic() > deadline:
                raise NodeUnavailable(
                    f"Elasticsearch {version} was asked for, and the process that starts it has"
                    f" not said within {self._answer_seconds:g} s what came of it."
                )
            time.sleep(_LOOK_SECONDS)
        answer: dict[str, str] = json.loads(path.read_text())
        if "error" in answer:
            raise NodeUnavailable(answer["error"])
        return answer["url"]

    def close(self) -> None:
        """They are not this worker's to stop."""


class SharingNodes:
    """Starts in the controller, beside its other work, what workers ask for."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tasques-tests-"))
        self._open = contextlib.ExitStack()
        self._starts: dict[str, threading.Thread] = {}
        self._closing = threading.Event()
        self._looking = threading.Thread(target=self._look, name="nodes", daemon=True)
        self._looking.start()

    def close(self) -> None:
        """Stop every node, and forget what was asked."""
        self._closing.set()
        self._looking.join()
        for start in self._starts.values():
            start.join(_END_SECONDS)
        self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _look(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for wanted in self.folder.glob("*.wanted"):
                if wanted.stem not in self._starts:
                    # Daemons: the end of the run does not wait for a start that hangs.
                    start = threading.Thread(
                        target=self._answer, args=(wanted.stem,), name=wanted.stem, daemon=True
                    )
                    self._starts[wanted.stem] = start
                    start.start()

    def _answer(self, version: str) -> None:
        try:
            answer = {"url": self._open.enter_context(ElasticsearchNode(version)).url}
        except NodeUnavailable as error:
            answer = {"error": str(error)}
        except Exception:  # noqa: BLE001
            # A worker waits for it, and nobody would see it here.
            answer = {"error": traceback.format_exc()}
        # In one step: a worker must not read half an answer.
        unfinished = self.folder / f"{version}.unfinished"
        unfinished.write_text(json.dumps(answer))
        unfinished.rename(self.folder / f"{version}.json")
