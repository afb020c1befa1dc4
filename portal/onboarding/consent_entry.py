"""After someone authorized in Greenhouse: a worker exchanges the code and stores the consent, so
that no request waits for Greenhouse.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from integrations.ats.errors import AtsError, BadCredential
from integrations.ats.oauth import AuthorizationCodeRejected
from portal.audit.entries import record_entry
from portal.connections.credentials import store
from portal.connections.models import ConsentRequest
from portal.connections.oauth import authorization
from portal.core import queue, transitions
from portal.core.secrets.secret_field import SecretUnreadable, reveal_secret
from portal.entitlements.user_matching import match_user
from portal.onboarding import setup_flow
from portal.sync import account_match

EXCHANGE_TASK = "portal.onboarding.tasks.exchange_code"
Status = ConsentRequest.Status
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (AuthorizationCodeRejected, "late"),
    (BadCredential, "application"),
    (store.DifferentPerson, "another_person"),
    (store.AuthorizerNotSiteAdmin, "no_site_admin"),
    (store.DifferentAccount, "another_account"),
    (store.ConnectionEnded, "ended"),
    (authorization.UnexpectedCallback, "not_expected"),
)


@transaction.atomic
def exchange_code_later(request: ConsentRequest, code: str, *, ip_address: str | None) -> None:
    transitions.move_state(
        request, Status.QUEUED, why="the person came back", code=code, ip_address=ip_address
    )
    queue.enqueue_task(
        EXCHANGE_TASK, request.pk, organization_id=request.connection.organization_id
    )


def exchange_code(request: ConsentRequest) -> None:
    """At most once: a code works once, and trying it again would revoke its tokens."""
    if request.is_given_up or not transitions.try_move(
        request, Status.RUNNING, why="a worker took it"
    ):
        return
    try:
        code = reveal_secret(request.code)
        next_step = (
            _store_personal_consent(request, code)
            if request.is_personal
            else _store_connection_consent(request, code)
        )
    except (
        AtsError,
        store.CredentialRefused,
        SecretUnreadable,
        authorization.UnexpectedCallback,
    ) as error:
        failure = next((key for kind, key in _FAILURES if isinstance(error, kind)), "down")
        transitions.try_move(
            request, Status.FAILED, why="it was not accepted", code="", failure=failure
        )
    else:
        transitions.try_move(request, Status.DONE, why="stored", code="", next_step=next_step)


def _store_personal_consent(request: ConsentRequest, code: str) -> str:
    user = match_user(request.membership).user
    grant = authorization.exchange_code(request, code)
    consent = authorization.store_personal_consent(
        request, grant, greenhouse_user=user.remote_id if user else None
    )
    record_entry(
        "consent.granted",
        "authorized actions in Greenhouse in their name",
        organization=request.membership.organization,
        by=request.membership.user,
        subject=consent,
        ip_address=request.ip_address,
    )
    return "applications:acting_user"


def _store_connection_consent(request: ConsentRequest, code: str) -> str:
    connection, by = request.connection, request.membership.user
    if not request.membership.is_admin:  # no longer
        raise authorization.UnexpectedCallback
    credential_in_use = connection.credential
    as_pending = (
        setup_flow.needs_rotation(connection)
        and credential_in_use is not None
        and not credential_in_use.is_consent
    )
    grant = authorization.exchange_code(request, code)
    credential = authorization.store_connection_consent(
        request,
        grant,
        by=by,
        same_account=lambda sample: account_match.is_same_account(connection, sample),
        as_pending=as_pending,
    )
    record_entry(
        "credential.entered",
        "connected by authorizing in Greenhouse",
        organization=request.membership.organization,
        by=by,
        subject=credential,
        after={"scopes": credential.consent.scopes},
        ip_address=request.ip_address,
    )
    if as_pending:
        setup_flow.request_pending_check(connection, by=by)
        return "onboarding:rotation"
    setup_flow.request_check(connection, by=by)
    return "onboarding:permissions"


def fail_unfinished_requests() -> None:
    """Erase the codes of those whose worker died or never came."""
    unfinished = ConsentRequest.objects.filter(
        status__in=ConsentRequest.OPEN,
        used_at__lt=timezone.now() - ConsentRequest.GIVEN_UP_AFTER,
    )
    for request in unfinished:
        transitions.try_move(
            request, Status.FAILED, why="no worker finished it", code="", failure="down"
        )
