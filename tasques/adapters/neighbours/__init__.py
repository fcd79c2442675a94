"""
Servers that tell each other of tasks: :class:`tasques.core.ports.Neighbours` over UDP.

- :mod:`~tasques.adapters.neighbours.wire`: words as datagrams, sealed with a secret.
- :mod:`~tasques.adapters.neighbours.udp`: sends them, and takes those of known addresses.
"""

from tasques.adapters.neighbours.udp import CannotHear, UdpNeighbours, bind

__all__ = ["CannotHear", "UdpNeighbours", "bind"]
