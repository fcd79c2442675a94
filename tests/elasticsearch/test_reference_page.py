"""The pages about Elasticsearch say what the code does."""

import json
import re
from pathlib import Path

import msgspec

from tasques.adapters.elasticsearch import (
    archive_documents,
    health,
    lock_documents,
    recurring_documents,
)
from tasques.adapters.elasticsearch.documents import decode
from tasques.adapters.elasticsearch.indices import IndexNames, templates
from tasques.core.archive import ArchiveKey
from tasques.core.documents import Version
from tasques.core.leadership import LOCK_NAME
from tasques.core.queues import QueueName
from tasques.core.recurring import RecurringTaskId

PAGE = (Path(__file__).parents[2] / "docs/reference/elasticsearch.md").read_text()

EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_every_template_is_named() -> None:
    """With what it is for."""
    for template in templates(IndexNames(".tasques_"), policy_name=None):
        patterns = template.composable["index_patterns"]
        assert isinstance(patterns, list)
        (row,) = re.findall(rf"\| `{re.escape(template.name)}` \|.*", PAGE)
        assert f"`{patterns[0]}`" in row
        assert row.endswith("| yes |") is (template.legacy is not None)


def test_every_problem_is_named() -> None:
    """By the code that health shows."""
    source = Path(health.__file__).read_text()
    codes = set(re.findall(r'code="(\w+)"', source))
    assert len(codes) > 5
    assert codes == set(re.findall(r"^\| `(\w+)` \| .* \| (?:yes|no) \|$", PAGE, re.MULTILINE))


def test_the_example_is_a_task() -> None:
    """As the store would read it."""
    example, *_ = EXAMPLES
    task = decode(example.encode(), queue=QueueName("run-later"), id="t0")
    assert task.extensions.operation is not None
    assert json.loads(example)["rank"] == task.run_at.milliseconds


def test_the_example_of_a_recurring_task_is_one() -> None:
    """Of the same fields, and every key of ``ext`` that there is has a row."""
    example = EXAMPLES[1]
    recurring = recurring_documents.decode(example.encode(), id=RecurringTaskId("r"))
    assert json.loads(recurring_documents.encode(recurring)) == json.loads(example)
    assert recurring.recurrence.term == Version(1, 17)
    keys = {field.encode_name for field in msgspec.structs.fields(recurring_documents._Ext)}
    section = PAGE.split("A recurring task, whose")[1].split("The leader's lock:")[0]
    assert keys == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_the_example_of_a_lock_is_one() -> None:
    """Of the same fields, and every key of ``ext`` that there is is named."""
    example = EXAMPLES[2]
    lock = lock_documents.decode(example.encode(), name=LOCK_NAME)
    assert json.loads(lock_documents.encode(lock)) == json.loads(example)
    assert lock.term == Version(1, 17)
    section = PAGE.split("The leader's lock:")[1].split("## The archive")[0]
    for field in msgspec.structs.fields(lock_documents._Ext):
        assert f"`{field.encode_name}`" in section


def test_the_example_of_a_copy_is_one() -> None:
    """Under the id that the page names for it."""
    task, _, _, ext = (json.loads(example) for example in EXAMPLES)
    document = msgspec.Raw(json.dumps({**task, "ext": ext}).encode())
    (key,) = re.findall(r"`([0-9a-f]{64})`", PAGE)
    copy = archive_documents.decode(document, key=ArchiveKey(key), place="anywhere")
    assert copy.origin == Version(1, 4711)
