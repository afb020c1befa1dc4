"""Entering a credential: it is tested in Greenhouse and saved if accepted. While Greenhouse is
slow, a worker continues the test; the typed values wait encrypted, for ten minutes at most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.ats.errors import AtsError, AtsUnavailable, RateLimited
from portal.accounts.models import Membership
from portal.audit.entries import record_entry
from portal.connections import waiting
from portal.connections.credentials import store
from portal.connections.models import Connection, Credential, CredentialTest, WaitCause
from portal.core import queue, transitions
from portal.core.secrets.secret_field import (
    SecretUnreadable,
    fingerprint_secrets,
    reveal_secret,
)
from portal.onboarding import setup_flow
from portal.sync import account_match

TEST_TASK = "portal.onboarding.tasks.run_credential_test"
REQUEUE_AFTER = timedelta(minutes=1)
# A worker takes at most a turn (WORKER_TURN_SECONDS) for a test.
SILENT_AFTER = timedelta(minutes=2)
Status = CredentialTest.Status


@dataclass(frozen=True)
class EnteredCredential:
    kind: str
    secrets: Mapping[str, str] = field(repr=False)
    confirms_account_change: bool
    membership: Membership
    ip_address: str | None


def enter_credential(
    connection: Connection,
    entered: EnteredCredential,
    *,
    patience: float | None = None,
    test: CredentialTest | None = None,
) -> str:
    """Test and save; returns the next step of setup. Raises CredentialRefused, and AtsUnavailable
    or RateLimited while Greenhouse does not answer. With `test`, also ConcurrentTransition if it
    has been ended.
    """
    if connection.data_deletion_pending:
        raise store.CredentialRefused(
            "", "The previous account's data is still being deleted. Try again in a minute."
        )
    verified = store.verify_secrets(
        connection, kind=entered.kind, secrets=entered.secrets, patience=patience
    )
    entered = replace(entered, secrets=verified.secrets)
    is_other_account = not account_match.is_same_account(connection, verified.sample)
    if is_other_account and not entered.confirms_account_change:
        raise store.DifferentAccount(
            store.get_first_field(entered.kind),
            "This credential belongs to a different Greenhouse account. Use a credential of the "
            "connected account.",
        )
    if setup_flow.needs_rotation(connection) and _is_in_use(connection, entered):
        raise store.CredentialRefused(
            store.get_first_field(entered.kind),
            "This credential is already in use. Nothing was changed.",
        )
    return _save_tested(connection, entered, test, is_other_account=is_other_account)


def _is_in_use(connection: Connection, entered: EnteredCredential) -> bool:
    fingerprint = fingerprint_secrets(entered.kind, *entered.secrets.values())
    return connection.credential is not None and connection.credential.fingerprint == fingerprint


@transaction.atomic
def _save_tested(
    connection: Connection,
    entered: EnteredCredential,
    test: CredentialTest | None,
    *,
    is_other_account: bool,
) -> str:
    by = entered.membership.user
    Connection.objects.select_for_update().get(pk=connection.pk)  # before the test, as others do
    as_pending = setup_flow.needs_rotation(connection) and not is_other_account
    next_step = "onboarding:rotation" if as_pending else "onboarding:permissions"
    if test is not None:
        why = "Greenhouse accepts it"
        transitions.move_state(
            test, Status.ACCEPTED, why=why, by=by, secrets="", next_step=next_step
        )
    credential = store.save_credential(
        connection, kind=entered.kind, secrets=entered.secrets, by=by, as_pending=as_pending
    )
    if as_pending:
        setup_flow.request_pending_check(connection, by=by)
    elif is_other_account:
        setup_flow.change_account(connection, by=by)
    else:
        setup_flow.request_check(connection, by=by)
    _record_entry(entered, credential, is_other_account=is_other_account)
    return next_step


def _record_entry(
    entered: EnteredCredential, credential: Credential, *, is_other_account: bool
) -> None:
    record_entry(
        "credential.entered",
        f"entered a credential ({credential.get_kind_display()}) ending in {credential.last_four}"
        + (", of another Greenhouse account" if is_other_account else ""),
        organization=entered.membership.organization,
        by=entered.membership.user,
        subject=credential,
        ip_address=entered.ip_address,
    )


@transaction.atomic
def continue_in_background(
    connection: Connection, entered: EnteredCredential, error: AtsUnavailable | RateLimited
) -> CredentialTest:
    """Let a worker continue the test, which replaces earlier ones of this person. Raises
    CredentialRefused if Greenhouse asks to wait for too long.
    """
    now = timezone.now()
    due_at = error.retry_at if isinstance(error, RateLimited) else None
    if due_at is not None and due_at > now + CredentialTest.LASTS:
        raise _build_unavailable_refusal(entered.kind, error)
    CredentialTest.objects.filter(connection=connection, membership=entered.membership).delete()
    test = CredentialTest.objects.create(
        connection=connection,
        membership=entered.membership,
        kind=entered.kind,
        secrets=json.dumps(dict(entered.secrets)),
        confirms_account_change=entered.confirms_account_change,
        ip_address=entered.ip_address,
        waiting_since=now,
        due_at=due_at,
        wait_cause=WaitCause.RATE_LIMIT if isinstance(error, RateLimited) else WaitCause.SLOW,
    )
    _enqueue_test(test)
    return test


def _enqueue_test(test: CredentialTest) -> None:
    organization_id = test.connection.organization_id
    queue.enqueue_task(TEST_TASK, test.pk, organization_id=organization_id, due_at=test.due_at)


def run_test(test: CredentialTest) -> None:
    if not test.membership.is_admin:
        test.delete()
        return
    if test.is_waiting or not transitions.try_move(test, Status.TESTING, why="a worker took it"):
        return
    try:
        secrets = json.loads(reveal_secret(test.secrets))
        entered = EnteredCredential(
            test.kind, secrets, test.confirms_account_change, test.membership, test.ip_address
        )
        enter_credential(test.connection, entered, test=test)
    except SecretUnreadable:
        _refuse(test, store.CredentialRefused("", "Enter the credential again."))
    except store.CredentialRefused as refusal:
        _refuse(test, refusal)
    except (AtsUnavailable, RateLimited) as error:
        _postpone_test(test, error)
    except transitions.ConcurrentTransition:
        pass  # ended, because another credential was saved or Greenhouse disconnected


def _refuse(test: CredentialTest, refusal: store.CredentialRefused) -> None:
    transitions.try_move(
        test,
        Status.REFUSED,
        why="it was not accepted",
        secrets="",
        refused_field=refusal.field,
        refusal=refusal.sentence,
        suggested_kind=refusal.kind if isinstance(refusal, store.DifferentKind) else "",
        is_other_account=isinstance(refusal, store.DifferentAccount),
    )


@transaction.atomic
def _postpone_test(test: CredentialTest, error: AtsUnavailable | RateLimited) -> None:
    # Only a 429 is waited for: it says until when. If Greenhouse is down, nobody knows.
    wait = waiting.plan_wait(test, error) if isinstance(error, RateLimited) else None
    if wait is None or wait["due_at"] > test.created_at + CredentialTest.LASTS:
        _refuse(test, _build_unavailable_refusal(test.kind, error))
    elif transitions.try_move(test, Status.QUEUED, why="Greenhouse does not answer yet", **wait):
        _enqueue_test(test)


def _build_unavailable_refusal(kind: str, error: AtsError) -> store.CredentialRefused:
    sentence = "Couldn't reach Greenhouse. Try again in a minute."
    if isinstance(error, RateLimited):
        sentence = "Greenhouse is limiting our requests. Try again in a few minutes."
    return store.CredentialRefused(store.get_first_field(kind), sentence)


def load_refusal(test: CredentialTest) -> store.CredentialRefused:
    if test.suggested_kind:
        return store.DifferentKind(test.suggested_kind, test.refused_field, test.refusal)
    refusal_class = store.DifferentAccount if test.is_other_account else store.CredentialRefused
    return refusal_class(test.refused_field, test.refusal)


def clean_up_tests() -> None:
    """Delete what has expired, and requeue tests whose task was lost or worker killed."""
    now = timezone.now()
    CredentialTest.objects.filter(created_at__lt=now - CredentialTest.LASTS).delete()
    transitions.move_stalled_rows(
        CredentialTest.objects.all(), Status.TESTING, Status.QUEUED, after=SILENT_AFTER
    )
    waiting_tests = CredentialTest.objects.filter(status=Status.QUEUED)
    overdue = waiting_tests.annotate(due=Coalesce("due_at", "created_at")).filter(
        due__lt=now - REQUEUE_AFTER
    )
    for test in overdue.select_related("connection"):
        _enqueue_test(test)
