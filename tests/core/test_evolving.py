"""Changed copies are what attrs makes of them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasques.core.evolving import _draft, evolve
from tasques.core.tasks import Claim, Extensions, Task
from tasques.testing.strategies import tasks

FIELDS = [field.name for field in attrs.fields(Task)]


@given(old=tasks(), other=tasks(), names=st.sets(st.sampled_from(FIELDS)))
def test_a_copy_is_the_one_that_attrs_makes(old: Task, other: Task, names: set[str]) -> None:
    """Whatever is changed, None included; what is copied stays as it was."""
    changes = {name: getattr(other, name) for name in names}
    before = attrs.asdict(old)
    assert evolve(old, **changes) == attrs.evolve(old, **changes)
    assert attrs.asdict(old) == before


@pytest.mark.parametrize("kind", [Task, Claim, Extensions])
def test_tasks_and_their_parts_are_copied_without_a_call_for_each_field(kind: type) -> None:
    """Which needs slots for their fields and nothing else; with one more, copies would be slow."""
    assert _draft(kind) is not None


@given(old=tasks())
def test_a_copy_is_as_frozen_as_what_was_copied(old: Task) -> None:
    """However it was made."""
    copy = evolve(old, priority=1)
    assert type(copy) is Task
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copy.priority = 2  # type: ignore[misc]


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


@attrs.frozen(weakref_slot=False)
class Doubled:
    """Has something to do when it is made."""

    size: int
    twice: list[int] = attrs.field(factory=list, eq=False)

    def __attrs_post_init__(self) -> None:
        self.twice.append(self.size * 2)


def test_what_a_class_does_when_an_instance_is_made_is_done_for_copies_too() -> None:
    """Besides assigning its fields."""
    old = Doubled(1)
    assert evolve(old, size=2, twice=[]).twice == [4]


@attrs.frozen
class Private:
    """Is called with another name than its field has."""

    _size: int


def test_fields_under_other_names_are_refused() -> None:
    """Rather than copied wrongly."""
    with pytest.raises(TypeError, match="Private"):
        evolve(Private(1), size=2)
