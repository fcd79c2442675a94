"""Which servers tell each other of tasks, and where they hear of it: from the settings."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from socket import socket
from typing import TYPE_CHECKING, Final

import attrs

from tasques.settings import Settings
from tasques.settings.kinds import Address

if TYPE_CHECKING:
    from tasques.adapters.neighbours import UdpNeighbours

_log = logging.getLogger(__name__)

_SECRET_BYTES: Final = 32
_THIS_MACHINE: Final = Address("127.0.0.1", 0)


@attrs.frozen(kw_only=True)
class Lines:
    """
    What the processes of one server listen at; bound before they are.

    Attributes:
        sockets: One for each process; empty where nobody is to be told anything.
        secret: What those who talk have in common.
    """

    settings: Settings
    sockets: Sequence[socket] = ()
    secret: bytes = attrs.field(default=b"", repr=False)

    def neighbours(self, number: int = 0) -> UdpNeighbours | None:
        """Those of process *number*; None if it has none."""
        if not self.sockets:
            return None
        from tasques.adapters.neighbours import UdpNeighbours

        return UdpNeighbours(
            self.sockets[number],
            secret=self.secret,
            siblings=[each for each in self.sockets if each is not self.sockets[number]],
            peers=self.settings.nudges.peers,
        )


def lines(settings: Settings) -> Lines:
    """
    The lines of a server with these settings.

    Raises:
        CannotHear: If the address that is set cannot be listened at.
    """
    nudges, processes = settings.nudges, settings.http.processes
    if not nudges.enabled or (processes == 1 and nudges.bind_address is None):
        return Lines(settings=settings)
    from tasques.adapters.neighbours import CannotHear, bind

    if nudges.bind_address is not None:
        host, port = nudges.bind_address.host, nudges.bind_address.port
        places = [Address(host, port and port + number) for number in range(processes)]
    else:
        places = [_THIS_MACHINE] * processes
    secret = nudges.secret.encode() if nudges.secret else os.urandom(_SECRET_BYTES)
    try:
        with contextlib.ExitStack() as stack:
            bound = [stack.enter_context(bind(place)) for place in places]
            stack.pop_all()
    except CannotHear as error:
        if nudges.bind_address is not None:
            raise
        _log.warning("processes do not tell each other of tasks: %s", error)
        return Lines(settings=settings)
    return Lines(settings=settings, sockets=bound, secret=secret)
