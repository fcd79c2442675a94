"""Names of indices, templates as data, and comparing them with what a cluster has."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from tasques.adapters.elasticsearch.differences import (
    compare_fields,
    flat_settings,
    properties_of,
    says_as_much,
)
from tasques.adapters.elasticsearch.indices import (
    QUEUE_FIELDS,
    RECURRING_FIELDS,
    TASK_FIELDS,
    IndexNames,
    templates,
)
from tasques.core.queues import QueueName
from tasques.testing import strategies

NAMES = IndexNames(".tasques_")


def test_names_are_the_original_s() -> None:
    """Both servers find each other's indices and templates."""
    assert NAMES.queue(QueueName("run-later")) == ".tasques_queue-run-later"
    assert NAMES.archive == ".tasques_archive"
    assert NAMES.recurring_tasks == ".tasques_recurring_tasks"
    assert NAMES.leader_locks == ".tasques_leader_locks"
    assert [t.name for t in templates(NAMES, policy_name=None) if t.legacy is not None] == [
        ".tasques_queues_index_template",
        ".tasques_archive_index_template",
        ".tasques_leader_locks_index_template",
        ".tasques_recurring_tasks_index_template",
    ]


@given(strategies.queue_names())
def test_a_queue_has_one_index_and_an_index_one_queue(queue: QueueName) -> None:
    """There and back, for every name a queue may have; and the name fits."""
    index = NAMES.queue(queue)
    assert NAMES.queue_of(index) == queue
    assert len(index.encode()) <= 255


def test_other_indices_hold_no_queue() -> None:
    """Not ours, another prefix, or no name at all."""
    for index in (NAMES.archive, "other", ".tasques_queue-", "x.tasques_queue-a", ".other_queue-a"):
        assert NAMES.queue_of(index) is None


def test_only_names_with_a_dot_are_hidden() -> None:
    """A pattern that begins with a dot finds hidden indices, another does not."""
    for prefix, hidden in ((".tasques_", True), ("tasques_", False)):
        for template in templates(IndexNames(prefix), policy_name=None):
            settings = flat_settings(msgspec.convert(template.composable, dict)["template"])
            assert ("settings.index.hidden" in settings) is hidden


def test_no_index_loses_what_it_acknowledged() -> None:
    """Every template says so, whatever the defaults of the cluster are."""
    for template in templates(NAMES, policy_name=None):
        flat = flat_settings(template.composable)
        assert flat["template.settings.index.translog.durability"] == "request"
        assert flat["template.mappings.dynamic"] == "false"


def test_ours_maps_all_that_the_original_maps() -> None:
    """It filters, sorts and counts by them; without one it fails, or silently finds nothing."""
    for template in templates(NAMES, policy_name=None):
        if template.legacy is not None:
            ours = json.loads(msgspec.json.encode(template.composable))["template"]["mappings"]
            theirs = json.loads(msgspec.json.encode(template.legacy))["mappings"]
            wanted = theirs.get("properties", {})
            compared = compare_fields(ours["properties"], wanted)
            assert (compared.missing, compared.wrong) == ({}, ())


def test_ours_adds_rank_expiry_and_ext_only() -> None:
    """Whatever else would be mapped is another server's to understand."""
    assert set(QUEUE_FIELDS) - set(TASK_FIELDS) == {"rank", "expires_at", "ext"}
    by_name = {t.name: t for t in templates(NAMES, policy_name=None)}
    archive = json.loads(msgspec.json.encode(by_name[".tasques_archive_index_template"].composable))
    recurring = json.loads(
        msgspec.json.encode(by_name[".tasques_recurring_tasks_index_template"].composable)
    )
    assert set(archive["template"]["mappings"]["properties"]) - set(TASK_FIELDS) == {"ext"}
    assert set(recurring["template"]["mappings"]["properties"]) - set(RECURRING_FIELDS) == {"ext"}


def test_a_managed_archive_has_the_original_s_settings() -> None:
    """Its pattern leaves out the alias, and rolling over knows the alias."""
    archive = templates(NAMES, policy_name="p")[1]
    for body in (archive.composable, archive.legacy):
        assert body is not None
        assert body["index_patterns"] == [".tasques_archive-*"]
        flat = flat_settings(body)
        settings = {name.rpartition("settings.")[2]: value for name, value in flat.items()}
        assert settings["index.lifecycle.name"] == "p"
        assert settings["index.lifecycle.rollover_alias"] == ".tasques_archive"


WANTED: dict[str, Any] = {
    "rank": {"type": "long"},
    "ext": {"type": "object", "enabled": False},
    "id": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 512}}},
    "last": {"properties": {"at": {"type": "date"}, "data": {"type": "object", "enabled": False}}},
}


@pytest.mark.parametrize(
    ("actual", "missing", "wrong"),
    [
        (WANTED, {}, ()),
        ({**WANTED, "more": {"type": "ip"}}, {}, ()),
        ({}, WANTED, ()),
        ({**WANTED, "rank": {"type": "float"}}, {}, ("rank",)),
        ({**WANTED, "ext": {"properties": {"op": {"type": "text"}}}}, {}, ("ext",)),
        (
            {**WANTED, "id": {"type": "text"}},
            {"id": {"type": "text", "fields": WANTED["id"]["fields"]}},
            (),
        ),
        ({**WANTED, "id": {"type": "keyword"}}, {}, ("id",)),
        (
            {**WANTED, "last": {"properties": {"at": {"type": "long"}}}},
            {"last": {"properties": {"data": {"type": "object", "enabled": False}}}},
            ("last.at",),
        ),
    ],
    ids=[
        "the same",
        "more than wanted",
        "nothing",
        "another type",
        "indexed instead of opaque",
        "without its sub-field",
        "as a keyword",
        "within an object",
    ],
)
def test_what_a_mapping_lacks(
    actual: dict[str, object], missing: dict[str, object], wrong: tuple[str, ...]
) -> None:
    """Missing fields come ready to be put; wrong ones by name, since nothing can change them."""
    compared = compare_fields(actual, WANTED)
    assert (compared.missing, compared.wrong) == (missing, wrong)


def test_mappings_of_several_indices_are_told_apart() -> None:
    """An answer may hold an index without any field."""
    answer = {"a": {"mappings": {"properties": {"x": {"type": "long"}}}}, "b": {"mappings": {}}}
    assert properties_of(answer) == {"a": {"x": {"type": "long"}}, "b": {}}
    assert properties_of(None) == {}


def test_a_template_may_say_more() -> None:
    """Elasticsearch nests settings and makes texts of them; somebody may have added replicas."""
    wanted = {"priority": 900, "template": {"settings": {"index.hidden": True}}, "p": ["a"]}
    actual = {
        "priority": 900,
        "p": ["a"],
        "template": {"settings": {"index": {"hidden": "true", "number_of_replicas": "2"}}},
    }
    assert says_as_much(actual, wanted)
    assert not says_as_much({**actual, "p": ["b"]}, wanted)
    assert not says_as_much({**actual, "template": {}}, wanted)
