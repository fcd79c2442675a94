"""Where a server is: its address without credentials, and these as a header."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Sequence

import attrs

from tasques.core.errors import Fault, InvalidInput


@attrs.frozen(kw_only=True)
class Address:
    """
    A server's address.

    Attributes:
        url: Without credentials and without a slash at its end; for requests and messages.
        authorization: The value of the header, if there are credentials.
    """

    url: str
    authorization: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """
        Read ``http://user:password@host:8080/path``.

        Raises:
            InvalidInput: If it is no address; as :func:`split_url` says.
        """
        try:
            parts = split_url(url)
        except ValueError as error:
            raise InvalidInput([Fault("url", "url", str(error))]) from None
        if parts.username is None and parts.password is None:
            return cls(url=bare(parts))
        user = urllib.parse.unquote(parts.username or "")
        password = urllib.parse.unquote(parts.password or "")
        return cls(url=bare(parts), authorization=basic(user, password))

    def target(self, path: Sequence[str], query: Sequence[tuple[str, str]]) -> str:
        """The URL of a request; *path* and *query* are not encoded yet."""
        # Arguments of a process may have bytes that are not UTF-8; they are passed on as they are.
        url = self.url + "".join(
            "/" + urllib.parse.quote(part, safe="", errors="surrogateescape") for part in path
        )
        if not query:
            return url
        return f"{url}?{urllib.parse.urlencode(query, errors='surrogateescape')}"


def split_url(url: str) -> urllib.parse.SplitResult:
    """
    The parts of a server's address.

    Raises:
        ValueError: If it is none; the message does not repeat it, for it may hold a password.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_good or not is_plain or parts.query or parts.fragment:
        raise ValueError("is not an address such as http://localhost:8080")
    return parts


def bare(parts: urllib.parse.SplitResult) -> str:
    """The address without credentials and without a slash at its end."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def basic(user: str, password: str) -> str:
    """Credentials as the value of a header (RFC 7617), in UTF-8; bytes that are none pass as they are."""
    pair = f"{user}:{password}".encode(errors="surrogateescape")
    return "Basic " + base64.b64encode(pair).decode()
