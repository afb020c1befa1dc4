"""A connection's webhook endpoint: creation, secret rotation and deletion."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from integrations.ats.webhooks import WebhookSpec
from integrations.greenhouse.webhooks import WEBHOOK_SPEC
from portal.accounts.models import User
from portal.audit.entries import record_entry
from portal.connections.models import Connection
from portal.core.secrets.secret_field import reveal_secret
from portal.issues import service
from portal.issues.models import Issue
from portal.webhooks.models import Delivery, Endpoint, Heartbeat

# The previous secret is accepted this long, while each webhook is edited in Greenhouse.
SECRET_GRACE_PERIOD = timedelta(days=7)


class SecretAlreadyChanged(Exception):
    """Another secret was created since the page was opened; no secret is shown twice."""


def get_vendor(connection: Connection) -> WebhookSpec | None:
    credential = connection.credential
    return WEBHOOK_SPEC if credential else None


def get_endpoint(connection: Connection) -> Endpoint | None:
    return Endpoint.objects.filter(connection=connection).first()


def build_endpoint_url(endpoint: Endpoint) -> str:
    # Not from the request, whose host can be anything.
    return f"{settings.PORTAL_URL}{reverse('webhooks:receive', args=[endpoint.token])}"


def create_endpoint(connection: Connection, *, by: User, request: HttpRequest | None = None) -> str:
    """Create the endpoint and return its secret. Raises SecretAlreadyChanged if there is one."""
    secret = _generate_secret()
    try:
        with transaction.atomic():
            endpoint = Endpoint.objects.create(
                connection=connection,
                secret=secret,
                last_four=secret[-4:],
                version=1,
                created_by=by,
            )
            _record_event("endpoint_created", "created a webhook endpoint", endpoint, by, request)
    except IntegrityError as error:
        raise SecretAlreadyChanged from error
    return secret


def rotate_secret(
    endpoint: Endpoint, *, version: int, by: User, request: HttpRequest | None = None
) -> str:
    """Replace and return the secret. Raises SecretAlreadyChanged if `version` is outdated."""
    secret, now = _generate_secret(), timezone.now()
    with transaction.atomic():
        current = Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        changed = Endpoint.objects.filter(pk=endpoint.pk, version=version).update(
            previous_secret=current.secret,
            previous_secret_expires_at=now + SECRET_GRACE_PERIOD if current.secret else None,
            secret=secret,
            last_four=secret[-4:],
            version=F("version") + 1,
            changed_at=now,
        )
        if not changed:
            raise SecretAlreadyChanged
        _record_event("secret_renewed", "rotated the webhook secret", endpoint, by, request)
    return secret


def revoke_previous_secret(
    endpoint: Endpoint, *, by: User, request: HttpRequest | None = None
) -> bool:
    """Stop accepting the previous secret; False if there is none."""
    with transaction.atomic():
        ended = _clear_previous_secrets(
            Endpoint.objects.filter(pk=endpoint.pk, previous_secret_expires_at__isnull=False)
        )
        if ended:
            _record_event(
                "secret_revoked", "revoked the previous webhook secret", endpoint, by, request
            )
    return bool(ended)


def get_accepted_secrets(endpoint: Endpoint) -> list[str]:
    """Return the accepted secrets, the current one first. Raises SecretUnreadable."""
    accepted = [reveal_secret(endpoint.secret)]
    if endpoint.previous_secret_expires_at and endpoint.previous_secret_expires_at > timezone.now():
        accepted.append(reveal_secret(endpoint.previous_secret))
    return [secret for secret in accepted if secret]


def purge_expired_secrets() -> None:
    _clear_previous_secrets(Endpoint.objects.filter(previous_secret_expires_at__lt=timezone.now()))
    ended = Connection.State.DISCONNECTED
    for endpoint in Endpoint.objects.filter(connection__state=ended).select_related("connection"):
        delete_endpoint(endpoint.connection)


def delete_endpoint(connection: Connection) -> None:
    with transaction.atomic():
        Endpoint.objects.filter(connection=connection).delete()
        Delivery.objects.filter(connection=connection).delete()
        Heartbeat.objects.filter(connection=connection).delete()
        service.resolve_issues(
            connection.organization,
            Issue.Cause.WEBHOOK_SILENT,
            why="Greenhouse was disconnected",
        )


def _clear_previous_secrets(endpoints: QuerySet[Endpoint]) -> int:
    return int(endpoints.update(previous_secret="", previous_secret_expires_at=None))


def _generate_secret() -> str:
    return secrets.token_urlsafe(36)


def _record_event(
    event: str, summary: str, endpoint: Endpoint, by: User, request: HttpRequest | None
) -> None:
    record_entry(
        f"webhooks.{event}",
        summary,
        organization=endpoint.connection.organization,
        by=by,
        subject=endpoint,
        request=request,
    )
