"""A connection's address and its secret: made, renewed without losing a delivery, taken away."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from integrations.ats import registry
from integrations.ats.webhooks import WebHooks
from portal.accounts.models import User
from portal.audit.record import record
from portal.connections.models import Connection
from portal.core.secrets import revealed
from portal.issues import book
from portal.issues.models import Issue
from portal.webhooks.models import Address, Delivery, Heartbeat

GRACE = timedelta(days=7)  # how long a former secret is accepted: time to edit each web hook


class MadeMeanwhile(Exception):
    """Another secret was made since the page was opened; it is not shown a second time."""


def vendor_of(connection: Connection) -> WebHooks | None:
    """How the ATS behind the connection delivers; None while there is no credential."""
    credential = connection.credential
    return registry.web_hooks(credential.kind) if credential else None


def address_of(connection: Connection) -> Address | None:
    """The connection's address, None before one was made."""
    return Address.objects.filter(connection=connection).first()


def url_of(address: Address) -> str:
    """Where Greenhouse is to deliver. Not made from a request: a page may be asked for anyhow."""
    return f"{settings.PORTAL_URL}{reverse('webhooks:receive', args=[address.token])}"


def make(connection: Connection, *, by: User, request: HttpRequest | None = None) -> str:
    """Make the address and its secret; gives the secret, which is never shown again.

    Raises MadeMeanwhile where there is one.
    """
    secret = _new_secret()
    try:
        with transaction.atomic():
            address = Address.objects.create(
                connection=connection,
                secret=secret,
                last_four=secret[-4:],
                version=1,
                made_by=by,
            )
            _record("made", "made an address for web hooks", address, by, request)
    except IntegrityError as error:
        raise MadeMeanwhile from error
    return secret


def renew(address: Address, *, version: int, by: User, request: HttpRequest | None = None) -> str:
    """Make a new secret; the present one is accepted for a while longer. Gives the new one.

    `version` is that of the page which asks. Raises MadeMeanwhile when it is no longer the present.
    """
    secret, now = _new_secret(), timezone.now()
    with transaction.atomic():
        present = Address.objects.select_for_update().get(pk=address.pk)
        changed = Address.objects.filter(pk=address.pk, version=version).update(
            former_secret=present.secret,
            former_until=now + GRACE if present.secret else None,
            secret=secret,
            last_four=secret[-4:],
            version=F("version") + 1,
            changed_at=now,
        )
        if not changed:
            raise MadeMeanwhile
        _record("renewed", "renewed the secret of web hooks", address, by, request)
    return secret


def end_former(address: Address, *, by: User, request: HttpRequest | None = None) -> bool:
    """Accept the former secret no longer; False where there was none."""
    with transaction.atomic():
        ended = _forget_former(Address.objects.filter(pk=address.pk, former_until__isnull=False))
        if ended:
            _record("ended", "ended the former secret of web hooks", address, by, request)
    return bool(ended)


def secrets_of(address: Address) -> list[str]:
    """What a delivery may be signed with now, the present secret first. Raises SecretUnreadable."""
    accepted = [revealed(address.secret)]
    if address.former_until and address.former_until > timezone.now():
        accepted.append(revealed(address.former_secret))
    return [secret for secret in accepted if secret]


def tidy() -> None:
    """Forget former secrets whose time is over, and all of connections that ended."""
    _forget_former(Address.objects.filter(former_until__lt=timezone.now()))
    ended = Connection.State.DISCONNECTED
    for address in Address.objects.filter(connection__state=ended).select_related("connection"):
        forget(address.connection)


def forget(connection: Connection) -> None:
    """The connection ended: its address takes nothing in any more, what came is dropped."""
    with transaction.atomic():
        Address.objects.filter(connection=connection).delete()
        Delivery.objects.filter(connection=connection).delete()
        Heartbeat.objects.filter(connection=connection).delete()
        book.solved(
            connection.organization,
            Issue.Cause.WEBHOOK_SILENT,
            why="Greenhouse was disconnected",
        )


def _forget_former(addresses) -> int:  # type: ignore[no-untyped-def]  # a queryset of them
    return int(addresses.update(former_secret="", former_until=None))


def _new_secret() -> str:
    return secrets.token_urlsafe(36)


def _record(deed: str, words: str, address: Address, by: User, request: HttpRequest | None) -> None:
    record(
        f"webhooks.{deed}",
        words,
        organization=address.connection.organization,
        by=by,
        subject=address,
        request=request,
    )
