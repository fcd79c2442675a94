"""Changed copies are what attrs makes of them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.evolving import evolve
from tasques.core.tasks import Task
from tasques.testing.strategies import tasks

FIELDS = [field.name for field in attrs.fields(Task)]


@given(old=tasks(), other=tasks(), names=st.sets(st.sampled_from(FIELDS)))
def test_a_copy_is_the_one_that_attrs_makes(old: Task, other: Task, names: set[str]) -> None:
    """Whatever is changed, None included; what is copied stays as it was."""
    changes = {name: getattr(other, name) for name in names}
    before = attrs.asdict(old)
    assert evolve(old, **changes) == attrs.evolve(old, **changes)
    assert attrs.asdict(old) == before


@attrs.frozen(kw_only=True)
class Positive:
    """Has a rule."""

    size: int = attrs.field(validator=attrs.validators.ge(0))


def test_rules_hold_for_copies_too() -> None:
    """Validators run."""
    with pytest.raises(ValueError, match="size"):
        evolve(Positive(size=1), size=-1)


def test_a_field_that_is_not_there_cannot_be_changed() -> None:
    """As with attrs: a slip of the pen is an error."""
    with pytest.raises(TypeError):
        evolve(Positive(size=1), length=2)  # type: ignore[call-arg]


@attrs.frozen
class Private:
    """Is called with another name than its field has."""

    _size: int


def test_fields_under_other_names_are_refused() -> None:
    """Rather than copied wrongly."""
    with pytest.raises(TypeError, match="Private"):
        evolve(Private(1), size=2)
