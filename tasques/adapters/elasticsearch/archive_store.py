"""The store of finished tasks: copies by their ids in every index of the archive, tasks by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, archive_documents, documents, listings
from tasques.adapters.elasticsearch.answers import Hit
from tasques.adapters.elasticsearch.archive_places import ArchivePlaces, Places
from tasques.adapters.elasticsearch.bulk import Address, BulkDocuments
from tasques.adapters.elasticsearch.client import Client
from tasques.adapters.elasticsearch.indices import IndexNames
from tasques.adapters.elasticsearch.parts import MalformedDocument
from tasques.adapters.elasticsearch.quarantine import Quarantine
from tasques.adapters.elasticsearch.queries import archived
from tasques.adapters.elasticsearch.scan import ANYWAY
from tasques.core import queues
from tasques.core.archive import ArchivedTask, ArchiveKey, StoredCopy, archive_key
from tasques.core.documents import Stored, Version
from tasques.core.errors import StoreUnavailable
from tasques.core.listing import Position, TaskQuery
from tasques.core.ports import (
    Conflict,
    Create,
    Malformed,
    Missing,
    Rejected,
    Runtime,
    Seen,
    Write,
    WriteOutcome,
    Written,
    seen,
)
from tasques.core.tasks import StoredTask, Task, TaskKey

#: Documents asked for by id in one request: each that is missing is an answer of 140 bytes, and an
#: archive of years has hundreds of indices.
MAX_ASKED: Final = 5000
#: Lives of a task, and what passes for one, looked at in one page of a search; and pages.
PAGE_SIZE: Final = 20
MAX_PAGES: Final = 50

_ENCODE: Final = msgspec.json.Encoder().encode


@attrs.frozen
class _CopyKey:
    """What names one copy."""

    place: str
    key: ArchiveKey


class _Copies:
    """A copy lies in its place, under its key; a new one goes where the archive's name leads."""

    def __init__(self, names: IndexNames) -> None:
        self._names = names

    def address(self, key: _CopyKey) -> Address:
        return key.place, key.key

    def address_of(self, document: ArchivedTask) -> Address:
        return document.place or self._names.archive, document.key

    def encode(self, document: ArchivedTask) -> bytes:
        return archive_documents.encode(document)

    def decode(self, source: msgspec.Raw, key: _CopyKey) -> ArchivedTask:
        return archive_documents.decode(source, key=key.key, place=key.place)


