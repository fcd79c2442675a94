"""What `setup` does in Kibana: what is sent, what counts as success, and when nothing is."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from tasques.adapters.elasticsearch import kibana
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.kibana import ImportFailed, import_objects
from tasques.adapters.elasticsearch.kibana_objects import saved_objects
from tasques.adapters.elasticsearch.settings import KibanaSettings, Lifecycle
from tasques.core.ports import SetupStep
from tests.elasticsearch.stub import StubCluster
from tests.elasticsearch.test_lifecycle_setup import bare

OBJECTS = saved_objects(IndexNames("t_"))
SUCCESS = {"success": True, "successCount": len(OBJECTS)}


@attrs.frozen
class Received:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def parts(self) -> list[Any]:
        """The parts of a form, as the standard library reads them."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        form: Any = message_from_bytes(head + self.body)
        assert form.is_multipart()
        return list(form.get_payload())


class FakeKibana:
    """A server that notes what it gets, and answers what a test says."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.answer: bytes = json.dumps(SUCCESS).encode()
        self.before_answer: Callable[[], object] = lambda: None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                fake.received.append(Received(self.requestline, headers, body))
                fake.before_answer()
                self.send_response(fake.status)
                self.send_header("Content-Length", str(len(fake.answer)))
                self.end_headers()
                self.wfile.write(fake.answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def settings(self, path: str = "", **more: Any) -> KibanaSettings:
        """How to reach it."""
        return KibanaSettings(address=f"http://127.0.0.1:{self.port}{path}", **more)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def fake() -> Iterator[FakeKibana]:
    made = FakeKibana()
    yield made
    made.close()


# ------------------------------------------------------------------------------ the request


def test_the_import_is_one_form_with_one_file(fake: FakeKibana) -> None:
    """As Kibana's API has it: overwriting, with its header against forgery, a file ``*.ndjson``."""
    import_objects(fake.settings(), OBJECTS)

    (request,) = fake.received
    assert request.line == "POST /api/saved_objects/_import?overwrite=true HTTP/1.1"
    assert request.headers["kbn-xsrf"] == "true"
    assert "authorization" not in request.headers
    (part,) = request.parts
    assert part.get_param("name", header="content-disposition") == "file"
    assert part.get_filename().endswith(".ndjson")
    lines = part.get_payload(decode=True).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(json.dumps(OBJECTS))


def test_the_path_of_the_address_is_kept(fake: FakeKibana) -> None:
    """That of a proxy, or of a space."""
    import_objects(fake.settings("/kibana/s/ops"), OBJECTS)

    (request,) = fake.received
    assert request.line.startswith("POST /kibana/s/ops/api/saved_objects/_import?")


def test_a_user_is_sent_as_basic_authentication(fake: FakeKibana) -> None:
    """With whatever characters the password has."""
    import_objects(fake.settings(user=("elastic", "p:wé")), OBJECTS)

    assert fake.received[0].headers["authorization"] == "Basic ZWxhc3RpYzpwOnfDqQ=="


def test_https_is_trusted_by_the_same_file_as_elasticsearch(tmp_path: Path) -> None:
    """And not at all where nothing vouches for it."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=kibana", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    fake = FakeKibana(context)
    try:
        address = f"https://127.0.0.1:{fake.port}"
        import_objects(KibanaSettings(address=address, ca_file=str(certificate)), OBJECTS)
        assert len(fake.received) == 1
        with pytest.raises(ImportFailed, match="certificate"):
            import_objects(KibanaSettings(address=address), OBJECTS)
        assert len(fake.received) == 1
        with pytest.raises(ImportFailed, match="ca_file cannot be used"):
            import_objects(KibanaSettings(address=address, ca_file=str(key)), OBJECTS)
    finally:
        fake.close()


# ------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, b'{"statusCode":401,"error":"Unauthorized","message":"Nobody knows you"}', "401: No"),
        (
            400,
            b'{"statusCode":400,"message":"Request must contain a kbn-xsrf header."}',
            "kbn-xsrf",
        ),
        (302, b"", "302: nothing"),
        (200, b'{"success": false, "successCount": 0}', '200: {"success": false'),
        (200, b'{"success": "true"}', "200"),
        (200, b"<html>Please log in</html>", "200: <html>Please log in"),
        (200, b'["success"]', "200"),
        (201, json.dumps(SUCCESS).encode(), "201"),
        (503, b"\xff\xfe", "503"),
    ],
)
def test_anything_but_200_and_success_is_a_failure_that_says_what_was_answered(
    status: int, answer: bytes, said: str, fake: FakeKibana
) -> None:
    """A proxy's page of login, too."""
    fake.status, fake.answer = status, answer
    with pytest.raises(ImportFailed) as caught:
        import_objects(fake.settings(user=("u", "secret")), OBJECTS)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_objects_that_were_refused_are_named(fake: FakeKibana) -> None:
    """The first of them, with Kibana's reason; 200 though it is."""
    refused = [
        {"type": "search", "id": f"t_{n}", "error": {"type": "unknown", "message": f"why {n}"}}
        for n in range(5)
    ]
    fake.answer = json.dumps({"success": False, "errors": refused}).encode()
    with pytest.raises(ImportFailed) as caught:
        import_objects(fake.settings(), OBJECTS)
    assert "search t_0 (unknown why 0)" in str(caught.value)
    assert str(caught.value).endswith("and 2 more")


