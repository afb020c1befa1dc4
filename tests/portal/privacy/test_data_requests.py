"""Export and erasure of personal data by an operator."""

from __future__ import annotations

import json
import re
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
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.connections.permissions import fix_links
from portal.core.models import Transition
from portal.issues import service
from portal.issues.models import Issue
from portal.jobs.models import SavedView
from portal.notifications import notify
from portal.privacy import organization_erasure, retention
from portal.support.monitoring import monitors
from portal.sync.models import Application, Candidate
from tests.conftest import FULL_CREDENTIALS
from tests.factories import PASSWORD, ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data


def _run_command(*arguments: object) -> Any:
    out = StringIO()
    call_command("personal_data", *map(str, arguments), stdout=out)
    return json.loads(out.getvalue()) if out.getvalue().startswith("{") else out.getvalue()


def _create_action(personas: Personas, notes: str = "") -> ApplicationAction:
    application = Application.objects.exclude(candidate=None).exclude(answers=[]).first()
    return ApplicationAction.objects.create(
        application=application, membership=personas.remy, kind="reject", status="done", notes=notes
    )


def test_member_export_holds_only_own_data(connect, personas: Personas, client) -> None:
    connect()
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    action = _create_action(personas, notes="Her answers were thin.")
    SavedView.objects.create(membership=personas.remy, name="Mine", query="mine=1")
    export = _run_command("export", "person", "REMY@acme.example")
    assert export["person"]["email"] == "remy@acme.example"
    assert export["memberships"][0]["organization"] == "Acme"
    assert export["owned_rows"]["jobs.SavedView"][0]["name"] == "Mine"
    assert export["owned_rows"]["applications.ApplicationAction"][0]["id"] == action.pk
    assert export["owned_rows"]["usersessions.UserSession"][0]["ip"] == "127.0.0.1"
    assert export["greenhouse_users"][0]["addresses"] == ["remy@acme.example"]
    text = json.dumps(export)
    for hidden in ("thin", str(action.application.candidate), "ada@acme.example", "password"):
        assert hidden not in text
    assert UserSession.objects.get().session_key not in text


def test_member_export_omits_connection_secrets(connect, personas: Personas, kind: str) -> None:
    connect(kind)
    export = _run_command("export", "person", "ada@acme.example")
    assert export["references"]["connections.Credential"][0].keys() == {"id", "entered_at"}
    assert any(entry["verb"].startswith("credential.") for entry in export["audit_log"])
    for name, value in FULL_CREDENTIALS[kind].items():
        assert name == "kind" or value not in json.dumps(export)


def test_erased_member_is_anonymous_but_actions_stay(
    connect, personas: Personas, client, sign_in
) -> None:
    connect()
    client.post(reverse("account_login"), {"login": "uma@acme.example", "password": PASSWORD})
    action = ApplicationAction.objects.create(
        application=Application.objects.first(),
        membership=personas.uma,
        kind="advance",
        status="done",
    )
    notify.notify_users(
        [personas.ada.user],
        personas.ada.organization,
        key="k",
        subject="About uma@acme.example",
        body="Uma@acme.example has no match.",
    )
    record_entry(
        "member.joined", "joined", organization=personas.ada.organization, by=personas.uma.user
    )
    monitors.run_monitors()
    assert "uma@acme.example" in Issue.objects.get(cause="unmatched_people").description
    _run_command("erase", "person", "uma@acme.example")

    assert client.get(reverse("jobs:list")).status_code == 302  # signed out
    assert not EmailAddress.objects.filter(email="uma@acme.example").exists()
    assert not Membership.objects.filter(pk=personas.uma.pk).exists()
    action.refresh_from_db()
    assert str(action.membership.user) == "Former member"
    ada = sign_in(personas.ada)
    for url_name in ("members:list", "audit:log", "audit:export_csv", "onboarding:people"):
        content = ada.get(reverse(url_name)).getvalue().decode()
        assert "uma@acme.example" not in content.lower(), url_name
    assert "Former member" in ada.get(reverse("audit:log")).content.decode()
    cas = sign_in(personas.cas)
    overview = reverse("admin:accounts_organization_summary", args=[personas.ada.organization_id])
    for url in (overview, reverse("admin:audit_entry_changelist")):
        assert "uma@acme.example" not in cas.get(url).content.decode().lower()
    assert _models_containing("uma@acme.example") == {"audit.Entry"}


