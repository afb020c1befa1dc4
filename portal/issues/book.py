"""Opening and closing issues. Whoever sees a cause says so; saying it again only counts it.

A room that sees a cause calls `seen`; the same room calls `solved` when a later look finds the
cause gone. Nothing else opens or closes an issue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from portal.accounts.models import Organization
from portal.issues import announce
from portal.issues.models import Issue


def seen(
    organization: Organization,
    cause: Issue.Cause,
    *,
    title: str,
    words: str,
    severity: Issue.Severity,
    fixer: Issue.Fixer,
    key: str = "",
    still_works: str = "",
    facts: Mapping[str, Any] | None = None,
) -> tuple[Issue, bool]:
    """Open the issue of this cause, or note that it is still there; gives it and if it is new.

    `words` say what happened and what to do; `still_works` what the person need not worry about.
    """
    told = {
        "title": title[:160],
        "words": words,
        "severity": severity,
        "fixer": fixer,
        "still_works": still_works[:300],
        "facts": dict(facts or {}),
    }
    try:
        with transaction.atomic():
            which = {"organization": organization, "cause": cause, "key": key[:100]}
            known = Issue.objects.filter(**which, closed_at=None)
            were = known.values_list("severity", flat=True).first()
            if known.update(**told, times=F("times") + 1, last_seen_at=timezone.now()):
                issue = known.get()
                if were == Issue.Severity.FYI:  # graver now? then it is told, once
                    announce.opened(issue)
                return issue, False
            issue = Issue.objects.create(**which, **told)
            announce.opened(issue)
            return issue, True
    except IntegrityError:  # another process opened it this very moment
        return Issue.objects.get(**which, closed_at=None), False


def solved(
    organization: Organization,
    *causes: Issue.Cause,
    why: str,
    key: str | None = None,
    but: Iterable[str] = (),
) -> int:
    """Close the open issues of these causes (with `key`: that one; `but`: all save these keys).

    Gives the number closed. `why` is a sentence: "the permission was granted".
    """
    which = Issue.objects.filter(organization=organization, cause__in=causes, closed_at=None)
    if key is not None:
        which = which.filter(key=key[:100])
    closed = 0
    for issue in which.exclude(key__in=list(but)).select_related("organization"):
        issue.closed_at, issue.closed_why = timezone.now(), why[:200]
        gone = Issue.objects.filter(pk=issue.pk, closed_at=None)
        if gone.update(closed_at=issue.closed_at, closed_why=issue.closed_why):
            announce.closed(issue)
            closed += 1
    return closed
