"""
What a field of a wire model says about itself.

The same words serve the converter, which enforces the bounds, and the API description, which
publishes them: a bound that is documented is checked, and one that is checked is documented.
"""

from __future__ import annotations

from typing import Final

import attrs

#: Where an attribute's metadata holds its :class:`About`.
ABOUT: Final = "tasques.about"


@attrs.frozen
class About:
    """
    The public face of one field or parameter.

    Attributes:
        description: A sentence or two, for people.
        example: A JSON value that is valid there.
        format: How a string is written, where its type alone does not say: ``date-time``,
            ``duration``, ``queue-name``, ``task-id``; or the width of a number: ``int64``,
            ``uint64``.
        minimum: The smallest number; of nanoseconds for a duration.
        maximum: The greatest number; of nanoseconds for a duration.
        min_length: The fewest characters of a string, or the fewest items of an array.
        max_length: The most characters of a string, or the most items of an array.
    """

    description: str
    example: object = attrs.field(default=None, kw_only=True)
    format: str | None = attrs.field(default=None, kw_only=True)
    minimum: int | None = attrs.field(default=None, kw_only=True)
    maximum: int | None = attrs.field(default=None, kw_only=True)
    min_length: int | None = attrs.field(default=None, kw_only=True)
    max_length: int | None = attrs.field(default=None, kw_only=True)


def about_of(attribute: attrs.Attribute[object]) -> About:
    """
    What *attribute* of a wire model says about itself.

    Raises:
        KeyError: If it is not a field of a wire model.
    """
    found = attribute.metadata[ABOUT]
    assert isinstance(found, About)
    return found


def is_required(attribute: attrs.Attribute[object]) -> bool:
    """Whether the field must be there, and must not be ``null``."""
    return attribute.default is attrs.NOTHING
