"""What is measured against what."""

from __future__ import annotations

import contextlib
import re
import sys
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import attrs

from benchmarks import original
from benchmarks.cluster import Cluster
from benchmarks.original import AS_SHIPPED, AT_ITS_BEST, Tuning
from benchmarks.processes import CommandServer, free_ports, listener, listens
from benchmarks.proxy import Proxy
from tools.ports import reserved_port
from tools.tasques_server import TasquesServer, elasticsearch_settings

_ORIGINALS: Final = ("original", "original-tuned")


@attrs.frozen(kw_only=True)
class Target:
    """
    Where the load goes.

    Attributes:
        urls: The one for all; then, of several servers or processes, each one's own. None for
            Elasticsearch alone.
        pids: Of the servers.
    """

    urls: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()


class Subject(Protocol):
    """
    One of those that are compared.

    Attributes:
        name: Scenarios name their subjects by it.
        kind: The name that scenarios know it by, for those that are named on the command line.
        about: What it is, in a line.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def about(self) -> str: ...

    def started(self, cluster: Cluster) -> contextlib.AbstractContextManager[Target]:
        """Set up and started on a cluster that has no templates; stopped at the end."""


@attrs.frozen(kw_only=True)
class Raw:
    """Elasticsearch alone, with the templates of ours."""

    name: str = "raw"
    kind: str = "raw"
    about: str = "Elasticsearch alone, driven by _bulk and _search in batches of that size"

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        """Only the templates are made."""
        server = TasquesServer(elasticsearch_settings(cluster.urls[0]))
        try:
            server.set_up()
            yield Target()
        finally:
            server.close()


@attrs.frozen(kw_only=True)
class Embedded:
    """The library alone: neither a server nor Elasticsearch."""

    name: str = "embedded"
    kind: str = "embedded"
    about: str = "this library with its tasks in memory, in one process"

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        """Nothing is started."""
        yield Target()


class NaiveServer(TasquesServer):
    """Started by a launcher of its own, with the same arguments."""

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.naive", "--bind", self.url.partition("//")[2]]


@attrs.frozen(kw_only=True)
class Ours:
    """
    Servers of this checkout.

    Attributes:
        servers: So many of them, behind a proxy if there are several; they know each other.
        processes: Of each.
        settings: Of each, by dotted name.
        server: What starts each of them.
    """

    name: str
    about: str
    servers: int = 1
    processes: int = 1
    settings: Mapping[str, str] = attrs.field(factory=dict)
    server: type[TasquesServer] = TasquesServer

    @property
    def kind(self) -> str:
        """The name."""
        return self.name

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        """Set up by one of them."""
        with contextlib.ExitStack() as stack:
            servers = []
            own = free_ports(self.processes) if self.processes > 1 else range(0)
            more = {**_processes(own), **self.settings}
            for number, nudges in enumerate(_neighbours(self.servers)):
                # Each talks to a node of its own, as far as there are some.
                url = cluster.urls[number % len(cluster.urls)]
                server = self.server({**elasticsearch_settings(url), **nudges, **more})
                stack.callback(server.close)
                servers.append(server)
            servers[0].set_up()
            for server in servers:
                server.start()
            urls = tuple(server.url for server in servers)
            if own:
                urls += tuple(f"http://127.0.0.1:{port}" for port in own)
            if len(servers) > 1:
                proxy = Proxy([url.partition("//")[2] for url in urls])
                urls = (stack.enter_context(proxy).url, *urls)
            yield Target(urls=urls, pids=tuple(server.pid for server in servers))


def _processes(ports: range) -> Mapping[str, str]:
    """The settings for a process at each of these ports, beside the common one."""
    if not ports:
        return {}
    return {"http.processes": str(len(ports)), "http.process_port": str(ports.start)}


def _neighbours(servers: int) -> Sequence[Mapping[str, str]]:
    """The settings of each of so many servers, by which they know the others."""
    if servers == 1:
        return [{}]
    places = [f"127.0.0.1:{port}" for port in free_ports(servers)]
    known = {"nudges.peers": ",".join(places), "nudges.secret": "known to all servers"}
    return [{**known, "nudges.bind_address": place} for place in places]


@attrs.frozen(kw_only=True)
class Original:
    """The Go original, from its binary."""

    name: str
    about: str
    binary: Path
    tuning: Tuning

    @property
    def kind(self) -> str:
        """The name."""
        return self.name

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        """With its own templates, and on Elasticsearch 8 with what its recurring tasks need."""
        allowed = {"persistent": {"indices.id_field_data.enabled": True}}
        cluster.change("/_cluster/settings", allowed)
        server = original.server(self.binary, cluster.urls[0], self.tuning)
        try:
            server.set_up()
            if self.tuning.refresh_interval is not None:
                settings = {"refresh_interval": self.tuning.refresh_interval}
                template = {"index_patterns": [".tasques_queue-*"], "order": 10}
                cluster.change("/_template/.tasques_refresh", {**template, "settings": settings})
            server.start()
            yield Target(urls=(server.url,), pids=(server.pid,))
        finally:
            server.close()


@attrs.frozen(kw_only=True)
class Other:
    """
    Any server with the same API.

    Attributes:
        place: Its address if it runs already, on this Elasticsearch; else a shell command.
    """

    name: str
    place: str

    @property
    def kind(self) -> str:
        """The Go server is known by its name, also where it comes by a command."""
        return self.name if self.name in _ORIGINALS else "other"

    @property
    def about(self) -> str:
        """How it came here."""
        return "named on the command line"

    @contextlib.contextmanager
    def started(self, cluster: Cluster) -> Iterator[Target]:
        """One that runs already is left running."""
        if re.match("https?://", self.place):
            port = urllib.parse.urlsplit(self.place).port or 80
            if not listens(port):
                raise ValueError(f"nothing listens at {self.place}")
            pid = listener(port)
            yield Target(urls=(self.place,), pids=() if pid is None else (pid,))
            return
        with reserved_port() as reserved:
            port = reserved.getsockname()[1]
            environment = {"ES_URL": cluster.urls[0]}
            with CommandServer(self.place, port=port, environment=environment) as server:
                yield Target(urls=(server.url,), pids=(server.pid,))


OURS: Final[Sequence[Subject]] = (
    Raw(),
    Ours(name="ours", about="this server"),
    Ours(name="again", about="this server once more, to see the noise"),
    Ours(
        name="naive",
        about="this server without its dispatcher and its group commit",
        server=NaiveServer,
    ),
    Ours(name="ours-p2", about="this server, 2 processes", processes=2),
    Ours(
        name="silent-p2",
        about="this server, 2 processes that do not tell each other of tasks",
        processes=2,
        settings={"nudges.enabled": "false"},
    ),
    Ours(name="ours-p4", about="this server, 4 processes", processes=4),
    Embedded(),
    Ours(name="two-servers", about="two of this server behind a proxy for TCP", servers=2),
)


def originals(binary: Path) -> Sequence[Subject]:
    """The Go original, from its binary, twice."""
    best = AT_ITS_BEST
    return (
        Original(
            name="original",
            about="the Go server with the settings of its example",
            binary=binary,
            tuning=AS_SHIPPED,
        ),
        Original(
            name="original-tuned",
            about=f"the Go server with claim_amount_search_multiplier {best.multiplier}"
            f" and refresh_interval {best.refresh_interval}",
            binary=binary,
            tuning=best,
        ),
    )


def chosen(
    names: Sequence[str], *, original: Path | None, others: Mapping[str, str]
) -> Sequence[Subject]:
    """
    The subjects of these names; without names, all that can be had.

    Args:
        original: The Go server's binary.
        others: Servers by name, each with a start command or an address.

    Raises:
        ValueError: If there is no such subject; the message names it.
    """
    known = {subject.name: subject for subject in OURS}
    if original is not None:
        known |= {subject.name: subject for subject in originals(original)}
    known |= {name: Other(name=name, place=place) for name, place in others.items()}
    for name in names:
        if name not in known:
            raise ValueError(f"no such subject: {name}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())
