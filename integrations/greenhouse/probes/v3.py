"""Probe the scopes of a v3 credential without touching real records."""

# Every list is read with one record per page, which also shows whether the reader is a Site
# Admin. Write scopes are taken from the token (claims or introspection); only if it does not tell
# them is the write sent, to id 0.

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    MissingPermission,
    NotSiteAdmin,
)
from integrations.ats.permissions import ProbeOutcome, ProbeResult
from integrations.greenhouse.oauth.scopes import get_required_scope
from integrations.greenhouse.probes.findings import (
    ProbeFinding,
    build_granted_finding,
    build_unclear_finding,
    classify_error,
    run_probes,
)
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.greenhouse.write_requests import (
    V3_WRITES,
    build_v3_note_request,
    build_v3_write_request,
)
from integrations.http.client import HttpResponse

_READ_RESOURCES: Mapping[str, str] = {
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
    "notes.list": "notes",
}


def build_probe_request(permission: str) -> HarvestRequest | None:
    """The request that probes a permission; None if v3 has no such permission."""
    action = permission.removeprefix("applications.")
    if action in V3_WRITES:
        return build_v3_write_request(action, 0, {}, acting_user_id=None)
    if permission == "notes.create":  # without a candidate or a text Greenhouse adds nothing
        return build_v3_note_request({"candidate_id": 0}, acting_user_id=None)
    resource = _READ_RESOURCES.get(permission)
    if resource is None:
        return None
    path = f"/v3/{resource}"
    return HarvestRequest(path=path, template=path, permission=permission, params={"per_page": "1"})


def probe_permissions(
    send_request: Callable[[HarvestRequest], HttpResponse],
    load_scopes: Callable[[], frozenset[str] | None],
    permissions: Iterable[str],
    *,
    now: Callable[[], float],
    granted: Collection[str] = (),
) -> Iterator[ProbeResult]:
    """Probe with at most one request per scope, yielding each result as it completes. `granted`
    are permissions already known: what a 403 means depends on whether any list was granted.
    """
    keys_by_scope: dict[str, list[str]] = {}
    requests: dict[str, HarvestRequest] = {}
    for key in dict.fromkeys(permissions):
        request = build_probe_request(key)
        if request is None:
            yield ProbeResult(
                permission=key, outcome=ProbeOutcome.UNCLEAR, evidence=None, sentence=_UNKNOWN_SCOPE
            )
            continue
        keys_by_scope.setdefault(get_required_scope(request), []).append(key)
        requests.setdefault(get_required_scope(request), request)
    has_list_access = any(map(_is_list, granted))
    for scope, finding in _probe_scopes(
        send_request, load_scopes, requests, now, has_list_access=has_list_access
    ):
        for key in keys_by_scope[scope]:
            yield finding.to_probe_result(key)


def _is_list(permission: str) -> bool:
    return permission in _READ_RESOURCES


_UNKNOWN_SCOPE = "Harvest v3 has no such scope."


def _probe_scopes(
    send_request: Callable[[HarvestRequest], HttpResponse],
    load_scopes: Callable[[], frozenset[str] | None],
    requests: Mapping[str, HarvestRequest],
    now: Callable[[], float],
    *,
    has_list_access: bool,
) -> Iterator[tuple[str, ProbeFinding]]:
    try:
        granted_scopes = load_scopes()
    except AtsError as error:  # no token
        finding = (
            classify_error(error)
            if isinstance(error, MissingPermission)
            else build_unclear_finding(error)
        )
        yield from ((scope, finding) for scope in requests)
        return
    remaining = dict(requests)
    if granted_scopes is not None:
        for scope, request in requests.items():
            if request.is_write:
                yield (
                    scope,
                    _build_finding_from_scopes(request, scope, scope in granted_scopes, now),
                )
                del remaining[scope]
    yield from _send_probes(
        send_request, remaining, granted_scopes, now, has_list_access=has_list_access
    )


def _build_finding_from_scopes(
    request: HarvestRequest, scope: str, is_granted: bool, now: Callable[[], float]
) -> ProbeFinding:
    introspection = HarvestRequest(
        path="/introspect", template="/introspect", permission="", method="POST"
    )
    message = f"{scope} is {'' if is_granted else 'not '}among the token's scopes"
    finding = build_granted_finding(introspection, 200, now(), message)
    if is_granted:
        return finding
    return ProbeFinding(
        outcome=ProbeOutcome.MISSING,
        evidence=finding.evidence,
        sentence=f"The credential is missing the scope {scope} in Greenhouse.",
        cause=MissingPermission.__name__,
    )


def _send_probes(
    send_request: Callable[[HarvestRequest], HttpResponse],
    requests: Mapping[str, HarvestRequest],
    granted_scopes: frozenset[str] | None,
    now: Callable[[], float],
    *,
    has_list_access: bool,
) -> Iterator[tuple[str, ProbeFinding]]:
    # A 403 is ambiguous until we know whether any list was granted, so those are resolved last.
    refused: list[tuple[str, ProbeFinding]] = []

    def probe_request(request: HarvestRequest) -> ProbeFinding:
        try:
            return build_granted_finding(request, send_request(request).status, now())
        except AtsError as error:
            return _classify_probe_error(request, error)

    for request, finding in run_probes(list(requests.values()), probe_request):
        scope = get_required_scope(request)
        has_list_access = has_list_access or (
            finding.outcome is ProbeOutcome.GRANTED and not request.is_write
        )
        if (
            granted_scopes is None
            and finding.outcome is not ProbeOutcome.GRANTED
            and _is_403(finding)
        ):
            refused.append((scope, finding))
        else:
            yield scope, finding
    for scope, finding in refused:
        yield scope, _resolve_refusal(requests[scope], scope, finding, has_list_access)


def _resolve_refusal(
    request: HarvestRequest, scope: str, finding: ProbeFinding, has_list_access: bool
) -> ProbeFinding:
    # If any list was granted, the reader is a Site Admin, so a refused list lacks its scope.
    if request.is_write or finding.cause == NotSiteAdmin.__name__:
        return finding
    if has_list_access:
        return ProbeFinding(
            outcome=ProbeOutcome.MISSING,
            evidence=finding.evidence,
            sentence=f"The credential is missing the scope {scope} in Greenhouse.",
            cause=MissingPermission.__name__,
        )
    return ProbeFinding(
        outcome=ProbeOutcome.UNCLEAR, evidence=finding.evidence, sentence=finding.sentence, cause=""
    )


def _is_403(finding: ProbeFinding) -> bool:
    return finding.evidence is not None and finding.evidence.status == 403


def _classify_probe_error(request: HarvestRequest, error: AtsError) -> ProbeFinding:
    if isinstance(error, NotSiteAdmin | ActingUserRefused | BadCredential):
        return build_unclear_finding(error)
    if not request.is_write and not isinstance(error, MissingPermission):
        return build_unclear_finding(error)
    return classify_error(error)
