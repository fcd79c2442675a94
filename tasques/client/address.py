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
            InvalidInput: If it is no address; the message does not repeat it, for it may hold a
                password.
        """
        try:
            parts = urllib.parse.urlsplit(url)
            is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_good = False
        is_plain = url.isascii() and url.isprintable() and " " not in url
        if not is_good or not is_plain or parts.query or parts.fragment:
            message = "is not an address such as http://localhost:8080"
            raise InvalidInput([Fault("url", "url", message)])
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        return cls(url=bare, authorization=_authorization(parts))

    def target(self, path: Sequence[str], query: Sequence[tuple[str, str]]) -> str:
        """The URL of a request; *path* and *query* are not encoded yet."""
        url = self.url + "".join("/" + urllib.parse.quote(part, safe="") for part in path)
        return f"{url}?{urllib.parse.urlencode(query)}" if query else url


def _authorization(parts: urllib.parse.SplitResult) -> str | None:
    if parts.username is None and parts.password is None:
        return None
    user = urllib.parse.unquote(parts.username or "")
    password = urllib.parse.unquote(parts.password or "")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
