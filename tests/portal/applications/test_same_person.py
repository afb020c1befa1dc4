"""Applications that share contact details, shown together to those who may see each of them."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.applications.same_person import find_related_applications
from portal.entitlements.rules import get_rights, visible_applications
from portal.sync.models import Application, Candidate, Job, JobGrant, RejectionReason
from portal.sync.records.candidate_erasure import erase_candidates
from portal.sync.records.record_refresh import refresh_candidate
from tests import tables
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    get_sandbox_application,
    list_applications,
)

Status = ApplicationAction.Status
EMAIL, PHONE, LINK = "ada@example.com", "+1 415 555 0100", "https://www.linkedin.com/in/ada"

pytestmark = any_generation


@pytest.fixture
def sam(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.sam)


@pytest.fixture
def people(sam: Client, sandbox: Sandbox) -> list[Application]:
    """Four applications of four candidates on four requisitions; the first three share details."""
    by_job = {a.job_id: a for a in reversed(list_applications("sam"))}
    by_candidate = {a.candidate_id: a for a in by_job.values()}
    chosen = sorted(by_candidate.values(), key=lambda a: a.pk)[:4]
    contacts = (
        {"emails": [EMAIL], "phones": [PHONE]},
        {"emails": [EMAIL.upper()], "phones": ["0014155550100"], "links": [LINK]},
        {"emails": ["other@example.com"], "phones": [PHONE]},
        {"emails": ["else@example.com"]},
    )
    for application, values in zip(chosen, contacts, strict=True):
        _set_contacts(sandbox, application, **values)
    return chosen


def _set_contacts(sandbox: Sandbox, application: Application, **values: list[str]) -> None:
    candidate_id = application.candidate.remote_id
    sandbox.run_mutation("change_contacts", candidate_id=candidate_id, **values)
    refresh_candidate(application.connection, candidate_id)


def _read(client: Client, name: str, application: Application) -> str:
    page: str = client.get(build_action_url(name, application.pk)).content.decode()
    return page.replace("&#x27;", "'")


def test_shared_details_are_told_as_facts(sam: Client, people: list[Application]) -> None:
    page = _read(sam, "applicant", people[0])
    assert "Applied to 3 requisitions you can see." in page
    assert "Same email and phone." in page
    assert "Same phone." in page
    assert people[3].job.name not in page.partition("Other applications")[2]
    assert EMAIL not in page
    overview = _read(sam, "same_person", people[0])
    assert all(application.job.name in overview for application in people[:3])
    assert build_action_url("applicant", people[3].pk) not in overview


def test_grouping_hides_what_may_not_be_seen(
    sam: Client, people: list[Application], personas: Personas, sign_in
) -> None:
    """Not even a number: the page is the same as if the hidden ones did not exist."""
    first, second, third = people[:3]
    Job.objects.filter(pk=third.job_id).update(confidential=True)
    page = _read(sam, "applicant", first)
    assert "Applied to 2 requisitions you can see." in page
    assert third.job.name not in page
    Candidate.objects.filter(pk=second.candidate_id).update(private=True)
    page = _read(sam, "applicant", first)
    assert 'id="other-applications"' not in page
    overview = _read(sam, "same_person", first)
    assert "No other applications you can see." in overview
    for hidden in (second, third):
        assert build_action_url("applicant", hidden.pk) not in overview
        assert sam.get(build_action_url("same_person", hidden.pk)).status_code == 404


def test_hidden_application_links_no_others(
    sam: Client, people: list[Application], sandbox: Sandbox
) -> None:
    """The middle one shares something with each; the outer two share nothing."""
    first, middle, last = people[:3]
    _set_contacts(sandbox, first, emails=[EMAIL])
    _set_contacts(sandbox, last, phones=[PHONE])
    Job.objects.filter(pk=middle.job_id).update(confidential=True)
    assert 'id="other-applications"' not in _read(sam, "applicant", first)


@pytest.mark.parametrize("name", ["ada", "sam", "remy", "vic", "ivy"])
def test_group_equals_naive_rule(people: list[Application], personas: Personas, name: str) -> None:
    """For every reader: what they may see, and shares a digest."""
    member = getattr(personas, name)
    rights = get_rights(member)
    visible = list(visible_applications(member).select_related("candidate"))
    for application in people:
        expected = {
            other.pk
            for other in visible
            if other.pk != application.pk
            and other.candidate is not None
            and (
                other.candidate_id == application.candidate_id
                or set(other.candidate.contact_digests)
                & set(Candidate.objects.get(pk=application.candidate_id).contact_digests)
            )
        }
        application.refresh_from_db()
        related = find_related_applications(application, rights)
        assert {other.application.pk for other in related.others} == expected


def test_addresses_are_stored_as_digests_only(people: list[Application]) -> None:
    digests = [set(Candidate.objects.get(pk=a.candidate_id).contact_digests) for a in people]
    assert digests[0] & digests[1]
    assert not any(
        tables.is_text_stored(text) for text in (EMAIL, "14155550100", "linkedin.com/in")
    )


def test_digests_are_erased_with_person(sam: Client, people: list[Application]) -> None:
    second = people[1]
    erase_candidates(second.connection, [second.candidate.remote_id])
    assert Candidate.objects.get(pk=second.candidate_id).contact_digests == []
    assert second.job.name not in _read(sam, "applicant", people[0]).partition("Other app")[2]


def test_digests_are_erased_with_anonymized_person(
    people: list[Application], sandbox: Sandbox
) -> None:
    candidate = people[1].candidate
    sandbox.run_mutation("anonymize_candidate", candidate_id=candidate.remote_id)
    refresh_candidate(people[1].connection, candidate.remote_id)
    assert Candidate.objects.get(pk=candidate.pk).contact_digests == []


def test_one_decision_has_its_own_outcomes(
    sam: Client, people: list[Application], sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    first, second, third, stranger = people
    url = build_action_url("decide_same_person", first.pk)
    query = "&".join(f"selected={a.pk}" for a in people)
    preview = sam.get(f"{url}?kind=reject&{query}")
    page = preview.content.decode()
    assert "Reject 3 applications" in page  # the fourth shares nothing
    form = preview.context["form"]
    values = {
        "kind": "reject",
        "key": form.initial["key"],
        "selection": form.initial["selection"],
        "reason": RejectionReason.objects.order_by("remote_id")[0].pk,
    }
    response = sam.post(url, values)
    batch = Batch.objects.get()
    assert response.url == build_action_url("batch", batch.pk)
    assert sam.post(url, values).url == response.url
    sandbox.run_mutation("hire_application", application_id=second.remote_id)
    advance_clock(11)
    runner.release_due_batches()
    run_tasks()
    statuses = dict(batch.actions.values_list("application", "status"))
    assert statuses == {
        first.pk: Status.DONE,
        second.pk: Status.CONFLICT,
        third.pk: Status.DONE,
    }
    assert get_sandbox_application(sandbox, third).status == "rejected"
    assert get_sandbox_application(sandbox, stranger).status == "active"
    result = sam.get(response.url).content.decode()
    assert "2 rejected, 1 not rejected" in result
    assert third.job.name in result


def test_decision_skips_what_is_no_longer_visible(
    sam: Client, people: list[Application], run_tasks
) -> None:
    first, _, third, _ = people
    url = build_action_url("decide_same_person", first.pk)
    form = sam.get(f"{url}?kind=reject&selected={first.pk}&selected={third.pk}").context["form"]
    Job.objects.filter(pk=third.job_id).update(confidential=True)
    values = {
        "kind": "reject",
        "key": form.initial["key"],
        "selection": form.initial["selection"],
        "reason": RejectionReason.objects.order_by("remote_id")[0].pk,
    }
    sam.post(url, values)
    assert [a.application_id for a in Batch.objects.get().actions.all()] == [first.pk]


def test_batch_keeps_role_of_each_job(
    people: list[Application], personas: Personas, sign_in
) -> None:
    """A refusal is learned for the role on the application's own requisition."""
    remy = sign_in(personas.remy)
    member_jobs = JobGrant.objects.filter(
        user__primary_email="remy@acme.example", job_admin=True, gone_at=None
    ).order_by("pk")
    first_grant, second_grant = member_jobs[:2]
    JobGrant.objects.filter(pk=second_grant.pk).update(role_remote_id=77)
    first, second = people[:2]
    Application.objects.filter(pk=first.pk).update(job=first_grant.job)
    Application.objects.filter(pk=second.pk).update(job=second_grant.job)
    url = build_action_url("decide_same_person", first.pk)
    form = remy.get(f"{url}?kind=advance&selected={first.pk}&selected={second.pk}").context["form"]
    values = {"kind": "advance", "selection": form.initial["selection"]}
    remy.post(url, values | {"key": form.initial["key"]})
    roles = dict(ApplicationAction.objects.values_list("application", "role_remote_id"))
    assert roles == {first.pk: first_grant.role_remote_id, second.pk: 77}


