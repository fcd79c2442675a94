"""
What has to be in the cluster before tasks are: templates, lifecycle of the archive, its first index.

Looking and acting are the same walk, so what a dry run says is what a real one does. What is there
already is left as it is; a template is changed only where it lacks something of ours, and keeps what
somebody has added to its settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.adoption import add_fields
from tasques.adapters.elasticsearch.client import Answer, Client
from tasques.adapters.elasticsearch.differences import (
    compare_fields,
    flat_settings,
    properties_of,
    says_as_much,
)
from tasques.adapters.elasticsearch.indices import (
    IndexKind,
    IndexNames,
    Json,
    Template,
    lock_indices,
    queue_indices,
    recurring_indices,
    templates,
)
from tasques.adapters.elasticsearch.settings import Lifecycle
from tasques.core.ports import SetupStep

#: Seconds that a change of the cluster's state may take.
_TIMEOUT_SECONDS: Final = 30.0
_CHANGE: Final = "master_timeout=25s"

#: The beginnings of what steps are about, of which Tasques cannot do without the first two.
INDEX_TEMPLATE: Final = "index template"
LIFECYCLE_POLICY: Final = "lifecycle policy"
LEGACY_TEMPLATE: Final = "legacy template"
ARCHIVE_INDEX: Final = "archive index"
#: Not asked of the archive, of which only the newest index is written to.
MAPPINGS: Final = "mappings of"


@attrs.define
class _Found:
    """The templates of a cluster, by name."""

    composable: dict[str, Json]
    legacy: dict[str, Json]


class Setup:
    """Looks what is there, and installs what is not."""

    def __init__(self, client: Client, names: IndexNames, lifecycle: Lifecycle) -> None:
        self._client = client
        self._names = names
        self._lifecycle = lifecycle

    def run(self, *, apply: bool) -> Sequence[SetupStep]:
        """
        Install what is missing, or only say so.

        Raises:
            RequestFailed: If there was no answer.
            StoreUnavailable: If Elasticsearch refused.
        """
        archive_indices = self._archive_indices()
        steps = []
        policy_name = self._managing_policy(archive_indices)
        if policy_name is not None:
            steps.append(self._policy(policy_name, apply))
        elif self._lifecycle.enabled:
            steps.append(self._unmanaged(archive_indices))
        found = self._found_templates()
        for template in templates(self._names, policy_name=policy_name):
            steps.extend(self._template(template, found, apply))
        if policy_name is not None:
            steps.append(self._first_archive_index(archive_indices, apply))
        for kind in (queue_indices, recurring_indices, lock_indices):
            steps.extend(self._mappings(kind(self._names), apply))
        return steps

    # ----------------------------------------------------------------------------- lifecycle

    def _archive_indices(self) -> Sequence[str]:
        """The concrete indices behind the archive's name; none before the first."""
        answer = self._get(f"/{_quoted(self._names.archive)}/_alias")
        return [] if answer.status == 404 else sorted(_object(answer))

    def _managing_policy(self, archive_indices: Sequence[str]) -> str | None:
        """The policy to use, or None where the archive is a plain index."""
        is_plain = self._names.archive in archive_indices
        if not self._lifecycle.enabled or is_plain or not self._has_lifecycles():
            return None
        return self._lifecycle.policy_name

    def _has_lifecycles(self) -> bool:
        answer = self._client.request(
            "GET", f"/_ilm/policy/{_quoted(self._lifecycle.policy_name)}", repeatable=True
        )
        # 400 "no handler found" without the feature, 410 where the service does it by other means.
        return answer.status not in (400, 405, 410)

    def _policy(self, name: str, apply: bool) -> SetupStep:
        path = f"/_ilm/policy/{_quoted(name)}"
        what = f"{LIFECYCLE_POLICY} {name}"
        if self._get(path).is_ok:
            return SetupStep(what=what, state="present")
        if not apply:
            return SetupStep(what=what, state="missing")
        self._put(f"{path}?{_CHANGE}", {"policy": self._lifecycle.policy})
        return SetupStep(what=what, state="installed")

    def _unmanaged(self, archive_indices: Sequence[str]) -> SetupStep:
        alias = self._names.archive
        if archive_indices == [alias]:
            why = f"[{alias}] is an index already, and no alias"
        else:
            why = "this cluster has no lifecycle management"
        if alias in archive_indices or not archive_indices:
            what = "the archive is one plain index, which grows until you prune it"
        else:
            what = f"the alias [{alias}] is rolled over by nobody but you"
        return SetupStep(what=f"{ARCHIVE_INDEX} {alias}", state="present", detail=f"{why}: {what}")

    def _first_archive_index(self, archive_indices: Sequence[str], apply: bool) -> SetupStep:
        alias = self._names.archive
        what = f"{ARCHIVE_INDEX} {alias}-*"
        if archive_indices:
            return SetupStep(what=what, state="present", detail=", ".join(archive_indices))
        if not apply:
            return SetupStep(what=what, state="missing")
        first = _quoted(f"<{alias}-{{now/d}}-000001>")
        body: Json = {"aliases": {alias: {"is_write_index": True}}}
        answer = self._change("PUT", f"/{first}?{_CHANGE}", body)
        if answer.status == 400 and (made := self._archive_indices()):
            # By another setup that runs at the same time.
            return SetupStep(what=what, state="present", detail=", ".join(made))
        self._done(answer)
        return SetupStep(what=what, state="installed")

    # ----------------------------------------------------------------------------- templates

    def _found_templates(self) -> _Found:
        prefix = _quoted(self._names.prefix)
        composable = self._get(f"/_index_template/{prefix}*")
        listed = _object(composable).get("index_templates") if composable.is_ok else ()
        legacy = self._get(f"/_template/{prefix}*")
        return _Found(
            composable={
                item["name"]: item["index_template"]
                for item in (listed if isinstance(listed, list) else ())
            },
            legacy={
                name: body
                for name, body in (_object(legacy) if legacy.is_ok else {}).items()
                if isinstance(body, dict)
            },
        )

    def _template(self, template: Template, found: _Found, apply: bool) -> Iterator[SetupStep]:
        # Both have the same name on purpose: a legacy template is refused where a composable one of
        # another name has its pattern, and accepted beside one of its own name, before and after.
        if template.legacy is not None:
            yield self._legacy_template(template.name, template.legacy, found, apply)
        yield self._composable_template(template.name, template.composable, found, apply)

    def _legacy_template(self, name: str, wanted: Json, found: _Found, apply: bool) -> SetupStep:
        what = f"{LEGACY_TEMPLATE} {name}"
        state = _state(found.legacy.get(name), wanted)
        if state == "present" or not apply:
            return SetupStep(what=what, state=state)
        done = "installed" if state == "missing" else "updated"
        path = f"/_template/{_quoted(name)}"
        answer = self._change("PUT", f"{path}?{_CHANGE}", wanted)
        if answer.is_ok:
            return SetupStep(what=what, state=done)
        # Somebody's composable template overlaps. Only an original server wants these, and Tasques
        # works without.
        reason = errors.describe(answer.status, answers.error(answer.body))
        return SetupStep(what=what, state=state, detail=f"refused: {reason}")

    def _composable_template(
        self, name: str, wanted: Json, found: _Found, apply: bool
    ) -> SetupStep:
        what = f"{INDEX_TEMPLATE} {name}"
        state = _state(found.composable.get(name), wanted)
        if state == "present" or not apply:
            return SetupStep(what=what, state=state)
        body = _merged(found.composable.get(name, {}), wanted)
        self._put(f"/_index_template/{_quoted(name)}?{_CHANGE}", body)
        return SetupStep(what=what, state="installed" if state == "missing" else "updated")

    # ------------------------------------------------------------------------------- indices

    def _mappings(self, kind: IndexKind, apply: bool) -> Iterator[SetupStep]:
        """Indices made before the templates were, by an original server as a rule."""
        what = f"{MAPPINGS} {kind.what}"
        answer = self._get(f"/{_quoted(kind.pattern, '*')}/_mapping?expand_wildcards=open,hidden")
        mappings = {} if answer.status == 404 else properties_of(_object(answer))
        compared = {
            index: compare_fields(properties, kind.fields) for index, properties in mappings.items()
        }
        lacking = {index: fields for index, fields in compared.items() if fields.missing}
        if apply:
            for index, fields in lacking.items():
                self._done(add_fields(self._client, index, fields.missing))
        if lacking:
            yield SetupStep(
                what=what,
                state="updated" if apply else "missing",
                detail=_listed(sorted(lacking)),
            )
        wrong = {index: fields.wrong for index, fields in compared.items() if fields.wrong}
        if wrong:
            texts = [f"{index} ({', '.join(fields)})" for index, fields in sorted(wrong.items())]
            # Not "different", which would keep whoever waits for `setup` from ever serving: tasks are
            # handed out and finished there too, and health goes on naming it.
            yield SetupStep(
                what=what,
                state="tolerated",
                detail=f"mapped otherwise, which only reindexing mends: {_listed(texts)}",
            )

    # ------------------------------------------------------------------------------ requests

    def _get(self, path: str) -> Answer:
        answer = self._client.request("GET", path, repeatable=True)
        if answer.status != 404:
            self._done(answer)
        return answer

    def _put(self, path: str, body: Json) -> None:
        self._done(self._change("PUT", path, body))

    def _change(self, method: str, path: str, body: Json | None = None) -> Answer:
        encoded = None if body is None else msgspec.json.encode(body)
        return self._client.request(method, path, encoded, timeout_seconds=_TIMEOUT_SECONDS)

    def _done(self, answer: Answer) -> None:
        if not answer.is_ok:
            raise errors.unavailable(answer.status, answers.error(answer.body))


def _quoted(name: str, safe: str = "") -> str:
    return quote(name, safe=safe)


def _object(answer: Answer) -> Mapping[str, object]:
    content = answer.json()
    return content if isinstance(content, Mapping) else {}


def _state(actual: Json | None, wanted: Json) -> str:
    if actual is None:
        return "missing"
    return "present" if says_as_much(actual, wanted) else "different"


def _merged(actual: Json, wanted: Json) -> Json:
    """*wanted* with what *actual* says more in its settings and aliases, and its components."""
    theirs, ours = actual.get("template"), wanted["template"]
    theirs = theirs if isinstance(theirs, Mapping) else {}
    assert isinstance(ours, Mapping)
    settings = {**flat_settings(theirs.get("settings")), **flat_settings(ours["settings"])}
    template = {**ours, "settings": settings}
    if "aliases" in theirs:
        template["aliases"] = theirs["aliases"]
    kept = {
        key: actual[key]
        for key in ("composed_of", "ignore_missing_component_templates", "allow_auto_create")
        if key in actual
    }
    return {**kept, **wanted, "template": template}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
