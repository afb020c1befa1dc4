"""Every alert has a complete runbook section and links to it."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.urls import reverse

from portal.issues import service
from portal.issues.models import Issue
from portal.support.monitoring import runbook
from portal.sync.tasks import record_freshness
from tests.personas import Personas

PAGE = reverse("admin:runbook")
SECTIONS = {section.key: section for section in runbook.load_sections()}
BEYOND_ISSUES = {"readyz_database", "readyz_redis", "readyz_queue", "queue_backlog",
                 "unsent_notifications", "server_errors", "audit_log_broken", "freshness_burning",
                 "freshness_fleet_burning", "freshness_not_recorded", "portal_down",
                 "tasks_failing", "readyz_outbox"}  # fmt: skip
DEPLOY = settings.BASE_DIR / "docs" / "deploy"
ALERT_RULES = (DEPLOY / "prometheus-alerts.yml").read_text()
DASHBOARD = (DEPLOY / "grafana-dashboard.json").read_text()


@pytest.mark.parametrize("cause", Issue.Cause.values)
def test_every_cause_has_a_section(cause: str) -> None:
    assert cause in SECTIONS, f"docs/runbook.md has no part “{cause}”"


def test_every_section_is_complete() -> None:
    for section in SECTIONS.values():
        assert section.title != section.key
        labels = ["What it means", "Where to look", "What to do"]
        assert [label for label, _ in section.parts] == labels, section.key


def test_sections_match_checks_and_monitors() -> None:
    files = (settings.BASE_DIR / "portal").glob("*/checks.py")
    checks = "".join(file.read_text() for file in files)
    check_ids = set(re.findall(r'id="(portal\.\w+)"', checks))
    assert SECTIONS.keys() == {*Issue.Cause.values, *check_ids, *BEYOND_ISSUES}


def test_runbook_names_only_existing_settings() -> None:
    settings_source = (settings.BASE_DIR / "portal" / "settings.py").read_text()
    for name in re.findall(r"`([A-Z][A-Z_]+)`", runbook.RUNBOOK_PATH.read_text()):
        assert f'"{name}"' in settings_source, name


def test_alert_rules_link_to_their_section() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERT_RULES)
    links = re.findall(r"runbook_url: https://portal.example.com/admin/runbook/#(\w+)", ALERT_RULES)
    assert len(alerts) == len(links) > 10
    for alert, section in zip(alerts, links, strict=True):
        means = str(dict(SECTIONS[section].parts)["What it means"])
        assert alert in means, alert


def test_rules_and_dashboard_use_exported_metrics(personas: Personas, sign_in) -> None:
    record_freshness()
    metrics = sign_in(personas.ola).get(reverse("metrics")).content.decode()
    names = set(re.findall(r"\bportal_\w+(?=[{)\[ ])", ALERT_RULES + DASHBOARD))
    assert len(names) > 10
    for name in names:
        assert f"# TYPE {re.sub(r'_(total|count|sum|bucket)$', '', name)}" in metrics, name


def test_issue_links_to_its_section(personas: Personas, sign_in) -> None:
    issue, _ = service.open_issue(
        personas.ada.organization,
        Issue.Cause.SYNC_FAILING,
        title="Syncs fail",
        description="…",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.CSM,
    )
    cas = sign_in(personas.cas)
    link = f'href="{PAGE}#sync_failing"'
    customer_url = reverse("admin:accounts_organization_summary", args=[issue.organization_id])
    for address in (customer_url, reverse("admin:issues_issue_change", args=[issue.pk])):
        assert link in cas.get(address).content.decode()
    page = cas.get(PAGE).content.decode()
    assert 'id="sync_failing"' in page
    assert "<code>LEARNED_REFUSAL_DAYS</code>" in page
    assert "](" not in page
