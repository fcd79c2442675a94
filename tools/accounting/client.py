"""
Requests to one or more servers, and what is known when an answer does not come.

A request whose answer is lost may have been carried out. It is sent again, to another server if
there is one, and its answer is marked as uncertain: it may be the answer to a repeat.
"""

import base64
import dataclasses
import http.client
import json
import socket
import time
import urllib.parse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

_TIMEOUT_SECONDS = 30.0
#: A server may close a connection that was idle; one that rested so long is not used again.
_IDLE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 1.0


class OutOfTime(Exception):
    """No answer that one can rely on came before the run had to end."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """
    What a server answered.

    Attributes:
        headers: By their names in lower case.
        sent: When the request that was answered was sent, on the monotonic clock.
        first_sent: When it was sent the first time.
        received: When the answer had come.
        is_uncertain: An earlier sending may have been carried out: its answer was lost, or it was
            503.
    """

    status: int
    body: Any
    headers: Mapping[str, str]
    sent: float
    first_sent: float
    received: float
    is_uncertain: bool = False

    @property
    def message(self) -> str:
        """What the server says about an error."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body)


@dataclass(kw_only=True)
class Trouble:
    """
    Answers that did not come as hoped; counted by one client on its own thread.

    Attributes:
        lost: None came.
        refused: Nobody listened.
        unavailable: It was 503.
        reasons: What was said with 503, and how often.
    """

    lost: int = 0
    refused: int = 0
    unavailable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Trouble") -> Self:
        self.lost += other.lost
        self.refused += other.refused
        self.unavailable += other.unavailable
        self.reasons += other.reasons
        return self


class Client:
    """
    One connection at a time, kept alive; for one thread.

    Args:
        urls: The servers; the first is used until it fails. May hold a user and a password.
        stop_at: On the monotonic clock: nothing is sent again after it.
    """

    def __init__(self, urls: Sequence[str], *, stop_at: float) -> None:
        self._servers = [urllib.parse.urlsplit(url) for url in urls]
        self._stop_at = stop_at
        self._current = 0
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self.trouble = Trouble()

    def once(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> Answer | None:
        """
        Send one request once; None if its answer was lost, so that it may have been carried out.

        Raises:
            ConnectionRefusedError: If there is no connection, so that it was not carried out.
        """
        content = None if body is None else json.dumps(body).encode()
        try:
            connection = self._connected(timeout_seconds)
        except OSError as error:  # whatever it is, nothing was sent
            self._fail_over()
            self.trouble.refused += 1
            raise ConnectionRefusedError(str(error)) from error
        sent = time.monotonic()
        try:
            connection.request(method, path, content, {**self._authorization(), **(headers or {})})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._fail_over()
            self.trouble.lost += 1
            return None
        self._used_at = received = time.monotonic()
        if response.will_close:
            self.close()
        answer = Answer(
            status=response.status,
            body=_decoded(text),
            headers={name.lower(): value for name, value in response.getheaders()},
            sent=sent,
            first_sent=sent,
            received=received,
        )
        if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.trouble.unavailable += 1
            what = "/".join(path.split("/")[:3]) if path.count("/") > 2 else path
            self.trouble.reasons[f"{method} {what}: {answer.message}"] += 1
            self._fail_over()
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Send a request that may be repeated until it has an answer that is not 503.

        Raises:
            OutOfTime: If the run had to end before.
        """
        first_sent: float | None = None
        is_uncertain = False
        pause = 0.02
        while True:
            began = time.monotonic()
            if began > self._stop_at:
                raise OutOfTime(f"{method} {path} had no answer before the run had to end")
            try:
                answer = self.once(method, path, body, headers)
            except ConnectionRefusedError:
                pass
            else:
                first_sent = began if first_sent is None else first_sent
                if answer is not None and answer.status != http.HTTPStatus.SERVICE_UNAVAILABLE:
                    return dataclasses.replace(
                        answer, first_sent=first_sent, is_uncertain=is_uncertain
                    )
                is_uncertain = True
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, timeout_seconds: float) -> http.client.HTTPConnection:
        if self._connection is not None and time.monotonic() > self._used_at + _IDLE_SECONDS:
            self.close()
        if self._connection is None:
            server = self._servers[self._current]
            is_secure = server.scheme == "https"
            kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
            self._connection = kind(server.hostname or "", server.port, timeout=timeout_seconds)
            try:
                self._connection.connect()
            except OSError:
                self.close()
                raise
        self._connection.timeout = timeout_seconds
        if isinstance(self._connection.sock, socket.socket):
            self._connection.sock.settimeout(timeout_seconds)
        return self._connection

    def _fail_over(self) -> None:
        self.close()
        self._current = (self._current + 1) % len(self._servers)

    def _authorization(self) -> dict[str, str]:
        server = self._servers[self._current]
        if server.username is None:
            return {}
        pair = ":".join(urllib.parse.unquote(p or "") for p in (server.username, server.password))
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")


def task_path(kind: str, queue: str, id: str) -> str:
    """The path of a task: *kind* is empty, or ``claims``, ``reports``, ``done``, ``failed``."""
    segments = ["tasques", *([kind] if kind else []), queue, id]
    return "/" + "/".join(urllib.parse.quote(segment, safe="") for segment in segments)
