"""The settings of the server itself: HTTP, users, logs."""

from __future__ import annotations

import attrs

from tasques.core.values import Duration
from tasques.settings.kinds import (
    BOOLEAN,
    DURATION,
    OPTIONAL_ADDRESS,
    OPTIONAL_TEXT,
    PLACES,
    SECRET,
    TEXT,
    USERS,
    WHOLE_NUMBER,
    Address,
    User,
)
from tasques.settings.table import setting


@attrs.frozen(kw_only=True)
class Logging:
    """What is written about the server's work, and where."""

    json: bool = setting(
        BOOLEAN,
        True,
        "One JSON object a line, rather than text for a console. The original's is false where "
        "its file does not say true.",
    )
    file: str | None = setting(
        OPTIONAL_TEXT,
        None,
        "Append to this file rather than to the standard error. A file that was moved away is made "
        "anew. One that cannot be opened stops the start.",
    )
    level: str = setting(
        TEXT,
        "info",
        "What to leave out: everything below `trace`, `debug`, `info`, `warn`, `error`, `fatal` or "
        "`panic`; `disabled` leaves out all. An unknown one is `info`, with a warning.",
        too_small="`trace` and `debug` write several lines for a request.",
        too_large="Above `warn`, what needs somebody's attention is not seen.",
    )


@attrs.frozen(kw_only=True)
class Http:
    """How many, how large and how slow requests may be."""

    waiting_claims: int = setting(
        WHOLE_NUMBER,
        0,
        "How many claims may wait for tasks at the same time; one more is refused with 503 and "
        "`Retry-After`. 0: 10000, or 256 where `http.parking` is off.",
        unit="claims",
        minimum=0,
        maximum=100_000,
        too_small="Workers are refused while the server has little to do.",
        too_large="Memory; the limit of open files must lie above it.",
        is_ours=True,
    )
    processes: int = setting(
        WHOLE_NUMBER,
        1,
        "How many processes serve at the address together; one more looks after them. Tasks kept in "
        "memory allow one only.",
        unit="processes",
        minimum=1,
        maximum=64,
        too_small="One process uses little more than one core.",
        too_large="Memory, and each does the work in the background once more.",
        is_ours=True,
    )
    process_port: int = setting(
        WHOLE_NUMBER,
        0,
        "With several processes, each also listens by itself: the first at this port of the same "
        "host, the next at the port after it, and so on. So its own metrics and health can be read. "
        "0: none does.",
        unit="port",
        minimum=0,
        maximum=65_000,
        too_small="Ports below 1024 are for privileged processes.",
        is_ours=True,
    )
    parking: bool = setting(
        BOOLEAN,
        True,
        "Let claims wait without a thread. A server that finds at its start that this does not work "
        "with the waitress that is installed says so in its log, and goes on as if it were off. "
        "Off: each claim that waits holds a thread.",
        is_ours=True,
    )
    max_body_size: int = setting(
        WHOLE_NUMBER,
        64 * 1024 * 1024,
        "The largest body of a request; a larger one is 413.",
        unit="bytes",
        minimum=1024,
        maximum=2**40,
        too_small="Tasks with large arguments are refused.",
        too_large="A few requests can use up the memory; Elasticsearch refuses bodies of more than "
        "100 MB by default.",
        is_ours=True,
    )
    max_header_size: int = setting(
        WHOLE_NUMBER,
        64 * 1024,
        "The largest head of a request, its first line included; a larger one is 431.",
        unit="bytes",
        minimum=1024,
        maximum=2**30,
        too_small="Requests through proxies that add headers are refused.",
        too_large="Memory for each connection.",
        is_ours=True,
    )
    request_timeout: Duration = setting(
        DURATION,
        "30s",
        "How long a sender may take over its request, or keep a connection open without one.",
        minimum="1s",
        maximum="24h",
        too_small="Requests over slow networks are cut off.",
        too_large="Senders that never finish hold connections.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class Nudges:
    """How servers tell each other of new tasks, so that workers there need not wait for a search."""

    enabled: bool = setting(
        BOOLEAN,
        True,
        "Have the processes of a server, and servers that name each other as `nudges.peers`, tell "
        "each other of tasks that somebody waits for there. Nothing depends on it.",
        is_ours=True,
    )
    bind_address: Address | None = setting(
        OPTIONAL_ADDRESS,
        None,
        "Where to listen for nudges of servers on other machines: `host:port`, of UDP. With several "
        "processes, the first listens at this port, the next at the port after it, and so on. Not "
        "set: processes tell each other over the loopback interface, and nobody else.",
        is_ours=True,
    )
    peers: tuple[Address, ...] = setting(
        PLACES,
        (),
        "Where servers on other machines listen for nudges, every process of theirs by itself. A "
        "name may stand for several addresses, this server's among them; it is looked up every 30 "
        "seconds. Who is not among them is not listened to.",
        too_small="Tasks reach workers that wait at other servers about a second later.",
        is_ours=True,
    )
    secret: str | None = setting(
        SECRET,
        None,
        "What all servers that nudge each other have in common, at least 16 characters; who does "
        "not know it is not believed. Needed where `nudges.bind_address` is set.",
        is_ours=True,
    )


@attrs.frozen(kw_only=True)
class Auth:
    """Who may use the API."""

    basic_auth: tuple[User, ...] = setting(
        USERS,
        (),
        "The users of HTTP basic authentication. Empty: everybody may use the API. The "
        "environment can only empty it, as an empty `TASQUES_SERVER_AUTH` does.",
    )
