"""
Importing into Kibana what it shows tasks with.

Only ``setup`` does this, the server never speaks to Kibana. As with the original, the import comes
after templates that were missing, so that it happens once; what somebody has made of the dashboard
since is not overwritten by the next ``setup``, unless that is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from elastic_transport import HttpHeaders, NodeConfig, TransportError

from tasques.adapters.elasticsearch.http_node import HttpNode
from tasques.adapters.elasticsearch.indices import IndexNames, Json
from tasques.adapters.elasticsearch.kibana_objects import ndjson, saved_objects
from tasques.adapters.elasticsearch.settings import KibanaSettings
from tasques.adapters.elasticsearch.setup import INDEX_TEMPLATE, LEGACY_TEMPLATE
from tasques.core.ports import SetupStep

KIBANA_OBJECTS: Final = "Kibana objects"

#: Seconds to wait for Kibana; it writes some twenty documents.
TIMEOUT_SECONDS: Final = 60.0

_PATH: Final = "/api/saved_objects/_import?overwrite=true"
_AGAIN: Final = "`tasques setup --kibana` tries again"
_MAX_SHOWN: Final = 300


class ImportFailed(Exception):
    """Kibana has not taken everything; the message says what it answered."""


def steps(
    kibana: KibanaSettings | None,
    names: IndexNames,
    others: Sequence[SetupStep],
    *,
    apply: bool,
    again: bool,
) -> Iterator[SetupStep]:
    """
    What there is to do in Kibana, after *others*; nothing where no Kibana is configured.

    Args:
        apply: Do it, rather than only say so.
        again: Also where no template was missing.
    """
    if kibana is None:
        return
    what = f"{KIBANA_OBJECTS} at {kibana.address}"
    if not again and not any(_was_missing(step) for step in others):
        detail = "not asked, since no template was missing; --kibana imports them"
        yield SetupStep(what=what, state="skipped", detail=detail)
        return
    objects = saved_objects(names)
    if not apply:
        yield SetupStep(what=what, state="missing", detail=_listed(objects))
        return
    try:
        import_objects(kibana, objects)
    except ImportFailed as failure:
        yield SetupStep(what=what, state="missing", detail=f"{failure}; {_AGAIN}")
    else:
        yield SetupStep(what=what, state="installed", detail=_listed(objects))


def _was_missing(step: SetupStep) -> bool:
    if not step.what.startswith((INDEX_TEMPLATE, LEGACY_TEMPLATE)):
        return False
    # One that was refused has a detail: it is missing each time, and no sign of a new cluster.
    return step.state == "installed" or (step.state == "missing" and not step.detail)


def _listed(objects: Sequence[Json]) -> str:
    """How many of which kind, and where to begin."""
    counts = [
        (name, sum(item["type"] == kind for item in objects))
        for kind, name in (
            ("index-pattern", "data views"),
            ("search", "searches"),
            ("visualization", "charts"),
        )
    ]
    words = ", ".join(f"{count} {name}" for name, count in counts)
    title = next(
        item["attributes"]["title"]
        for item in objects
        if item["type"] == "dashboard" and isinstance(item["attributes"], Mapping)
    )
    return f"{words} and the dashboard [{title}]"


def import_objects(kibana: KibanaSettings, objects: Sequence[Json]) -> None:
    """
    Give *objects* to Kibana, which replaces those of the same ids.

    Raises:
        ImportFailed: If it could not be asked, or says anything but that all were imported. Some
            may have been imported nevertheless; doing it again does no harm.
    """
    content_type, body = _multipart(ndjson(objects))
    headers = {"accept": "application/json", "content-type": content_type, "kbn-xsrf": "true"}
    if kibana.user is not None:
        pair = base64.b64encode(":".join(kibana.user).encode()).decode("ascii")
        headers["authorization"] = f"Basic {pair}"
    node = HttpNode(_node_config(kibana))
    try:
        answer = node.perform_request(
            "POST", _PATH, body, HttpHeaders(headers), request_timeout=TIMEOUT_SECONDS
        )
    except TransportError as error:
        raise ImportFailed(str(error.message)) from error
    finally:
        node.close()
    status, answered = answer.meta.status, _json(answer.body)
    if status != 200 or answered.get("success") is not True:
        raise ImportFailed(f"Kibana answered {status}: {_reason(answered, answer.body)}")


def _node_config(kibana: KibanaSettings) -> NodeConfig:
    parts = urlsplit(kibana.address)
    assert parts.hostname is not None
    assert parts.port is not None
    return NodeConfig(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port,
        path_prefix=parts.path,
        ssl_context=_tls_context(kibana) if parts.scheme == "https" else None,
    )


def _tls_context(kibana: KibanaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if kibana.ca_file is not None:
            # Besides the system's: Kibana and Elasticsearch are often certified by different ones.
            context.load_verify_locations(cafile=kibana.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ImportFailed(f"elasticsearch.ca_file cannot be used: {error}") from error
    return context


def _multipart(content: bytes) -> tuple[str, bytes]:
    """The form that Kibana wants, with one file; and its content type."""
    # It cannot occur in what it is made of.
    boundary = f"tasques-{hashlib.sha256(content).hexdigest()[:40]}"
    head = (
        f"--{boundary}\r\n"
        # Kibana refuses a file of another ending.
        'Content-Disposition: form-data; name="file"; filename="tasques.ndjson"\r\n'
        "Content-Type: application/ndjson\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def _json(body: bytes) -> Mapping[str, object]:
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _reason(answered: Mapping[str, object], body: bytes) -> str:
    """What Kibana says is wrong, in as few words as there are."""
    failures = answered.get("errors")
    if isinstance(failures, list) and failures:
        words = "; ".join(_failure(item) for item in failures[:3])
        more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
        return f"not imported: {words[: 3 * _MAX_SHOWN]}{more}"
    message = answered.get("message")
    if isinstance(message, str) and message:
        return message[:_MAX_SHOWN]
    return body[:_MAX_SHOWN].decode("utf-8", "replace") or "nothing"


def _failure(item: object) -> str:
    if not isinstance(item, Mapping):
        return str(item)[:_MAX_SHOWN]
    error = item.get("error")
    error = error if isinstance(error, Mapping) else {}
    why = " ".join(str(error[key]) for key in ("type", "message", "reason") if error.get(key))
    return f"{item.get('type')} {item.get('id')} ({why or 'no reason'})"[:_MAX_SHOWN]
