"""
An index is looked at before the first write to it.

It may be there already, made by an original server or by hand. It then lacks ``ext``, a queue's
``rank`` too, and its mapping is dynamic: the first document with them would have their contents
mapped field by field, which nothing can undo. So what lacks is put into the mapping before. An index
that is not there will be made by the write, from its template; so that must be there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.client import Answer, Client
from tasques.adapters.elasticsearch.differences import compare_fields, properties_of
from tasques.adapters.elasticsearch.indices import IndexKind, Json
from tasques.core.ports import Rejected, Runtime

_log = logging.getLogger(__name__)

#: Names of indices known to be well; an index beyond them is looked at again, which costs 1 ms.
CAPACITY: Final = 10_000
#: For so long a template that was seen counts as being there.
TEMPLATE_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 5.0


class Adoption:
    """Which indices of a kind may be written to; safe for threads, of which two may look."""

    def __init__(self, client: Client, kind: IndexKind, runtime: Runtime) -> None:
        self._client = client
        self._kind = kind
        self._runtime = runtime
        self._known: dict[str, None] = {}
        self._template_seen_at = float("-inf")

    def refusals(self, indices: Iterable[str]) -> Mapping[str, Rejected]:
        """
        Of *indices*, those that must not be written to, with the outcome for each write to it.

        Sends nothing for an index that it knows.
        """
        refused: dict[str, Rejected] = {}
        for index in indices:
            if index in self._known:
                continue
            try:
                reason = self._look(index)
            except errors.RequestFailed as failure:
                reason = f"the index could not be looked at: {failure}"
            if reason is not None:
                refused[index] = Rejected(reason)
        return refused

    def _look(self, index: str) -> str | None:
        """Make *index* fit to be written to; the reason if it is not."""
        answer = self._get(f"/{quote(index, safe='')}/_mapping")
        if answer.status == 404:
            # The write will make it. It is looked at again before the next one.
            return self._without_template()
        if not answer.is_ok:
            return self._refusal(answer, "reading its mapping")
        for concrete, properties in properties_of(answer.json()).items():
            compared = compare_fields(properties, self._kind.fields)
            if compared.wrong:
                # Nothing can change it, and what was written so far is no worse for more of it.
                _log.warning(
                    "index [%s] maps %s otherwise than Tasques needs", concrete, compared.wrong
                )
            if compared.missing:
                put = add_fields(self._client, concrete, compared.missing)
                if not put.is_ok:
                    return self._refusal(put, f"adding {sorted(compared.missing)} to its mapping")
                _log.info("adopted index [%s]: mapped %s", concrete, sorted(compared.missing))
        self._remember(index)
        return None

    def _without_template(self) -> str | None:
        now = self._runtime.monotonic()
        if now - self._template_seen_at < TEMPLATE_SECONDS:
            return None
        name = self._kind.template
        answer = self._get(f"/_index_template/{quote(name, safe='')}?filter_path=*.name")
        if answer.status == 404:
            return f"index template [{name}] is missing: run `tasques setup`"
        if not answer.is_ok:
            return self._refusal(answer, f"reading index template [{name}]")
        self._template_seen_at = now
        return None

    def _get(self, path: str) -> Answer:
        return self._client.request("GET", path, timeout_seconds=_TIMEOUT_SECONDS, repeatable=True)

    def _refusal(self, answer: Answer, what: str) -> str:
        cause = answers.error(answer.body)
        return f"the index could not be prepared, {what}: {errors.describe(answer.status, cause)}"

    def _remember(self, index: str) -> None:
        self._known[index] = None
        while len(self._known) > CAPACITY:
            self._known.pop(next(iter(self._known)), None)


def add_fields(client: Client, index: str, fields: Json) -> Answer:
    """Put *fields* into the mapping of *index*; what is mapped already stays as it is."""
    path = f"/{quote(index, safe='')}/_mapping?timeout=5s&master_timeout=5s"
    return client.request("PUT", path, msgspec.json.encode({"properties": fields}))
