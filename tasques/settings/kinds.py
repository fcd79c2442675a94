"""
What a setting's value may be, and how it is read and shown.

A value comes as a text (environment, command line) or as what YAML, JSON or TOML made of it (file).
Both are read by the same function, so ``25`` means the same everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Literal, TypeAlias, TypeGuard, TypeVar
from urllib.parse import urlsplit

import attrs

from tasques.core.values import ZERO, Duration

T = TypeVar("T")

#: What a secret is shown as.
MASK: Final = "***"

_WHOLE_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,24})", re.ASCII)
# Go's strconv.ParseBool, which reads the original's; an empty text counts as false there.
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False", ""), False),
}
# Up to the last "@", since a password may hold an "@" of its own or a "/".
_CREDENTIALS: Final = re.compile(r"(?<=//).*@")
_SECRET_QUERY: Final = re.compile(r"(?i)([?&][^=&]*(?:key|password|secret|token)[^=&]*=)[^&]*")


@attrs.frozen(kw_only=True)
class User:
    """Somebody who may use the API."""

    name: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Address:
    """
    Where to listen.

    Attributes:
        host: A name or an IP address without brackets; empty for every interface.
        port: 0 for any free one.

    >>> Address.parse("[::1]:8080")
    Address(host='::1', port=8080)
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        Read ``host:port``, ``:port`` or ``[IPv6]:port``.

        Raises:
            ValueError: If *text* has another form.
        """
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/\[\]@]*)):([0-9]{1,5})", text)
        if match is None or int(match[3]) > 65535:
            raise ValueError("must be host:port, such as localhost:8080, :8080 or [::1]:8080")
        return cls(match[1] or match[2] or "", int(match[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


#: How many tasks a claim waits for: a number, or as many as it asked for.
MinAmount: TypeAlias = int | Literal["amount"]


@attrs.frozen(kw_only=True)
class Kind(Generic[T]):
    """
    A kind of value.

    Attributes:
        label: What to call it in documentation: ``duration``.
        read: Make one of a text or a file's value; raises ValueError, without the value in the
            message where it may be a secret.
        dump: What ``show config`` prints, as a JSON value. Hides what must not be seen.
        in_text: Whether a text alone can say it, so that the environment can.
        hides: Whether it may hold a secret, so that it is never printed as it is.
    """

    label: str
    read: Callable[[object], T]
    dump: Callable[[T], object] = lambda value: value
    in_text: bool = True
    hides: bool = False


def hide_credentials(url: str) -> str:
    """*url* with user, password and keys replaced by ``***``."""
    return _SECRET_QUERY.sub(rf"\1{MASK}", _CREDENTIALS.sub(f"{MASK}@", url))


def _read_text(value: object) -> str:
    if isinstance(value, str):
        return value
    # A password of digits is a number to YAML; the original takes it as its digits. Other things
    # that YAML makes of bare words (yes, 1.50, 2020-01-01) have lost what was written.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"must be a text, not {_name(value)}; put it in quotes")


def _read_optional_text(value: object) -> str | None:
    return _read_text(value) or None


def _read_whole_number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    raise ValueError(f"must be a whole number such as 25, not {_quote(value)}")


def _read_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    # 0 and 1 of a file, as the original reads them.
    text = str(value) if isinstance(value, int) else value
    if isinstance(text, str) and text in _BOOLEANS:
        return _BOOLEANS[text]
    raise ValueError(f"must be true or false, not {_quote(value)}")


def _read_duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 0:
            return ZERO
        raise ValueError(f"needs a unit: {value}s, {value}ms")
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as 30m or 1.5s, not {_quote(value)}")
    try:
        return Duration.parse(value)
    except ValueError as error:
        raise ValueError(f"must be a duration such as 30m or 1.5s, not {_quote(value)}") from error


def _read_addresses(value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        raise ValueError(f"must be a list of URLs, not {_name(value)}")
    if not items or items == [""]:
        raise ValueError("is empty; remove the section elasticsearch to do without Elasticsearch")
    return tuple(_http_url(item) for item in items)


def _read_patterns(value: object) -> tuple[str, ...]:
    items = [item for item in value.split(",") if item] if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        raise ValueError(f"must be a list of patterns such as mail-*, not {_name(value)}")
    return tuple(_read_text(item).strip() for item in items)


def _read_optional_url(value: object) -> str | None:
    return None if value == "" else _http_url(value, "must be a URL")


def _http_url(value: object, rule: str = "must hold URLs") -> str:
    text = value.strip().rstrip("/") if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s\x00-\x1f]", text):
        shown = hide_credentials(text) if text else _name(value)
        raise ValueError(f"{rule} such as http://localhost:9200, not [{shown}]")
    return text


def _read_backend(value: object) -> str | None:
    text = _read_optional_text(value)
    if text is not None and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise ValueError("must be a URL such as memory: or elasticsearch://localhost:9200")
    return text


def _read_address(value: object) -> Address:
    return value if isinstance(value, Address) else Address.parse(_read_text(value))


def _read_optional_address(value: object) -> Address | None:
    return None if value == "" else _read_address(value)


def _read_places(value: object) -> tuple[Address, ...]:
    items = [item for item in value.split(",") if item] if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        raise ValueError(f"must be a list of host:port, not {_name(value)}")
    places = tuple(Address.parse(_read_text(item).strip()) for item in items)
    if any(not place.host or not place.port for place in places):
        raise ValueError("needs a host and a port in each entry, such as tasques-2:7077")
    return places


def _read_min_amount(value: object) -> MinAmount:
    if value == "amount":
        return "amount"
    try:
        number = _read_whole_number(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"must be a positive whole number or the word amount, not {_quote(value)}")
    return number


def _read_prefix(value: object) -> str:
    text = _read_text(value)
    if not re.fullmatch(r"[a-z0-9.][a-z0-9._+-]{0,99}", text, re.ASCII):
        raise ValueError("must begin the name of an index: lower-case letters, digits, . _ - +")
    return text


def _read_users(value: object) -> tuple[User, ...]:
    if value == "":
        return ()  # as the original reads an empty variable
    if isinstance(value, str):
        raise ValueError("must be a list of name and password, in the file; a text cannot say it")
    entries = [value] if isinstance(value, Mapping) else value
    if not isinstance(entries, Sequence):
        raise ValueError(f"must be a list of name and password, not {_name(value)}")
    users = tuple(_user(number, entry) for number, entry in enumerate(entries))
    if len({user.name for user in users}) < len(users):
        raise ValueError("names a user twice")
    return users


def _user(number: int, entry: object) -> User:
    fields = {str(key).lower(): value for key, value in entry.items()} if _is_map(entry) else {}
    if set(fields) != {"name", "password"}:
        raise ValueError(f"entry {number} must be a name and a password, and nothing else")
    name, password = _read_text(fields["name"]), _read_text(fields["password"])
    # In HTTP basic authentication the first colon ends the name (RFC 7617).
    if not name or ":" in name:
        raise ValueError(f"entry {number} needs a name that is not empty and holds no colon")
    if not password:
        raise ValueError(f"entry {number} needs a password that is not empty")
    return User(name=name, password=password)


def _read_object(value: object) -> Mapping[str, object] | None:
    if value == "":
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError("must be a JSON object") from error
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object, not {_name(value)}")
    return value


def _is_map(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _name(value: object) -> str:
    """The kind of a file's value in words; never the value, which may be a secret."""
    names = {bool: "true or false", int: "a number", float: "a fraction", str: "a text"}
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    return names.get(type(value), "a " + type(value).__name__)


