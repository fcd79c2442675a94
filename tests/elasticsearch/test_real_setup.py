"""Installing what has to be there, on a real Elasticsearch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasques.adapters.elasticsearch.backend import ElasticsearchBackend
from tasques.core.json_object import JsonObject
from tasques.core.ports import ClaimableQuery, Create, Invalid, SetupStep, Written
from tasques.core.queues import QueueName
from tests.elasticsearch.conftest import Real
from tests.elasticsearch.stub import NOW, a_task, document
from tools.elasticsearch_node import call

KINDS = ("_index_template", "_template")


def states(steps: list[SetupStep], what: str = "") -> list[str]:
    """The states of the steps about *what*."""
    return [step.state for step in steps if step.what.startswith(what)]


@pytest.fixture
def fresh(bare: Real, connect: Callable[..., ElasticsearchBackend]) -> ElasticsearchBackend:
    """The adapter on a cluster that has nothing of ours."""
    return connect(bare)


def test_a_dry_run_says_what_is_missing_and_changes_nothing(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Twice the same, and no template is there afterwards."""
    first, second = fresh.setup(apply=False), fresh.setup(apply=False)
    assert first == second
    assert states(list(first), "index template") == ["missing"] * 5
    assert states(list(first), "legacy template") == ["missing"] * 4
    assert not any(step.is_done for step in first if "template" in step.what)
    for kind in KINDS:
        assert call(bare.url, "GET", f"/{kind}/{bare.prefix}queues_index_template")[0] == 404