def test_security_concern_uses_greenhouse_type(sam: Client, people: list[Application]) -> None:
    assert RejectionReason.objects.filter(type_key="SECURITY_CONCERN").exists()
    assert "Reject as a security concern" in _read(sam, "same_person", people[0])
    url = build_action_url("reject_as_concern", people[0].pk)
    response = sam.get(f"{url}?selected={people[0].pk}")
    form = response.context["form"]
    assert {reason.type_key for reason in form.fields["reason"].queryset} == {"SECURITY_CONCERN"}
    assert "template" not in form.fields
    other_reason = RejectionReason.objects.exclude(type_key="SECURITY_CONCERN")[0]
    values = {"key": form.initial["key"], "selection": form.initial["selection"]}
    assert sam.post(url, values | {"reason": other_reason.pk}).status_code == 422
    RejectionReason.objects.filter(type_key="SECURITY_CONCERN").update(gone_at=timezone.now())
    assert "Reject as a security concern" not in _read(sam, "same_person", people[0])


def test_queries_are_constant(sam: Client, people: list[Application], sandbox: Sandbox) -> None:
    url = build_action_url("same_person", people[0].pk)
    sam.get(url)
    with CaptureQueriesContext(database) as three:
        sam.get(url)
    for application in list_applications("sam")[5:12]:
        _set_contacts(sandbox, application, emails=[EMAIL])
    sam.get(url)  # writes the request log of these changes
    with CaptureQueriesContext(database) as ten:
        page = sam.get(url).content.decode()
    assert page.count('name="selected"') > 8
    assert len(ten) == len(three)
