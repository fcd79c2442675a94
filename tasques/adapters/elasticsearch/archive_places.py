"""
The indices in which the archive lies, and whether copies may be written there.

The archive's name is that of an index, or an alias over several, one of which takes what is written
to the alias; lifecycle management begins a new one by age or size. So ids are unique in each of them
only, and a document is read, replaced and deleted in the index that holds it: Elasticsearch refuses
to read by id through an alias of several, and would replace another copy than the one meant, since
versions are counted by each index for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeVar
from urllib.parse import quote

import attrs
import msgspec

from tasques.adapters.elasticsearch import answers, errors
from tasques.adapters.elasticsearch.adoption import Adoption
from tasques.adapters.elasticsearch.client import Answer, Client
from tasques.adapters.elasticsearch.indices import IndexNames, archive_indices
from tasques.core.errors import StoreUnavailable
from tasques.core.ports import Rejected, Runtime

T = TypeVar("T")

#: For so long a write relies on what was seen last; reads by id always look.
RECENT_SECONDS: Final = 2.0
_TIMEOUT_SECONDS: Final = 5.0

_WANTED: Final = (
    "filter_path=*.aliases,*.settings.index.creation_date,*.settings.index.translog.durability"
)


@attrs.frozen(kw_only=True)
class Places:
    """
    What the name of the archive stands for.

    Attributes:
        indices: In the order in which they were made; empty where there is nothing of that name.
        newest: The one that takes new copies; None where there is none such.
        is_alias: Whether the name is an alias.
        lossy: Those that may lose what they have acknowledged.
    """

    indices: tuple[str, ...] = ()
    newest: str | None = None
    is_alias: bool = False
    lossy: frozenset[str] = frozenset()


class ArchivePlaces:
    """Looks where the archive lies; safe for several threads, which may look twice."""

    def __init__(self, client: Client, names: IndexNames, runtime: Runtime) -> None:
        self._client = client
        self._name = names.archive
        self._template = archive_indices(names).template
        self._adoption = Adoption(client, archive_indices(names), runtime)
        self._runtime = runtime
        self._seen = Places()
        self._seen_at = float("-inf")

    def look(self) -> Places:
        """
        What is there now.

        Raises:
            StoreUnavailable: If Elasticsearch is out of reach or refuses.
        """
        before = self._runtime.monotonic()
        # One small request, whatever is mapped there.
        answer = self._get(f"/{quote(self._name, safe='')}?{_WANTED}")
        if answer.status == 404:
            places = Places()
        elif answer.is_ok:
            places = _places(self._name, answer.body)
        else:
            raise errors.unavailable(answer.status, answers.error(answer.body))
        self._seen, self._seen_at = places, before
        return places

    def recent(self) -> Places:
        """
        What was there a moment ago.

        Raises:
            StoreUnavailable: If Elasticsearch is out of reach or refuses.
        """
        if self._runtime.monotonic() - self._seen_at < RECENT_SECONDS:
            return self._seen
        return self.look()

    def forget(self) -> None:
        """Let the next write look: what was seen last is known to have changed."""
        self._seen_at = float("-inf")

    def refusals(self, indices: Iterable[str]) -> Mapping[str, Rejected]:
        """
        Of *indices*, the archive's name among them, those that must not be written to, and why.

        What takes new copies is adopted first, like any index; where it changes a moment before the
        write, the new one is as its template makes it. An archive that is not there may be made by
        the write only where our template says what it will be like: not where lifecycle management
        is to make its first index.
        """
        refused: dict[str, Rejected] = {}
        for index in indices:
            try:
                refusal = self._refusal(index)
            except StoreUnavailable as error:
                refusal = Rejected(f"the archive could not be looked at: {error}")
            if refusal is not None:
                refused[index] = refusal
        return refused

    def _refusal(self, index: str) -> Rejected | None:
        places = self.recent()
        concrete = places.newest if index == self._name else index
        if not places.indices:
            return self._without_template()
        if concrete is None:
            return Rejected(
                f"no index of the alias [{self._name}] is the one to write to: set is_write_index"
            )
        if concrete in places.lossy:
            # A task is deleted from its queue on the strength of its copy.
            return Rejected(
                f"index.translog.durability of [{concrete}] is async, so that copies may be lost:"
                " set it to request"
            )
        return self._adoption.refusals([concrete]).get(concrete)

    def _without_template(self) -> Rejected | None:
        path = f"/_index_template/{quote(self._template, safe='')}"
        answer = self._get(f"{path}?filter_path=*.index_template.index_patterns")
        if answer.status != 404 and not answer.is_ok:
            raise errors.unavailable(answer.status, answers.error(answer.body))
        patterns = _patterns(answer.body) if answer.is_ok else ()
        if any(fnmatchcase(self._name, pattern) for pattern in patterns):
            return None
        what = f"its first index [{self._name}-…]" if patterns else f"[{self._template}]"
        return Rejected(f"the archive is not there, nor {what}: run `tasques setup`")

    def _get(self, path: str) -> Answer:
        try:
            return self._client.request(
                "GET", path, timeout_seconds=_TIMEOUT_SECONDS, repeatable=True
            )
        except errors.RequestFailed as failure:
            raise errors.unreachable(failure) from failure


# ------------------------------------------------------------------------ parts of answers


class _Alias(msgspec.Struct):
    is_write_index: bool | None = None


class _Translog(msgspec.Struct):
    durability: str = "request"


class _IndexSettings(msgspec.Struct):
    creation_date: str = "0"
    translog: _Translog = msgspec.field(default_factory=_Translog)


class _Settings(msgspec.Struct):
    index: _IndexSettings = msgspec.field(default_factory=_IndexSettings)


class _Index(msgspec.Struct):
    aliases: dict[str, _Alias] = msgspec.field(default_factory=dict)
    settings: _Settings = msgspec.field(default_factory=_Settings)


class _Body(msgspec.Struct):
    index_patterns: list[str] = msgspec.field(default_factory=list)


class _Template(msgspec.Struct):
    index_template: _Body = msgspec.field(default_factory=_Body)


class _Templates(msgspec.Struct):
    index_templates: list[_Template] = msgspec.field(default_factory=list)


_INDICES: Final = msgspec.json.Decoder(dict[str, _Index])
_TEMPLATES: Final = msgspec.json.Decoder(_Templates)


def _places(name: str, body: bytes) -> Places:
    found = _decoded(_INDICES, body)

    def age(index: str) -> tuple[int, str]:
        # Not by name alone: lifecycle management numbers its indices, but whoever made an alias by
        # hand, or shrank an index since, has called them as they liked. All servers see one order.
        return int(found[index].settings.index.creation_date), index

    return Places(
        indices=tuple(sorted(found, key=age)),
        newest=name if name in found else _write_index(name, found),
        is_alias=name not in found,
        lossy=frozenset(
            index
            for index, content in found.items()
            if content.settings.index.translog.durability.lower() != "request"
        ),
    )


def _write_index(alias: str, found: Mapping[str, _Index]) -> str | None:
    marks = {index: content.aliases.get(alias, _Alias()) for index, content in found.items()}
    if [mark.is_write_index for mark in marks.values()] == [None]:
        # An only index takes what is written, unless it says that it does not.
        return next(iter(marks))
    return next((index for index, mark in marks.items() if mark.is_write_index), None)


def _patterns(body: bytes) -> Sequence[str]:
    templates = _decoded(_TEMPLATES, body).index_templates
    return [pattern for one in templates for pattern in one.index_template.index_patterns]


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"not what Elasticsearch answers: {error}") from error
