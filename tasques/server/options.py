"""What an operator may choose about the HTTP server."""

from __future__ import annotations

from typing import Final

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import Address, User

#: Threads for what does not wait: creations, completions, health. Writes that are under way at once
#: go to the store together, so there are more than processors.
SPARE_THREADS: Final = 64

#: So many claims may wait where nothing else is said: parked, and each on a thread of its own.
PARKED_CLAIMS: Final = 10_000
CLAIMS_ON_THREADS: Final = 256

#: Connections beside those of waiting claims. Slow or idle senders hold a connection, but no
#: thread; so there may be many of them before honest ones have to wait.
SPARE_CONNECTIONS: Final = 2048

_MIB: Final = 1024 * 1024


@attrs.frozen(kw_only=True)
class ServerOptions:
    """
    How the server listens, and how much it takes.

    Attributes:
        address: Where to listen; port 0 takes any free one.
        users: Who may use the API; empty for everybody.
        parks: Whether a claim that waits is parked; if not, it holds a thread.
        at_once: Whether the I/O thread serves what waits for nobody until it is parked. Not where code
            of others has a say in requests, which may wait for whatever it likes.
        waiting_claims: So many claims may wait at once; more are 503.
        max_body_size: The largest body of a request, in bytes; more is 413.
        max_header_size: The largest head of a request, in bytes, its first line included; more is
            431.
        max_bodies_in_flight: The bytes of all bodies being worked on; beyond it a further one is
            503. A body is a few times as large in memory while it is read.
        request_timeout: How long a sender may take over a request, and how long a connection may
            be idle; a large body that comes steadily gets more.
    """

    address: Address = Address("localhost", 8080)
    users: tuple[User, ...] = ()
    parks: bool = True
    at_once: bool = False
    waiting_claims: int = attrs.field(validator=attrs.validators.ge(1))
    max_body_size: int = attrs.field(default=64 * _MIB, validator=attrs.validators.ge(1))
    max_header_size: int = attrs.field(default=64 * 1024, validator=attrs.validators.ge(1))
    max_bodies_in_flight: int = attrs.field(default=256 * _MIB, validator=attrs.validators.ge(1))
    request_timeout: Duration = Duration.of_seconds(30)

    @waiting_claims.default
    def _affordable(self) -> int:
        return PARKED_CLAIMS if self.parks else CLAIMS_ON_THREADS

    @property
    def threads(self) -> int:
        """So many requests are worked on at once."""
        return SPARE_THREADS if self.parks else self.waiting_claims + SPARE_THREADS

    @property
    def connection_limit(self) -> int:
        """So many connections are open at once; further ones wait in the kernel's queue."""
        return self.waiting_claims + SPARE_THREADS + SPARE_CONNECTIONS
