"""What the errors say, and what they carry."""

from __future__ import annotations

import pytest

from tasques.core import errors
from tasques.core.errors import Fault, InvalidInput, TasquesError
from tasques.core.values import Instant


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.TaskNotFound("run-later", "abc"), "Could not find [abc] in queue [run-later]"),
        (errors.TaskAlreadyExists("abc"), "Task with Id [abc] already exists "),
        (
            errors.TaskNotClaimed("abc"),
            "The Task is not currently Claimed so cannot be reported on: [abc]",
        ),
        (errors.TaskNotOwned("abc", "w"), "The Task was not owned by the worker [w]"),
        (
            errors.ReportFromThePast(
                "abc",
                last=Instant.parse("2020-01-01T00:00:02Z"),
                reported=Instant.parse("2020-01-01T00:00:01Z"),
            ),
            "The Task [abc] was already reported on at [2020-01-01T00:00:02Z],"
            " which overrides the current one reported at [2020-01-01T00:00:01Z]",
        ),
        (
            errors.ClaimNotCurrent("abc", "w", claim_id="7f"),
            "The Task was not owned under the claim [7f]; the worker [w] holds it under another",
        ),
        (
            errors.VersionConflict("abc"),
            "Version provided did not match persisted version for [abc]",
        ),
        (
            errors.IdempotencyKeyReused("abc"),
            "The Idempotency-Key was used before, for a task with another content",
        ),
    ],
)
def test_the_texts_that_clients_know(error: errors.TaskError, message: str) -> None:
    """The original's words, down to a trailing space; and the task they are about."""
    assert message == str(error)
    assert error.task_id == "abc"


def test_errors_are_of_the_builtin_kinds_they_resemble() -> None:
    """Who knows nothing of Tasques can still tell a failed look-up from a bad value."""
    assert isinstance(errors.TaskNotFound("q", "i"), LookupError)
    assert isinstance(InvalidInput([Fault("a", "required", "is missing")]), ValueError)


def test_every_fault_of_an_input_is_told() -> None:
    """All that is wrong is said at once, each with its place; a text of its own may say it better."""
    faults = [Fault("queues[1]", "queueName", "is empty"), Fault("", "object", "is no object")]
    error = InvalidInput(faults)
    assert str(error) == "queues[1]: is empty; is no object"
    assert tuple(faults) == error.faults
    assert str(InvalidInput(faults, "Illegal")) == "Illegal"


def test_what_may_work_later_says_when() -> None:
    """Whoever meets trouble behind us can be told when to try again; a full disk takes longer."""
    unavailable = errors.Unavailable.__subclasses__()
    assert len(unavailable) >= 6
    assert all(kind.retry_after_seconds >= 1 for kind in unavailable)
    assert errors.StoreBlocked.retry_after_seconds > errors.StoreUnavailable.retry_after_seconds


def test_everything_raised_on_purpose_has_one_base() -> None:
    """One ``except`` catches all that Tasques says, and nothing else."""
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert kinds
    assert all(issubclass(kind, TasquesError) for kind in kinds)


def test_the_tree_on_top_of_the_module_is_the_tree() -> None:
    """The drawing that readers start from names every class, below its base."""
    drawing = (errors.__doc__ or "").split("::")[1].split("The texts")[0]
    names: dict[str, int] = {}
    for line in drawing.splitlines():
        bare = line.lstrip(" │├└─")
        if bare:
            names[bare.split()[0]] = len(line) - len(bare)
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, TasquesError)
    }
    assert set(kinds) == set(names)
    above: list[str] = []
    for name, indent in names.items():
        while above and names[above[-1]] >= indent:
            above.pop()
        if above:
            assert kinds[above[-1]] in kinds[name].__bases__
        above.append(name)
