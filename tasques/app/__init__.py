"""Tasques as a library."""
