"""How Sphinx makes a site of these pages: ``sphinx-build -W docs <folder>``."""

from importlib.metadata import version as version_of
from typing import Final

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project: Final = "Tasques for Python"
copyright: Final = "the authors of Tasques for Python"
release: Final = version_of("tasques")

extensions: Final = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns: Final = ["_build"]
# What is missing, doubled or leads nowhere stops the build.
nitpicky: Final = False

# Links of pages to headings of pages, as Git forges make them.
myst_heading_anchors: Final = 4
myst_enable_extensions: Final = ["colon_fence"]

autodoc_member_order: Final = "bysource"
autodoc_typehints: Final = "description"
autodoc_typehints_description_target: Final = "documented"
napoleon_google_docstring: Final = True
napoleon_numpy_docstring: Final = False

html_theme: Final = "furo"
html_title: Final = project
# Nothing is fetched from anywhere when a page is read, the search included.
html_copy_source: Final = False
# An excerpt in a search's results takes a fetch, which browsers refuse to pages from a disk.
html_show_search_summary: Final = False
html_show_sphinx: Final = False


def setup(app: Sphinx) -> None:
    """Show the source of diagrams, which Git forges draw; drawing here would take a script's fetch."""
    app.add_lexer("mermaid", TextLexer)