def test_a_kibana_that_is_not_there_is_a_failure(fake: FakeKibana) -> None:
    """At once, and not for ever."""
    fake.close()
    with pytest.raises(ImportFailed, match="cannot connect"):
        import_objects(fake.settings(), OBJECTS)


def test_a_kibana_that_does_not_answer_is_given_up(
    fake: FakeKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time that somebody before a terminal can wait."""
    assert kibana.TIMEOUT_SECONDS <= 60
    monkeypatch.setattr(kibana, "TIMEOUT_SECONDS", 0.05)
    over = threading.Event()
    fake.before_answer = lambda: over.wait(60)
    try:
        with pytest.raises(ImportFailed, match="in time"):
            import_objects(fake.settings(), OBJECTS)
    finally:
        over.set()


# ----------------------------------------------------------------------------- when, in setup


def the_step(steps: list[SetupStep]) -> SetupStep:
    """The only one about Kibana, which is the last."""
    assert [step for step in steps if step.what.startswith("Kibana")] == steps[-1:]
    return steps[-1]


def set_up(cluster: StubCluster, fake: FakeKibana, **how: Any) -> SetupStep:
    """Run ``setup`` on *cluster* with *fake*, and give the step about Kibana."""
    backend = cluster.backend(kibana=fake.settings(), lifecycle=Lifecycle(enabled=False))
    return the_step(list(backend.setup(**{"apply": True, **how})))


def with_all_templates(*, legacy: bool = True) -> StubCluster:
    """A cluster on which everything but Kibana has been set up; or everything but legacy ones."""
    made: dict[str, dict[str, Any]] = {"_template": {}, "_index_template": {}}
    before = bare()
    before.backend(lifecycle=Lifecycle(enabled=False)).setup(apply=True)
    for request in before.requests:
        if request.method == "PUT":
            _, kind, name = request.path.split("/")
            made[kind][name] = json.loads(request.body)
    composable = [
        {"name": name, "index_template": body} for name, body in made["_index_template"].items()
    ]
    cluster = StubCluster()
    cluster.answer("GET /_template/t_*", made["_template"] if legacy else {})
    cluster.answer("GET /_index_template/t_*", {"index_templates": composable})
    return cluster


def test_without_an_address_nothing_is_said_of_kibana() -> None:
    """Nor asked of it."""
    steps = bare().backend().setup(apply=True, dashboards=True)
    assert [step for step in steps if "Kibana" in step.what] == []


def test_the_import_comes_after_templates_that_were_missing(fake: FakeKibana) -> None:
    """And the step says what was imported."""
    step = set_up(bare(), fake)
    assert (step.state, step.is_done) == ("installed", True)
    assert step.detail == "3 data views, 6 searches, 11 charts and the dashboard [t]"
    assert len(fake.received) == 1


def test_where_no_template_was_missing_nothing_is_imported(fake: FakeKibana) -> None:
    """So that what somebody made of the dashboard stays; and that is said."""
    step = set_up(with_all_templates(), fake)
    assert (step.state, step.is_done) == ("skipped", True)
    assert "--kibana" in step.detail
    assert fake.received == []


def test_it_is_imported_again_where_that_is_asked_for(fake: FakeKibana) -> None:
    """After a failure, or an upgrade of Tasques."""
    step = set_up(with_all_templates(), fake, dashboards=True)
    assert step.state == "installed"
    assert len(fake.received) == 1


@pytest.mark.parametrize("dashboards", [True, False])
def test_a_dry_run_only_says_what_would_be_imported(dashboards: bool, fake: FakeKibana) -> None:
    """Kibana is not even asked whether it is there."""
    step = set_up(bare(), fake, apply=False, dashboards=dashboards)
    assert (step.state, step.is_done) == ("missing", False)
    assert "6 searches" in step.detail
    assert set_up(with_all_templates(), fake, apply=False).state == "skipped"
    assert fake.received == []


def test_a_failed_import_fails_the_command_and_the_templates_stay(fake: FakeKibana) -> None:
    """As in the original, where the next run succeeds without importing; here it says how to."""
    fake.status = 503
    cluster = bare()
    step = set_up(cluster, fake)
    assert (step.state, step.is_done) == ("missing", False)
    assert "Kibana answered 503" in step.detail
    assert "tasques setup --kibana" in step.detail
    assert len([request for request in cluster.requests if request.method == "PUT"]) == 9


def test_a_template_that_is_refused_each_time_is_no_reason_to_import(fake: FakeKibana) -> None:
    """Somebody's template in its way keeps a legacy one out for good."""
    cluster = with_all_templates(legacy=False)
    for name in ("queues", "archive", "leader_locks", "recurring_tasks"):
        cluster.answer(f"PUT /_template/t_{name}_index_template", {"error": "no"}, status=400)
    assert set_up(cluster, fake).state == "skipped"
    assert fake.received == []
