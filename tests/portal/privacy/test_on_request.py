"""Exports and erasures, as an operator does them."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, Organization, User
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.audit.record import record
from portal.connections import fix_links
from portal.connections.models import Connection
from portal.core.models import Transition
from portal.issues import book
from portal.issues.models import Issue
from portal.jobs.models import SavedView
from portal.mirror.models import Application, Candidate
from portal.notices import tell
from portal.privacy import organizations, retention
from portal.support import watch
from tests.cast import Cast
from tests.conftest import FULL
from tests.factories import PASSWORD, ConnectionFactory
from tests.portal.entitlements import world


def _do(*words: object) -> Any:
    out = StringIO()
    call_command("personal_data", *map(str, words), stdout=out)
    return json.loads(out.getvalue()) if out.getvalue().startswith("{") else out.getvalue()


def _clicked(cast: Cast, notes: str = "") -> ApplicationAction:
    application = Application.objects.exclude(candidate=None).exclude(answers=[]).first()
    return ApplicationAction.objects.create(
        application=application, membership=cast.remy, kind="reject", status="done", notes=notes
    )


# -- a member ------------------------------------------------------------------------------------
def test_a_member_gets_everything_of_theirs_and_nothing_of_others(
    connect, cast: Cast, client
) -> None:
    connect()
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    action = _clicked(cast, notes="Her answers were thin.")
    SavedView.objects.create(membership=cast.remy, name="Mine", query="mine=1")
    told = _do("export", "person", "REMY@acme.example")
    assert told["person"]["email"] == "remy@acme.example"
    assert told["memberships"][0]["organization"] == "Acme"
    assert told["theirs"]["jobs.SavedView"][0]["name"] == "Mine"
    assert told["theirs"]["applications.ApplicationAction"][0]["id"] == action.pk
    assert told["theirs"]["usersessions.UserSession"][0]["ip"] == "127.0.0.1"
    assert told["in_greenhouse"][0]["addresses"] == ["remy@acme.example"]
    text = json.dumps(told)
    for never in ("thin", str(action.application.candidate), "ada@acme.example", "password"):
        assert never not in text
    assert UserSession.objects.get().session_key not in text


def test_who_has_made_the_connection_exports_no_secret(connect, cast: Cast, kind: str) -> None:
    connect(kind)
    told = _do("export", "person", "ada@acme.example")
    assert told["named_in"]["connections.Credential"][0].keys() == {"id", "entered_at"}
    assert any(entry["verb"].startswith("credential.") for entry in told["audit_record"])
    for name, value in FULL[kind].items():
        assert name == "kind" or value not in json.dumps(told)


def test_an_erased_member_is_nobody_and_what_they_did_stays(
    connect, cast: Cast, client, sign_in
) -> None:
    connect()
    client.post(reverse("account_login"), {"login": "uma@acme.example", "password": PASSWORD})
    action = ApplicationAction.objects.create(
        application=Application.objects.first(), membership=cast.uma, kind="advance", status="done"
    )
    tell.tell([cast.ada.user], cast.ada.organization, key="k", subject="About uma@acme.example",
              words="Uma@acme.example has no match.")  # fmt: skip
    record("member.joined", "joined", organization=cast.ada.organization, by=cast.uma.user)
    watch.watch()
    assert "uma@acme.example" in Issue.objects.get(cause="unmatched_people").words
    _do("erase", "person", "uma@acme.example")

    assert client.get(reverse("jobs:list")).status_code == 302  # signed out
    assert not EmailAddress.objects.filter(email="uma@acme.example").exists()
    assert not Membership.objects.filter(pk=cast.uma.pk).exists()
    action.refresh_from_db()
    assert str(action.membership.user) == "Former member"
    ada = sign_in(cast.ada)
    for page in ("members:list", "audit:log", "audit:export", "onboarding:people"):
        answer = ada.get(reverse(page)).getvalue().decode()
        assert "uma@acme.example" not in answer.lower(), page
    assert "Former member" in ada.get(reverse("audit:log")).content.decode()
    cas = sign_in(cast.cas)
    desk = reverse("admin:accounts_organization_desk", args=[cast.ada.organization_id])
    for address in (desk, reverse("admin:audit_entry_changelist")):
        assert "uma@acme.example" not in cas.get(address).content.decode().lower()
    assert _stored_words("uma@acme.example") == {"audit.Entry"}


def test_what_others_wrote_about_an_erased_member_tells_nobody_who_it_was(
    cast: Cast, sign_in
) -> None:
    acme, uma = cast.ada.organization, cast.uma.user
    connection = ConnectionFactory(organization=acme, state="live")
    world.checked(connection, missing=("jobs.list",))
    ola, cas = sign_in(cast.ola), sign_in(cast.cas)
    account = reverse("admin:accounts_user_change", args=[uma.pk])
    ola.post(account, {"email": "Uma@acme.example", "name": "Uma Umber", "is_active": "on",
                       "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0})  # fmt: skip
    place = reverse("admin:accounts_membership_change", args=[cast.uma.pk])
    cas.post(place, {"role": "admin"})
    looking = {"reason": "Uma Umber (uma@acme.example) asks for help"}
    cas.post(reverse("admin:look_begin", args=[cast.uma.pk]), looking)
    cas.post(reverse("admin:look_stop"))
    uma.refresh_from_db()
    link, _ = fix_links.make(connection, ["jobs.list"], by=cast.ada.user, send_to=uma.email)
    there = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9")
    record("signin.in", "signed in", organization=acme, by=uma, request=there)
    deed = "advanced application 5 in Greenhouse, in the name of Uma Umber (Greenhouse user 12)"
    record("application.advanced", deed, organization=acme, by=uma)
    record("support.fix_link", f"made a link and sent it to {uma.email}.", organization=acme,
           by=cast.cas, after={"to": [uma.email], "from": "gia@acme.example"})  # fmt: skip

    _do("erase", "person", "UMA@acme.example")

    assert _stored_words("uma@acme") == {"audit.Entry"}
    assert _stored_words("uma umber") == {"audit.Entry"}
    link.refresh_from_db()
    assert not link.is_open
    ola, ada = sign_in(cast.ola), sign_in(cast.ada)
    entry = Entry.objects.get(verb="support.fix_link")
    desk = reverse("admin:accounts_organization_desk", args=[acme.pk])
    pages = [
        *(ada.get(reverse(page)).getvalue().decode() for page in ("audit:log", "audit:export")),
        *(ola.get(address).content.decode() for address in (
            desk, reverse("admin:audit_entry_changelist"), "/admin/",
            *(reverse(f"admin:audit_entry_{page}", args=[one.pk])
              for page in ("change", "history") for one in Entry.objects.all()),
        )),
    ]  # fmt: skip
    for page in pages:
        for word in ("uma@", "Uma@", "Umber", "203.0.113.9"):
            assert word not in page
    log, table = pages[:2]
    for told in ("made a link and sent it to former member.", "gia@acme.example",
                 "made former member admin", "began to look at the portal as a former member",
                 "in the name of Greenhouse user 12"):  # fmt: skip
        assert told in log
        assert told in table
    found = ola.get(reverse("admin:audit_entry_changelist"), {"q": "uma@acme.example"})
    assert "0 audit entries" in found.content.decode()
    assert entry.words == f"made a link and sent it to {uma.email}.", "sealed as it was written"
    out = StringIO()
    call_command("audit_check", stdout=out)
    assert "The record is whole." in out.getvalue()


def test_an_issue_about_what_greenhouse_refused_names_no_erased_member(cast: Cast) -> None:
    issue, _ = book.seen(
        cast.ada.organization, Issue.Cause.ACTING_USER_REFUSED, key=f"{cast.uma.pk}:reject",
        title="Greenhouse does not let Uma “Reject”", words="In the name of uma@acme.example.",
        severity=Issue.Severity.FYI, fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )  # fmt: skip
    _do("erase", "person", "uma@acme.example")
    issue.refresh_from_db()
    assert issue.title == "Greenhouse does not let former member “Reject”"
    assert issue.words == "In the name of former member."


def test_who_comes_back_with_an_erased_address_is_named_from_then_on(
    cast: Cast, sign_in, later
) -> None:
    acme = cast.ada.organization
    record("a.deed", "put uma@acme.example in", organization=acme)
    _do("erase", "person", "uma@acme.example")
    later(1)
    record("a.deed", "invited uma@acme.example", organization=acme)
    log = sign_in(cast.ada).get(reverse("audit:log")).content.decode()
    assert "put former member in" in log
    assert "invited uma@acme.example" in log


def test_a_digest_made_with_an_older_key_still_tells(cast: Cast, sign_in, settings) -> None:
    record("a.deed", "put uma@acme.example in", organization=cast.ada.organization)
    _do("erase", "person", "uma@acme.example")
    settings.AUDIT_KEYS = ["a newer one", *settings.AUDIT_KEYS]
    assert "uma@" not in sign_in(cast.ada).get(reverse("audit:log")).content.decode()


def _stored_words(word: str) -> set[str]:
    """The models of ours in which this word stands anywhere; the mirror is Greenhouse's."""
    from django.apps import apps

    found = set()
    for model in apps.get_models():
        if model._meta.app_label == "mirror":
            continue
        for row in model._base_manager.values():
            if word in str(row).lower():
                found.add(model._meta.label)
    return found


