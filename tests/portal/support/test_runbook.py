"""Every alert has a complete runbook section and links to it."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.urls import reverse

from portal.issues import book
from portal.issues.models import Issue
from portal.support import runbook
from tests.cast import Cast

PAGE = reverse("admin:runbook")
SECTIONS = {section.key: section for section in runbook.sections()}
BEYOND_ISSUES = {"readyz_database", "readyz_queue", "queue_deep", "unsent_notices",
                 "server_errors", "record_broken"}  # fmt: skip


@pytest.mark.parametrize("cause", Issue.Cause.values)
def test_every_cause_has_a_section(cause: str) -> None:
    assert cause in SECTIONS, f"docs/runbook.md has no part “{cause}”"


def test_every_section_is_complete() -> None:
    for section in SECTIONS.values():
        assert section.title != section.key
        assert [label for label, _ in section.parts] == ["Means", "Look", "Do"], section.key


def test_sections_match_checks_and_monitors() -> None:
    files = (settings.BASE_DIR / "portal").glob("*/checks.py")
    checks = "".join(file.read_text() for file in files)
    check_ids = set(re.findall(r'id="(portal\.\w+)"', checks))
    assert SECTIONS.keys() == {*Issue.Cause.values, *check_ids, *BEYOND_ISSUES}


def test_runbook_names_only_existing_settings() -> None:
    settings_source = (settings.BASE_DIR / "portal" / "settings.py").read_text()
    for name in re.findall(r"`([A-Z][A-Z_]+)`", runbook.PATH.read_text()):
        assert f'"{name}"' in settings_source, name


def test_issue_links_to_its_section(cast: Cast, sign_in) -> None:
    issue, _ = book.seen(
        cast.ada.organization,
        Issue.Cause.SYNC_FAILING,
        title="Syncs fail",
        words="…",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.CSM,
    )
    cas = sign_in(cast.cas)
    link = f'href="{PAGE}#sync_failing"'
    customer_url = reverse("admin:accounts_organization_desk", args=[issue.organization_id])
    for address in (customer_url, reverse("admin:issues_issue_change", args=[issue.pk])):
        assert link in cas.get(address).content.decode()
    page = cas.get(PAGE).content.decode()
    assert 'id="sync_failing"' in page
    assert "<code>REFUSAL_REMEMBERED_DAYS</code>" in page
    assert "](" not in page
