"""Ports for servers that start in other processes, perhaps several times."""

import socket


def reserved_port() -> socket.socket:
    """
    Holds a free port of the loopback interface as long as it is open, and refuses connections.

    Nobody else is given the port meanwhile. Whoever asks for this very one and reuses addresses, as
    servers do, may listen on it, so that a server finds it again after a restart.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
