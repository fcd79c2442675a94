"""What is said of neighbours: addresses, and a secret where there are any beyond this machine."""

from __future__ import annotations

import json

import pytest

from tasques.core.errors import InvalidInput
from tasques.settings import Address, Settings, load, show

SECRET = "a secret of some length"


def loaded(**values: str) -> Settings:
    return load(None, {}, {f"nudges.{name}": text for name, text in values.items()})


def test_peers_are_addresses() -> None:
    """One variable, or one flag, has room for all."""
    nudges = loaded(
        bind_address=":7077", peers="tasques-2:7077, [fd00::3]:7078", secret=SECRET
    ).nudges
    assert nudges.bind_address == Address("", 7077)
    assert nudges.peers == (Address("tasques-2", 7077), Address("fd00::3", 7078))


def test_nothing_is_said_of_them_by_default() -> None:
    """An empty text says as much."""
    nudges = loaded(bind_address="", peers="", secret="").nudges
    assert (nudges.bind_address, nudges.peers, nudges.secret) == (None, (), None)
    assert nudges.enabled


@pytest.mark.parametrize("peers", ["tasques-2", ":7077", "tasques-2:0", "http://tasques-2:7077"])
def test_a_peer_is_a_host_and_a_port(peers: str) -> None:
    """Neither can be guessed."""
    with pytest.raises(InvalidInput, match="host"):
        loaded(bind_address=":7077", peers=peers, secret=SECRET)


@pytest.mark.parametrize("secret", ["", "too short"])
def test_who_listens_wants_a_secret(secret: str) -> None:
    """Else anybody could speak."""
    with pytest.raises(InvalidInput, match=r"nudges\.secret"):
        loaded(bind_address=":7077", secret=secret)


def test_who_has_peers_wants_to_be_nudged() -> None:
    """One way only is no use."""
    with pytest.raises(InvalidInput, match=r"nudges\.bind_address"):
        loaded(peers="tasques-2:7077", secret=SECRET)


def test_the_secret_is_never_shown() -> None:
    """Nor where the address is."""
    settings = loaded(bind_address=":7077", peers="tasques-2:7077", secret=SECRET)
    shown = json.dumps(show(settings))
    assert "tasques-2:7077" in shown
    assert SECRET not in shown
    assert SECRET not in repr(settings)
