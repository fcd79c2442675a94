"""The store of recurring tasks: documents written and read by id, and searches that miss none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tasques.adapters.elasticsearch import recurring_documents
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.bulk import Address, BulkDocuments
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.queries import NOT_DELETED, NOT_TAKEN_UP
from tasques.adapters.elasticsearch.scan import refresh, scan
from tasques.core.documents import Stored, Version
from tasques.core.ports import ReadOutcome, Write, WriteOutcome
from tasques.core.recurring import RecurringTask, RecurringTaskId, StoredRecurringTask


class _RecurringTasks:
    """All recurring tasks lie in one index, each under its id."""

    def __init__(self, names: IndexNames) -> None:
        self._index = names.recurring_tasks

    def address(self, key: RecurringTaskId) -> Address:
        return self._index, key

    def address_of(self, document: RecurringTask) -> Address:
        return self._index, document.id

    def encode(self, document: RecurringTask) -> bytes:
        return recurring_documents.encode(document)

    def decode(self, source: msgspec.Raw, key: RecurringTaskId) -> RecurringTask:
        return recurring_documents.decode(source, id=key)


class ElasticsearchRecurringTaskStore:
    """The :class:`~tasques.core.ports.RecurringTaskStore` of Elasticsearch."""

    def __init__(
        self, client: Client, names: IndexNames, adoption: Adoption, quarantine: Quarantine
    ) -> None:
        self._client = client
        self._index = names.recurring_tasks
        self._quarantine = quarantine
        self._documents = BulkDocuments(client, _RecurringTasks(names), adoption, quarantine)

    def write(
        self, writes: Sequence[Write[RecurringTask]]
    ) -> Sequence[WriteOutcome[RecurringTask]]:
        """Try each write, in one request where nothing goes wrong."""
        return self._documents.write(writes)

    def get(self, keys: Sequence[RecurringTaskId]) -> Sequence[ReadOutcome[RecurringTask]]:
        """Read present versions, in one request; sees every acknowledged write at once."""
        return self._documents.get(keys)

    def find_all(self) -> Sequence[StoredRecurringTask]:
        """All that are not deleted, by id; sees every acknowledged write, by a refresh before."""
        if not refresh(self._client, self._index):
            return []
        found = [stored for stored in self._scan(NOT_DELETED) if not stored.document.is_deleted]
        # By code point, which is the order of the bytes in UTF-8 too.
        return sorted(found, key=lambda stored: stored.document.id)

    def find_changed(self) -> Sequence[StoredRecurringTask]:
        """Those that no leader has taken up since their last change; as of the last refresh."""
        return [stored for stored in self._scan(NOT_TAKEN_UP) if stored.document.loaded_at is None]

    def _scan(self, query: Json) -> list[StoredRecurringTask]:
        found = []
        for hit in scan(self._client, self._index, query):
            try:
                recurring = recurring_documents.decode(hit.source, id=RecurringTaskId(hit.id))
            except MalformedDocument as error:
                self._quarantine.put(hit.index, hit.id, hit.seq_no, str(error))
            else:
                version = Version(hit.primary_term, hit.seq_no)
                found.append(Stored(document=recurring, version=version))
        return found
