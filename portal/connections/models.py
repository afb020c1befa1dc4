"""A connection to Greenhouse: its credential, its state, and what a check found out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.ats import registry
from integrations.ats.permissions import Catalogue, Outcome, Permission
from portal.accounts.models import Membership, Organization
from portal.core.fields import NormalizedEmailField
from portal.core.secrets import SecretField, revealed


def kinds() -> list[tuple[str, str]]:
    """The kinds of credential with their labels; a callable, so that no label is in a migration."""
    return [(kind.key, kind.label) for kind in registry.KINDS.values()]


class Connection(models.Model):
    """One organization's access to its Greenhouse account."""

    class State(models.TextChoices):
        DRAFT = "draft", "Not connected yet"
        CHECKING = "checking", "Checking permissions"
        ACTION_NEEDED = "action_needed", "Action needed"
        SYNCING = "syncing", "First sync"
        LIVE = "live", "Live"
        DEGRADED = "degraded", "Live, with something missing"
        PAUSED = "paused", "Paused"
        DISCONNECTED = "disconnected", "Disconnected"

    MOVES: ClassVar = {
        State.DRAFT: {State.CHECKING},
        State.CHECKING: {
            State.ACTION_NEEDED,
            State.SYNCING,
            State.LIVE,
            State.DEGRADED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.ACTION_NEEDED: {
            State.CHECKING,
            State.SYNCING,
            State.LIVE,
            State.DEGRADED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.SYNCING: {
            State.LIVE,
            State.DEGRADED,
            State.CHECKING,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.LIVE: {
            State.CHECKING,
            State.DEGRADED,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.DEGRADED: {
            State.CHECKING,
            State.LIVE,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.PAUSED: {State.CHECKING, State.DISCONNECTED},
        State.DISCONNECTED: {State.CHECKING},
    }

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="connection"
    )
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(default=timezone.now)
    prepared = models.JSONField(default=list, blank=True)  # what was ticked before beginning
    people_seen_at = models.DateTimeField(null=True, blank=True)  # an admin looked at who matches
    # By consent: whether the service account may act for people who have not agreed themselves.
    service_account_acts = models.BooleanField(default=False, db_default=False)
    # The mirror is being deleted: nothing may be read into it until that has ended.
    emptying = models.BooleanField(default=False)

    class Meta:
        ordering = ("organization__name",)

    def __str__(self) -> str:
        return f"{self.organization} · Greenhouse"

    @property
    def credential(self) -> Credential | None:
        """The credential in use, None before the first one was entered."""
        if self._state.adding:  # a draft that is not stored
            return None
        return self.credentials.filter(state=Credential.State.IN_USE).first()

    @property
    def last_check(self) -> CheckRun | None:
        """The newest check of the credential in use."""
        return self.checks.filter(credential__state=Credential.State.IN_USE).first()


class Credential(models.Model):
    """What opens Greenhouse. The secret is encrypted; people see the last four characters only.

    A new one is checked beside the one in use; what it replaces is kept until a person confirms,
    then destroyed: emptied, so that only its fingerprint stays.
    """

    class State(models.TextChoices):
        BESIDE = "beside", "Beside the one in use"
        IN_USE = "in_use", "In use"
        KEPT = "kept", "Kept until the new one is confirmed"
        DESTROYED = "destroyed", "Destroyed"

    MOVES: ClassVar = {
        State.BESIDE: {State.IN_USE, State.DESTROYED},
        State.IN_USE: {State.KEPT, State.DESTROYED},
        State.KEPT: {State.IN_USE, State.DESTROYED},
    }

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=20, choices=kinds)
    client_id = SecretField(blank=True, default="")
    secret = SecretField()
    reader_id = models.BigIntegerField(null=True, blank=True)
    last_four = models.CharField(max_length=4)  # "" for a consent, which is nothing to read off
    fingerprint = models.CharField(max_length=12)
    state = models.CharField(max_length=10, choices=State.choices, default=State.IN_USE)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    entered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "state"],
                condition=~models.Q(state="destroyed"),
                name="one_credential_a_state",
            ),
        )

    def __str__(self) -> str:
        kind = self.get_kind_display()
        return f"{kind} ···· {self.last_four}" if self.last_four else str(kind)

    @property
    def catalogue(self) -> Catalogue:
        """What may be asked of this kind of credential."""
        return registry.catalogue(self.kind)

    @property
    def is_consent(self) -> bool:
        """Whether it was agreed to in Greenhouse rather than entered here."""
        return bool(registry.KINDS[self.kind].consent)

    @property
    def by_scope(self) -> bool:
        """Whether its permissions are scopes, of which several permissions may share one."""
        return self.kind in self.catalogue.by_scope

    @property
    def place(self) -> str:
        """Where its permissions are ticked, in Greenhouse's own words."""
        return self.catalogue.places[self.kind]

    def words_for(self, permission: Permission) -> str:
        """What the tick box of a permission is called for this kind of credential."""
        return self.catalogue.words_for(permission, self.kind)

    def boxes(self, permissions: Iterable[Permission]) -> list[str]:
        """The tick boxes of these permissions, once each: several may share a scope of v3."""
        if self.by_scope:
            return list(dict.fromkeys(self.words_for(p) for p in permissions))
        return [f"{p.group}: {self.words_for(p)}" for p in permissions]

    def secrets(self) -> dict[str, str]:
        """The plain values by field name, for a provider; none of a consent, whose tokens are rows
        of their own. Raises SecretUnreadable.
        """
        if self.is_consent:
            return {}
        if self.kind == "harvest_key":
            return {"api_key": revealed(self.secret)}
        return {
            "client_id": revealed(self.client_id),
            "client_secret": revealed(self.secret),
            "reader_id": str(self.reader_id or ""),
        }


