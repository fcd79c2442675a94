"""The sockets that a server listens on."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from tasques.core.errors import TasquesError
from tasques.settings.kinds import Address


class CannotListen(TasquesError):
    """The address cannot be listened on; the message says why, and what to do."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"cannot listen on {address.host or '*'}:{address.port}: {reason}")
        self.address = address


#: What says that a name stands for an address of a family that this machine does not have.
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_ADVICE: Final = {
    errno.EADDRINUSE: "something listens there already; stop it, or choose another port",
    errno.EACCES: "that port is for privileged processes; choose one above 1023",
    errno.EADDRNOTAVAIL: "that is no address of this machine",
}


def url(address: Address) -> str:
    """*address* as a client would write it."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}"


def address_of(bound: socket.socket) -> Address:
    """Where *bound* is, with the port that it has really got."""
    return Address(*bound.getsockname()[:2])


def bind(address: Address) -> list[socket.socket]:
    """
    A socket for each family that *address* has, all on one port; nobody listens there yet.

    Raises:
        CannotListen: If the address is taken, or not this machine's.
    """
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, kind, protocol, place in _places(address):
            port = bound[0].getsockname()[1] if bound else address.port
            try:
                bound.append(_bound(family, kind, protocol, (place[0], port, *place[2:])))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
        if absent is not None and not bound:
            raise absent
    except OSError as error:
        for each in bound:
            each.close()
        reason = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise CannotListen(address, reason) from error
    return bound


def _places(address: Address) -> list[tuple[int, int, int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((f, kind, protocol, place) for f, kind, protocol, _, place in found))


def _bound(family: int, kind: int, protocol: int, place: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made
