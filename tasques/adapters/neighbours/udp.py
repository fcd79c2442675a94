"""
Neighbours over UDP: nothing waits, nothing is repeated, and what is lost is lost.

Only datagrams from the addresses of known servers are looked at, and only those that were made with
the secret are believed.
"""

from __future__ import annotations

import logging
import os
import select
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from tasques.adapters.neighbours import wire
from tasques.core.errors import TasquesError
from tasques.core.metrics import MetricFamily, MetricKind, Sample, counter
from tasques.core.ports import Heard, Neighbour, Words
from tasques.core.values import Duration
from tasques.settings.kinds import Address

_log = logging.getLogger(__name__)

#: What is taken in one go; the rest waits in the socket, or is lost there.
_MOST_AT_ONCE: Final = 64
_LONGEST: Final = 65_536
#: Names may come to mean other addresses.
_LOOKED_UP_EVERY: Final = Duration.of_seconds(30)
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}

#: Host and port, as a socket names them.
_Place: TypeAlias = tuple[str, int]


class CannotHear(TasquesError):
    """The address for nudges cannot be listened at; the message says why."""


def bind(address: Address) -> socket.socket:
    """
    A socket for datagrams at *address*; an empty host is every interface of IPv4.

    Raises:
        CannotHear: If the address is taken, or not this machine's.
    """
    host = address.host or "0.0.0.0"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, address.port, type=socket.SOCK_DGRAM
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(place)
        except OSError:
            made.close()
            raise
    except OSError as error:
        reason = error.strerror or error
        raise CannotHear(f"cannot listen for nudges at udp {address}: {reason}") from error
    made.setblocking(False)
    return made


class UdpNeighbours:
    """
    The :class:`~tasques.core.ports.Neighbours` at some addresses.

    Args:
        bound: Where to listen; from there everything is sent, too. Closed in the end.
        secret: What all servers that take part have in common.
        siblings: The sockets of others on this machine.
        peers: Others. A name may stand for several addresses, ours among them; they are known once
            :meth:`look_up` has found them.
    """

    def __init__(
        self,
        bound: socket.socket,
        *,
        secret: bytes,
        siblings: Iterable[socket.socket] = (),
        peers: Sequence[Address] = (),
    ) -> None:
        self.peers = tuple(peers)
        self._bound = bound
        self._secret = secret
        # So that who meets its own words, where a name stands for all servers, knows them.
        self._sender = os.urandom(wire.SENDER_BYTES)
        self._siblings = {_name(place): place for place in map(_place_of, siblings)}
        self._places = dict(self._siblings)
        self._found: dict[Address, dict[Neighbour, _Place]] = {}
        self._poll = select.poll()
        self._poll.register(bound, select.POLLIN)
        # Each is counted by one thread only.
        self._sent = self._unsent = self._received = 0
        self._refused: Counter[str] = Counter(dict.fromkeys(("stranger", "forged", "malformed"), 0))

    def look_up(self) -> Duration:
        """Find out where the peers are; returns when to do so again."""
        places = dict(self._siblings)
        for peer in self.peers:
            try:
                found = socket.getaddrinfo(
                    peer.host, peer.port, family=self._bound.family, type=socket.SOCK_DGRAM
                )
            except OSError as error:
                # It keeps those that it had.
                _log.warning("no address is known of %s, which is to be nudged: %s", peer, error)
            else:
                hosts = [str(each[4][0]) for each in found]
                self._found[peer] = {_name((host, peer.port)): (host, peer.port) for host in hosts}
            places |= self._found.get(peer, {})
        self._places = places
        return _LOOKED_UP_EVERY

    def tell(self, words: Words, to: Neighbour | None = None) -> None:
        """Send it, if that can be done at once."""
        known = self._places
        places = list(known.values()) if to is None else [known[to]] if to in known else []
        if not places:
            return
        for datagram in wire.encode(words, sender=self._sender, secret=self._secret):
            for place in places:
                try:
                    self._bound.sendto(datagram, place)
                except OSError:
                    self._unsent += 1
                else:
                    self._sent += 1

    def hear(self, seconds: float) -> Sequence[Heard]:
        """What has come, or comes within *seconds*."""
        if not self._poll.poll(1000 * seconds):
            return ()
        return [heard for heard in map(self._understood, self._come()) if heard is not None]

    def _come(self) -> Iterator[tuple[bytes, Neighbour]]:
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram, place = self._bound.recvfrom(_LONGEST)
            except OSError:
                return  # no more, for now
            self._received += 1
            yield datagram, _name(place)

    def _understood(self, come: tuple[bytes, Neighbour]) -> Heard | None:
        datagram, neighbour = come
        if neighbour not in self._places:
            self._refused["stranger"] += 1
            return None
        try:
            sender, words = wire.decode(datagram, secret=self._secret)
        except wire.Forged:
            self._refused["forged"] += 1
        except wire.Malformed:
            self._refused["malformed"] += 1
        else:
            return None if sender == self._sender else Heard(neighbour=neighbour, words=words)
        return None

    def measurements(self) -> Iterator[MetricFamily]:
        """The datagrams, and what became of them."""
        yield counter(
            "tasques_neighbour_datagrams_sent_total", "Datagrams sent to other servers.", self._sent
        )
        yield counter(
            "tasques_neighbour_datagrams_received_total",
            "Datagrams that came where other servers send theirs.",
            self._received,
        )
        dropped = {"unsent": self._unsent, **self._refused}
        yield MetricFamily(
            name="tasques_neighbour_datagrams_dropped_total",
            kind=MetricKind.COUNTER,
            help="Datagrams that could not be sent, or were not believed.",
            samples=tuple(Sample((("reason", why),), count) for why, count in dropped.items()),
        )

    def close(self) -> None:
        """Let go of the socket."""
        self._bound.close()


def _name(place: Sequence[object]) -> Neighbour:
    return Neighbour(f"{place[0]}|{place[1]}")


def _place_of(sibling: socket.socket) -> _Place:
    """Where a socket of this machine is reached."""
    host, port = sibling.getsockname()[:2]
    return _ANYWHERE.get(host, host), port
