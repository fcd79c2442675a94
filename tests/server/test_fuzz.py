"""Whatever bytes a body holds: never an error of the server's, never an answer without JSON."""

from __future__ import annotations

import json
from functools import cache
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from tasques.core.errors import InvalidInput
from tasques.core.service.defaults import Defaults
from tasques.core.values import ZERO
from tasques.schemas.batch_requests import FinishItem, NewTaskItem
from tasques.schemas.converter import read
from tasques.schemas.envelope import Envelope
from tasques.schemas.recurring_requests import NewRecurringTaskBody, RecurringTaskUpdateBody
from tasques.schemas.requests import ClaimBody, FailureBody, NewTaskBody, ReportBody, SuccessBody
from tasques.server.app import create_app
from tasques.server.options import ServerOptions
from tests.server.conftest import Api, HandClock, make_world

ROUTES = [
    ("POST", "/tasques"),
    ("POST", "/tasques/claims"),
    ("POST", "/tasques/create-many"),
    ("POST", "/tasques/finish-many"),
    ("PUT", "/tasques/reports/mail/x"),
    ("PUT", "/tasques/done/mail/x"),
    ("PUT", "/tasques/failed/mail/x"),
    ("POST", "/recurring_tasques"),
    ("PUT", "/recurring_tasques/r"),
]
MODELS = [
    NewTaskBody,
    ClaimBody,
    ReportBody,
    SuccessBody,
    FailureBody,
    NewRecurringTaskBody,
    RecurringTaskUpdateBody,
    Envelope,
    NewTaskItem,
    FinishItem,
]
FIELDS = [
    "queue", "kind", "id", "retry_times", "priority", "processing_timeout", "run_at", "args",
    "context", "queues", "amount", "min_amount", "data", "retry_in", "give_up",
    "schedule_expression", "task_definition", "skip_if_outstanding_tasks_exist", "catch_up",
    "items", "minimal", "action", "claim_id", "run_in", "idempotency_key",
]  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text()
    | st.sampled_from(["1h", "-1s", "2020-01-01T00:00:00Z", "mail", "9" * 5000, "\ud800", ""])
    | st.sampled_from(["@every 1m", "TZ=UTC", "TZ=\ud800 @daily", "* * * * *", "last"])
    | st.text("0123456789*/?-, @TZ=UCJANMO", max_size=30)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(
    st.sampled_from(FIELDS), values | st.dictionaries(st.sampled_from(FIELDS), values)
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Almost right: a good body with bytes cut out, doubled, or put in."""
    body = json.dumps(draw(bodies), allow_nan=True).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.integers(0, 4))
        body = body[:at] + draw(st.binary(max_size=4)) + body[at + cut :]
    return body


@cache
def served() -> Api:
    """One server for all bodies; claims do not wait there."""
    world = make_world(HandClock(), Defaults(block_for=ZERO))
    api = Api(create_app(world.services, ServerOptions()))
    api.create(id="x")
    api.repeat()
    return api


@given(route=st.sampled_from(ROUTES), body=st.binary(max_size=200) | mutated())
def test_any_body_is_answered_in_json(route: tuple[str, str], body: bytes) -> None:
    """With a status below 500, and a message where it is no success."""
    answer = served().call(*route, raw=body, worker="w1")
    assert answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    parsed = json.loads(answer.content)
    if answer.status_code >= 400:
        assert parsed["message"]


@given(
    route=st.sampled_from(
        [
            ("GET", "/recurring_tasques/{}"),
            ("DELETE", "/recurring_tasques/{}"),
            ("POST", "/recurring_tasques/{}/run"),
            ("GET", "/recurring_tasques/r/preview?count={}"),
            ("GET", "/tasques/mail/x?archived={}"),
        ]
    ),
    text=st.text().filter(lambda text: text != "r"),
)
def test_any_text_in_an_address_is_answered_in_json(route: tuple[str, str], text: str) -> None:
    """As any body is."""
    method, path = route
    answer = served().call(method, path.format(quote(text, safe="")))
    assert answer.status_code < 500, answer.text
    assert json.loads(answer.content) is not None


@given(body=st.binary(max_size=200) | mutated(), model=st.sampled_from(MODELS))
def test_any_body_is_a_model_or_a_list_of_faults(body: bytes, model: type) -> None:
    """And nothing else: no other error leaves the converter."""
    refused: InvalidInput | None = None
    try:
        found: object = read(model, body)
    except InvalidInput as error:
        refused = error
    if refused is None:
        assert isinstance(found, model)
    else:
        assert refused.faults
        assert str(refused).encode()
