"""Open issues on the live page of an organization's admins."""

from __future__ import annotations

from django.urls import reverse

from portal.issues import service
from portal.issues.models import Issue
from tests.personas import Personas


def test_admin_sees_open_issue_until_solved(connect, personas: Personas, sign_in) -> None:
    connect()
    acme, ada = personas.ada.organization, sign_in(personas.ada)
    url = reverse("onboarding:live")
    service.open_issue(
        acme,
        Issue.Cause.SYNC_FAILING,
        title="Syncs fail again and again",
        description="Look at the newest sync.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.ADMIN,
    )
    page = ada.get(url).content.decode()
    assert "Needs attention" in page
    assert reverse("onboarding:sync") in page
    other_page = sign_in(personas.zoe).get(url, follow=True).content.decode()
    assert "Syncs fail again and again" not in other_page
    service.resolve_issues(acme, Issue.Cause.SYNC_FAILING, why="a sync reached its end")
    assert "Needs attention" not in ada.get(url).content.decode()
