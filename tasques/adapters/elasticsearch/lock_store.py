"""The store of leaders' locks, which are documents and nothing more."""

from __future__ import annotations

import msgspec

from tasques.adapters.elasticsearch import lock_documents
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.bulk import Address, BulkDocuments
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.core.leadership import LeaderLock


def leader_lock_store(
    client: Client, names: IndexNames, adoption: Adoption, quarantine: Quarantine
) -> BulkDocuments[str, LeaderLock]:
    """The :class:`~tasques.core.ports.LeaderLockStore` of Elasticsearch."""
    return BulkDocuments(client, _Locks(names), adoption, quarantine)


class _Locks:
    """All locks lie in one index, each under its name."""

    def __init__(self, names: IndexNames) -> None:
        self._index = names.leader_locks

    def address(self, key: str) -> Address:
        return self._index, key

    def address_of(self, document: LeaderLock) -> Address:
        return self._index, document.name

    def encode(self, document: LeaderLock) -> bytes:
        return lock_documents.encode(document)

    def decode(self, source: msgspec.Raw, key: str) -> LeaderLock:
        return lock_documents.decode(source, name=key)
