"""
Requests to the cluster, to whichever of its nodes is well.

From the official client come the pool of nodes and the rules for leaving out one that fails. Its
typed methods and its reading of answers are passed by: they cost as much CPU again as the request
itself, and what a batch needs are bytes. A request is never repeated once it may have been sent,
unless the caller says that it may be: a repeated compare-and-set meets its own first try.
"""

from __future__ import annotations

import logging
import re
import ssl
from importlib import metadata
from typing import Final

import attrs
import msgspec
from elastic_transport import (
    BaseNode,
    ConnectionError,
    HttpHeaders,
    NodeConfig,
    NodePool,
    TransportError,
)

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.errors import NoAnswer, NotSent
from tasques.adapters.elasticsearch.http_node import ConnectionNotMade, HttpNode
from tasques.adapters.elasticsearch.measuring import NO_ANSWER, RequestMeter
from tasques.adapters.elasticsearch.settings import ElasticsearchSettings
from tasques.core.errors import Fault, InvalidInput
from tasques.core.ports import Runtime

_log = logging.getLogger(__name__)

#: The client that speaks to servers of 8 and of 9; a 9 is refused by servers of 8.
CLIENT_MAJOR: Final = "8"

JSON: Final = "application/vnd.elasticsearch+json; compatible-with=8"
#: For bodies of one JSON value on each line.
NDJSON: Final = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"

# What every name of ours is warned about while it begins with a dot: by the index itself unless it
# is hidden, and by full distributions for indices and templates alike.
_DOT_WARNING: Final = re.compile(r"starts with a dot '\.'|begins with a dot \(\.\)")
_WARNING_TEXT: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_MAX_WARNINGS_REMEMBERED: Final = 100


@attrs.frozen
class Answer:
    """What came back, whatever the status."""

    status: int
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> object:
        """
        The body as plain values.

        Raises:
            NoAnswer: If it is not JSON; some proxy answered.
        """
        try:
            return msgspec.json.decode(self.body or b"null")
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise NoAnswer(f"an answer that is not JSON: {error}") from error


class Client:
    """
    Sends requests; safe for any number of threads, none waits for another's connection.

    Attributes:
        dot_warnings: How often Elasticsearch has warned about a name with a leading dot.
        requests: Counts what is sent.
    """

    def __init__(self, pool: NodePool, settings: ElasticsearchSettings, runtime: Runtime) -> None:
        self._pool = pool
        self._attempts = min(len(settings.addresses), 3)
        self._timeout = settings.request_timeout.seconds
        headers = {"accept": JSON}
        if settings.authorization is not None:
            headers["authorization"] = settings.authorization
        self._headers = {
            kind: HttpHeaders({**headers, "content-type": kind}).freeze() for kind in (JSON, NDJSON)
        }
        self._headers_without_body = HttpHeaders(headers).freeze()
        self._lock = runtime.condition()
        self._warnings_seen: set[str] = set()
        self.dot_warnings = 0
        self._runtime = runtime
        self.requests = RequestMeter(runtime)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = JSON,
        timeout_seconds: float | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """
        Send a request and give what is answered, of whatever status.

        Where nothing could be sent, another node is tried.

        Args:
            path: Beginning with a slash, names in it escaped, with the query.
            timeout_seconds: How long to wait for an answer, instead of the setting.
            repeatable: Whether another node may be tried although the request may have been
                carried out already.

        Raises:
            NotSent: If it certainly was not sent.
            NoAnswer: If it may have been carried out.
        """
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        headers = self._headers[content_type] if body else self._headers_without_body
        attempts = self._attempts
        while True:
            attempts -= 1
            node = self._pool.get()
            began = self._runtime.monotonic()
            try:
                answer = node.perform_request(
                    method, path, body=body, headers=headers, request_timeout=timeout
                )
            except ConnectionNotMade as error:
                self._note(path, NO_ANSWER, began)
                self._pool.mark_dead(node)
                if attempts <= 0:
                    raise NotSent(str(error.message)) from error
            except TransportError as error:
                self._note(path, NO_ANSWER, began)
                self._pool.mark_dead(node)
                if attempts <= 0 or not repeatable or not isinstance(error, ConnectionError):
                    raise NoAnswer(str(error.message)) from error
            else:
                break
        self._note(path, answer.meta.status, began)
        self._pool.mark_live(node)
        if "warning" in answer.meta.headers:
            self._note_warnings(answer.meta.headers["warning"])
        return Answer(answer.meta.status, answer.body)

    def _note(self, path: str, status: int, began: float) -> None:
        self.requests.note(path, status, self._runtime.monotonic() - began)

    def read(self, path: str, body: bytes = b"") -> bytes:
        """
        What is answered with success to a request that changes nothing.

        Raises:
            StoreUnavailable: If there is no answer, or another one.
        """
        try:
            answer = self.request("POST", path, body, repeatable=True)
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure
        if not answer.is_ok:
            raise errors.unavailable(answer.status, answers.error(answer.body))
        return answer.body

    def close(self) -> None:
        """Close all connections that are idle."""
        for node in self._pool.all():
            node.close()

    def _note_warnings(self, header: str) -> None:
        for text in _WARNING_TEXT.findall(header):
            with self._lock:
                if _DOT_WARNING.search(text):
                    self.dot_warnings += 1
                    continue
                is_new = len(self._warnings_seen) < _MAX_WARNINGS_REMEMBERED
                is_new = is_new and text not in self._warnings_seen
                if is_new:
                    self._warnings_seen.add(text)
            if is_new:
                _log.info("Elasticsearch warns: %s", text)


