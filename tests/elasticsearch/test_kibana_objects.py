"""The objects for Kibana fit together, and fit the indices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tasques.adapters.elasticsearch.indices import (
    QUEUE_FIELDS,
    RECURRING_FIELDS,
    TASK_FIELDS,
    IndexNames,
    Json,
)
from tasques.adapters.elasticsearch.kibana_objects import ndjson, saved_objects
from tasques.core.lifecycle import TRANSITIONS

OBJECTS: list[Any] = [
    json.loads(line) for line in ndjson(saved_objects(IndexNames(".tasques_"))).splitlines()
]
BY_KEY = {(item["type"], item["id"]): item for item in OBJECTS}
DATA_VIEWS: Mapping[str, Json] = {
    ".tasques_queues": QUEUE_FIELDS,
    ".tasques_archive": TASK_FIELDS,
    ".tasques_recurring_tasks": RECURRING_FIELDS,
}

#: What Kibana's schemas of 8.9 allow, of which the later ones take everything; anything else is
#: refused. Data views have no schema. Source: the types' definitions in the repository of Kibana.
ALLOWED = {
    "search": {
        *("title", "description", "columns", "sort", "grid", "rowHeight", "rowsPerPage"),
        *("hideChart", "breakdownField", "kibanaSavedObjectMeta", "isTextBasedQuery"),
        *("usesAdHocDataView", "timeRestore", "timeRange", "refreshInterval", "viewMode"),
        *("hideAggregatedPreview", "hits", "version"),
    },
    "visualization": {
        *("title", "description", "version", "kibanaSavedObjectMeta", "uiStateJSON", "visState"),
        "savedSearchRefName",
    },
    "dashboard": {
        *("title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo"),
        *("refreshInterval", "controlGroupInput", "panelsJSON", "optionsJSON", "hits", "version"),
    },
}


def of(kind: str) -> list[Any]:
    return [item for item in OBJECTS if item["type"] == kind]


def parsed(item: Any, *path: str) -> Any:
    """The JSON in the text at *path* of an object's attributes."""
    value = item["attributes"]
    for name in path:
        value = value[name]
    return json.loads(value)


def source(item: Any) -> Any:
    return parsed(item, "kibanaSavedObjectMeta", "searchSourceJSON")


def data_view(item: Any) -> Json:
    """The fields that a search or chart can name."""
    (reference,) = item["references"]
    assert reference["name"] == source(item)["indexRefName"]
    assert reference["type"] == "index-pattern"
    return DATA_VIEWS[reference["id"]]


def field(fields: Any, name: str) -> Any:
    """The mapping of a dotted name, which must be there."""
    head, _, rest = name.partition(".")
    found = fields[head]
    return field(found.get("properties") or found["fields"], rest) if rest else found


def named_fields(item: Any) -> Iterator[str]:
    """Every field that a search or chart names."""
    attributes = item["attributes"]
    yield from re.findall(r"([\w.]+) (?::|<=|>) ", source(item)["query"]["query"])
    yield from attributes.get("columns", ())
    yield from (name for name, _ in attributes.get("sort", ()))
    yield from aggregated(item)


def aggregated(item: Any) -> Iterator[str]:
    if item["type"] == "visualization":
        for aggregation in parsed(item, "visState")["aggs"]:
            if "field" in aggregation["params"]:
                yield aggregation["params"]["field"]


def test_there_is_all_that_the_original_has() -> None:
    """Three data views, the six states as lists and as numbers, and one dashboard of all charts."""
    patterns = [item["attributes"]["title"] for item in of("index-pattern")]
    assert patterns == [".tasques_queue-*", ".tasques_archive", ".tasques_recurring_tasks"]
    titles = [
        f"tasques: {it}" for it in ("Scheduled", "Queued", "Claimed", "Will retry", "Done", "Dead")
    ]
    assert [item["attributes"]["title"] for item in of("search")] == titles
    assert [item["attributes"]["title"] for item in of("visualization")][:6] == titles
    (dashboard,) = of("dashboard")
    assert dashboard["attributes"]["title"] == "tasques"
    shown = {reference["id"] for reference in dashboard["references"]}
    assert shown == {item["id"] for item in of("visualization")}


def test_ids_are_unique_and_the_same_each_time() -> None:
    """Else importing again would make new ones beside the old."""
    assert len(BY_KEY) == len(OBJECTS)
    assert len({item["id"] for item in OBJECTS}) == len(OBJECTS)
    again = saved_objects(IndexNames(".tasques_"))
    assert [item["id"] for item in again] == [item["id"] for item in OBJECTS]


