"""What failures of Elasticsearch come to, as pairs."""

import pytest

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.answers import Cause
from tasques.adapters.elasticsearch.errors import NoAnswer, NotSent
from tasques.core.documents import Version
from tasques.core.ports import (
    Blocked,
    Conflict,
    Create,
    Delete,
    Exists,
    Invalid,
    Rejected,
    Replace,
    Unknown,
)
from tests.elasticsearch.stub import a_task

CREATE = Create(document=a_task())
REPLACE = Replace(document=a_task(), expected=Version(1, 0))

ITEMS: list[tuple[int, str, type]] = [
    (409, "version_conflict_engine_exception", Conflict),
    (429, "es_rejected_execution_exception", Rejected),
    (429, "circuit_breaking_exception", Rejected),
    (429, "cluster_block_exception", Blocked),
    (403, "cluster_block_exception", Blocked),
    (400, "index_closed_exception", Blocked),
    (400, "document_parsing_exception", Invalid),
    (400, "mapper_parsing_exception", Invalid),
    (400, "illegal_argument_exception", Invalid),
    (400, "invalid_index_name_exception", Invalid),
    (400, "validation_exception", Rejected),
    (404, "index_not_found_exception", Conflict),
    (403, "security_exception", Rejected),
    (503, "process_cluster_event_timeout_exception", Rejected),
    # A node may have tried once already before it found the shard gone.
    (503, "unavailable_shards_exception", Unknown),
    (503, "cluster_block_exception", Unknown),
    (500, "null_pointer_exception", Unknown),
    (404, "shard_not_found_exception", Unknown),
]

REQUESTS: list[tuple[int, str, type]] = [
    (400, "action_request_validation_exception", Invalid),
    (413, "", Invalid),
    (429, "es_rejected_execution_exception", Rejected),
    (401, "security_exception", Rejected),
    (403, "security_exception", Rejected),
    (400, "media_type_header_exception", Rejected),
    # No master, or a cluster that is starting: seen before anything is sent on.
    (503, "cluster_block_exception", Rejected),
    (404, "", Rejected),
    (502, "", Unknown),
    (503, "", Unknown),
    (504, "", Unknown),
    (500, "exception", Unknown),
]


@pytest.mark.parametrize(("status", "kind", "expected"), ITEMS)
def test_a_failed_item(status: int, kind: str, expected: type) -> None:
    """Only what is known to come before any write is a definite no."""
    outcome = errors.item_outcome(REPLACE, status, Cause(type=kind, reason="why"))
    assert type(outcome) is expected


@pytest.mark.parametrize(("status", "kind", "expected"), REQUESTS)
def test_a_failed_request(status: int, kind: str, expected: type) -> None:
    """The same question for all items of the request at once."""
    outcome = errors.request_outcome(REPLACE, status, Cause(type=kind, reason="why"))
    assert type(outcome) is expected


def test_a_create_that_conflicts_met_the_id() -> None:
    """It is not known whose: perhaps an earlier try of ours."""
    cause = Cause(type="version_conflict_engine_exception")
    assert errors.item_outcome(CREATE, 409, cause) == Exists()
    assert errors.item_outcome(REPLACE, 409, cause) == Conflict()


def test_without_an_index_there_is_no_document() -> None:
    """What is not there conflicts; but what was to be new may be tried again."""
    cause = Cause(type="index_not_found_exception", reason="no such index")
    delete = Delete(document=a_task(), expected=Version(1, 0))
    assert errors.item_outcome(delete, 404, cause) == Conflict()
    assert isinstance(errors.item_outcome(CREATE, 404, cause), Rejected)


def test_a_request_without_an_answer() -> None:
    """What never left is a no; what left may have happened."""
    assert isinstance(errors.failure_outcome(NotSent("refused")), Rejected)
    assert isinstance(errors.failure_outcome(NoAnswer("reset")), Unknown)


def test_a_full_cluster_says_what_to_do() -> None:
    """The shard limit is an operator's to raise, not the caller's fault."""
    cause = Cause(type="validation_exception", reason="this action would add [2] shards")
    outcome = errors.item_outcome(CREATE, 400, cause)
    assert isinstance(outcome, Rejected)
    assert "cluster.max_shards_per_node" in outcome.reason


def test_a_reason_holds_no_documents() -> None:
    """Elasticsearch repeats the request in some; it would end in logs and answers."""
    reason = "primary shard is not active Timeout: [1s], request: [BulkShardRequest source[{secret"
    text = errors.describe(503, Cause(type="unavailable_shards_exception", reason=reason))
    assert "secret" not in text
    assert "Timeout: [1s]" in text


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b'{"error":{"type":"t","reason":"r"},"status":400}', "t", "r"),
        (b'{"error":"no handler found","status":400}', "", "no handler found"),
        (b"<html>Bad gateway</html>", "", "<html>Bad gateway</html>"),
        (b"", "", ""),
        (b"\xff", "", "\ufffd"),
    ],
)
def test_any_error_body_has_a_cause(body: bytes, kind: str, reason: str) -> None:
    """A proxy answers what it likes."""
    assert answers.error(body) == Cause(type=kind, reason=reason)