def _quote(value: object) -> str:
    if value == "":
        return "an empty text"
    return f"[{value[:60]}]" if isinstance(value, str) else _name(value)


def _dump_secret(value: str | None) -> object:
    return None if value is None else MASK


def _dump_users(users: tuple[User, ...]) -> object:
    return [{"name": user.name, "password": MASK} for user in users]


def _dump_url(value: str | None) -> object:
    return None if value is None else hide_credentials(value)


TEXT: Final = Kind(label="text", read=_read_text)
OPTIONAL_TEXT: Final = Kind(label="text", read=_read_optional_text)
SECRET: Final = Kind(label="text", read=_read_optional_text, dump=_dump_secret, hides=True)
WHOLE_NUMBER: Final = Kind(label="whole number", read=_read_whole_number)
BOOLEAN: Final = Kind(label="true or false", read=_read_boolean)
DURATION: Final = Kind(
    label="duration", read=_read_duration, dump=lambda duration: duration.nanoseconds
)
ADDRESSES: Final = Kind(
    label="list of URLs",
    read=_read_addresses,
    dump=lambda addresses: [hide_credentials(address) for address in addresses],
    hides=True,
)
PATTERNS: Final = Kind(label="list of patterns", read=_read_patterns, dump=list)
BACKEND: Final = Kind(label="URL", read=_read_backend, dump=_dump_url, hides=True)
OPTIONAL_URL: Final = Kind(label="URL", read=_read_optional_url, dump=_dump_url, hides=True)
ADDRESS: Final = Kind(label="host:port", read=_read_address, dump=str)
OPTIONAL_ADDRESS: Final = Kind(
    label="host:port",
    read=_read_optional_address,
    dump=lambda address: None if address is None else str(address),
)
PLACES: Final = Kind(
    label="list of host:port", read=_read_places, dump=lambda places: [str(each) for each in places]
)
MIN_AMOUNT: Final = Kind(label="whole number, or `amount`", read=_read_min_amount)
USERS: Final = Kind(
    label="list of `name` and `password`",
    read=_read_users,
    dump=_dump_users,
    in_text=False,
    hides=True,
)
PREFIX: Final = Kind(label="text", read=_read_prefix)
OBJECT: Final = Kind(label="object", read=_read_object)
