"""Which request proves which scope of a v3 credential. None names a real record.

The token's scopes are learnt first (its own claims, else introspection). Every list is then read
with one record per page: that also proves the Site Admin rule. A write scope that stands in the
token is proven by that; only where scopes could not be learnt is the write called, on id 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
)
from integrations.ats.permissions import Outcome, Probe
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.probing import Found, each, granted, judged, unclear
from integrations.greenhouse.scopes import scope_of
from integrations.http.client import Answer

_READS: Mapping[str, str] = {
    "applications.retrieve": "applications",
    "applications.list": "applications",
    "candidates.retrieve": "candidates",
    "candidates.list": "candidates",
    "jobs.retrieve": "jobs",
    "jobs.list": "jobs",
    "job_posts.list": "job_posts",
    "job_posts.retrieve_for_job": "job_posts",
    "job_posts.list_for_job": "job_posts",
    "job_stages.retrieve": "job_interview_stages",
    "job_stages.list": "job_interview_stages",
    "job_stages.list_for_job": "job_interview_stages",
    "users.retrieve": "users",
    "users.list": "users",
    "openings.list_for_job": "openings",
    "close_reasons.list": "close_reasons",
    "user_permissions.list_job_permissions": "user_job_permissions",
    "user_permissions.list_future_job_permissions": "future_job_permissions",
    "rejection_reasons.list": "rejection_reasons",
    "user_emails.list": "user_emails",
    "departments.list": "departments",
    "offices.list": "offices",
    "hiring_team.owners": "job_owners",
    "hiring_team.managers": "job_hiring_managers",
    "user_roles.list": "user_roles",
    "application_stages.list": "application_stages",
    "email_templates.list": "email_templates",
    "sources.list": "sources",
    "custom_fields.list": "custom_fields",
    "custom_field_options.list": "custom_field_options",
    "attachments.list": "attachments",
}

_WRITES: Mapping[str, tuple[str, str]] = {
    "update": ("PATCH", ""),
    "advance": ("POST", "/move"),
    "move": ("POST", "/move"),
    "transfer": ("POST", "/move"),
    "reject": ("POST", "/reject"),
    "unreject": ("POST", "/unreject"),
}


def write(
    deed: str, application_id: int, body: Mapping[str, Any], acting_user_id: int | None
) -> Ask:
    """The request of a deed (`advance`, `reject`, …) on an application."""
    method, under = _WRITES[deed]
    return Ask(
        method=method,
        path=f"/v3/applications/{int(application_id)}{under}",
        template=f"/v3/applications/{{id}}{under}",
        permission=f"applications.{deed}",
        body=body,
        acting_user_id=acting_user_id,
    )


def question(permission: str) -> Ask | None:
    """The request that proves a permission; None for one that v3 does not know."""
    deed = permission.removeprefix("applications.")
    if deed in _WRITES:
        return write(deed, 0, {}, acting_user_id=None)
    resource = _READS.get(permission)
    if resource is None:
        return None
    path = f"/v3/{resource}"
    return Ask(path=path, template=path, permission=permission, params={"per_page": "1"})


def probe_all(
    ask: Callable[[Ask], Answer],
    scopes: Callable[[], frozenset[str] | None],
    permissions: Iterable[str],
    *,
    now: Callable[[], float],
) -> Iterator[Probe]:
    """Probe with one request per scope at most; gives each permission as soon as it is known."""
    sharing: dict[str, list[str]] = {}
    asks: dict[str, Ask] = {}
    for key in dict.fromkeys(permissions):
        one = question(key)
        if one is None:
            yield Probe(permission=key, outcome=Outcome.UNCLEAR, evidence=None, sentence=_UNKNOWN)
            continue
        sharing.setdefault(scope_of(one), []).append(key)
        asks.setdefault(scope_of(one), one)
    for scope, found in _find(ask, scopes, asks, now):
        for key in sharing[scope]:
            yield found.about(key)


_UNKNOWN = "A Harvest v3 credential has no such scope."


def _find(
    ask: Callable[[Ask], Answer],
    scopes: Callable[[], frozenset[str] | None],
    asks: Mapping[str, Ask],
    now: Callable[[], float],
) -> Iterator[tuple[str, Found]]:
    try:
        ticked = scopes()
    except AtsError as error:  # not even a token
        found = judged(error) if isinstance(error, MissingPermission) else unclear(error)
        yield from ((scope, found) for scope in asks)
        return
    sent = dict(asks)
    if ticked is not None:
        for scope, one in asks.items():
            if one.writes:
                yield scope, _told(one, scope, scope in ticked, now)
                del sent[scope]
    yield from _confirm(ask, sent, ticked, now)


def _told(one: Ask, scope: str, is_ticked: bool, now: Callable[[], float]) -> Found:
    evidence = Ask(path="/introspect", template="/introspect", permission="", method="POST")
    words = f"{scope} is {'' if is_ticked else 'not '}among the token's scopes"
    found = granted(evidence, 200, now(), words)
    if is_ticked:
        return found
    return Found(
        outcome=Outcome.MISSING,
        evidence=found.evidence,
        sentence=f"The scope {scope} is not ticked for this credential in Greenhouse.",
        cause=MissingPermission.__name__,
    )


def _confirm(
    ask: Callable[[Ask], Answer],
    asks: Mapping[str, Ask],
    ticked: frozenset[str] | None,
    now: Callable[[], float],
) -> Iterator[tuple[str, Found]]:
    """Ask. A 403 that could have two causes is kept until another list was granted, or none."""
    refused: list[tuple[str, Found]] = []
    any_list = False

    def probe(one: Ask) -> Found:
        try:
            return granted(one, ask(one).status, now())
        except AtsError as error:
            return _judge(one, error)

    for one, found in each(list(asks.values()), probe):
        scope = scope_of(one)
        any_list = any_list or (found.outcome is Outcome.GRANTED and not one.writes)
        if ticked is None and found.outcome is not Outcome.GRANTED and _is_403(found):
            refused.append((scope, found))
        else:
            yield scope, found
    for scope, found in refused:
        yield scope, _settled(asks[scope], scope, found, any_list)


def _settled(one: Ask, scope: str, found: Found, any_list: bool) -> Found:
    """Where any list was granted the reader is a Site Admin, so a refused list lacks its scope."""
    if one.writes or found.cause == NotSiteAdmin.__name__:
        return found
    if any_list:
        return Found(
            outcome=Outcome.MISSING,
            evidence=found.evidence,
            sentence=f"The scope {scope} is not ticked for this credential in Greenhouse.",
            cause=MissingPermission.__name__,
        )
    return Found(
        outcome=Outcome.UNCLEAR, evidence=found.evidence, sentence=found.sentence, cause=""
    )


def _is_403(found: Found) -> bool:
    return found.evidence is not None and found.evidence.status == 403


def _judge(one: Ask, error: AtsError) -> Found:
    """404 and 422 on a write come from behind the permission check [inferred]: granted."""
    if isinstance(error, NotSiteAdmin | ActingUserRefused | BadCredential):
        return unclear(error)
    if not one.writes and not isinstance(error, MissingPermission):
        return unclear(error)
    return judged(error)
