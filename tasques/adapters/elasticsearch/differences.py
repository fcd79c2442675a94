"""
What a cluster has, compared with what it should have: mappings of indices, and templates.

Having more is no difference. Somebody may have mapped another field or added replicas, and that is
nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from tasques.adapters.elasticsearch.indices import Json


@attrs.frozen(kw_only=True)
class FieldsCompared:
    """
    An index's mapping against the fields it should have.

    Attributes:
        missing: The fields that are not mapped, ready to be put into the mapping.
        wrong: Dotted names that are mapped as something else, which nothing can change.
    """

    missing: Json
    wrong: tuple[str, ...]


def properties_of(mappings: object) -> Mapping[str, Json]:
    """The fields of each index in the answer to ``GET /<index>/_mapping``."""
    if not isinstance(mappings, Mapping):
        return {}
    return {
        str(index): _mapping_at(_mapping_at(content, "mappings"), "properties")
        for index, content in mappings.items()
        if isinstance(content, Mapping)
    }


def compare_fields(actual: Json, wanted: Json, path: str = "") -> FieldsCompared:
    """
    What *actual* (``properties`` of a mapping) lacks of *wanted*, and what differs.

    Extra fields are no difference; nor is an option that *wanted* does not name.
    """
    missing: dict[str, object] = {}
    wrong: list[str] = []
    for name, definition in wanted.items():
        assert isinstance(definition, Mapping)
        found = actual.get(name)
        if not isinstance(found, Mapping):
            missing[name] = definition
        elif _type(found) != _type(definition):
            wrong.append(path + name)
        else:
            # Sub-fields of a field and fields of an object alike.
            for key in ("properties", "fields"):
                inner = compare_fields(
                    _mapping_at(found, key), _mapping_at(definition, key), f"{path}{name}."
                )
                wrong.extend(inner.wrong)
                if inner.missing:
                    kept = {} if key == "properties" else {"type": definition.get("type")}
                    missing[name] = {**kept, key: inner.missing}
    return FieldsCompared(missing=missing, wrong=tuple(wrong))


def _type(definition: Json) -> tuple[object, bool]:
    kind = definition.get("type", "object")
    return kind, kind == "object" and str(definition.get("enabled", True)).lower() == "true"


def _mapping_at(definition: Mapping[str, object], key: str) -> Json:
    value = definition.get(key)
    return value if isinstance(value, Mapping) else {}


def says_as_much(actual: object, wanted: object) -> bool:
    """
    Whether *actual*, a template as Elasticsearch gives it back, has all that *wanted* says.

    What it says more is not ours: somebody may have added replicas. Elasticsearch gives settings
    back nested under ``index`` and as texts; both are made flat and texts before comparing.
    """
    theirs, ours = dict(_leaves(actual, "")), dict(_leaves(wanted, ""))
    return all(theirs.get(path) == value for path, value in ours.items())


def flat_settings(settings: object) -> Json:
    """Settings by dotted name, however they were nested."""
    return {path.removeprefix("."): value for path, value in _leaves(settings, "") if path}


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield path, sorted(_scalar(inner) for inner in value)
    elif not isinstance(value, Mapping):
        yield path, _scalar(value)


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
