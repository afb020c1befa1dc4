"""The permission catalogue lists everything that the portal asks Greenhouse for."""

from __future__ import annotations

from integrations.ats.client_context import Lane
from integrations.ats.permissions import Permission
from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.auth.permissions import (
    V1_ROUTE_PERMISSIONS,
    V3_ROUTE_SCOPES,
    normalize_permission_names,
)
from integrations.greenhouse.sandbox.http_server.routing import Router
from portal.connections.client import open_provider
from portal.connections.oauth import partner_app
from portal.sync.engine.steps import STEPS, ReadPosition
from portal.sync.models import Job, Source
from portal.sync.records.member_users import list_member_user_ids
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    find_application,
    list_applications,
    reject_application,
    submit_action,
)

ROUTES = V1_ROUTE_PERMISSIONS | V3_ROUTE_SCOPES


def _list_used_permissions(sandbox: Sandbox, since: int = 0) -> set[str]:
    """Permissions (v1) and scopes (v3) of requests, apart from those for tokens."""
    router = Router(ROUTES)
    used = set()
    for request in list(sandbox.requests)[since:]:
        route = router.find_route(request.method, request.path)
        if route is not None:
            used.add(ROUTES[request.method, route[0]])
    return used


def test_every_request_is_listed(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connect(kind)
    remy, sam = sign_in(personas.remy), sign_in(personas.sam)
    application = find_application()
    for page in ("resume", "stage_history"):
        remy.get(build_action_url(page, application.pk))
    advanced, moved, rejected, transferred, updated = list_applications("sam")[:5]
    other_job = Job.objects.filter(status="open", confidential=False).exclude(
        pk=transferred.job_id
    )[0]
    submit_action(sam, "advance", advanced)
    submit_action(sam, "move", moved, to_stage=moved.job.stages.order_by("order")[1].pk)
    reject_application(sam, rejected)
    submit_action(sam, "transfer", transferred, to_job=other_job.pk)
    submit_action(sam, "update", updated, source=Source.objects.exclude(pk=updated.source_id)[0].pk)
    run_tasks()
    catalogue = CATALOGUE
    listed = catalogue.list_scopes(kind) | set(
        normalize_permission_names(p.key for p in catalogue.list_permissions(kind))
    )
    used = _list_used_permissions(sandbox)
    assert sum(request.method != "GET" for request in sandbox.requests) > 5
    assert used <= listed


def test_each_list_is_skipped_without_its_permission(connect, sandbox: Sandbox, kind: str) -> None:
    """Otherwise a sync would ask for a refused list every time."""
    connection = connect(kind)
    catalogue = CATALOGUE
    position = ReadPosition(user_ids=list_member_user_ids(connection))
    assert connection.credential is not None
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    checked_steps = 0
    for step in STEPS:
        since = len(list(sandbox.requests))
        list(step.read(provider, connection, position))
        used = _list_used_permissions(sandbox, since)
        needed = {p.key for p in catalogue.list_permissions(kind) if used & _list_names(p)}
        checked_steps += bool(needed)
        for key in needed if not step.essential else ():
            disabled = {feature.key for feature in catalogue.get_disabled_features({key}, kind)}
            assert disabled & set(step.features), (step.kind, key)
    assert checked_steps > 12


def _list_names(permission: Permission) -> set[str]:
    return {permission.scope, *normalize_permission_names([permission.key])}


def test_consent_asks_for_every_scope() -> None:
    scopes = partner_app.list_requested_scopes()
    assert scopes == CATALOGUE.list_scopes("harvest_oauth")
    assert {"harvest:attachments:list", "harvest:sources:list"} <= scopes