class Consent(models.Model):
    """One consent and its present tokens. Of the connection (`credential`), or a person's own.

    `number` counts refresh tokens, of which each works once; `turn_until` says that one process is
    using the present one (integrations.ats.consent). Ended means emptied.
    """

    class State(models.TextChoices):
        LIVING = "living", "Given"
        ENDED = "ended", "Ended"

    MOVES: ClassVar = {State.LIVING: {State.ENDED}}

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="consents")
    credential = models.OneToOneField(
        Credential, null=True, on_delete=models.CASCADE, related_name="consent"
    )
    membership = models.ForeignKey(
        Membership, null=True, on_delete=models.CASCADE, related_name="consents"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.LIVING)
    subject = models.BigIntegerField(null=True)  # the Greenhouse user it works as, where told
    scopes = models.JSONField(default=list)  # what was asked for
    number = models.PositiveIntegerField(default=1)
    access_token = SecretField(blank=True, default="")
    access_until = models.DateTimeField()
    refresh_token = SecretField(blank=True, default="")
    refresh_until = models.DateTimeField()
    turn_until = models.DateTimeField(null=True)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    given_at = models.DateTimeField(default=timezone.now)
    renewed_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(state="living", membership__isnull=False),
                name="one_living_consent_each",
            ),
        )
        indexes = (models.Index(fields=["state", "refresh_until"], name="consents_to_renew"),)

    def __str__(self) -> str:
        return f"Consent {self.pk} for {self.connection}"

    @property
    def is_living(self) -> bool:
        return bool(self.state == self.State.LIVING)


class ConsentRequest(models.Model):
    """Somebody was sent to Greenhouse to agree, and is to come back once, in the same session."""

    LASTS = timedelta(minutes=15)

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    own = models.BooleanField(default=False)  # for the person, not for the connection
    digest = models.CharField(max_length=64, unique=True)  # of the state that goes along
    session = models.CharField(max_length=64)  # digest of what only this session holds
    verifier = SecretField()
    scopes = models.JSONField(default=list)
    made_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Request {self.pk} for {self.connection}"

    @property
    def is_late(self) -> bool:
        return self.made_at < timezone.now() - self.LASTS


