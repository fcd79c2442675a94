"""
The outside of a body that asks for many things: its items, unopened.

Each item is judged by itself: what is wrong with one is said at its place in the answer, and its
neighbours are done. So such a body is read in two steps, first this, then item by item.
"""

from __future__ import annotations

from typing import Final, NewType

import attrs

from tasques.core.json_object import JsonValue
from tasques.schemas.fields import ABOUT, About

#: So many items one request may have.
MAX_ITEMS: Final = 1000

#: Items that nobody has looked into.
Items = NewType("Items", tuple[JsonValue, ...])

MINIMAL: Final = About(
    "Whether to leave the tasks out of the answer, which then has only `id` and `state` of each, and"
    " `cancel_requested`.",
    example=False,
)


@attrs.frozen(kw_only=True)
class Envelope:
    """What all these bodies have in common."""

    items: Items = attrs.field(metadata={ABOUT: About("Anything, in an array.")})
    minimal: bool | None = attrs.field(default=None, metadata={ABOUT: MINIMAL})
