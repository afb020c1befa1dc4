"""Open issues on the live page of an organization's admins."""

from __future__ import annotations

from django.urls import reverse

from portal.issues import book
from portal.issues.models import Issue
from tests.cast import Cast


def test_admin_sees_open_issue_until_solved(connect, cast: Cast, sign_in) -> None:
    connect()
    acme, ada = cast.ada.organization, sign_in(cast.ada)
    url = reverse("onboarding:live")
    book.seen(
        acme,
        Issue.Cause.SYNC_FAILING,
        title="Syncs fail again and again",
        words="Look at the newest sync.",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.ADMIN,
    )
    page = ada.get(url).content.decode()
    assert "What is wrong now" in page
    assert reverse("onboarding:sync") in page
    other_page = sign_in(cast.zoe).get(url, follow=True).content.decode()
    assert "Syncs fail again and again" not in other_page
    book.solved(acme, Issue.Cause.SYNC_FAILING, why="a sync reached its end")
    assert "What is wrong now" not in ada.get(url).content.decode()