class ElasticsearchArchiveStore:
    """The :class:`~tasques.core.ports.ArchiveStore` of Elasticsearch."""

    def __init__(
        self, client: Client, names: IndexNames, quarantine: Quarantine, runtime: Runtime
    ) -> None:
        self._client = client
        self._names = names
        self._quarantine = quarantine
        self._places = ArchivePlaces(client, names, runtime)
        self._documents: BulkDocuments[_CopyKey, ArchivedTask] = BulkDocuments(
            client, _Copies(names), self._places, quarantine, placed=_placed
        )

    # ------------------------------------------------------------------------------- writing

    def write(self, writes: Sequence[Write[ArchivedTask]]) -> Sequence[WriteOutcome[ArchivedTask]]:
        """
        Try each write, in one request where nothing goes wrong.

        A replace or a delete in an index that the archive does not have is never sent: it would make
        that index.
        """
        if not writes:
            return ()
        try:
            places = self._known_places(writes)
        except StoreUnavailable as error:
            return [Rejected(f"the archive could not be looked at: {error}")] * len(writes)
        outcomes: list[WriteOutcome[ArchivedTask]] = [Conflict()] * len(writes)
        sent = {
            position: _new(write) if isinstance(write, Create) else write
            for position, write in enumerate(writes)
            if isinstance(write, Create) or write.document.place in places.indices
        }
        # Where the name is an alias, a create must not make an index of that name in its stead.
        told = self._documents.write(list(sent.values()), through_alias=places.is_alias)
        for position, outcome in zip(sent, told, strict=True):
            outcomes[position] = outcome
        if any(_is_news(outcome, places) for outcome in told):
            self._places.forget()
        return outcomes

    def _known_places(self, writes: Sequence[Write[ArchivedTask]]) -> Places:
        """The places of a moment ago, or of now if *writes* know more than those."""
        places = self._places.recent()
        named = {write.document.place for write in writes if not isinstance(write, Create)}
        return places if named.issubset(places.indices) else self._places.look()

    # ------------------------------------------------------------------------------- reading

    def find_copies(self, keys: Sequence[ArchiveKey]) -> Sequence[Sequence[StoredCopy | Malformed]]:
        """
        Every copy under each key; sees every acknowledged write at once.

        Each key is asked for in each index that is there now.
        """
        if not keys:
            return ()
        places = self._places.look().indices
        asked = [_CopyKey(place, key) for key in keys for place in places]
        found: list[Seen[ArchivedTask]] = []
        for start in range(0, len(asked), MAX_ASKED):
            found.extend(seen(self._documents.get(asked[start : start + MAX_ASKED])))
        copies: list[list[StoredCopy | Malformed]] = [[] for _ in keys]
        for number, outcome in enumerate(found):
            if not isinstance(outcome, Missing):
                copies[number // len(places)].append(outcome)
        return copies

    def find_task(self, key: TaskKey) -> Seen[Task]:
        """
        The last created of the archived tasks of that name, as of the last refresh.

        Raises:
            StoreUnavailable: Also where only a part of the archive could be searched.
        """
        if not (_fits(key.queue, queues.MAX_QUEUE_BYTES) and _fits(key.id, queues.MAX_ID_BYTES)):
            # A term beyond 32 KiB would be refused.
            return Missing()
        malformed: Malformed | None = None
        for page in range(MAX_PAGES):
            hits = self._search(key, page * PAGE_SIZE)
            read = [self._task(key, hit) for hit in hits]
            if lives := [life for life in read if isinstance(life, Stored)]:
                return max(lives, key=_age)
            malformed = malformed or next((m for m in read if isinstance(m, Malformed)), None)
            if len(hits) < PAGE_SIZE:
                break
        return malformed or Missing()

    def find_tasks(self, query: TaskQuery) -> Sequence[StoredTask]:
        """The next tasks of a listing, each life once; as of the last refresh."""
        queue = query.filter.queue

        def life(hit: Hit) -> StoredTask | None:
            read = self._task(TaskKey(queue, listings.position(hit).id), hit)
            return read if isinstance(read, Stored) else None

        lives: dict[ArchiveKey, StoredTask] = {}
        while len(lives) < query.limit:
            wanted = query.limit - len(lives)
            found = listings.find_tasks(
                self._client, self._names.archive, attrs.evolve(query, limit=wanted), life
            )
            for stored in found:
                lives.setdefault(archive_key(stored.document), stored)
            if len(found) < wanted:
                break
            query = attrs.evolve(query, after=Position.of(found[-1].document))
        return list(lives.values())

    def _search(self, key: TaskKey, start: int) -> Sequence[Hit]:
        index = quote(self._names.archive, safe="")
        path = f"/{index}/_search?{ANYWAY}&allow_partial_search_results=false"
        query = archived(key, start=start, size=PAGE_SIZE)
        try:
            answer = answers.search(self._client.read(path, _ENCODE(query)))
        except answers.UnreadableAnswer as error:
            raise StoreUnavailable(str(error)) from error
        if answer.shards.failed or answer.timed_out:
            raise StoreUnavailable("only a part of the archive could be searched")
        return answer.hits.hits

    def _task(self, key: TaskKey, hit: Hit) -> StoredTask | Malformed:
        try:
            task = documents.decode(hit.source, queue=key.queue, id=key.id)
        except MalformedDocument as error:
            self._quarantine.put(hit.index, hit.id, hit.seq_no, str(error))
            return Malformed(str(error))
        return Stored(document=task, version=Version(hit.primary_term, hit.seq_no))


def _fits(name: str, most_bytes: int) -> bool:
    try:
        return 0 < len(name.encode()) <= most_bytes
    except UnicodeEncodeError:
        return False


def _new(create: Create[ArchivedTask]) -> Create[ArchivedTask]:
    """*create* as one that goes to the newest place, whatever place its document had."""
    return Create(document=attrs.evolve(create.document, place=""))


def _is_news(outcome: WriteOutcome[ArchivedTask], places: Places) -> bool:
    """Whether there is another place than *places* says, or perhaps none any more."""
    if isinstance(outcome, Written):
        return outcome.stored.document.place not in places.indices
    return isinstance(outcome, Rejected)


def _placed(copy: ArchivedTask, index: str) -> ArchivedTask:
    return attrs.evolve(copy, place=index)


def _age(life: StoredTask) -> tuple[int, int]:
    # To the nanosecond, of which the index knows milliseconds. Of copies of one life the one that
    # was changed last, until an archiver removes the others.
    task = life.document
    return task.created_at.nanoseconds, task.modified_at.nanoseconds
