"""Probe the permissions of a v1 key without touching real records."""

# Lists are read with one record per page; single records and writes use id 0, which does not
# exist, and user 0. Without the permission v1 answers 403 "This API Key does not have permission
# for this endpoint", with it 404 (recorded for reads and for a PATCH).

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from integrations.ats.errors import AtsError, MissingPermission
from integrations.ats.permissions import ProbeOutcome, ProbeResult
from integrations.greenhouse.probes.findings import (
    ProbeFinding,
    build_granted_finding,
    build_unclear_finding,
    classify_error,
    run_probes,
)
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.greenhouse.write_requests import (
    V1_WRITES,
    build_v1_note_request,
    build_v1_write_request,
)
from integrations.http.client import HttpResponse

_MISSING_PERMISSION_TEXT = "does not have permission for this endpoint"

_READ_PATHS: Mapping[str, str] = {
    "applications.retrieve": "/v1/applications/{id}",
    "applications.list": "/v1/applications",
    "candidates.retrieve": "/v1/candidates/{id}",
    "candidates.list": "/v1/candidates",
    "jobs.retrieve": "/v1/jobs/{id}",
    "jobs.list": "/v1/jobs",
    "job_posts.list": "/v1/job_posts",
    "job_posts.retrieve_for_job": "/v1/jobs/{id}/job_post",
    "job_posts.list_for_job": "/v1/jobs/{id}/job_posts",
    "job_stages.retrieve": "/v1/job_stages/{id}",
    "job_stages.list": "/v1/job_stages",
    "job_stages.list_for_job": "/v1/jobs/{id}/stages",
    "users.retrieve": "/v1/users/{id}",
    "users.list": "/v1/users",
    "openings.list_for_job": "/v1/jobs/{id}/openings",
    "close_reasons.list": "/v1/close_reasons",
    "user_permissions.list_job_permissions": "/v1/users/{id}/permissions/jobs",
    "user_permissions.list_future_job_permissions": "/v1/users/{id}/permissions/future_jobs",
    "rejection_reasons.list": "/v1/rejection_reasons",
    "departments.list": "/v1/departments",
    "offices.list": "/v1/offices",
    "user_roles.list": "/v1/user_roles",
    "email_templates.list": "/v1/email_templates",
    "sources.list": "/v1/sources",
    "custom_fields.list": "/v1/custom_fields/application",
}


def probe_permissions(
    send_request: Callable[[HarvestRequest], HttpResponse],
    permissions: Iterable[str],
    *,
    now: Callable[[], float],
) -> Iterator[ProbeResult]:
    """Probe with one request per permission, yielding each result as it completes."""
    requests = [(key, build_probe_request(key)) for key in dict.fromkeys(permissions)]

    def probe_request(request: HarvestRequest) -> ProbeFinding:
        try:
            return build_granted_finding(request, send_request(request).status, now())
        except AtsError as error:
            return _classify_probe_error(request, error)

    for key, request in requests:
        if request is None:
            yield ProbeResult(
                permission=key,
                outcome=ProbeOutcome.UNCLEAR,
                evidence=None,
                sentence=_UNKNOWN_PERMISSION,
            )
    for request, finding in run_probes(
        [request for _, request in requests if request is not None], probe_request
    ):
        yield finding.to_probe_result(request.permission)


_UNKNOWN_PERMISSION = "Harvest v1 has no such permission."


def build_probe_request(permission: str) -> HarvestRequest | None:
    """The request that probes a permission; None if v1 has no such permission."""
    action = permission.removeprefix("applications.")
    if action in V1_WRITES:
        return build_v1_write_request(action, 0, {}, acting_user_id=0)
    if permission == "notes.create":
        return build_v1_note_request(0, {}, acting_user_id=0)
    template = _READ_PATHS.get(permission)
    if template is None:
        return None
    return HarvestRequest(
        path=template.format(id=0),
        template=template,
        permission=permission,
        params={} if "{" in template else {"per_page": "1", "skip_count": "true"},
    )


def _classify_probe_error(request: HarvestRequest, error: AtsError) -> ProbeFinding:
    # A 403 without Greenhouse's own message does not prove that the permission is missing.
    message = error.evidence.message if error.evidence else ""
    if isinstance(error, MissingPermission) and _MISSING_PERMISSION_TEXT not in message:
        return build_unclear_finding(error)
    return classify_error(error)