def test_entries_about_erased_member_are_masked(personas: Personas, sign_in) -> None:
    acme, uma = personas.ada.organization, personas.uma.user
    connection = ConnectionFactory(organization=acme, state="live")
    synced_data.record_check(connection, missing=("jobs.list",))
    ola, cas = sign_in(personas.ola), sign_in(personas.cas)
    account_url = reverse("admin:accounts_user_change", args=[uma.pk])
    form_data = {"email": "Uma@acme.example", "name": "Uma Umber", "is_active": "on"}
    formset_data = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    ola.post(account_url, form_data | formset_data)
    membership_url = reverse("admin:accounts_membership_change", args=[personas.uma.pk])
    cas.post(membership_url, {"role": "admin"})
    reason = {"reason": "Uma Umber (uma@acme.example) asks for help"}
    cas.post(reverse("admin:start_impersonation", args=[personas.uma.pk]), reason)
    cas.post(reverse("admin:stop_impersonation"))
    uma.refresh_from_db()
    link, _ = fix_links.create_link(
        connection, ["jobs.list"], by=personas.ada.user, send_to=uma.email
    )
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9")
    record_entry("signin.signed_in", "signed in", organization=acme, by=uma, request=request)
    text = "advanced application 5 in Greenhouse, in the name of Uma Umber (Greenhouse user 12)"
    record_entry("application.advanced", text, organization=acme, by=uma)
    record_entry(
        "support.fix_link_created",
        f"made a link and sent it to {uma.email}.",
        organization=acme,
        by=personas.cas,
        after={"to": [uma.email], "from": "gia@acme.example"},
    )

    _run_command("erase", "person", "UMA@acme.example")

    assert _models_containing("uma@acme") == {"audit.Entry"}
    assert _models_containing("uma umber") == {"audit.Entry"}
    link.refresh_from_db()
    assert not link.is_open
    ola, ada = sign_in(personas.ola), sign_in(personas.ada)
    entry = Entry.objects.get(verb="support.fix_link_created")
    overview = reverse("admin:accounts_organization_summary", args=[acme.pk])
    pages = [
        *(ada.get(reverse(page)).getvalue().decode() for page in ("audit:log", "audit:export_csv")),
        *(
            ola.get(url).content.decode()
            for url in (
                overview,
                reverse("admin:audit_entry_changelist"),
                "/admin/",
                *(
                    reverse(f"admin:audit_entry_{page}", args=[row.pk])
                    for page in ("change", "history")
                    for row in Entry.objects.all()
                ),
            )
        ),
    ]
    for page in pages:
        for hidden in ("uma@", "Uma@", "Umber", "203.0.113.9"):
            assert hidden not in page
    log, export = pages[:2]
    for expected in (
        "made a link and sent it to former member.",
        "gia@acme.example",
        "made former member admin",
        "started viewing the portal as a former member",
        "in the name of Greenhouse user 12",
    ):
        assert expected in log
        assert expected in export
    search_page = ola.get(reverse("admin:audit_entry_changelist"), {"q": "uma@acme.example"})
    assert "0 audit entries" in search_page.content.decode()
    assert entry.description == f"made a link and sent it to {uma.email}.", (
        "sealed as it was written"
    )
    out = StringIO()
    call_command("verify_audit_log", stdout=out)
    assert "The record is whole." in out.getvalue()


def test_issue_masks_erased_member(personas: Personas) -> None:
    issue, _ = service.open_issue(
        personas.ada.organization,
        Issue.Cause.ACTING_USER_REFUSED,
        key=f"{personas.uma.pk}:reject",
        title="Greenhouse denies Uma “Reject”",
        description="In the name of uma@acme.example.",
        severity=Issue.Severity.INFO,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )
    _run_command("erase", "person", "uma@acme.example")
    issue.refresh_from_db()
    assert issue.title == "Greenhouse denies former member “Reject”"
    assert issue.description == "In the name of former member."


