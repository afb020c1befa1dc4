"""Who may read which decisions, and how long they stay."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.audit.models import Entry
from portal.connections.models import Connection, PermissionCheck
from portal.decisions.models import Decision, DecisionChain, RecordSettings
from portal.privacy import tasks
from portal.sync.models import Application, AtsUser, Candidate, Job, TeamMember
from portal.sync.records import candidate_erasure
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    list_applications,
    reject_application,
    submit_action,
)
from tests.portal.decisions.record_helpers import (
    fetch_csv,
    fetch_print,
    fetch_record,
    read_csv,
    verify_record,
)
from tests.portal.entitlements.synced_data import GRANTS

YEAR = 365.25 * 24 * 60 * 60
WORDS = "Interviewed badly."


@pytest.fixture
def sam(remy: Client, personas: Personas, sign_in) -> Client:
    client: Client = sign_in(personas.sam)
    return client


def _pick_two_of_one_job() -> tuple[Application, Application]:
    applications = list_applications()
    first = next(a for a in applications if sum(b.job_id == a.job_id for b in applications) > 1)
    second = next(a for a in applications if a.job_id == first.job_id and a != first)
    return first, second


def test_hidden_application_leaves_no_trace(remy: Client, run_tasks) -> None:
    first, second = _pick_two_of_one_job()
    submit_action(remy, "advance", first)
    submit_action(remy, "advance", second)
    run_tasks()
    assert len(read_csv(remy, first.job)) == 2
    Candidate.objects.filter(pk=second.candidate_id).update(private=True)
    assert len(read_csv(remy, first.job)) == 1
    for page in (fetch_record(remy, first.job), fetch_print(remy, first.job)):
        assert str(second.candidate) not in page
        assert page.count("decision-title") == 1
    assert "1 to 1 of 1" in fetch_record(remy, first.job)


def test_other_requisition_is_not_found(remy: Client, sam: Client, run_tasks) -> None:
    hidden = next(a for a in list_applications("sam") if not _sees(remy, a.job))
    submit_action(sam, "advance", hidden)
    run_tasks()
    assert len(read_csv(sam, hidden.job)) == 1
    for view in ("record", "print", "export_csv"):
        assert remy.get(reverse(f"decisions:{view}", args=[hidden.job_id])).status_code == 404


def _sees(client: Client, job: Job) -> bool:
    url = reverse("applications:job_detail", args=[job.pk])
    return client.get(url).status_code == 200


def test_transferred_application_goes_with_its_rights(remy: Client, sam: Client, run_tasks) -> None:
    """Who sees the requisition it left, but not where it went, sees nothing of it."""
    application = find_application()
    hidden = next(a.job for a in list_applications("sam") if not _sees(remy, a.job))
    submit_action(sam, "transfer", application, to_job=hidden.pk)
    run_tasks()
    (line,) = read_csv(sam, application.job)
    assert line["To"] == hidden.name
    assert read_csv(remy, application.job) == []


def test_admin_sees_no_more_than_in_greenhouse(
    remy: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    admin = sign_in(personas.ada)
    assert len(read_csv(admin, application.job)) == 1
    Job.objects.filter(pk=application.job_id).update(confidential=True)
    url = reverse("decisions:record", args=[application.job_id])
    assert admin.get(url).status_code == 404
    assert sign_in(personas.zoe).get(url).status_code == 404


def test_open_decisions_are_of_the_requisition(remy: Client) -> None:
    application = find_application()
    other = next(a for a in list_applications() if a.job_id != application.job_id)
    submit_action(remy, "advance", application)
    submit_action(remy, "note", other, notes=WORDS, visibility="admin_only")
    assert [line["Result"] for line in read_csv(remy, application.job)] == ["Not sent yet"]
    assert read_csv(remy, other.job) == []


def test_note_is_hidden_from_hiring_team(remy: Client, sam: Client, run_tasks) -> None:
    """The hiring team, which stands in while grants can't be read, reads no notes of others."""
    application = find_application()
    reject_application(sam, application, notes=WORDS)
    run_tasks()
    assert WORDS in fetch_record(remy, application.job)
    user = AtsUser.objects.get(primary_email="remy@acme.example")
    TeamMember.objects.get_or_create(job=application.job, user=user, role="recruiter")
    assert PermissionCheck.objects.filter(permission=GRANTS).update(outcome="missing")
    for text in (fetch_record(remy, application.job), fetch_csv(remy, application.job)):
        assert str(application.candidate) in text
        assert WORDS not in text
    assert WORDS in fetch_record(sam, application.job)


def test_erased_candidate_is_not_named(remy: Client, run_tasks, sandbox: Sandbox) -> None:
    application, other = _pick_two_of_one_job()
    name = str(application.candidate)
    list_query = "status=active&source=A+friend&answer=" + '%5B"Visa%3F","Yes"%5D'
    reject_application(remy, application, notes=WORDS, list_query=list_query)
    reject_application(remy, other, notes=WORDS)
    run_tasks()
    assert "Source: A friend; Visa?: Yes" in read_csv(remy, application.job)[0]["Filters"]
    candidate_erasure.erase_candidates(application.connection, [application.candidate.remote_id])
    Application.objects.filter(pk=application.pk).update(gone_at=F("changed_at"))
    erased, kept = read_csv(remy, application.job)
    assert (erased["Candidate"], erased["Note"]) == ("Erased candidate", "")
    assert (erased["Decision"], erased["Result"]) == ("Reject", "Done")
    assert erased["Filters"] == "Status: Active"
    assert erased["Erased on request"] == "yes"
    assert erased["Seal check"] == "unchanged"
    assert kept["Note"] == WORDS
    for page in (fetch_record(remy, application.job), fetch_print(remy, application.job)):
        assert name not in page
        assert "was erased on" in page
    decision = Decision.objects.get(application_remote_id=application.remote_id)
    assert (decision.free_text, decision.free_text_salt) == ({}, "")
    assert "2 decisions" in verify_record()


