"""Inviting, revoking, accepting. Each is done once, however often it is clicked."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from integrations.ats.emails import normalize_email
from portal.accounts.models import Membership, Organization, User
from portal.core import queue, transitions
from portal.core.links import digest, new_token
from portal.core.secrets import SecretUnreadable, revealed
from portal.members import roles
from portal.members.models import Invitation
from portal.signin import addresses

SEND = "portal.members.tasks.send"
LASTS = timedelta(days=7)
SILENT_AFTER = timedelta(minutes=3)
GIVEN_UP_AFTER = timedelta(minutes=10)


class Refused(Exception):
    """Not invited, or not accepted. `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def invite(
    organization: Organization, email: str, *, role: str, by: User | None
) -> tuple[Invitation, bool]:
    """Invite somebody by mail; gives the invitation and whether it is new: an open one is joined.

    Raises Refused when the address belongs to a member already.
    """
    email = normalize_email(email)
    if Membership.objects.filter(organization=organization, user__email=email).exists():
        raise Refused(f"{email} is already in your organization.")
    token, now = new_token(), timezone.now()
    mine = Invitation.objects.filter(organization=organization, email=email)
    try:
        with transaction.atomic():
            pending = mine.filter(accepted_at=None, revoked_at=None)
            pending.filter(expires_at__lte=now).update(revoked_at=now, link="")
            invitation = Invitation.objects.create(
                organization=organization,
                email=email,
                role=role,
                digest=digest(token),
                link=token,
                invited_by=by,
                expires_at=now + LASTS,
            )
            queue.enqueue(SEND, invitation.pk)
    except IntegrityError:
        return mine.get(accepted_at=None, revoked_at=None), False
    return invitation, True


@transaction.atomic
def resend(invitation: Invitation, *, by: User) -> None:
    """Send it once more, with a link of its own that lasts anew; the one before opens nothing.

    Raises Refused when it was accepted or revoked, or when a mail is on its way already.
    """
    if invitation.accepted_at or invitation.revoked_at:
        raise Refused("This invitation has been accepted or revoked.")
    token, now = new_token(), timezone.now()
    if not transitions.won(
        invitation,
        Invitation.Mail.QUEUED,
        why="sent again",
        by=by,
        field="mail",
        digest=digest(token),
        link=token,
        invited_at=now,
        expires_at=now + LASTS,
    ):
        raise Refused("A mail is on its way already.")
    queue.enqueue(SEND, invitation.pk)


def send(invitation: Invitation) -> None:
    """Send the mail. Returns at once when another worker has it, or when it is no longer wanted."""
    if not invitation.is_open or not transitions.won(
        invitation, Invitation.Mail.SENDING, why="a worker took it", field="mail"
    ):
        return
    try:
        token = revealed(invitation.link)
        path = reverse("members:accept", args=[token])
        context = {"invitation": invitation, "address": f"{settings.PORTAL_URL}{path}"}
        send_mail(
            f"{invitation.organization} invites you to Inbound Talent",
            render_to_string("members/mail.txt", context),
            None,
            [invitation.email],
        )
    except (SMTPException, OSError, SecretUnreadable) as error:
        _left(invitation, Invitation.Mail.FAILED, type(error).__name__)
    else:
        _left(invitation, Invitation.Mail.SENT, "the mail server took it")


def _left(invitation: Invitation, how: str, why: str) -> None:
    transitions.won(invitation, how, why=why, field="mail", link="")


def sweep() -> None:
    """Ask again for mails that were lost on the way to a worker; give up those lost with one.

    Whether such a mail left is not known: an admin sends it again.
    """
    transitions.give_up(
        Invitation.objects.all(),
        Invitation.Mail.SENDING,
        Invitation.Mail.FAILED,
        after=GIVEN_UP_AFTER,
        field="mail",
        link="",
    )
    lost = Invitation.objects.filter(
        mail=Invitation.Mail.QUEUED,
        accepted_at=None,
        revoked_at=None,
        invited_at__lt=timezone.now() - SILENT_AFTER,
    )
    for pk in lost.values_list("pk", flat=True)[:200]:
        queue.enqueue(SEND, pk)


def revoke(invitation: Invitation) -> bool:
    """End an invitation. False when it was accepted or revoked before."""
    pending = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
    return bool(pending.update(revoked_at=timezone.now(), link=""))


def find(token: str) -> Invitation | None:
    """The open invitation of this link."""
    found = (
        Invitation.objects.select_related("organization", "invited_by")
        .filter(digest=digest(token))
        .first()
    )
    return found if found and found.is_open else None


def brought(token: str, member: Membership) -> bool:
    """Whether this link, used by now, was this member's own."""
    used = Invitation.objects.filter(digest=digest(token)).exclude(accepted_at=None)
    return used.filter(organization=member.organization_id, email=member.user.email).exists()


@transaction.atomic
def accept(invitation: Invitation, user: User) -> Membership:
    """Make the membership. Raises Refused when the link was used or ended meanwhile.

    `user` is new, or signed in with the invited address, or vouched for by its sign-in service.
    """
    pending = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    if not pending.update(accepted_at=timezone.now(), link=""):
        raise Refused("This invitation has been used or has ended.")
    if invitation.email == user.email:  # the link came by mail to this address
        addresses.confirm(user)
    return roles.begin(user, invitation.organization, role=invitation.role)


def accept_by_sign_on(user: User, organization: Organization, address: str) -> Membership | None:
    """Accept what is open for the account's address, or for `address`, for which its own sign-in
    service vouches, without the link; None where nothing is.
    """
    theirs = Q(email=user.email) | Q(email=address)
    mine = Invitation.objects.filter(theirs, organization=organization)
    invitation = mine.filter(accepted_at=None, revoked_at=None).first()
    try:
        return accept(invitation, user) if invitation else None
    except Refused:  # it has ended, by the clock or this very moment
        return None


@transaction.atomic
def join(invitation: Invitation, *, name: str, password: str) -> Membership:
    """Make an account for the invited address, and its membership. Raises Refused."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(invitation.email, password, name=name)
    except IntegrityError as error:
        raise Refused("There is an account with this address already. Please sign in.") from error
    return accept(invitation, user)
