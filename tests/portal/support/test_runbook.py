"""Each alarm has its part of the runbook, and leads there."""

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
def test_each_cause_says_what_it_means_where_to_look_and_what_to_do(cause: str) -> None:
    assert cause in SECTIONS, f"docs/runbook.md has no part “{cause}”"


def test_each_part_is_whole() -> None:
    for section in SECTIONS.values():
        assert section.title != section.key
        assert [label for label, _ in section.parts] == ["Means", "Look", "Do"], section.key


def test_each_check_at_the_start_and_each_alarm_of_a_monitor_has_one_and_nothing_else() -> None:
    files = (settings.BASE_DIR / "portal").glob("*/checks.py")
    checks = "".join(file.read_text() for file in files)
    ours = set(re.findall(r'id="(portal\.\w+)"', checks))
    assert SECTIONS.keys() == {*Issue.Cause.values, *ours, *BEYOND_ISSUES}


def test_no_setting_is_named_that_there_is_not() -> None:
    known = (settings.BASE_DIR / "portal" / "settings.py").read_text()
    for name in re.findall(r"`([A-Z][A-Z_]+)`", runbook.PATH.read_text()):
        assert f'"{name}"' in known, name


def test_an_issue_leads_to_its_part(cast: Cast, sign_in) -> None:
    issue, _ = book.seen(
        cast.ada.organization,
        Issue.Cause.SYNC_FAILING,
        title="Syncs fail",
        words="…",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.CSM,
    )
    cas = sign_in(cast.cas)
    there = f'href="{PAGE}#sync_failing"'
    desk = reverse("admin:accounts_organization_desk", args=[issue.organization_id])
    for address in (desk, reverse("admin:issues_issue_change", args=[issue.pk])):
        assert there in cas.get(address).content.decode()
    page = cas.get(PAGE).content.decode()
    assert 'id="sync_failing"' in page
    assert "<code>REFUSAL_REMEMBERED_DAYS</code>" in page
    assert "](" not in page
