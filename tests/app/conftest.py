"""Assertions of the shared behaviour explain themselves as those of a test do."""

import pytest

pytest.register_assert_rewrite("tests.app.behaviour", "tests.app.working")
