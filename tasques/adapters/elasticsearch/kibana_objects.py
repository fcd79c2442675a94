"""
What Kibana gets to look at tasks with, as data: data views, searches, charts and a dashboard.

They are written for Kibana 8.9 and later, 9 included: each kind in the oldest notation that those
understand, whose version stands in the object, so that a later Kibana brings it up to date as it
does with its own exports. The charts are aggregation-based ones. Lens is what Kibana offers to new
users, but the notation of a Lens chart has changed with many releases, while this one has been the
same since 8.5 and both majors show it. Each chart says for itself what it counts, rather than by a
search, since the notation of searches has changed in 9.

Kibana refuses an object with an attribute it does not know, and an import of which one object is
refused is no success; so nothing stands here that is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
import msgspec

from tasques.adapters.elasticsearch.indices import IndexNames, Json

#: The notation of all objects together, and of each kind of object.
_CORE_VERSION: Final = "8.8.0"
_TYPE_VERSIONS: Final[Mapping[str, str]] = {
    "index-pattern": "8.0.0",
    "search": "8.0.0",
    "visualization": "8.5.0",
    "dashboard": "8.9.0",
}

_TIME_FIELD: Final = "metadata.created_at"
#: The reference by which searches and charts name their data view.
_DATA_VIEW_REFERENCE: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"

#: Of a dashboard's grid, which is 48 columns wide.
_WIDTH: Final = 48


@attrs.frozen(kw_only=True)
class _Selection:
    """
    The tasks that are in some sense in the same state.

    Attributes:
        name: In ids.
        title: For people.
        query: In Kibana's query language.
        columns: What a list of such tasks shows besides the time of their creation.
        sort: The field to sort a list by, and the direction.
    """

    name: str
    title: str
    query: str
    columns: tuple[str, ...]
    sort: tuple[str, str]


#: ``queued`` is two things to who looks at it, by ``run_at``.
_SELECTIONS: Final = (
    _Selection(
        name="scheduled",
        title="Scheduled",
        query='state : "queued" and run_at > now',
        columns=("queue", "kind", "id", "priority", "run_at"),
        sort=("run_at", "asc"),
    ),
    _Selection(
        name="queued",
        title="Queued",
        query='state : "queued" and run_at <= now',
        columns=("queue", "kind", "id", "priority", "run_at", "remaining_attempts"),
        sort=("run_at", "asc"),
    ),
    _Selection(
        name="claimed",
        title="Claimed",
        query='state : "claimed"',
        columns=("queue", "kind", "id", "last_claimed.worker_id", "last_claimed.times_out_at"),
        sort=("last_claimed.claimed_at", "asc"),
    ),
    _Selection(
        name="will_retry",
        title="Will retry",
        query='state : "failed"',
        columns=("queue", "kind", "id", "remaining_attempts", "run_at", "last_claimed.result.at"),
        sort=("run_at", "asc"),
    ),
    _Selection(
        name="done",
        title="Done",
        query='state : "done"',
        columns=("queue", "kind", "id", "last_claimed.worker_id", "last_claimed.result.at"),
        sort=("last_claimed.result.at", "desc"),
    ),
    _Selection(
        name="dead",
        title="Dead",
        query='state : "dead"',
        columns=("queue", "kind", "id", "retry_times", "last_claimed.worker_id"),
        sort=("metadata.modified_at", "desc"),
    ),
)


def saved_objects(names: IndexNames) -> Sequence[Json]:
    """
    All objects for the indices of *names*, what is referred to before what refers to it.

    Ids and titles follow the prefix, so that one Kibana can hold those of several; they are the same
    each time, so that importing again replaces what was imported before.
    """
    return tuple(_Objects(names).all())


def ndjson(objects: Sequence[Json]) -> bytes:
    """*objects* as the file that Kibana imports: one on each line."""
    return b"".join(msgspec.json.encode(item) + b"\n" for item in objects)


class _Objects:
    """Makes the objects of one prefix."""

    def __init__(self, names: IndexNames) -> None:
        self._names = names
        # ".tasques_" is "tasques".
        self._label = names.prefix.strip("._-+") or names.prefix

    def all(self) -> Iterator[Json]:
        """Every object."""
        yield self._data_view("queues", "queues", self._names.all_queues)
        yield self._data_view("archive", "archive", self._names.archive)
        yield self._data_view("recurring_tasks", "recurring tasks", self._names.recurring_tasks)
        for selection in _SELECTIONS:
            yield self._search(selection)
        charts = list(self._charts())
        yield from charts
        yield self._dashboard(charts)

    def _id(self, name: str) -> str:
        return f"{self._names.prefix}{name}"

    def _title(self, title: str) -> str:
        return f"{self._label}: {title}"

    # -------------------------------------------------------------------------------- kinds

    def _data_view(self, name: str, title: str, pattern: str) -> Json:
        attributes = {
            "title": pattern,
            "name": self._title(title),
            "timeFieldName": _TIME_FIELD,
            # An index is made by the first write to it; until then there is nothing to complain of.
            "allowNoIndex": True,
        }
        if name != "recurring_tasks":
            nanoseconds = {"inputFormat": "nanoseconds", "outputFormat": "humanizePrecise"}
            formats = {"processing_timeout": {"id": "duration", "params": nanoseconds}}
            attributes["fieldFormatMap"] = _text(formats)
        return _saved("index-pattern", self._id(name), attributes)

    def _search(self, selection: _Selection) -> Json:
        attributes = {
            "title": self._title(selection.title),
            "description": f"Tasks in queues with {selection.query}",
            "columns": selection.columns,
            "sort": [selection.sort],
            "kibanaSavedObjectMeta": _search_source(selection.query),
        }
        return _saved(
            "search", self._id(f"search_{selection.name}"), attributes, self._over("queues")
        )

    def _chart(
        self, name: str, title: str, state: Mapping[str, object], *, over: str, query: str = ""
    ) -> Json:
        attributes = {
            "title": self._title(title),
            "description": "",
            "version": 1,
            "visState": _text({"title": self._title(title), **state}),
            "uiStateJSON": "{}",
            "kibanaSavedObjectMeta": _search_source(query),
        }
        return _saved("visualization", self._id(f"chart_{name}"), attributes, self._over(over))

    def _over(self, data_view: str) -> Sequence[Json]:
        """The reference to what is searched."""
        return [_reference(_DATA_VIEW_REFERENCE, "index-pattern", self._id(data_view))]

    # ------------------------------------------------------------------------------- charts

    def _charts(self) -> Iterator[Json]:
        """In the order of the dashboard: a row of states, a row of totals, what goes by time."""
        for selection in _SELECTIONS:
            yield self._chart(
                selection.name,
                selection.title,
                _count(selection.title),
                over="queues",
                query=selection.query,
            )
        yield self._chart("total_queues", "In queues", _count("In queues"), over="queues")
        yield self._chart("total_archive", "Archived", _count("Archived"), over="archive")
        yield self._chart(
            "total_recurring",
            "Recurring tasks",
            _count("Recurring tasks"),
            over="recurring_tasks",
            query="is_deleted : false",
        )
        yield self._chart(
            "queues_over_time", "Tasks of each queue by creation", _over_time(), over="queues"
        )
        yield self._chart(
            "workers",
            "Most successful workers",
            _workers(),
            over="queues",
            query='state : "done"',
        )

    def _dashboard(self, charts: Sequence[Json]) -> Json:
        panels, references = [], []
        for number, (chart, place) in enumerate(zip(charts, _places(len(charts)), strict=True)):
            index, name = str(number), f"panel_{number}"
            panels.append(
                {
                    "version": _TYPE_VERSIONS["dashboard"],
                    "type": "visualization",
                    "panelIndex": index,
                    "gridData": {**place, "i": index},
                    "embeddableConfig": {},
                    "panelRefName": name,
                }
            )
            references.append(_reference(f"{index}:{name}", "visualization", str(chart["id"])))
        attributes = {
            "title": self._label,
            "description": "Tasks by state, queue and worker, of those created in the time chosen",
            "panelsJSON": _text(panels),
            "optionsJSON": _text({"useMargins": True, "hidePanelTitles": False}),
            "timeRestore": True,
            "timeFrom": "now-7d",
            "timeTo": "now",
            "refreshInterval": {"pause": False, "value": 30_000},
            "kibanaSavedObjectMeta": {"searchSourceJSON": _text(_query(""))},
            "version": 1,
        }
        return _saved("dashboard", self._id("dashboard"), attributes, references)


# -------------------------------------------------------------------------------- parts


def _saved(
    type: str, id: str, attributes: Mapping[str, object], references: Sequence[Json] = ()
) -> Json:
    return {
        "type": type,
        "id": id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": _TYPE_VERSIONS[type],
    }


def _reference(name: str, type: str, id: str) -> Json:
    return {"name": name, "type": type, "id": id}


def _text(value: object) -> str:
    """*value* as JSON in a text, which is how Kibana keeps what its server need not know."""
    return msgspec.json.encode(value).decode()


def _query(query: str) -> Json:
    return {"query": {"language": "kuery", "query": query}, "filter": []}


def _search_source(query: str) -> Json:
    return {"searchSourceJSON": _text({**_query(query), "indexRefName": _DATA_VIEW_REFERENCE})}


def _places(count: int) -> Iterator[Json]:
    """Where on the grid: six states, three totals, then one below the other."""
    rows = ([8] * 6, [16] * 3, *([_WIDTH] for _ in range(count - 9)))
    top = 0
    for widths in rows:
        height = 7 if len(widths) > 1 else 16
        for number, width in enumerate(widths):
            yield {"x": number * width, "y": top, "w": width, "h": height}
        top += height


# --------------------------------------------------------------------- states of charts


def _aggregation(number: int, type: str, schema: str, **params: object) -> Json:
    return {
        "id": str(number),
        "enabled": True,
        "type": type,
        "schema": schema,
        "params": params,
    }


def _terms(number: int, schema: str, field: str, *, size: int, **params: object) -> Json:
    """The values of *field* with the most tasks."""
    return _aggregation(
        number,
        "terms",
        schema,
        field=field,
        orderBy="1",
        order="desc",
        size=size,
        otherBucket=False,
        missingBucket=False,
        **params,
    )


def _count(label: str) -> Json:
    """One number."""
    metric = {
        "percentageMode": False,
        "useRanges": False,
        "colorSchema": "Green to Red",
        "metricColorMode": "None",
        "colorsRange": [{"from": 0, "to": 10_000}],
        "labels": {"show": True},
        "invertColors": False,
        "style": {
            "bgFill": "#000",
            "bgColor": False,
            "labelColor": False,
            "subText": "",
            "fontSize": 36,
        },
    }
    return {
        "type": "metric",
        "params": {"type": "metric", "addTooltip": True, "addLegend": False, "metric": metric},
        "aggs": [_aggregation(1, "count", "metric", customLabel=label)],
    }


def _over_time() -> Json:
    """Stacked bars for each queue, one below the other."""
    return {
        "type": "histogram",
        "params": {
            "type": "histogram",
            "addTooltip": True,
            "addLegend": True,
            "addTimeMarker": False,
            "legendPosition": "right",
            "times": [],
            "grid": {"categoryLines": False},
            "labels": {"show": False},
            "categoryAxes": [_axis("CategoryAxis-1", "category", "bottom")],
            "valueAxes": [
                {
                    **_axis("ValueAxis-1", "value", "left"),
                    "name": "LeftAxis-1",
                    "scale": {"type": "linear", "mode": "normal"},
                    "title": {"text": "Tasks"},
                }
            ],
            "seriesParams": [
                {
                    "show": True,
                    "type": "histogram",
                    "mode": "stacked",
                    "data": {"label": "Tasks", "id": "1"},
                    "valueAxis": "ValueAxis-1",
                    "drawLinesBetweenPoints": True,
                    "showCircles": True,
                }
            ],
            "thresholdLine": {
                "show": False,
                "value": 10,
                "width": 1,
                "style": "full",
                "color": "#E7664C",
            },
        },
        "aggs": [
            _aggregation(1, "count", "metric", customLabel="Tasks"),
            _aggregation(
                2,
                "date_histogram",
                "segment",
                field=_TIME_FIELD,
                interval="auto",
                min_doc_count=1,
                useNormalizedEsInterval=True,
                drop_partials=False,
                extended_bounds={},
            ),
            _terms(3, "group", "state", size=5),
            _terms(4, "split", "queue.keyword", size=5, row=True),
        ],
    }


def _axis(id: str, type: str, position: str) -> Json:
    return {
        "id": id,
        "type": type,
        "position": position,
        "show": True,
        "style": {},
        "scale": {"type": "linear"},
        "labels": {"show": True, "filter": True, "truncate": 100},
        "title": {},
    }


def _workers() -> Json:
    """A table."""
    return {
        "type": "table",
        "params": {
            "perPage": 10,
            "showPartialRows": False,
            "showMetricsAtAllLevels": False,
            "showTotal": False,
            "showToolbar": True,
            "totalFunc": "sum",
            "percentageCol": "",
        },
        "aggs": [
            _aggregation(1, "count", "metric", customLabel="Tasks done"),
            _terms(2, "bucket", "last_claimed.worker_id.keyword", size=20, customLabel="Worker"),
        ],
    }
