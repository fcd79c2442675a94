"""Asking a server: where it is, who asks, and what is said when it does not go well."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tasques.cli import main
from tasques.cli.remote import Answer, NoAnswer, Refused, Server, as_json, decode, split_url
from tasques.core.errors import InvalidInput
from tasques.core.values import Duration, Instant
from tests.cli.stub import Stub

SECRET = "correct horse:battery"  # not one that anybody has
ENCODED = "correct%20horse%3Abattery"


def test_a_request_is_what_it_says(stub: Stub):
    """Names are encoded once, a query and a body as they are; JSON is asked for."""
    stub.say({"a": 1}).say({})
    server = Server.of(stub.url, {})

    answer = server.get("queues", "a/b ü?", "tasks", query=[("state", "dead"), ("kind", "a&b")])
    server.post("tasques", body={"kind": "x"}, headers={"Idempotency-Key": "clé"})

    assert decode(answer.body, dict) == {"a": 1}
    assert answer.at == Instant.parse("2026-11-22T10:00:00Z")
    get, post = stub.asked
    assert (get.method, get.path) == ("GET", "/queues/a%2Fb%20%C3%BC%3F/tasks")
    assert get.query == [("state", "dead"), ("kind", "a&b")]
    assert "Authorization" not in get.headers
    assert (post.method, post.target, post.json) == ("POST", "/tasques", {"kind": "x"})
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Idempotency-Key"].encode("latin-1").decode() == "clé"


def test_a_server_may_be_below_a_path(stub: Stub):
    """As behind a proxy."""
    stub.say({})

    Server.of(f"{stub.url}/tasques-api/", {}).get("queues")

    assert stub.only.target == "/tasques-api/queues"


@pytest.mark.parametrize(
    ("url", "environ", "meant"),
    [
        (None, {}, "http://localhost:8080"),
        (None, {"TASQUES_URL": "https://a/b/"}, "https://a/b"),
        ("http://[::1]:9", {"TASQUES_URL": "http://a"}, "http://[::1]:9"),
        (None, {"TASQUES_URL": "http://ann:x@a:1"}, "http://a:1"),
    ],
)
def test_where_the_server_is(url: str | None, environ: dict[str, str], meant: str):
    """The command line over the environment over localhost; without credentials."""
    assert Server.of(url, environ).url == meant


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://a",
        "http://",
        "http://a:x",
        "http://a:0",
        "http://a?b",
        "http://a#b",
        "http://a b",
        "http://a\n",
        "http://a/ü",
    ],
)
def test_what_is_no_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch):
    """On the command line with status 2, in the environment with 1."""
    with pytest.raises(ValueError, match=r"^is not an address such as http://localhost:8080$"):
        split_url(url)
    assert main(["queues", "--url", url]) == 2
    monkeypatch.setenv("TASQUES_URL", url)
    assert main(["queues"]) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"TASQUES_USER": "ann", "TASQUES_PASSWORD": SECRET},
        {"URL_USER": f"ann:{ENCODED}@"},
        {"URL_USER": f"ann:{ENCODED}@", "TASQUES_USER": ""},
        {"URL_USER": "ann:another@", "TASQUES_PASSWORD": SECRET},
        {"URL_USER": f"eve:{ENCODED}@", "TASQUES_USER": "ann"},
    ],
)
def test_credentials_come_from_the_environment(stub: Stub, environ: dict[str, str]):
    """From variables of their own, or from the address; sent, and never shown."""
    user = environ.pop("URL_USER", "")
    address = stub.url.replace("://", f"://{user}")
    stub.say({})

    server = Server.of(None, {"TASQUES_URL": address, **environ})
    server.get("queues")

    assert stub.only.headers["Authorization"] == "Basic YW5uOmNvcnJlY3QgaG9yc2U6YmF0dGVyeQ=="
    assert SECRET not in repr(server)
    assert "YW5u" not in repr(server)


def test_a_password_without_a_user_is_a_fault():
    """As is a user that the notation cannot hold."""
    for environ in ({"TASQUES_PASSWORD": "x"}, {"TASQUES_USER": "a:b"}):
        with pytest.raises(InvalidInput, match="TASQUES_USER"):
            Server.of(None, environ)


def test_no_password_on_the_command_line(capsys: pytest.CaptureFixture[str]):
    """Others can see it there; what was wrong is said without repeating it."""
    assert main(["queues", "--url", f"http://ann:{ENCODED}@localhost:1"]) == 2

    err = capsys.readouterr().err
    assert "TASQUES_PASSWORD" in err
    assert ENCODED not in err


def test_a_password_is_in_no_message(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Whatever the server says."""
    monkeypatch.setenv("TASQUES_URL", stub.url.replace("://", f"://ann:{ENCODED}@"))
    for status in (301, 400, 401, 404, 500):
        stub.say(b"", status=status)
    for _ in range(5):
        assert main(["get", "mail", "x"]) == 1
    stub.say(b"[]")
    assert main(["get", "mail", "x"]) == 1
    monkeypatch.setenv("TASQUES_URL", f"http://ann:{ENCODED}@127.0.0.1:{free_port()}")
    assert main(["get", "mail", "x"]) == 1

    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 7
    assert ENCODED not in out + err
    assert "ann:" not in out + err


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def test_where_nobody_listens_it_says_how_to_name_another():
    """Nothing was sent, so nothing may have been done."""
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(NoAnswer, match=f"^cannot reach {url}: Connection refused; --url or") as no:
        Server.of(url, {}).post("x")
    assert "may have been done" not in str(no.value)


def test_a_name_that_nobody_has():
    """The reason is the resolver's."""
    with pytest.raises(NoAnswer, match=r"^cannot reach http://nobody\.invalid: "):
        Server.of("http://nobody.invalid", {}).get("x")


