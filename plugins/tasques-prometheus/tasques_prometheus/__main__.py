"""Writes the dashboard for Grafana to the output: ``python -m tasques_prometheus > tasques.json``."""

from __future__ import annotations

import sys

from tasques_prometheus import dashboard

sys.stdout.write(dashboard())