class CheckRun(models.Model):
    """One check of all permissions of a credential."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to start"
        RUNNING = "running", "Checking"
        DONE = "done", "Checked"
        FAILED = "failed", "Could not check"

    class Cause(models.TextChoices):
        CREDENTIAL = "credential", "Greenhouse does not accept the credential"
        UNREADABLE = "unreadable", "The stored credential can no longer be opened"
        NO_ANSWER = "no_answer", "Greenhouse gave no usable answer"
        INTERRUPTED = "interrupted", "The worker stopped"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED},
        Status.RUNNING: {Status.DONE, Status.FAILED},
    }
    OPEN = (Status.QUEUED, Status.RUNNING)

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="checks")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="checks")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    cause = models.CharField(max_length=20, choices=Cause.choices, blank=True)
    failure = models.CharField(max_length=300, blank=True)  # a sentence for a person
    unused_scopes = models.JSONField(default=list, blank=True)  # granted, but never used by us
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["credential"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_check_each",
            ),
        )
        indexes = (models.Index(fields=["connection", "-id"], name="checks_of_connection"),)

    def __str__(self) -> str:
        return f"Check {self.pk} of {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class PermissionCheck(models.Model):
    """What one check found out about one permission, with its evidence."""

    WAITING = "waiting"

    run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="results")
    permission = models.CharField(max_length=80)  # key of the catalogue
    outcome = models.CharField(
        max_length=10,
        choices=[(WAITING, "waiting"), *((o.value, o.value) for o in Outcome)],
        default=WAITING,
    )
    sentence = models.CharField(max_length=400, blank=True)
    cause = models.CharField(max_length=40, blank=True)  # the class of the error that explains it
    evidence = models.JSONField(null=True)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["run", "permission"], name="one_result_each"),
        )

    def __str__(self) -> str:
        return f"{self.permission}: {self.outcome}"


class FixLink(models.Model):
    """A link for the colleague who manages Greenhouse and has no account here.

    Only its digest is stored, and the link itself until a mail with it has left. It shows what of
    `permissions` is missing and lets it be tested again, so often and no faster; it ends by itself
    when all of it is granted.
    """

    class Mail(models.TextChoices):
        NONE = "", "Handed over by hand"
        QUEUED = "queued", "Waiting to be sent"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    MOVES: ClassVar = {
        Mail.QUEUED: {Mail.SENDING},
        Mail.SENDING: {Mail.SENT, Mail.FAILED},
    }

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="fix_links")
    digest = models.CharField(max_length=64, unique=True)
    permissions = models.JSONField()  # keys of the catalogue that were missing
    sent_to = NormalizedEmailField("sent to", blank=True)
    link = SecretField(blank=True, default="")  # for the mail; emptied once it has left
    mail = models.CharField(max_length=10, choices=Mail.choices, blank=True, default=Mail.NONE)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)  # when somebody first looked
    tests = models.PositiveIntegerField(default=0)
    tested_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Link {self.pk} for {self.connection}"

    @property
    def opens(self) -> bool:
        """Whether its page opens: for its time, also to say that all is granted."""
        return not self.revoked_at and self.expires_at > timezone.now()

    @property
    def is_open(self) -> bool:
        return self.opens and not self.done_at


class ApiCall(models.Model):
    """One request to Greenhouse: no body, no secret, no personal data, no real id in the path."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="calls")
    at = models.DateTimeField()
    method = models.CharField(max_length=6)
    path = models.CharField(max_length=120)  # template
    status = models.PositiveSmallIntegerField(null=True)  # None: no answer
    milliseconds = models.PositiveIntegerField()
    retries = models.PositiveSmallIntegerField(default=0)
    lane = models.CharField(max_length=10)
    remaining = models.IntegerField(null=True)
    request_id = models.CharField(max_length=80, blank=True)
    error = models.CharField(max_length=40, blank=True)
    trace = models.CharField("our request", max_length=40, blank=True)  # portal.core.trace

    class Meta:
        ordering = ("-at",)
        indexes = (
            models.Index(fields=["connection", "-at"], name="calls_of_connection"),
            models.Index(fields=["at"], name="calls_by_age"),
            # Few rows: what went well has no place in it.
            models.Index(
                fields=["status", "-at"],
                condition=models.Q(status__gte=400) | models.Q(status=None),
                name="calls_in_trouble",
            ),
            models.Index(fields=["request_id"], name="calls_by_their_id"),
            models.Index(fields=["trace"], name="calls_by_our_id"),
        )
        verbose_name = "Greenhouse request"

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status or 'no answer'}"
