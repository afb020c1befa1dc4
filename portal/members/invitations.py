"""Creating, sending, revoking and accepting invitations; repeated clicks take effect once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from integrations.ats.emails import normalize_email
from portal.accounts.models import Membership, Organization, User
from portal.core import queue, transitions
from portal.core.database import read_only
from portal.core.database.concurrent_creation import create_or_join
from portal.core.hooks import Hook
from portal.core.names.form_fields import EmailField
from portal.core.secrets.link_tokens import generate_token, hash_token
from portal.core.secrets.secret_field import reveal_secret
from portal.core.tenancy.scope import all_organizations
from portal.members import memberships
from portal.members.models import Invitation
from portal.notifications import delivery
from portal.notifications.message_queue import MessageQueue
from portal.signin import email_confirmation

SEND_TASK = "portal.members.tasks.send_invitation"
_REFERENCE_PREFIX = "invitation:"  # then the link's digest, which a new link changes
LINK_LIFETIME = timedelta(days=7)
MESSAGES = MessageQueue(
    model=Invitation,
    label="invitations",
    send_task=SEND_TASK,
    prefix="email_",
    queued_at="invited_at",
    pending=Q(accepted_at=None, revoked_at=None),
    cleared_field="token",
)
# Called within the transaction.
invitation_created: Hook[[Invitation], None] = Hook()


class InvitationRefused(Exception):
    """The invitation cannot be created, sent or accepted; `message` says why."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


def create_invitation(
    organization: Organization, email: str, *, role: str, by: User | None, note: str = ""
) -> tuple[Invitation, bool]:
    """Return the invitation and whether it is new. Raises InvitationRefused for a member,
    or for an address that nobody could sign in with.
    """
    email = normalize_email(email)
    _check_email(email)
    if Membership.objects.filter(organization=organization, user__email=email).exists():
        raise InvitationRefused(f"{email} is already a member.")
    token, now = generate_token(), timezone.now()
    invitations = Invitation.objects.filter(organization=organization, email=email)
    pending = invitations.filter(accepted_at=None, revoked_at=None)

    def create() -> Invitation:
        pending.filter(expires_at__lte=now).update(revoked_at=now, token="")
        invitation = Invitation.objects.create(
            organization=organization,
            email=email,
            role=role,
            note=note,
            digest=hash_token(token),
            token=token,
            invited_by=by,
            expires_at=now + LINK_LIFETIME,
        )
        queue.enqueue_task(SEND_TASK, invitation.pk, organization_id=invitation.organization_id)
        invitation_created.run(invitation)
        return invitation

    return create_or_join(create, pending)


def _check_email(email: str) -> None:
    try:
        EmailField().clean(email)
    except ValidationError as error:
        raise InvitationRefused(f"{email} can't be invited. {error.messages[0]}") from error


@transaction.atomic
def resend_invitation(invitation: Invitation, *, by: User) -> None:
    """Replace the link and send again. Raises InvitationRefused."""
    if invitation.accepted_at or invitation.revoked_at:
        raise InvitationRefused("This invitation has been accepted or revoked.")
    token, now = generate_token(), timezone.now()
    if not transitions.try_move(
        invitation,
        Invitation.EmailStatus.QUEUED,
        why="sent again",
        by=by,
        field="email_status",
        digest=hash_token(token),
        token=token,
        email_attempts=0,
        email_due_at=now,
        invited_at=now,
        opened_at=None,
        expires_at=now + LINK_LIFETIME,
    ):
        raise InvitationRefused("This invitation is being sent already.")
    queue.enqueue_task(SEND_TASK, invitation.pk, organization_id=invitation.organization_id)


def send_invitation(invitation: Invitation) -> None:
    """Send the email, unless another worker is sending it or the invitation has ended."""
    if invitation.is_open:
        MESSAGES.send_message(invitation, lambda: _send_email(invitation))


def _send_email(invitation: Invitation) -> None:
    token = reveal_secret(invitation.token)
    path = reverse("members:accept_invitation", args=[token])
    context = {"invitation": invitation, "address": f"{settings.PORTAL_URL}{path}"}
    delivery.send_email(
        f"{invitation.organization}: you're invited to Inbound Talent",
        render_to_string("members/invitation_email.txt", context),
        invitation.email,
        reference=f"{_REFERENCE_PREFIX}{invitation.digest}",
    )


@all_organizations("the email's reference names the invitation")
def record_returned_email(reference: str) -> None:
    """Note that the address did not take the invitation's latest email."""
    if not reference.startswith(_REFERENCE_PREFIX):
        return
    digest = reference.removeprefix(_REFERENCE_PREFIX)
    statuses = (Invitation.EmailStatus.SENDING, Invitation.EmailStatus.SENT)
    invitation = Invitation.objects.filter(digest=digest, email_status__in=statuses).first()
    if invitation is not None:
        transitions.try_move(
            invitation,
            Invitation.EmailStatus.RETURNED,
            why="the email came back",
            field="email_status",
            token="",
        )


def revoke_invitation(invitation: Invitation) -> bool:
    pending = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    return bool(pending.update(revoked_at=timezone.now(), token=""))


@all_organizations("the link names the organization")
def find_invitation(token: str) -> Invitation | None:
    """Return the open invitation for this token."""
    invitation = (
        Invitation.objects.select_related("organization", "invited_by")
        .filter(digest=hash_token(token))
        .first()
    )
    return invitation if invitation and invitation.is_open else None


def record_opening(invitation: Invitation) -> None:
    """Remember when the link was first opened."""
    if not read_only.is_read_only():
        unopened = Invitation.objects.filter(pk=invitation.pk, opened_at=None)
        unopened.update(opened_at=timezone.now())


@all_organizations("the link names the organization")
def was_joined_by_link(token: str, membership: Membership) -> bool:
    accepted_invitations = Invitation.objects.filter(digest=hash_token(token)).exclude(
        accepted_at=None
    )
    return accepted_invitations.filter(
        organization=membership.organization_id, email=membership.user.email
    ).exists()


@transaction.atomic
def accept_invitation(invitation: Invitation, user: User) -> Membership:
    """Start the membership. Raises InvitationRefused if the link was used or has ended.

    `user` is new, signed in with the invited address, or verified by the sign-in service.
    """
    pending = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    if not pending.update(accepted_at=timezone.now(), token=""):
        raise InvitationRefused("This invitation was already used or no longer works.")
    if invitation.email == user.email:  # the link was emailed to this address
        email_confirmation.confirm_email(user)
    return memberships.start_membership(user, invitation.organization, role=invitation.role)


def accept_pending_invitation(
    user: User, organization: Organization, email: str
) -> Membership | None:
    """Accept an open invitation to the account's address or to the SSO-verified `email`."""
    email_filter = Q(email=user.email) | Q(email=email)
    invitations = Invitation.objects.filter(email_filter, organization=organization)
    invitation = invitations.filter(accepted_at=None, revoked_at=None).first()
    try:
        return accept_invitation(invitation, user) if invitation else None
    except InvitationRefused:  # expired, or ended concurrently
        return None


@transaction.atomic
def join_with_new_account(invitation: Invitation, *, name: str, password: str) -> Membership:
    """Create an account and accept; raises InvitationRefused if the account exists."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(invitation.email, password, name=name)
    except IntegrityError as error:
        raise InvitationRefused("This email already has an account. Sign in to accept.") from error
    return accept_invitation(invitation, user)
