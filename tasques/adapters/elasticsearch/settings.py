"""
Where the cluster is and how to speak to it, read from a backend URL and the effective settings.

Either the URL names the nodes, ``elasticsearch+https://user:password@a:9200,b:9200/?prefix=t_``, or
it is ``elasticsearch:`` alone and the settings do. What the URL does not say, the settings may.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from tasques.core.errors import Fault, InvalidInput
from tasques.core.values import ZERO, Duration

#: The URL schemes that name this backend; each is followed by ``://`` or, the first, by nothing.
SCHEMES: Final[Mapping[str, str]] = {
    "elasticsearch": "http",
    "elasticsearch+http": "http",
    "elasticsearch+https": "https",
}

DEFAULT_PREFIX: Final = ".tasques_"
DEFAULT_PORT: Final = 9200
DEFAULT_POLICY_NAME: Final = "tasques_archived_tasks_policy"

#: The original's policy without its ``freeze``, which Elasticsearch 8 only accepts as a no-op.
DEFAULT_POLICY: Final[Mapping[str, object]] = {
    "phases": {
        "hot": {"actions": {"rollover": {"max_size": "50GB", "max_age": "1d"}}},
        "warm": {"min_age": "7d", "actions": {"readonly": {}}},
        "cold": {"min_age": "30d", "actions": {}},
    }
}

#: Leaves an index's name room for ``archive-2026.11.22-000001``.
MAX_PREFIX_BYTES: Final = 64
# What an index's name may not hold or begin with; a dash or comma would split patterns besides.
_PREFIX: Final = re.compile(r"""[^\\/*?"<>| ,#:%_+\-\x00-\x20\x7f][^\\/*?"<>| ,#:\x00-\x20\x7f]*""")
_ADDRESSES: Final = "elasticsearch.addresses"
_QUERY_NAMES: Final = ("api_key", "ca_file", "prefix", "request_timeout")


@attrs.frozen(kw_only=True)
class Lifecycle:
    """
    Lifecycle management of the archive, where the cluster has it.

    Attributes:
        policy: The policy's content, as ``PUT _ilm/policy`` takes it under ``policy``.
    """

    enabled: bool = True
    policy_name: str = DEFAULT_POLICY_NAME
    policy: Mapping[str, object] = attrs.field(factory=lambda: DEFAULT_POLICY)


@attrs.frozen(kw_only=True)
class KibanaSettings:
    """
    Where ``setup`` imports dashboards.

    Attributes:
        address: The URL, without credentials; its path is that of a proxy or of a space.
        user: Name and password for basic authentication.
        ca_file: PEM certificates to trust for ``https``, besides the system's.
    """

    address: str
    user: tuple[str, str] | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None


@attrs.frozen(kw_only=True)
class ElasticsearchSettings:
    """
    All that the adapter has to be told.

    Attributes:
        addresses: URLs of nodes, without credentials; at least one.
        user: Name and password for basic authentication.
        api_key: In the encoded form that Elasticsearch gives out; in place of *user*.
        ca_file: PEM certificates to trust for ``https``, in place of the system's.
        prefix: What the names of all indices and templates begin with.
        request_timeout: How long to wait for an answer.
        kibana: None where there is none.
    """

    addresses: tuple[str, ...]
    user: tuple[str, str] | None = attrs.field(default=None, repr=False)
    api_key: str | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None
    prefix: str = DEFAULT_PREFIX
    request_timeout: Duration = Duration.of_seconds(10)
    lifecycle: Lifecycle = Lifecycle()
    kibana: KibanaSettings | None = None

    @property
    def url(self) -> str:
        """The addresses as one text without credentials, for logs and health."""
        return ",".join(self.addresses)

    @property
    def authorization(self) -> str | None:
        """The value of the ``Authorization`` header."""
        if self.api_key is not None:
            return f"ApiKey {self.api_key}"
        if self.user is not None:
            return "Basic " + base64.b64encode(":".join(self.user).encode()).decode("ascii")
        return None


def is_ours(url: str) -> bool:
    """Whether *url* names this backend."""
    return url.partition(":")[0].lower() in SCHEMES


def parse(url: str, options: Mapping[str, object]) -> ElasticsearchSettings:
    """
    The settings that a backend URL and the options of the server give.

    Args:
        options: By dotted name, such as ``elasticsearch.addresses``; texts are read where another
            type is meant, since an environment has only texts.

    Raises:
        InvalidInput: With everything that makes no sense; no message holds a password or a key.
    """
    faults: list[Fault] = []
    said = _Said.by_url(url, faults) or _Said.by_addresses(options, faults)

    def text(name: str) -> str | None:
        return said.query.get(name) or _text(options, f"elasticsearch.{name}", faults)

    ca_file = text("ca_file")
    settings = ElasticsearchSettings(
        addresses=said.addresses,
        user=_user(options, "elasticsearch", faults) or said.user,
        api_key=text("api_key"),
        ca_file=ca_file,
        prefix=text("prefix") or DEFAULT_PREFIX,
        request_timeout=_timeout(said.query, options, faults),
        lifecycle=_lifecycle(options, faults),
        kibana=_kibana(options, ca_file, faults),
    )
    faults.extend(_contradictions(settings))
    if faults:
        raise InvalidInput(faults)
    return settings


@attrs.frozen(kw_only=True)
class _Said:
    """What the URLs say."""

    addresses: tuple[str, ...] = ()
    user: tuple[str, str] | None = attrs.field(default=None, repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def by_url(cls, url: str, faults: list[Fault]) -> _Said | None:
        """What the backend's URL says, if it is more than a scheme."""
        scheme, _, rest = url.partition(":")
        if not rest:
            return None
        if not rest.startswith("//"):
            faults.append(Fault("backend", "url", f"after [{scheme}:] comes nothing, or //host"))
            return cls()
        # By hand, because a list of hosts is nothing that urllib knows; and up to the last "@",
        # because a password may hold one.
        before_query, _, query = rest[2:].partition("?")
        credentials, at, hosts_and_path = before_query.rpartition("@")
        hosts, slash, path = hosts_and_path.partition("/")
        transport = SCHEMES[scheme.lower()]
        urls = [f"{transport}://{credentials}{at}{host}{slash}{path}" for host in hosts.split(",")]
        split = [_address(_ADDRESSES, url, DEFAULT_PORT, faults) for url in urls]
        return cls(
            addresses=tuple(address for address, _ in split),
            user=split[0][1],
            query=_query(query, faults),
        )

    @classmethod
    def by_addresses(cls, options: Mapping[str, object], faults: list[Fault]) -> _Said:
        """What ``elasticsearch.addresses`` says; credentials in it count, as in the original."""
        given = options.get("elasticsearch.addresses") or ()
        texts = given.split(",") if isinstance(given, str) else given
        if not isinstance(texts, Sequence) or not texts:
            message = "no address of a node is given, such as http://localhost:9200"
            faults.append(Fault(_ADDRESSES, "required", message))
            return cls()
        split = [_address(_ADDRESSES, str(text).strip(), None, faults) for text in texts]
        users = [user for _, user in split if user is not None]
        return cls(
            addresses=tuple(address for address, _ in split), user=users[0] if users else None
        )


def _address(
    name: str, url: str, default_port: int | None, faults: list[Fault]
) -> tuple[str, tuple[str, str] | None]:
    """*url*, of the setting *name*, with a port and without credentials, and the credentials."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        # What is wrong may hold a password: it is not repeated.
        example = "URLs such as http://localhost:9200" if name == _ADDRESSES else "an http URL"
        faults.append(Fault(name, "url", f"must be {example}"))
        return "http://invalid:9200", None
    port = port or default_port or (443 if parts.scheme == "https" else 80)
    shown = f"[{host}]" if ":" in host else host
    address = f"{parts.scheme}://{shown}:{port}{parts.path.rstrip('/')}"
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


def _query(text: str, faults: list[Fault]) -> Mapping[str, str]:
    pairs = dict(parse_qsl(text, keep_blank_values=True))
    for name in pairs:
        if name not in _QUERY_NAMES:
            known = ", ".join(_QUERY_NAMES)
            faults.append(Fault("backend", "url", f"unknown parameter [{name}]; known are {known}"))
    return pairs


def _text(options: Mapping[str, object], name: str, faults: list[Fault]) -> str | None:
    value = options.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        faults.append(Fault(name, "text", "must be a text"))
        return None
    return value


def _user(options: Mapping[str, object], of: str, faults: list[Fault]) -> tuple[str, str] | None:
    name = _text(options, f"{of}.user.name", faults)
    password = _text(options, f"{of}.user.password", faults)
    return None if name is None else (name, password or "")


def _kibana(
    options: Mapping[str, object], ca_file: str | None, faults: list[Fault]
) -> KibanaSettings | None:
    given = _text(options, "kibana.address", faults)
    if given is None:
        return None
    address, said = _address("kibana.address", given.strip(), None, faults)
    return KibanaSettings(
        address=address, user=_user(options, "kibana", faults) or said, ca_file=ca_file
    )


def _timeout(
    query: Mapping[str, str], options: Mapping[str, object], faults: list[Fault]
) -> Duration:
    value = query.get("request_timeout") or options.get("elasticsearch.request_timeout")
    if value is None:
        return Duration.of_seconds(10)
    try:
        timeout = value if isinstance(value, Duration) else Duration.parse(str(value))
    except ValueError as error:
        faults.append(Fault("elasticsearch.request_timeout", "duration", str(error)))
        return Duration.of_seconds(10)
    if timeout <= ZERO:
        faults.append(Fault("elasticsearch.request_timeout", "duration", "must be above zero"))
    return timeout


def _lifecycle(options: Mapping[str, object], faults: list[Fault]) -> Lifecycle:
    section = "lifecycle_setup.archived_tasks"
    enabled = str(options.get(f"{section}.enabled", True)).lower() not in ("false", "0", "f", "")
    name = _text(options, f"{section}.custom_policy.name", faults)
    policy = options.get(f"{section}.custom_policy.policy")
    if not name and not policy:
        return Lifecycle(enabled=enabled)
    if not name or not isinstance(policy, Mapping):
        message = "a custom policy wants a name and a policy, which is an object"
        faults.append(Fault(f"{section}.custom_policy", "required", message))
        return Lifecycle(enabled=enabled)
    return Lifecycle(enabled=enabled, policy_name=name, policy=policy)


def _contradictions(settings: ElasticsearchSettings) -> Iterator[Fault]:
    prefix = settings.prefix
    if not _PREFIX.fullmatch(prefix) or prefix != prefix.lower() or prefix in (".", ".."):
        message = f"[{prefix}] cannot begin the name of an index"
        yield Fault("elasticsearch.prefix", "prefix", message)
    elif len(prefix.encode()) > MAX_PREFIX_BYTES:
        message = f"must have at most {MAX_PREFIX_BYTES} bytes"
        yield Fault("elasticsearch.prefix", "prefix", message)
    if settings.user is not None and settings.api_key is not None:
        message = "a user and an API key are given; one of them decides nothing"
        yield Fault("elasticsearch.api_key", "exclusive", message)
    if len({address.partition(":")[0] for address in settings.addresses}) > 1:
        message = "some are http and some https, so credentials would be sent in the clear"
        yield Fault("elasticsearch.addresses", "url", message)