def test_erasing_again_changes_nothing_and_the_record_still_holds(cast: Cast) -> None:
    _do("erase", "person", "remy@acme.example")
    entries = Entry.objects.filter(verb="person.erased").count()
    with pytest.raises(CommandError, match="Nobody signs in"):
        _do("erase", "person", "remy@acme.example")
    assert _do("erase", "person", f"erased-{cast.remy.user_id}@erased.invalid") == {"erased": {}}
    assert Entry.objects.filter(verb="person.erased").count() == entries == 1
    out = StringIO()
    call_command("audit_check", stdout=out)
    assert "The record is whole." in out.getvalue()


def test_the_last_admin_is_not_erased(cast: Cast) -> None:
    with pytest.raises(CommandError, match="Acme would have no admin"):
        _do("erase", "person", "ada@acme.example")
    assert User.objects.filter(email="ada@acme.example", erased_at=None).exists()


def test_the_address_can_be_invited_and_join_again(cast: Cast, client, mailoutbox) -> None:
    _do("erase", "person", "remy@acme.example")
    User.objects.create_user("remy@acme.example", "a-new-lantern-5")
    assert User.objects.filter(email="remy@acme.example").count() == 1


# -- a candidate ---------------------------------------------------------------------------------
def test_what_is_held_of_a_candidate(connect, cast: Cast) -> None:
    connect()
    action = _clicked(cast, notes="Her answers were thin.")
    candidate = action.application.candidate
    told = _do("export", "candidate", "acme", candidate.remote_id)
    assert told["candidate"]["last_name"] == candidate.last_name
    assert told["applications"][0]["answers"]
    assert told["done_with_them"][0]["notes"] == "Her answers were thin."


