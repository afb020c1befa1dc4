"""Every address of ours, walked by those who have no business there."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, Job
from tests.cast import Cast
from tests.portal import walk

ALLOWED = {200, 204, 302, 403, 404, 405, 422}


def _an_application(**of_job: object) -> Application:
    return (
        Application.objects.filter(status="active", candidate__private=False, job__status="open")
        .filter(**{f"job__{key}": value for key, value in of_job.items()})
        .select_related("job", "candidate")
        .first()
    )


def _words_of(jobs) -> set[str]:
    """What would betray these jobs: their names, and those of their candidates."""
    names = {
        str(a.candidate)
        for a in Application.objects.filter(job__in=jobs).select_related("candidate")
        if a.candidate
    }
    return names | {job.name for job in jobs}


def _betrayed(answer, words: set[str]) -> list[str]:
    page = answer.getvalue().decode()
    return [word for word in words if word in page]


def test_there_is_something_to_walk(connect, cast: Cast) -> None:
    connect()
    found = walk.addresses(walk.rows_of(_an_application(), cast.ada))
    assert len(found) >= 30
    assert len(walk.admin_addresses()) >= 20


def test_who_is_not_signed_in_is_sent_to_sign_in(connect, cast: Cast, client: Client) -> None:
    connect()
    application = _an_application()
    for name, address in walk.addresses(walk.rows_of(application, cast.ada)).items():
        for answer in walk.answers(client, address, application):
            if answer.status_code != 405:  # the address does not take this method from anybody
                assert answer.status_code == 302, name
                assert answer.url.startswith(reverse("account_login")), name


@pytest.mark.parametrize("who", ["zoe", "uma", "ivy", "dana"])
def test_who_may_see_nothing_of_it_finds_nothing(connect, cast: Cast, sign_in, who: str) -> None:
    connect()
    application = _an_application(confidential=False)
    words = _words_of(Job.objects.all())
    stranger = sign_in(getattr(cast, who))
    found = walk.addresses(walk.rows_of(application, cast.ada))
    before = ApplicationAction.objects.count()
    for name, address in found.items():
        for answer in walk.answers(stranger, address, application):
            assert answer.status_code in ALLOWED, (name, answer.status_code)
            assert not _betrayed(answer, words), name
    assert ApplicationAction.objects.count() == before


@pytest.mark.parametrize("confidential", [False, True], ids=["open", "confidential"])
def test_a_colleague_without_the_right_finds_nothing_of_that_job(
    connect, cast: Cast, sign_in, confidential: bool
) -> None:
    connect()
    granted = Job.objects.filter(grants__user__primary_email="vic@acme.example")
    hidden = Job.objects.exclude(pk__in=granted)
    application = _an_application(pk__in=hidden, confidential=confidential)
    words = _words_of(hidden) - _words_of(granted)
    vic = sign_in(cast.vic)
    found = walk.addresses(walk.rows_of(application, cast.ada))
    before = ApplicationAction.objects.count()
    for name, address in found.items():
        for answer in walk.answers(vic, address, application):
            assert answer.status_code in ALLOWED, (name, answer.status_code)
            about_it = {f"/applications/{application.pk}/", f"/requisitions/{application.job_id}/"}
            if any(address.startswith(start) for start in about_it):
                assert answer.status_code in {404, 405}, (name, answer.status_code)
            assert not _betrayed(answer, words), name
    assert ApplicationAction.objects.count() == before


def test_private_candidates_are_shown_to_nobody(connect, cast: Cast, sign_in) -> None:
    connect()
    private = Application.objects.filter(candidate__private=True, job__status="open")
    public = Application.objects.exclude(candidate__private=True).select_related("candidate")
    words = {str(a.candidate) for a in private.select_related("candidate")}
    words -= {str(a.candidate) for a in public}
    application = private.select_related("job", "candidate").first()
    for who in (cast.ada, cast.remy):
        somebody = sign_in(who)
        found = walk.addresses(walk.rows_of(application, who))
        for name, address in found.items():
            for asked in ({}, *walk.probes(application)):
                assert not _betrayed(somebody.get(address, asked), words), name


def test_customers_never_get_into_the_admin(connect, cast: Cast, sign_in, client: Client) -> None:
    connect()
    for somebody in (client, sign_in(cast.ada)):
        for name, address in walk.admin_addresses().items():
            answer = somebody.get(address)
            if name not in {"admin:login", "admin:logout", "admin:jsi18n"}:
                assert answer.status_code in {302, 404, 405}, name
            assert "cas@portal.example" not in answer.getvalue().decode(), name


def test_customer_success_meets_no_candidate_in_the_admin(connect, cast: Cast, sign_in) -> None:
    connect()
    words = {str(a.candidate) for a in Application.objects.select_related("candidate")}
    cas = sign_in(cast.cas)
    seen = 0
    for name, address in walk.admin_addresses().items():
        answer = cas.get(address)
        assert answer.status_code in {200, 302, 403, 404, 405}, name
        seen += answer.status_code == 200
        assert not _betrayed(answer, words), name
    assert seen >= 5
