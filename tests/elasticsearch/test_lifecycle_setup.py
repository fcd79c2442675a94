"""Lifecycle management, which the Elasticsearch for tests has not: the exact requests."""

import json

import pytest

from tasques.adapters.elasticsearch.indices import IndexNames, templates
from tasques.adapters.elasticsearch.settings import DEFAULT_POLICY, Lifecycle
from tasques.core.errors import StoreUnavailable
from tests.elasticsearch.stub import StubCluster

POLICY = "/_ilm/policy/tasques_archived_tasks_policy"
FIRST = "/<t_archive-{now/d}-000001>"


def bare(first: object = None, status: int = 200) -> StubCluster:
    """A cluster that has nothing of ours, and takes everything; the first index, as is said."""
    cluster = StubCluster()
    cluster.answer("GET /_index_template/t_*", {"index_templates": []})
    cluster.answer("GET /_template/t_*", {})
    for name in ("queues", "archive", "leader_locks", "recurring_tasks", "policies"):
        for kind in ("_index_template", "_template"):
            cluster.answer(f"PUT /{kind}/t_{name}_index_template", {"acknowledged": True})
    cluster.answer(f"PUT {POLICY}", {"acknowledged": True})
    cluster.answer(f"PUT {FIRST}", first or {"acknowledged": True}, status=status)
    return cluster


def answer_health(cluster: StubCluster) -> None:
    """Let *cluster* be well but for what is installed."""
    cluster.answer("GET /_cluster/health/t_*", {"status": "green"})
    settings = (
        "GET /t_queue-*,t_recurring_tasks,t_leader_locks,t_policies/_settings"
        "/index.blocks.*,index.translog.durability"
    )
    cluster.answer(settings, {})
    cluster.answer("GET /_cluster/settings", {})


def changes(cluster: StubCluster) -> list[str]:
    """What was changed, in order."""
    return [f"{r.method} {r.path}" for r in cluster.requests if r.method != "GET"]


def test_policy_templates_and_first_index_come_in_this_order() -> None:
    """The index names the policy and is made from the template; the alias writes to it."""
    cluster = bare()
    steps = cluster.backend().setup(apply=True)
    made = changes(cluster)
    assert made[0] == f"PUT {POLICY}"
    assert made[-1] == f"PUT {FIRST}"
    assert made.index("PUT /_template/t_archive_index_template") < made.index(
        "PUT /_index_template/t_archive_index_template"
    )
    (policy,) = cluster.asked(f"PUT {POLICY}")
    assert json.loads(policy.body) == {"policy": DEFAULT_POLICY}
    (first,) = cluster.asked(f"PUT {FIRST}")
    assert json.loads(first.body) == {"aliases": {"t_archive": {"is_write_index": True}}}
    (template,) = cluster.asked("PUT /_index_template/t_archive_index_template")
    body = json.loads(template.body)
    assert body["index_patterns"] == ["t_archive-*"]
    assert body["allow_auto_create"] is False
    assert body["template"]["settings"] == {
        "index.translog.durability": "request",
        "index.lifecycle.name": "tasques_archived_tasks_policy",
        "index.lifecycle.rollover_alias": "t_archive",
    }
    assert {step.state for step in steps} == {"installed"}


def test_a_dry_run_only_reads() -> None:
    """And says the same steps as missing."""
    cluster = bare()
    steps = cluster.backend().setup(apply=False)
    assert changes(cluster) == []
    assert {step.state for step in steps} == {"missing"}
    assert steps[0].what == "lifecycle policy tasques_archived_tasks_policy"
    assert steps[-1].what == "archive index t_archive-*"


def test_what_is_there_stays() -> None:
    """A policy somebody has changed, and the indices it has made since."""
    cluster = bare()
    cluster.answer(f"GET {POLICY}", {"tasques_archived_tasks_policy": {}})
    cluster.answer(
        "GET /t_archive/_alias", {"t_archive-2026.11.22-000007": {"aliases": {"t_archive": {}}}}
    )
    cluster.backend().setup(apply=True)
    assert not [change for change in changes(cluster) if "_ilm" in change or "<" in change]