class _Nodes(NodePool):
    """The library's pool, which leaves out a node that failed; but an only node is never left out."""

    def mark_dead(self, node: BaseNode, _now: float | None = None) -> None:
        if len(self) > 1:
            super().mark_dead(node, _now)

    def mark_live(self, node: BaseNode) -> None:
        if len(self) > 1:  # it looks the node up among the dead, by all that makes an address
            super().mark_live(node)


def connect(
    settings: ElasticsearchSettings,
    runtime: Runtime,
    *,
    node_class: type[BaseNode] = HttpNode,
) -> Client:
    """
    A client for *settings*; nothing is sent yet.

    Raises:
        InvalidInput: If the installed client library is not one that speaks to every supported
            server, or the file of certificates cannot be used.
    """
    # Asked of the distribution, since importing the package alone takes a quarter of a second.
    version = metadata.version("elasticsearch")
    if version.partition(".")[0] != CLIENT_MAJOR:
        raise InvalidInput([_wrong_library(version)])
    context = _tls_context(settings)
    configs = [_node_config(address, context) for address in settings.addresses]
    pool = _Nodes(
        configs, node_class=node_class, dead_node_backoff_factor=1.0, max_dead_node_backoff=10.0
    )
    return Client(pool, settings, runtime)


def _wrong_library(version: str) -> Fault:
    return Fault(
        "backend",
        "clientVersion",
        f"elasticsearch {version} is installed, and Elasticsearch 8 refuses clients of 9;"
        " install 'elasticsearch>=8.19,<9', which speaks to both",
    )


def _node_config(address: str, context: ssl.SSLContext | None) -> NodeConfig:
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = authority.rpartition(":")
    return NodeConfig(
        scheme=scheme,
        host=host.strip("[]"),
        port=int(port),
        path_prefix=f"/{path}" if path else "",
        ssl_context=context,
    )


def _tls_context(settings: ElasticsearchSettings) -> ssl.SSLContext | None:
    if not settings.addresses[0].startswith("https:"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        message = f"cannot be used as PEM certificates: {error}"
        raise InvalidInput([Fault("elasticsearch.ca_file", "certificates", message)]) from error