def test_setup_twice_changes_nothing_the_second_time(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Everything installed, then everything present, as a dry run says too."""
    assert set(states(list(fresh.setup(apply=True)), "index template")) == {"installed"}
    before = [bare("GET", f"/{kind}/{bare.prefix}*") for kind in KINDS]
    for apply in (True, False):
        again = fresh.setup(apply=apply)
        assert {step.state for step in again} == {"present"}
    assert [bare("GET", f"/{kind}/{bare.prefix}*") for kind in KINDS] == before


def test_new_indices_are_made_from_our_templates(bare: Real, fresh: ElasticsearchBackend) -> None:
    """The composable ones win over the legacy ones, whoever makes the index."""
    fresh.setup(apply=True)
    bare.put("q", {"id": "theirs"})
    mapping = bare.mapping("q")
    assert mapping["dynamic"] == "false"
    assert {"rank", "ext"} <= set(mapping["properties"])
    (settings,) = bare("GET", f"/{bare.index('q')}/_settings?flat_settings=true").values()
    assert settings["settings"]["index.translog.durability"] == "request"
    assert settings["settings"]["index.hidden"] == "true"


def test_both_kinds_of_templates_get_along_because_they_have_one_name(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """A legacy template of another name is refused beside ours; one of its name comes any time."""
    fresh.setup(apply=True)
    name, pattern = f"{bare.prefix}queues_index_template", f"{bare.prefix}queue-*"
    status, _ = call(bare.url, "PUT", f"/_template/{name}2", {"index_patterns": [pattern]})
    assert status == 400
    bare("DELETE", f"/_template/{name}")
    before = bare("GET", f"/_index_template/{name}")
    steps = {step.what: step.state for step in fresh.setup(apply=True)}
    assert steps[f"legacy template {name}"] == "installed"
    assert steps[f"index template {name}"] == "present"
    assert bare("GET", f"/_index_template/{name}") == before
    assert {step.state for step in fresh.setup(apply=False)} == {"present"}


def test_a_template_of_somebody_s_keeps_the_legacy_ones_out_and_nothing_else(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Only an original server would miss them; ours says so and goes on."""
    path = f"/_index_template/{bare.prefix}somebody"
    bare("PUT", path, {"index_patterns": [f"{bare.prefix}queue-*"], "priority": 1})
    steps = {step.what: step for step in fresh.setup(apply=True)}
    name = f"{bare.prefix}queues_index_template"
    refused = steps[f"legacy template {name}"]
    assert refused.state == "missing"
    assert "refused" in refused.detail
    assert steps[f"index template {name}"].state == "installed"
    assert fresh.check() == []


def test_a_legacy_template_that_differs_is_updated(bare: Real, fresh: ElasticsearchBackend) -> None:
    """As one that an original under other settings has left."""
    fresh.setup(apply=True)
    name = f"{bare.prefix}archive_index_template"
    bare("PUT", f"/_template/{name}", {"index_patterns": [f"{bare.prefix}archive-*"]})
    steps = {step.what: step.state for step in fresh.setup(apply=True)}
    assert steps[f"legacy template {name}"] == "updated"
    assert steps[f"index template {name}"] == "present"
    legacy = bare("GET", f"/_template/{name}")[name]
    assert legacy["index_patterns"] == [f"{bare.prefix}archive"]


def test_what_an_operator_added_to_a_template_stays(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Replicas are nobody's business but theirs, also when something of ours has to be mended."""
    fresh.setup(apply=True)
    path = f"/_index_template/{bare.prefix}queues_index_template"
    body = bare("GET", path)["index_templates"][0]["index_template"]
    for note in ("created_date_millis", "modified_date_millis"):
        body.pop(note, None)
    body["template"]["settings"]["index"]["number_of_replicas"] = "2"
    bare("PUT", path, body)
    assert {step.state for step in fresh.setup(apply=False)} == {"present"}
    body["template"]["settings"]["index"]["translog"]["durability"] = "async"
    bare("PUT", path, body)
    assert "different" in states(list(fresh.setup(apply=False)), "index template")
    assert "updated" in states(list(fresh.setup(apply=True)), "index template")
    settings = bare("GET", path)["index_templates"][0]["index_template"]["template"]["settings"]
    assert settings["index"]["number_of_replicas"] == "2"
    assert settings["index"]["translog"]["durability"] == "request"


def test_indices_of_an_original_get_the_missing_fields(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Made before the templates: nothing is left for the first write to do."""
    bare.put("old", {"id": "theirs", "state": "queued"})
    missing, _ = [step for step in fresh.setup(apply=False) if "mappings" in step.what]
    assert missing.state == "missing"
    assert f"{bare.prefix}queue-old" in missing.detail
    steps = fresh.setup(apply=True)
    assert states(list(steps), "mappings of queue indices") == ["updated", "tolerated"]
    fields = bare.mapping("old")["properties"]
    assert fields["rank"] == {"type": "long"}
    assert fields["ext"] == {"type": "object", "enabled": False}
    (outcome,) = fresh.tasks.write([Create(document=a_task("t", "old"))])
    assert isinstance(outcome, Written)


def test_an_index_made_without_templates_does_not_fail_setup_and_its_tasks_go_on(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """
    What is mapped wrongly there stays so for good; nobody shall wait for it.

    The state is a text instead of a keyword, and the arguments are searchable: tasks are found by
    the one and hold the other all the same. A value that contradicts the mapping of an earlier
    task's is refused, as by an original, but for that task alone.
    """
    theirs = document("theirs", queue="old", args={"of": {"any": "kind"}})
    bare.put("old", {name: theirs[name] for name in theirs if name not in ("rank", "ext")})
    fresh.setup(apply=True)
    again = fresh.setup(apply=True)
    assert all(step.is_done for step in again)
    (tolerated,) = [step for step in again if step.state == "tolerated"]
    assert f"{bare.prefix}queue-old (state, args)" in tolerated.detail
    assert [problem.fatal for problem in fresh.check()] == [False]

    ours = a_task("ours", "old", args=JsonObject.of({"of": {"any": "other"}}))
    contradicting = a_task("third", "old", args=JsonObject.of({"of": "one"}))
    written, refused = fresh.tasks.write([Create(document=ours), Create(document=contradicting)])
    assert isinstance(written, Written)
    assert isinstance(refused, Invalid)
    bare.refresh()
    query = ClaimableQuery(queues=(QueueName("old"),), now=NOW, limit=5)
    (found,) = fresh.tasks.find_claimable([query])
    assert {stored.document.id for stored in found} == {"theirs", "ours"}


def test_without_lifecycle_management_the_archive_is_a_plain_index(
    bare: Real, fresh: ElasticsearchBackend
) -> None:
    """Said in so many words; the pattern of its templates is its name."""
    if call(bare.url, "GET", "/_ilm/status")[0] == 200:
        pytest.skip("this cluster has lifecycle management")
    steps = fresh.setup(apply=True)
    (said,) = [step for step in steps if step.what.startswith("archive index")]
    assert "no lifecycle management" in said.detail
    for kind in KINDS:
        answer = bare("GET", f"/{kind}/{bare.prefix}archive_index_template")
        assert f"'index_patterns': ['{bare.prefix}archive']" in str(answer)