def test_a_plain_archive_stays_plain() -> None:
    """An alias of its name cannot be made, so it is not managed, and that is said."""
    cluster = bare()
    cluster.answer(f"GET {POLICY}", {"tasques_archived_tasks_policy": {}})
    cluster.answer("GET /t_archive/_alias", {"t_archive": {"aliases": {}}})
    steps = cluster.backend().setup(apply=True)
    assert "is an index already" in steps[0].detail
    (template,) = cluster.asked("PUT /_index_template/t_archive_index_template")
    assert json.loads(template.body)["index_patterns"] == ["t_archive"]
    assert not [change for change in changes(cluster) if "_ilm" in change or "<" in change]


def test_a_failure_to_make_the_first_index_is_an_error() -> None:
    """An original takes it for success, and archives into an index that is not managed."""
    for status in (400, 403, 503):
        refused = {"error": {"type": "validation_exception", "reason": "no room"}}
        cluster = bare(first=refused, status=status)
        with pytest.raises(StoreUnavailable, match="no room"):
            cluster.backend().setup(apply=True)


def test_another_setup_at_the_same_time_may_make_the_first_index() -> None:
    """Templates are put twice without harm; an index is made once, and then it is there."""
    there = {"error": {"type": "resource_already_exists_exception", "reason": "there"}}
    cluster = bare(first=there, status=400)
    cluster.answer("GET /t_archive/_alias", {"error": "?"}, status=404)
    cluster.answer("GET /t_archive/_alias", {"t_archive-2026.11.22-000001": {"aliases": {}}})
    steps = cluster.backend().setup(apply=True)
    assert steps[-1].what == "archive index t_archive-*"
    assert steps[-1].state == "present"
    assert "000001" in steps[-1].detail


def test_an_alias_made_by_hand_is_left_to_whoever_made_it() -> None:
    """Without lifecycle management nobody rolls it over, and that is said."""
    cluster = bare()
    cluster.answer(f"GET {POLICY}", {"error": "no handler found for uri"}, status=400)
    cluster.answer("GET /t_archive/_alias", {"t_archive-1": {"aliases": {"t_archive": {}}}})
    (said,) = [s for s in cluster.backend().setup(apply=True) if s.what.startswith("archive")]
    assert "no lifecycle management" in said.detail
    assert "alias [t_archive]" in said.detail


def test_a_policy_of_one_s_own_is_put_under_its_name() -> None:
    """Instead of the default one."""
    cluster = bare()
    cluster.answer("PUT /_ilm/policy/mine", {"acknowledged": True})
    mine = Lifecycle(policy_name="mine", policy={"phases": {"hot": {"actions": {}}}})
    cluster.backend(lifecycle=mine).setup(apply=True)
    (policy,) = cluster.asked("PUT /_ilm/policy/mine")
    assert json.loads(policy.body) == {"policy": {"phases": {"hot": {"actions": {}}}}}
    (template,) = cluster.asked("PUT /_index_template/t_archive_index_template")
    assert json.loads(template.body)["template"]["settings"]["index.lifecycle.name"] == "mine"


def test_switched_off_nothing_is_asked_about_it() -> None:
    """The archive is a plain index, as was wanted."""
    cluster = bare()
    steps = cluster.backend(lifecycle=Lifecycle(enabled=False)).setup(apply=True)
    assert not [request for request in cluster.requests if "_ilm" in request.path]
    assert not [step for step in steps if step.what.startswith("archive index")]


def test_a_missing_archive_is_shown_and_keeps_nobody_from_work() -> None:
    """Somebody has removed its last index: tasks are done all the same, and pile up."""
    cluster = StubCluster()
    wanted = templates(IndexNames("t_"), policy_name="tasques_archived_tasks_policy")
    found = [{"name": one.name, "index_template": one.composable} for one in wanted]
    cluster.answer("GET /_index_template/t_*", {"index_templates": found})
    cluster.answer(f"GET {POLICY}", {"tasques_archived_tasks_policy": {}})
    answer_health(cluster)
    (problem,) = cluster.backend().check()
    assert problem.code == "archive_missing"
    assert not problem.fatal
    assert "tasques setup" in problem.message


def test_a_missing_policy_keeps_the_server_from_starting() -> None:
    """Like a missing template: `tasques setup` mends both."""
    cluster = bare()
    answer_health(cluster)
    (problem,) = cluster.backend().check()
    assert problem.code == "templates_missing"
    assert problem.fatal
    assert "tasques_archived_tasks_policy" in problem.message
    assert "tasques setup" in problem.message
