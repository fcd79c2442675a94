"""Servers of others are started, found by their port, and stopped with all they started."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from benchmarks.processes import CommandServer, ServerFailed, free_ports, listener, listens
from tools.elasticsearch_node import is_alive
from tools.ports import reserved_port

SERVER = f"exec {sys.executable} -m http.server --bind 127.0.0.1 $PORT"


def test_a_server_by_its_command_is_stopped_at_the_end(tmp_path: Path) -> None:
    """It is found by its port meanwhile, and so is what it was told."""
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        command = f'echo "$ES_URL" > {tmp_path}/told; {SERVER}'
        with CommandServer(command, port=port, environment={"ES_URL": "http://es"}) as server:
            assert listens(port)
            assert listener(port) == server.pid
            assert server.url == f"http://127.0.0.1:{port}"
            pid = server.pid
        assert not is_alive(pid)
    assert (tmp_path / "told").read_text() == "http://es\n"


def test_a_command_that_ends_is_no_server() -> None:
    """Its status is told."""
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        server = CommandServer("exit 3", port=port, environment={})
        with pytest.raises(ServerFailed, match="ended with 3"):
            server.__enter__()


def test_free_ports_stand_in_a_row() -> None:
    """Each can be listened on."""
    ports = free_ports(3)
    assert len(ports) == 3
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            assert listens(port)


def test_connections_that_linger_take_no_port() -> None:
    """A load leaves thousands of them for a minute, everywhere among the free ports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(3000):
            with socket.create_connection(server.getsockname()):
                taken, _ = server.accept()
            taken.close()
    assert len(free_ports(2)) == 2


def test_nobody_listens_where_nobody_does() -> None:
    """A port that is only held is none."""
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        assert not listens(port)
        assert listener(port) is None
        reserved.listen()
        assert listener(port) == os.getpid()
