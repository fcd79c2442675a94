"""The picture of the lifecycle is the table's."""

from tasques.core.lifecycle import TRANSITIONS
from tools import lifecycle_diagram


def test_the_page_shows_the_table_as_it_is() -> None:
    """Drawn from the table, and drawn again whenever the table changes."""
    page = lifecycle_diagram.PAGE.read_text()
    assert lifecycle_diagram.with_pictures(page) == page


def test_the_picture_has_every_row() -> None:
    """Each move is an arrow that names its action."""
    picture = lifecycle_diagram.diagram()
    for (before, action), after in TRANSITIONS.items():
        arrows = [
            line for line in picture.splitlines() if f"{before.value} --> {after.value}:" in line
        ]
        assert len(arrows) == 1
        assert action.value in arrows[0]
