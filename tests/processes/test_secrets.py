"""Nobody's password gets into the log, whoever sends it, however wrong, at whatever level."""

from __future__ import annotations

import base64

from tests.processes.conftest import Start
from tests.processes.wire import ask

PASSWORDS = {
    "right": "correct horse:battery",
    "wrong": "wrong-staple-9d1c",
    "stranger": "nobodys-2f6e",
    "bearer": "token-71aa0c",
}


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def test_no_credentials_in_the_log(start: Start) -> None:
    """
    The right password, a wrong one, one of an unknown user, a malformed header: none of them is in
    the log, in plain or encoded, and neither is the name of the header; most verbose level.
    """
    server = start(
        {"logging.level": "trace", "logging.json": "true"},
        users={"ann": PASSWORDS["right"], "bob": "another-b0b"},
    )
    task = {"queue": "mail", "kind": "send"}
    headers = {
        "right": basic("ann", PASSWORDS["right"]),
        "wrong": basic("ann", PASSWORDS["wrong"]),
        "stranger": basic("eve", PASSWORDS["stranger"]),
        "bearer": {"Authorization": f"Bearer {PASSWORDS['bearer']}"},
    }
    statuses = {}
    for name, header in headers.items():
        statuses[name] = ask(server.url, "POST", "/tasques", task, headers=header).status
        ask(server.url, "POST", "/tasques/claims", {"queues": ["mail"]}, headers=header)
        ask(server.url, "PUT", "/tasques/done/mail/none", {"data": 3}, headers=header)
        ask(server.url, "GET", "/no/such/route", headers=header)
        ask(server.url, "GET", "/health/ready", headers=header)
    assert statuses == {"right": 201, "wrong": 401, "stranger": 401, "bearer": 401}
    status, _ = server.terminate()
    assert status == 0
    log = server.log
    assert "/tasques/claims" in log, "the log is too quiet to prove anything"
    secrets = [*PASSWORDS.values(), "another-b0b"]
    secrets += [header["Authorization"].partition(" ")[2] for header in headers.values()]
    assert [secret for secret in secrets if secret in log] == []
    assert "authorization" not in log.lower()


def test_other_headers_stay_out_too(start: Start) -> None:
    """The access log has the request's method, path and status, and no header's value."""
    server = start({"logging.level": "trace"})
    headers = {"Cookie": "session=8c1d", "X-Api-Key": "5e0f77", "User-Agent": "agent-of-somebody"}
    assert ask(server.url, "GET", "/tasques/mail/none", headers=headers).status == 404
    server.terminate()
    assert "/tasques/mail/none" in server.log
    assert not [value for value in headers.values() if value in server.log]