def test_reused_address_is_shown_again(personas: Personas, sign_in, advance_clock) -> None:
    acme = personas.ada.organization
    record_entry("test.event", "put uma@acme.example in", organization=acme)
    _run_command("erase", "person", "uma@acme.example")
    advance_clock(1)
    record_entry("test.event", "invited uma@acme.example", organization=acme)
    log = sign_in(personas.ada).get(reverse("audit:log")).content.decode()
    assert "put former member in" in log
    assert "invited uma@acme.example" in log


def test_old_key_digest_still_masks_address(personas: Personas, sign_in, settings) -> None:
    record_entry("test.event", "put uma@acme.example in", organization=personas.ada.organization)
    _run_command("erase", "person", "uma@acme.example")
    settings.AUDIT_KEYS = ["a newer key", *settings.AUDIT_KEYS]
    assert "uma@" not in sign_in(personas.ada).get(reverse("audit:log")).content.decode()


def _models_containing(text: str) -> set[str]:
    """Models, other than the mirror's, with a row that contains this text."""
    from django.apps import apps

    labels = set()
    for model in apps.get_models():
        if model._meta.app_label == "sync":
            continue
        for row in model._base_manager.values():
            if text in str(row).lower():
                labels.add(model._meta.label)
    return labels


def test_repeated_erasure_changes_nothing(personas: Personas) -> None:
    _run_command("erase", "person", "remy@acme.example")
    entries = Entry.objects.filter(verb="user.erased").count()
    with pytest.raises(CommandError, match="Nobody signs in"):
        _run_command("erase", "person", "remy@acme.example")
    assert _run_command("erase", "person", f"erased-{personas.remy.user_id}@erased.invalid") == {
        "erased": {}
    }
    assert Entry.objects.filter(verb="user.erased").count() == entries == 1
    out = StringIO()
    call_command("verify_audit_log", stdout=out)
    assert "The record is whole." in out.getvalue()


def test_last_admin_cannot_be_erased(personas: Personas) -> None:
    with pytest.raises(CommandError, match="Acme would have no admin"):
        _run_command("erase", "person", "ada@acme.example")
    assert User.objects.filter(email="ada@acme.example", erased_at=None).exists()


def test_erased_address_can_join_again(
    personas: Personas, client, sign_in, run_tasks, mailoutbox
) -> None:
    _run_command("erase", "person", "remy@acme.example")
    invitation = {"email": "remy@acme.example", "role": "recruiter"}
    sign_in(personas.ada).post(reverse("members:list"), invitation)
    run_tasks()
    link = re.search(r"/invitation/\S+", mailoutbox[-1].body)
    assert link is not None
    client.post(link[0], {"name": "Remy", "password": "an-uncommon-password-9"})
    membership = Membership.objects.get(user__email="remy@acme.example")
    assert membership.organization == personas.ada.organization
    assert membership.user_id != personas.remy.user_id
    assert client.get(reverse("jobs:list")).status_code == 200


def test_candidate_export_holds_stored_data(connect, personas: Personas) -> None:
    connect()
    action = _create_action(personas, notes="Her answers were thin.")
    candidate = action.application.candidate
    export = _run_command("export", "candidate", "acme", candidate.remote_id)
    assert export["candidate"]["last_name"] == candidate.last_name
    assert export["applications"][0]["answers"]
    assert export["done_with_them"][0]["notes"] == "Her answers were thin."


@pytest.mark.parametrize("mutation", ["anonymize_candidate", "delete_candidate"])
def test_candidate_erased_only_after_greenhouse(
    connect, sandbox: Sandbox, personas: Personas, mutation: str
) -> None:
    connect()
    action = _create_action(personas, notes="Her answers were thin.")
    candidate = action.application.candidate
    with pytest.raises(CommandError, match="Greenhouse still has this person"):
        _run_command("erase", "candidate", "acme", candidate.remote_id)
    sandbox.run_mutation(mutation, candidate_id=candidate.remote_id)
    output = _run_command("erase", "candidate", "acme", candidate.remote_id)
    candidate.refresh_from_db()
    action.refresh_from_db()
    action.application.refresh_from_db()
    assert (candidate.first_name, candidate.last_name, candidate.title) == ("", "", "")
    assert (action.notes, action.application.answers) == ("", [])
    receipt = Entry.objects.get(verb="candidate.erased")
    assert f"entry {receipt.number} " in output
    assert receipt.after == {"candidates": [candidate.pk]}