@pytest.fixture
def socket_that(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of something that takes one connection, says what it is told to, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)  # should nobody come

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(request.param)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("socket_that", "reason"),
    [
        (b"", r"the answer is not HTTP \(RemoteDisconnected\)"),
        (b"SSH-2.0\r\n", r"the answer is not HTTP \(BadStatusLine\)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "the answer ended in its midst"),
    ],
    indirect=["socket_that"],
)
def test_what_breaks_off_may_have_been_done(socket_that: str, reason: str):
    """A connection that is closed, something that is not HTTP, half an answer."""
    with pytest.raises(NoAnswer, match=f"broke off: {reason}; it may have been done all the same$"):
        Server.of(socket_that, {}).post("x")


def test_a_silent_server_is_given_up():
    """After --request-timeout; a write may have been done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = Server.of(url, {}, timeout=Duration.parse("50ms"))

        with pytest.raises(NoAnswer, match=r"did not answer within 0\.05 s$"):
            server.get("x")
        with pytest.raises(NoAnswer, match=r"0\.05 s; it may have been done all the same$"):
            server.post("x")


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"", "wants credentials: set TASQUES_USER and TASQUES_PASSWORD"),
        (404, b'{"message":"Could not find [x]"}', "Could not find [x]"),
        (400, b'{"message":"A task that is done cannot cancel: [x]"}', "A task that is done"),
        (404, b'{"message":"No such route."}', "does not know this (404)"),
        (405, b"<html>", "does not know this (405)"),
        (409, b'{"message":"Task with Id [x] already exists "}', "Task with Id [x] already exists"),
        (500, b"\xff", "is in trouble (500)"),
        (503, b'{"message":"no node"}', "is in trouble (503): no node"),
        (302, b"", "sends elsewhere (302)"),
    ],
)
def test_what_a_server_refuses_is_told(stub: Stub, status: int, body: bytes, message: str):
    """In its words, where it has any; and what to do, where that is known."""
    stub.say(body, status=status)

    with pytest.raises(Refused) as refused:
        Server.of(stub.url, {}).post("x")
    assert message in str(refused.value)
    assert refused.value.status == status
    assert len(stub.asked) == 1


def test_wrong_credentials_are_told_from_none(stub: Stub):
    """Else somebody would look for a variable that is set."""
    stub.say(b"", status=401)

    with pytest.raises(Refused, match="does not take this user with this password"):
        Server.of(stub.url, {"TASQUES_USER": "ann"}).get("x")


def test_each_fault_that_the_server_finds_has_its_line(
    stub: Stub, capsys: pytest.CaptureFixture[str]
):
    """With its path, and nothing in it acts on the terminal."""
    faults = [
        {"path": "queue", "rule": "queueName", "message": "not lower case [\x1b[31mMail]"},
        {"path": "priority", "rule": "maximum", "message": "too large"},
    ]
    stub.say({"message": "both", "faults": faults}, status=400)

    assert main(["enqueue", "Mail", "x"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "tasques: queue: not lower case [\\x1b[31mMail]",
        "tasques: priority: too large",
    ]


def test_a_name_that_can_be_none_is_not_reached():
    """A part of a host's name has at most 63 characters."""
    url = f"http://{'a' * 64}.example"
    with pytest.raises(NoAnswer, match=f"^cannot reach {url}: "):
        Server.of(url, {}).get("x")


def test_bytes_that_are_no_text_are_passed_on(stub: Stub):
    """Arguments of a process may have them: in a path, a query, a header."""
    stub.say({}).say({})
    server = Server.of(stub.url, {})
    odd = b"\xff".decode(errors="surrogateescape")

    server.get("queues", odd, query=[("kind", odd)])
    server.post("tasques", headers={"Idempotency-Key": odd})

    get, post = stub.asked
    assert get.target == "/queues/%FF?kind=%FF"
    assert post.headers["Idempotency-Key"].encode("latin-1") == b"\xff"


def test_later_is_tried_again_where_twice_is_as_good_as_once(stub: Stub):
    """Reading always; a write only where it is said that it may be repeated."""
    for _ in range(3):
        stub.say({"message": "later"}, status=503, Retry_After="0")
    stub.say({"found": True})
    server = Server.of(stub.url, {})

    assert decode(server.get("x").body, dict) == {"found": True}

    for _ in range(4):
        stub.say({"message": "later"}, status=503, Retry_After="0")
    with pytest.raises(Refused, match="later"):
        server.post("x", may_repeat=True)
    assert len(stub.asked) == 8


def test_an_answer_of_another_program_is_no_answer(stub: Stub, capsys: pytest.CaptureFixture[str]):
    """It is said, and not a traceback."""
    for body in (b"<html>", b"[]", b'{"queues": 3}', b'{"as_of": "now", "queues": []}'):
        stub.say(body)
        assert main(["queues"]) == 1

    err = capsys.readouterr().err.splitlines()
    assert all("the answer is not one of a Tasques server's" in line for line in err)
    assert len(err) == 4


def test_json_passes_through_any_terminal():
    """What is not ASCII is escaped, numbers keep their digits, and it is one line."""
    raw = '{\n\t"ä\u2028\x9b😀": 1e999,\r\n "b": 0.10000000000000000000000001}\n'.encode()

    assert as_json(raw) == (
        '{  "\\u00e4\\u2028\\u009b\\ud83d\\ude00": 1e999,   "b": 0.10000000000000000000000001}'
    )


def test_an_answer_without_a_date_has_this_machines(stub: Stub):
    """A proxy may have taken it away."""
    stub.say({}, Date="soon")

    answer = Server.of(stub.url, {}).get("x")

    assert isinstance(answer, Answer)
    assert answer.at > Instant.parse("2020-01-01T00:00:00Z")
