"""How a server is asked: what is said in every request, and for how long an answer is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from tasques.client.address import Address
from tasques.client.beside import beside
from tasques.client.commands.base import Request
from tasques.core.values import Duration

if TYPE_CHECKING:
    import ssl

#: Shorter than a server keeps a silent connection.
KEEP_IDLE_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
#: On top of what the server may keep a request by intent.
DEFAULT_TIMEOUT: Final = Duration.of_seconds(30)
#: For so long trouble is met by trying again.
DEFAULT_PATIENCE: Final = Duration.of_seconds(10)
DEFAULT_CONNECTIONS: Final = 100

_Headers = list[tuple[bytes, bytes]]


@attrs.frozen(kw_only=True)
class Options:
    """
    How a server is asked.

    Attributes:
        timeout: How long it may be silent, beyond what it is asked to wait.
        connections: At most so many at a time.
        ssl_context: For ``https``; None for the certificates that the system trusts.
        user_agent: What the server's log is to say of who asks.
    """

    address: Address
    timeout: Duration = DEFAULT_TIMEOUT
    connections: int = DEFAULT_CONNECTIONS
    ssl_context: ssl.SSLContext | None = None
    user_agent: str = "tasques-python"

    def arguments(self, request: Request[object]) -> dict[str, Any]:
        """What httpcore is to be called with."""
        return {
            "method": request.method,
            "url": self.address.target(request.path, request.query),
            "headers": self.headers(request),
            "content": request.content,
            "extensions": {
                "timeout": {
                    "connect": min(CONNECT_SECONDS, self.timeout.seconds),
                    "pool": self.timeout.seconds,
                    "read": self.patience(request),
                    "write": self.timeout.seconds,
                }
            },
        }

    def patience(self, request: Request[object]) -> float:
        """How long the server may be silent on *request*, in seconds."""
        return self.timeout.seconds + max(request.waits.seconds, 0.0)

    def headers(self, request: Request[object]) -> _Headers:
        """Everything that is to be said of *request*."""
        content = request.content
        headers: _Headers = [
            (b"Accept", b"application/json"),
            (b"User-Agent", self.user_agent.encode()),
        ]
        if content is not None:
            headers.append((b"Content-Type", b"application/json"))
            headers.append((b"Content-Length", str(len(content)).encode()))
        if self.address.authorization is not None:
            headers.append((b"Authorization", self.address.authorization.encode()))
        # White space around a value does not count, and cannot be sent.
        for said in (request.headers, beside()):
            headers += [
                (name.encode(), value.strip().encode(errors="surrogateescape"))
                for name, value in said.items()
            ]
        return headers

    def pool_arguments(self) -> dict[str, Any]:
        """How a pool is to be made."""
        context = self.ssl_context
        if context is None and self.address.url.startswith("https:"):
            import ssl  # slow to load, and not wanted before

            # Of its own, httpcore trusts what comes with certifi alone.
            context = ssl.create_default_context()
        return {
            "ssl_context": context,
            "max_connections": self.connections,
            "max_keepalive_connections": self.connections,
            "keepalive_expiry": KEEP_IDLE_SECONDS,
        }