def test_export_of_unknown_candidate_fails(connect, personas: Personas) -> None:
    connect()
    remote_id = Candidate.objects.first().remote_id
    for slug, candidate_id in (("acme", 1), ("other-inc", remote_id), ("nobody", remote_id)):
        with pytest.raises(CommandError, match="Nothing is held"):
            _run_command("export", "candidate", slug, candidate_id)


def test_organization_erased_only_when_disconnected(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connection = connect()
    acme = personas.ada.organization
    _create_action(personas)
    with pytest.raises(CommandError, match="Type its name"):
        _run_command("erase", "organization", "acme", "--name", "acme")
    with pytest.raises(CommandError, match="Disconnect it"):
        _run_command("erase", "organization", "acme", "--name", "Acme")
    Connection.objects.filter(pk=connection.pk).update(
        state="disconnected", data_deletion_pending=True
    )
    with pytest.raises(CommandError, match="still being deleted"):
        _run_command("erase", "organization", "acme", "--name", "Acme")
    Connection.objects.filter(pk=connection.pk).update(data_deletion_pending=False)
    before = Entry.objects.filter(organization_id=acme.pk).count()

    result = _run_command("erase", "organization", "acme", "--name", "Acme")

    assert result["erased"]["accounts.User"] >= 7
    assert not Organization.objects.filter(pk=acme.pk).exists()
    assert _models_containing("@acme.example") == {"audit.Entry"}
    assert not Transition.objects.filter(subject="connections.connection").exists()
    assert Entry.objects.filter(organization_id=acme.pk).count() == before
    assert Entry.objects.get(verb="organization.erased").after == result["erased"]
    assert (
        User.objects.filter(pk__in=[personas.zoe.user_id, personas.cas.pk, personas.ola.pk]).count()
        == 3
    )
    page = sign_in(personas.ola).get(reverse("admin:audit_entry_changelist"))
    assert "erased the organization “Acme”" in page.content.decode()
    entry = Entry.objects.filter(organization_id=acme.pk).first()
    assert (
        sign_in(personas.ola).get(reverse("admin:audit_entry_change", args=[entry.pk])).status_code
        == 200
    )


# Where the erasure is interrupted: before or right after a model's rows are deleted.
INTERRUPTIONS = [
    "before sync.Job",
    "before accounts.Membership",
    "after accounts.Membership",
    "after accounts.User",
    "before the receipt",
]


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
def test_interrupted_organization_erasure_can_resume(
    connect, personas: Personas, monkeypatch: pytest.MonkeyPatch, interruption: str
) -> None:
    connection = connect()
    Connection.objects.filter(pk=connection.pk).update(state="disconnected")
    original_drop = retention.delete_in_batches

    def drop_and_interrupt(rows):
        if interruption == f"before {rows.model._meta.label}":
            raise KeyboardInterrupt
        dropped = original_drop(rows)
        if interruption == f"after {rows.model._meta.label}":
            raise KeyboardInterrupt
        return dropped

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, "delete_in_batches", drop_and_interrupt)
        if interruption == "before the receipt":
            patched.setattr(organization_erasure, "record_entry", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _run_command("erase", "organization", "acme", "--name", "Acme")
    assert not Entry.objects.filter(verb="organization.erased").exists()
    _run_command("erase", "organization", "acme", "--name", "Acme")
    assert Entry.objects.filter(verb="organization.erased").count() == 1
    assert not Organization.objects.filter(slug="acme").exists()
    assert not User.objects.filter(email__endswith="@acme.example").exists()
    assert _models_containing("@acme.example") <= {"audit.Entry"}
