"""Which request proves which permission of a v1 key. None names a real record, none changes one.

Lists are read with one record per page, single records under id 0, which no record has; writes go
to id 0 in the name of user 0. Without the permission v1 answers 403 "This API Key does not have
permission for this endpoint"; with it, 404 (recorded for reads and for a PATCH).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from integrations.ats.errors import AtsError, MissingPermission
from integrations.ats.permissions import Outcome, Probe
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.probing import Found, each, granted, judged, unclear
from integrations.http.client import Answer

_LACKS = "does not have permission for this endpoint"

_READS: Mapping[str, str] = {
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

_WRITES: Mapping[str, tuple[str, str]] = {
    "update": ("PATCH", ""),
    "advance": ("POST", "/advance"),
    "move": ("POST", "/move"),
    "transfer": ("POST", "/transfer_to_job"),
    "reject": ("POST", "/reject"),
    "unreject": ("POST", "/unreject"),
}


def write(deed: str, application_id: int, body: Mapping[str, Any], acting_user_id: int) -> Ask:
    """The request of a deed (`advance`, `reject`, …) on an application."""
    method, under = _WRITES[deed]
    return Ask(
        method=method,
        path=f"/v1/applications/{int(application_id)}{under}",
        template=f"/v1/applications/{{id}}{under}",
        permission=f"applications.{deed}",
        body=body,
        acting_user_id=acting_user_id,
    )


def probe_all(
    ask: Callable[[Ask], Answer], permissions: Iterable[str], *, now: Callable[[], float]
) -> Iterator[Probe]:
    """Probe with one request per permission; gives each as soon as it is known."""
    known = [(key, question(key)) for key in dict.fromkeys(permissions)]

    def probe(one: Ask) -> Found:
        try:
            return granted(one, ask(one).status, now())
        except AtsError as error:
            return _judge(one, error)

    for key, one in known:
        if one is None:
            yield Probe(permission=key, outcome=Outcome.UNCLEAR, evidence=None, sentence=_UNKNOWN)
    for one, found in each([one for _, one in known if one is not None], probe):
        yield found.about(one.permission)


_UNKNOWN = "An API key has no such permission."


def question(permission: str) -> Ask | None:
    """The request that proves a permission; None for one that v1 does not know."""
    deed = permission.removeprefix("applications.")
    if deed in _WRITES:
        return write(deed, 0, {}, acting_user_id=0)
    template = _READS.get(permission)
    if template is None:
        return None
    return Ask(
        path=template.format(id=0),
        template=template,
        permission=permission,
        params={} if "{" in template else {"per_page": "1", "skip_count": "true"},
    )


def _judge(one: Ask, error: AtsError) -> Found:
    """Only Greenhouse's own words prove that a permission is missing."""
    message = error.evidence.message if error.evidence else ""
    if isinstance(error, MissingPermission) and _LACKS not in message:
        return unclear(error)
    return judged(error)
