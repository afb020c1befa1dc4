"""Prometheus' own tool accepts the alert rules and the dashboard's queries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "docs" / "deploy"
RULES = DEPLOY / "prometheus-alerts.yml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"

pytestmark = pytest.mark.promtool


def _run_promtool(*arguments: str) -> str:
    result = subprocess.run(  # noqa: S603  (ours)
        ["promtool", *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    tests = shutil.copy(PROJECT / "tests" / "deploy" / "prometheus-tests.yml", tmp_path)
    assert _run_promtool("test", "rules", str(tests)) == ""


def test_dashboard_queries_are_valid(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(queries) > 15
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert _run_promtool("check", "rules", str(file)) == ""


def test_every_alert_is_seen_firing() -> None:
    tests = (PROJECT / "tests" / "deploy" / "prometheus-tests.yml").read_text()
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    assert alerts == set(re.findall(r"alertname=\"(\w+)\"}', value: 1", tests))


def test_alert_rules_are_valid() -> None:
    assert _run_promtool("check", "rules", str(RULES)) == ""
