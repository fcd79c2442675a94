"""
Documents of one kind: written in one bulk request, read by id in one multi get.

Every item of an answer is looked at; nothing is repeated here, and no outcome is guessed. A write
is a whole document, on condition of its version or of its absence: updates by script may be
applied twice (reliability 1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeAlias

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.answers import BulkItem, Document
from tasques.adapters.elasticsearch.client import NDJSON, Client
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.core.documents import D, Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import (
    Create,
    Delete,
    Deleted,
    Invalid,
    Malformed,
    Missing,
    ReadOutcome,
    Rejected,
    Unknown,
    Unreadable,
    Write,
    WriteOutcome,
    Written,
)
from tasques.core.ports.documents import K_contra

# A bulk that touches an index whose primary is missing answers for none of its items before this
# is over; the default is a minute.
_BULK: Final = (
    "/_bulk?timeout=1s&filter_path=items.*.status,items.*.error.type,items.*.error.reason,"
    "items.*._seq_no,items.*._primary_term"
)
_INDEX_TOO: Final = ",items.*._index"
# Answers that hold documents are never filtered: that would write the documents' numbers anew.
_MULTI_GET: Final = "/_mget"

_ENCODE: Final = msgspec.json.Encoder().encode

#: An index, or an alias of it, and the ``_id`` of a document there.
Address: TypeAlias = tuple[str, str]


class Codec(Protocol[K_contra, D]):
    """How documents of one kind are kept: where, and as which bytes."""

    def address(self, key: K_contra) -> Address:
        """Where the document of that key is read."""

    def address_of(self, document: D) -> Address:
        """Where *document* is written."""

    def encode(self, document: D) -> bytes:
        """
        *document* as JSON without a line break.

        Raises:
            ValueError: If it holds what JSON in UTF-8 cannot say.
        """

    def decode(self, source: msgspec.Raw, key: K_contra) -> D:
        """
        The document whose ``_source`` was found under that key.

        Raises:
            MalformedDocument: If it is none of this kind.
        """


class Admission(Protocol):
    """Says which indices may be written to; see :mod:`~tasques.adapters.elasticsearch.adoption`."""

    def refusals(self, indices: Iterable[str]) -> Mapping[str, Rejected]:
        """Of *indices*, those that must not be written to, with the outcome for each write to it."""


@attrs.frozen
class _Line(Generic[D]):
    """One action of a bulk request: its place among the writes asked for, and its bytes."""

    position: int
    write: Write[D]
    content: bytes


class BulkDocuments(Generic[K_contra, D]):
    """
    What every :class:`~tasques.core.ports.DocumentStore` on Elasticsearch does; safe for threads.

    Args:
        placed: Makes of a document that was created, and of the concrete index that took it, the
            document to answer with; for kinds that are created under an alias. None to leave it.
    """

    def __init__(
        self,
        client: Client,
        codec: Codec[K_contra, D],
        adoption: Admission,
        quarantine: Quarantine,
        *,
        placed: Callable[[D, str], D] | None = None,
    ) -> None:
        self._client = client
        self._codec = codec
        self._adoption = adoption
        self._quarantine = quarantine
        self._placed = placed
        self._path = _BULK if placed is None else _BULK + _INDEX_TOO

    # ------------------------------------------------------------------------------- writing

    def write(
        self, writes: Sequence[Write[D]], *, through_alias: bool = False
    ) -> Sequence[WriteOutcome[D]]:
        """
        Try each write, in one request where nothing goes wrong.

        Args:
            through_alias: Whether what is created has to meet an alias: where it is gone, nothing
                is written, and no index of its name is made.
        """
        outcomes: list[WriteOutcome[D]] = [Unknown("never sent")] * len(writes)
        addresses = [self._codec.address_of(write.document) for write in writes]
        refused = self._adoption.refusals(dict.fromkeys(index for index, _ in addresses))
        lines: list[_Line[D]] = []
        for position, (write, address) in enumerate(zip(writes, addresses, strict=True)):
            if address[0] in refused:
                outcomes[position] = refused[address[0]]
                continue
            try:
                lines.append(_Line(position, write, self._action(write, address, through_alias)))
            except ValueError as error:
                outcomes[position] = Invalid(str(error))
        if lines:
            self._send(lines, outcomes)
        return outcomes

    def _action(self, write: Write[D], address: Address, through_alias: bool) -> bytes:
        """The two lines of *write*: what to do, and the document; of a delete the first alone."""
        index, id = address
        target: dict[str, object] = {"_index": index, "_id": id}
        if isinstance(write, Create):
            if through_alias:
                target["require_alias"] = True
            action = {"create": target}
        else:
            target["if_seq_no"] = write.expected.seq_no
            target["if_primary_term"] = write.expected.primary_term
            if isinstance(write, Delete):
                return _ENCODE({"delete": target}) + b"\n"
            action = {"index": target}
        return _ENCODE(action) + b"\n" + self._codec.encode(write.document) + b"\n"

    def _send(self, lines: Sequence[_Line[D]], outcomes: list[WriteOutcome[D]]) -> None:
        """Send *lines* as one request, and put what became of each at its place in *outcomes*."""
        body = b"".join(line.content for line in lines)
        try:
            answer = self._client.request("POST", self._path, body, content_type=NDJSON)
        except errors.RequestFailed as failure:
            for line in lines:
                outcomes[line.position] = errors.failure_outcome(failure)
            return
        if answer.is_ok:
            self._settle(lines, answer.body, outcomes)
            return
        cause = answers.error(answer.body)
        if len(lines) > 1 and errors.is_divisible(answer.status, cause):
            # One action that cannot be read spoils the whole request. Halving finds it; what may
            # have been written before it was met conflicts with itself, which is no lie.
            middle = len(lines) // 2
            self._send(lines[:middle], outcomes)
            self._send(lines[middle:], outcomes)
            return
        for line in lines:
            outcomes[line.position] = errors.request_outcome(line.write, answer.status, cause)

    def _settle(
        self, lines: Sequence[_Line[D]], body: bytes, outcomes: list[WriteOutcome[D]]
    ) -> None:
        """Put what became of each line at its place in *outcomes*."""
        try:
            items = answers.bulk(body)
        except answers.UnreadableAnswer as error:
            items, reason = (), str(error)
        else:
            reason = "Elasticsearch answered for another number of writes"
        if len(items) != len(lines):
            for line in lines:
                outcomes[line.position] = Unknown(reason)
            return
        for line, item in zip(lines, items, strict=True):
            outcomes[line.position] = self._outcome(line.write, item)

    def _outcome(self, write: Write[D], item: BulkItem) -> WriteOutcome[D]:
        if 200 <= item.status < 300 and item.seq_no >= 0:
            if isinstance(write, Delete):
                return Deleted()
            document = write.document
            if self._placed is not None:
                document = self._placed(document, item.index)
            version = Version(item.primary_term, item.seq_no)
            return Written(Stored(document=document, version=version))
        return errors.item_outcome(write, item.status, item.error)

    # ------------------------------------------------------------------------------- reading

    def get(self, keys: Sequence[K_contra]) -> Sequence[ReadOutcome[D]]:
        """Read present versions, in one request; sees every acknowledged write at once."""
        if not keys:
            return ()
        asked = [
            {"_index": index, "_id": id} for index, id in (self._codec.address(key) for key in keys)
        ]
        try:
            found = answers.multi_get(self._client.read(_MULTI_GET, _ENCODE({"docs": asked})))
        except answers.UnreadableAnswer as error:
            raise StoreUnavailable(str(error)) from error
        if len(found) != len(keys):
            raise StoreUnavailable("Elasticsearch answered for other documents than were asked for")
        return [
            self._read_outcome(key, document) for key, document in zip(keys, found, strict=True)
        ]

    def _read_outcome(self, key: K_contra, document: Document) -> ReadOutcome[D]:
        if document.error is not None:
            if document.error.type == "index_not_found_exception" or not document.id:
                # Without an id nothing can have been stored.
                return Missing()
            return Unreadable(errors.describe(503, document.error))
        if not document.found:
            return Missing()
        try:
            decoded = self._codec.decode(document.source, key)
        except MalformedDocument as error:
            self._quarantine.put(document.index, document.id, document.seq_no, str(error))
            return Malformed(str(error))
        return Stored(document=decoded, version=Version(document.primary_term, document.seq_no))
