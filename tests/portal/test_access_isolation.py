"""Every address of the portal, requested by users who may not see it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Job
from tests.personas import Personas
from tests.portal import url_crawler

ALLOWED = {200, 204, 302, 403, 404, 405, 422}


def _find_application(**job_filters: object) -> Application:
    return (
        Application.objects.filter(status="active", candidate__private=False, job__status="open")
        .filter(**{f"job__{key}": value for key, value in job_filters.items()})
        .select_related("job", "candidate")
        .first()
    )


def _names_of(jobs) -> set[str]:
    """Names that would reveal these jobs: their own and their candidates'."""
    return _candidate_names(Application.objects.filter(job__in=jobs)) | {job.name for job in jobs}


def _candidate_names(applications) -> set[str]:
    names = {str(a.candidate) for a in applications.select_related("candidate") if a.candidate}
    # A family name alone may be part of somebody else's name.
    return {name for name in names if " " in name}


def _leaked_names(answer, names: set[str]) -> list[str]:
    page = answer.getvalue().decode()
    return [name for name in names if name in page]


def test_walk_covers_all_addresses(connect, personas: Personas) -> None:
    connect()
    addresses = url_crawler.build_urls(
        url_crawler.create_url_arguments(_find_application(), personas.ada)
    )
    assert len(addresses) >= 30
    assert len(url_crawler.build_admin_urls()) >= 20


@pytest.mark.slow("opens every address of the portal")
def test_anonymous_visitor_is_sent_to_login(connect, personas: Personas, client: Client) -> None:
    connect()
    application = _find_application()
    for name, address in url_crawler.build_urls(
        url_crawler.create_url_arguments(application, personas.ada)
    ).items():
        for answer in url_crawler.iterate_responses(client, address, application):
            if answer.status_code != 405:  # nobody may use this method
                assert answer.status_code == 302, name
                assert answer.url.startswith(reverse("account_login")), name


@pytest.mark.slow("opens every address of the portal")
@pytest.mark.parametrize("member", ["zoe", "uma", "ivy", "dana"])
def test_unauthorized_member_finds_nothing(
    connect, personas: Personas, sign_in, member: str
) -> None:
    connect()
    application = _find_application(confidential=False)
    names = _names_of(Job.objects.all())
    stranger = sign_in(getattr(personas, member))
    addresses = url_crawler.build_urls(url_crawler.create_url_arguments(application, personas.ada))
    before = ApplicationAction.objects.count()
    for name, address in addresses.items():
        for answer in url_crawler.iterate_responses(stranger, address, application):
            assert answer.status_code in ALLOWED, (name, answer.status_code)
            assert not _leaked_names(answer, names), name
    assert ApplicationAction.objects.count() == before


@pytest.mark.slow("opens every address of the portal")
@pytest.mark.parametrize("confidential", [False, True], ids=["open", "confidential"])
def test_colleague_without_access_finds_no_job(
    connect, personas: Personas, sign_in, confidential: bool
) -> None:
    connect()
    granted = Job.objects.filter(grants__user__primary_email="vic@acme.example")
    hidden = Job.objects.exclude(pk__in=granted)
    application = _find_application(pk__in=hidden, confidential=confidential)
    names = _names_of(hidden) - _names_of(granted)
    vic = sign_in(personas.vic)
    addresses = url_crawler.build_urls(url_crawler.create_url_arguments(application, personas.ada))
    before = ApplicationAction.objects.count()
    for name, address in addresses.items():
        for answer in url_crawler.iterate_responses(vic, address, application):
            assert answer.status_code in ALLOWED, (name, answer.status_code)
            job_paths = {f"/applications/{application.pk}/", f"/requisitions/{application.job_id}/"}
            if any(address.startswith(prefix) for prefix in job_paths):
                assert answer.status_code in {404, 405}, (name, answer.status_code)
            assert not _leaked_names(answer, names), name
    assert ApplicationAction.objects.count() == before


@pytest.mark.slow("opens every address of the portal")
def test_private_candidates_shown_to_nobody(connect, personas: Personas, sign_in) -> None:
    connect()
    private = Application.objects.filter(candidate__private=True, job__status="open")
    public = Application.objects.exclude(candidate__private=True).select_related("candidate")
    names = {str(a.candidate) for a in private.select_related("candidate")}
    names -= {str(a.candidate) for a in public}
    application = private.select_related("job", "candidate").first()
    for member in (personas.ada, personas.remy):
        client = sign_in(member)
        addresses = url_crawler.build_urls(url_crawler.create_url_arguments(application, member))
        queries = url_crawler.build_list_queries(application)
        for name, address in addresses.items():
            for answer in url_crawler.iterate_pages(client, address, queries):
                assert not _leaked_names(answer, names), name


@pytest.mark.slow("opens every address of the admin site")
def test_customers_cannot_open_admin(connect, personas: Personas, sign_in, client: Client) -> None:
    connect()
    for browser in (client, sign_in(personas.ada)):
        for name, address in url_crawler.build_admin_urls().items():
            answer = browser.get(address)
            if name not in {"admin:login", "admin:logout", "admin:jsi18n"}:
                assert answer.status_code in {302, 404, 405}, name
            assert "cas@portal.example" not in answer.getvalue().decode(), name


@pytest.mark.slow("opens every address of the admin site")
def test_csm_sees_no_candidate_in_admin(connect, personas: Personas, sign_in) -> None:
    connect()
    names = _candidate_names(Application.objects.all())
    cas = sign_in(personas.cas)
    opened = 0
    for name, address in url_crawler.build_admin_urls().items():
        answer = cas.get(address)
        assert answer.status_code in {200, 302, 403, 404, 405}, name
        opened += answer.status_code == 200
        assert not _leaked_names(answer, names), name
    assert opened >= 5