@pytest.mark.parametrize("gone", ["anonymize_candidate", "delete_candidate"])
def test_a_candidate_is_erased_once_greenhouse_has_erased_them(
    connect, sandbox: Sandbox, cast: Cast, gone: str
) -> None:
    connect()
    action = _clicked(cast, notes="Her answers were thin.")
    candidate = action.application.candidate
    with pytest.raises(CommandError, match="Greenhouse still has this person"):
        _do("erase", "candidate", "acme", candidate.remote_id)
    sandbox.mutate(gone, candidate_id=candidate.remote_id)
    said = _do("erase", "candidate", "acme", candidate.remote_id)
    candidate.refresh_from_db()
    action.refresh_from_db()
    action.application.refresh_from_db()
    assert (candidate.first_name, candidate.last_name, candidate.title) == ("", "", "")
    assert (action.notes, action.application.answers) == ("", [])
    receipt = Entry.objects.get(verb="mirror.erased")
    assert f"entry {receipt.number} " in said
    assert receipt.after == {"candidates": [candidate.pk]}


def test_of_whom_nothing_is_held_that_is_said(connect, cast: Cast) -> None:
    connect()
    remote_id = Candidate.objects.first().remote_id
    for slug, wrong in (("acme", 1), ("other-inc", remote_id), ("nobody", remote_id)):
        with pytest.raises(CommandError, match="Nothing is held"):
            _do("export", "candidate", slug, wrong)