def test_erasure_leaves_other_organizations(remy: Client, personas: Personas, run_tasks) -> None:
    """Whose accounts in Greenhouse may count their applications alike."""
    application = find_application()
    reject_application(remy, application, notes=WORDS)
    run_tasks()
    decision = Decision.objects.get()
    decision.pk, decision.action_id = None, decision.action_id + 1
    decision.organization, decision.membership = personas.zoe.organization, personas.zoe
    Decision.objects.bulk_create([decision])
    candidate_erasure.erase_candidates(application.connection, [application.candidate.remote_id])
    texts = dict(Decision.objects.values_list("organization", "free_text"))
    assert texts == {
        personas.remy.organization_id: {},
        personas.zoe.organization_id: {"note": WORDS},
    }


def test_resume_is_not_known_of_who_left(
    remy: Client, sam: Client, personas: Personas, run_tasks
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    Membership.objects.filter(pk=personas.remy.pk).update(ended_at=timezone.now())
    run_tasks()
    (line,) = read_csv(sam, application.job)
    assert line["Résumé"] == "Not known"


def test_private_candidate_stays_hidden_once_erased(remy: Client, sam: Client, run_tasks) -> None:
    application = find_application()
    reject_application(sam, application, notes=WORDS)
    run_tasks()
    Candidate.objects.filter(pk=application.candidate_id).update(private=True)
    candidate_erasure.erase_candidates(application.connection, [application.candidate.remote_id])
    assert read_csv(sam, application.job) == []


def test_erased_member_is_former_member(
    remy: Client, sam: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    url = reverse("privacy:erase_member", args=[personas.remy.pk])
    response = sign_in(personas.ada).post(url, {"email": "remy@acme.example"})
    assert response.status_code == 302
    (line,) = read_csv(sam, application.job)
    assert line["Decided by"] == "Former member"
    assert line["Seal check"] == "unchanged"


def test_organization_is_erased_with_its_record(
    remy: Client, personas: Personas, run_tasks
) -> None:
    submit_action(remy, "advance", find_application())
    run_tasks()
    Connection.objects.update(state="disconnected")
    call_command("personal_data", "erase", "organization", "acme", "--name", "Acme")
    assert not Decision.objects.exists()
    assert not DecisionChain.objects.exists()
    assert "whole" in verify_record()


def test_candidate_export_holds_decisions(remy: Client, run_tasks, capsys) -> None:
    application = find_application()
    reject_application(remy, application, notes=WORDS)
    run_tasks()
    call_command("personal_data", "export", "candidate", "acme", application.candidate.remote_id)
    (decision,) = json.loads(capsys.readouterr().out)["decisions_recorded"]
    assert decision["free_text"] == {"note": WORDS}
    assert "seal" not in decision


def test_decisions_expire_as_the_organization_chose(
    remy: Client, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    first, second = _pick_two_of_one_job()
    submit_action(remy, "advance", first)
    run_tasks()
    advance_clock(1.5 * YEAR)
    submit_action(sign_in(personas.remy), "advance", second)
    run_tasks()
    advance_clock(1.4 * YEAR)
    tasks.delete_expired_data()
    assert Decision.objects.count() == 2
    advance_clock(0.2 * YEAR)
    tasks.delete_expired_data()
    assert list(Decision.objects.values_list("number", flat=True)) == [2]
    assert Entry.objects.filter(verb="decision_record.expired").count() == 1
    assert "1 decisions" in verify_record()

    admin, url = sign_in(personas.ada), reverse("decisions:retention")
    response = admin.post(url, {"years": "1"})
    assert response.status_code == 422
    assert "Select this to keep decisions for fewer years" in response.content.decode()
    assert not RecordSettings.objects.exists()
    assert admin.post(url, {"years": "1", "confirmed": "on"}).status_code == 302
    entry = Entry.objects.get(verb="decision_record.retention_changed")
    assert (entry.before, entry.after) == ({"years": 3}, {"years": 1})
    tasks.delete_expired_data()
    assert not Decision.objects.exists()
    assert "0 decisions" in verify_record()


def test_only_admins_change_retention(remy: Client, personas: Personas, sign_in) -> None:
    assert remy.get(reverse("decisions:retention")).status_code == 403
    values = {"years": "1", "confirmed": "on"}
    assert remy.post(reverse("decisions:retention"), values).status_code == 403
    assert not RecordSettings.objects.exists()
    admin = sign_in(personas.ada)
    for years in ("", "0", "5"):
        response = admin.post(reverse("decisions:retention"), {"years": years})
        assert response.status_code == 422
        assert "Choose" in str(response.context["form"].errors["years"])
    assert admin.post(reverse("decisions:retention"), {"years": "4"}).status_code == 302
    assert RecordSettings.objects.get().years == 4
    assert "4 years" in fetch_record(admin, find_application().job)


def test_exports_are_in_the_activity_log(remy: Client, personas: Personas) -> None:
    job = find_application().job
    read_csv(remy, job)
    fetch_print(remy, job)
    verbs = Entry.objects.filter(verb__startswith="decision_record.").order_by("pk")
    assert [(entry.verb, entry.by, entry.after) for entry in verbs] == [
        ("decision_record.exported", personas.remy.user, {"job": job.remote_id}),
        ("decision_record.printed", personas.remy.user, {"job": job.remote_id}),
    ]
