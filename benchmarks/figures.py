"""Single figures: where they stand in what the load prints, and how several are summed up."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

#: An object of JSON, as the load prints it.
Json: TypeAlias = Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Figure:
    """
    One number of a run.

    Attributes:
        label: With its unit, as tables show it.
        path: Where it is, with dots: ``latency_ms.create.p50``.
        more_is_better: Whether the higher one wins.
        sums_up: Whether it stands in the summary, and not only among the details.
    """

    label: str
    path: str
    more_is_better: bool = False
    sums_up: bool = False

    def of(self, result: Json) -> float | None:
        """The number in *result*; None if there is none."""
        value: Any = result
        for key in self.path.split("."):
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        return float(value) if isinstance(value, int | float) else None


@attrs.frozen(kw_only=True)
class Spread:
    """
    What several runs gave.

    Attributes:
        values: In the order of the runs; at least one.
    """

    values: tuple[float, ...] = attrs.field(validator=attrs.validators.min_len(1))

    @property
    def median(self) -> float:
        """Of two in the middle, their mean."""
        return statistics.median(self.values)

    def overlaps(self, other: Spread) -> bool:
        """Whether some run of one lies among those of the other: then the order may be chance."""
        return min(self.values) <= max(other.values) and min(other.values) <= max(self.values)


def spread(values: Sequence[float | None]) -> Spread | None:
    """What is there of *values*; None if nothing is."""
    present = tuple(value for value in values if value is not None)
    return Spread(values=present) if present else None


def ratio(of: Spread | None, to: Spread | None) -> float | None:
    """Median by median; None where one is missing, or would be divided by nothing."""
    if of is None or to is None or to.median == 0:
        return None
    return of.median / to.median


def number(value: float | None) -> str:
    """Three digits, or all before the point if there are more: ``1,234``, ``56.7``, ``0.00821``."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