# -- an organization -----------------------------------------------------------------------------
def test_an_organization_is_erased_after_it_disconnected(
    connect, cast: Cast, sign_in, work
) -> None:
    connection = connect()
    acme = cast.ada.organization
    _clicked(cast)
    with pytest.raises(CommandError, match="Type its name"):
        _do("erase", "organization", "acme", "--name", "acme")
    with pytest.raises(CommandError, match="Disconnect it"):
        _do("erase", "organization", "acme", "--name", "Acme")
    Connection.objects.filter(pk=connection.pk).update(state="disconnected", emptying=True)
    with pytest.raises(CommandError, match="still being deleted"):
        _do("erase", "organization", "acme", "--name", "Acme")
    Connection.objects.filter(pk=connection.pk).update(emptying=False)
    before = Entry.objects.filter(organization_id=acme.pk).count()

    told = _do("erase", "organization", "acme", "--name", "Acme")

    assert told["erased"]["accounts.User"] >= 7
    assert not Organization.objects.filter(pk=acme.pk).exists()
    assert _stored_words("@acme.example") == {"audit.Entry"}
    assert not Transition.objects.filter(subject="connections.connection").exists()
    assert Entry.objects.filter(organization_id=acme.pk).count() == before
    assert Entry.objects.get(verb="organization.erased").after == told["erased"]
    assert User.objects.filter(pk__in=[cast.zoe.user_id, cast.cas.pk, cast.ola.pk]).count() == 3
    page = sign_in(cast.ola).get(reverse("admin:audit_entry_changelist"))
    assert "erased the organization “Acme”" in page.content.decode()
    entry = Entry.objects.filter(organization_id=acme.pk).first()
    assert (
        sign_in(cast.ola).get(reverse("admin:audit_entry_change", args=[entry.pk])).status_code
        == 200
    )


# Where it stops: before this model's rows go, or, of a model's, right after they went.
STOPS = ["before mirror.Job", "before accounts.Membership", "after accounts.Membership",
         "after accounts.User", "before the receipt"]  # fmt: skip


@pytest.mark.parametrize("stop", STOPS)
def test_it_can_be_stopped_anywhere_and_called_again(
    connect, cast: Cast, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    connection = connect()
    Connection.objects.filter(pk=connection.pk).update(state="disconnected")
    real = retention.drop

    def drop(rows):
        if stop == f"before {rows.model._meta.label}":
            raise KeyboardInterrupt
        dropped = real(rows)
        if stop == f"after {rows.model._meta.label}":
            raise KeyboardInterrupt
        return dropped

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, "drop", drop)
        if stop == "before the receipt":
            patched.setattr(organizations, "record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _do("erase", "organization", "acme", "--name", "Acme")
    assert not Entry.objects.filter(verb="organization.erased").exists()
    _do("erase", "organization", "acme", "--name", "Acme")
    assert Entry.objects.filter(verb="organization.erased").count() == 1
    assert not Organization.objects.filter(slug="acme").exists()
    assert not User.objects.filter(email__endswith="@acme.example").exists()
    assert _stored_words("@acme.example") <= {"audit.Entry"}