def test_every_reference_leads_to_an_object_before_it() -> None:
    """Kibana refuses an object with a reference to nothing."""
    seen: set[tuple[str, str]] = set()
    for item in OBJECTS:
        names = [reference["name"] for reference in item["references"]]
        assert len(set(names)) == len(names)
        assert {(it["type"], it["id"]) for it in item["references"]} <= seen
        seen.add((item["type"], item["id"]))


@pytest.mark.parametrize("item", [*of("search"), *of("visualization")], ids=lambda it: it["id"])
def test_every_field_is_mapped(item: Any) -> None:
    """By the indices that the search is over; one that is not finds nothing, without a word."""
    fields = data_view(item)
    assert list(named_fields(item)) or item["id"].startswith(".tasques_chart_total")
    for name in named_fields(item):
        assert "type" in field(fields, name), name


@pytest.mark.parametrize("item", [*of("search"), *of("visualization")], ids=lambda it: it["id"])
def test_what_is_sorted_or_grouped_by_is_no_text(item: Any) -> None:
    """Elasticsearch refuses to sort or group by a text."""
    by = [*(name for name, _ in item["attributes"].get("sort", ())), *aggregated(item)]
    for name in by:
        assert field(data_view(item), name)["type"] in ("keyword", "date", "long", "boolean"), name


def test_data_views_have_their_time_and_format_what_is_there() -> None:
    """Tasks, archived ones and recurring ones were all created some time."""
    for item in of("index-pattern"):
        fields = DATA_VIEWS[item["id"]]
        assert item["attributes"]["timeFieldName"] == "metadata.created_at"
        assert field(fields, "metadata.created_at") == {"type": "date"}
        for name in json.loads(item["attributes"].get("fieldFormatMap", "{}")):
            field(fields, name)


def test_each_state_is_in_one_search() -> None:
    """But ``queued``, which time divides in two."""
    queries = [source(item)["query"]["query"] for item in of("search")]
    states = [re.findall(r'state : "(\w+)"', query) for query in queries]
    assert [len(found) for found in states] == [1] * 6
    known = {state.value for state in TRANSITIONS.values()}
    assert {found[0] for found in states} == known
    assert sum("run_at > now" in query for query in queries) == 1
    assert sum("run_at <= now" in query for query in queries) == 1


@pytest.mark.parametrize("item", OBJECTS, ids=lambda it: f"{it['type']} {it['id']}")
def test_an_object_says_its_notation_and_nothing_that_kibana_refuses(item: Any) -> None:
    """Without versions Kibana would take it for one of its oldest, and migrate it so."""
    assert item["coreMigrationVersion"] == "8.8.0"
    assert item["typeMigrationVersion"].startswith("8.")
    assert set(item["attributes"]) <= ALLOWED.get(item["type"], set(item["attributes"]))
    if item["type"] != "dashboard":
        return
    for reference, panel in zip(item["references"], parsed(item, "panelsJSON"), strict=True):
        assert reference["name"] == f"{panel['panelIndex']}:{panel['panelRefName']}"
        assert reference["type"] == panel["type"]
        assert panel["gridData"]["i"] == panel["panelIndex"]


def test_panels_lie_beside_each_other_on_the_grid() -> None:
    """48 columns wide; no two in one place."""
    (dashboard,) = of("dashboard")
    taken: set[tuple[int, int]] = set()
    for panel in parsed(dashboard, "panelsJSON"):
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_aggregations_are_numbered_and_order_by_one_that_is_there() -> None:
    """A chart of another order is empty."""
    for item in of("visualization"):
        aggregations = parsed(item, "visState")["aggs"]
        ids = [aggregation["id"] for aggregation in aggregations]
        assert ids == [str(number) for number in range(1, len(ids) + 1)]
        for aggregation in aggregations:
            assert aggregation["params"].get("orderBy", "1") in ids
        assert parsed(item, "visState")["title"] == item["attributes"]["title"]


def test_names_follow_the_prefix() -> None:
    """So that one Kibana can show the tasks of several."""
    ours = {item["id"] for item in OBJECTS}
    others = saved_objects(IndexNames("x-y_"))
    assert not ours & {item["id"] for item in others}
    (title,) = [item["attributes"]["title"] for item in others if item["type"] == "dashboard"]  # type: ignore[index]
    assert title == "x-y"
    assert b"tasques" not in ndjson(others)
