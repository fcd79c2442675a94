"""A server with the plugin installed, as Prometheus meets it."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tools.tasques_server import TasquesServer

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def get(url: str, **headers: str) -> str:
    """The text of an answer."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text: str = answer.read().decode()
    return text


def post(url: str, body: object, **headers: str) -> None:
    """Send JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=60):
        pass


def test_a_server_is_measured_and_every_name_is_documented() -> None:
    """What was done shows in the counts; whatever is served has its row on the reference page."""
    with TasquesServer({"backend": "memory:"}) as server:
        for _ in range(3):
            post(f"{server.url}/tasques", {"queue": "mail", "kind": "send"})
        claim = {"queues": ["mail"], "amount": 2}
        post(f"{server.url}/tasques/claims", claim, **{"X-TASQUES-WORKER-ID": "w"})
        families = {f.name: f for f in text_string_to_metric_families(get(f"{server.url}/metrics"))}
    writes = {
        (sample.labels["verb"], sample.labels["outcome"]): sample.value
        for sample in families["tasques_task_writes"].samples
    }
    assert writes[("create", "written")] == 3
    assert writes[("claim", "written")] == 2
    requests = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["tasques_request_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert requests[("POST", "/tasques", "201")] == 3
    assert requests[("POST", "/tasques/claims", "200")] == 1
    documented = set(re.findall(r"^\| `(tasques_\w+)`", PAGE.read_text(), re.MULTILINE))
    served = {name + "_total" * (family.type == "counter") for name, family in families.items()}
    assert served - documented == set()
    assert {"tasques_waiting_claims", "tasques_leading", "tasques_ready"} <= served


def test_strangers_learn_nothing() -> None:
    """Where users are configured, measurements are for them; so an open door stays shut."""
    with TasquesServer({"backend": "memory:"}, users={"ann": "secret"}) as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{server.url}/metrics")
        known = base64.b64encode(b"ann:secret").decode()
        assert "tasques_ready 1.0" in get(f"{server.url}/metrics", Authorization=f"Basic {known}")
