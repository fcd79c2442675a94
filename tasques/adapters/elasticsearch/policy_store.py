"""The store of queues' policies: a document for each queue that somebody ever laid something down for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.bulk import Address, BulkDocuments
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.parts import (
    MalformedDocument,
    Op,
    encoded_operation,
    operation,
    optional_instant,
    optional_text,
)
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.scan import refresh, scan
from tasques.core.documents import Stored, Version
from tasques.core.policies import QueuePolicy
from tasques.core.ports import ReadOutcome, Write, WriteOutcome
from tasques.core.queues import QueueName


class _PolicyDocument(msgspec.Struct, omit_defaults=True):
    queue: str
    modified_at: str | None = None
    paused_at: str | None = None
    op: Op | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_PolicyDocument)


class _Policies:
    """All policies lie in one index, each under its queue's name."""

    def __init__(self, names: IndexNames) -> None:
        self._index = names.policies

    def address(self, key: QueueName) -> Address:
        return self._index, key

    def address_of(self, document: QueuePolicy) -> Address:
        return self._index, document.queue

    def encode(self, document: QueuePolicy) -> bytes:
        return _ENCODER.encode(
            _PolicyDocument(
                queue=document.queue,
                modified_at=optional_text(document.modified_at),
                paused_at=optional_text(document.paused_at),
                op=encoded_operation(document.operation),
            )
        )

    def decode(self, source: msgspec.Raw, key: QueueName) -> QueuePolicy:
        try:
            document = _DECODER.decode(source)
            if document.queue != key:
                raise MalformedDocument(f"its queue is [{document.queue[:80]}]")
            return QueuePolicy(
                queue=key,
                modified_at=optional_instant(document.modified_at),
                paused_at=optional_instant(document.paused_at),
                operation=operation(document.op),
            )
        except RecursionError as error:
            raise MalformedDocument("nested too deeply") from error
        # Those of msgspec are among them.
        except ValueError as error:
            raise MalformedDocument(str(error)) from error


class ElasticsearchPolicyStore:
    """The :class:`~tasques.core.ports.PolicyStore` of Elasticsearch."""

    def __init__(
        self, client: Client, names: IndexNames, adoption: Adoption, quarantine: Quarantine
    ) -> None:
        self._client = client
        self._index = names.policies
        self._codec = _Policies(names)
        self._quarantine = quarantine
        self._documents = BulkDocuments(client, self._codec, adoption, quarantine)

    def write(self, writes: Sequence[Write[QueuePolicy]]) -> Sequence[WriteOutcome[QueuePolicy]]:
        """Try each write, in one request where nothing goes wrong."""
        return self._documents.write(writes)

    def get(self, keys: Sequence[QueueName]) -> Sequence[ReadOutcome[QueuePolicy]]:
        """Read present versions, in one request; sees every acknowledged write at once."""
        return self._documents.get(keys)

    def find_all(self) -> Sequence[Stored[QueuePolicy]]:
        """All there are; sees every acknowledged write, by a refresh before."""
        if not refresh(self._client, self._index):
            return []
        found = []
        for hit in scan(self._client, self._index, {"match_all": {}}):
            try:
                policy = self._codec.decode(hit.source, QueueName(hit.id))
            except MalformedDocument as error:
                self._quarantine.put(hit.index, hit.id, hit.seq_no, str(error))
            else:
                found.append(Stored(document=policy, version=Version(hit.primary_term, hit.seq_no)))
        return found
