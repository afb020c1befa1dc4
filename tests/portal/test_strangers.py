"""Every address of ours, walked by those who have no business there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, Job
from tests.cast import Cast

# Open to anybody, each with its reason where it is declared (portal.accounts.access.public).
OPEN = {
    "home",
    "healthz",
    "metrics",
    "readyz",
    "account_login",
    "account_logout",
    "single_sign_on",
    "members:accept",
    "webhooks:receive",
    "onboarding:fix",
}


def _names(resolver: URLResolver, room: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            if entry.namespace != "admin":
                yield from _names(entry, f"{entry.namespace}:" if entry.namespace else room)
        elif entry.name and not _is_allauths(entry):
            yield f"{room}{entry.name}", entry


def _is_allauths(entry: URLPattern) -> bool:
    """Pages about the reader's own account, which show nothing else."""
    return entry.callback.__module__.startswith("allauth.") and entry.name not in OPEN


def _addresses() -> dict[str, str]:
    """Each address once, with the ids of rows of Acme's."""
    application = Application.objects.filter(
        status="active",
        candidate__private=False,
        job__status="open",
        job__confidential=False,
        job__grants__isnull=False,
    ).first()
    known = {
        "job_pk": application.job_id,
        "pk": application.pk,
        "key": "jobs.list",
        "deed": "switch",
    }
    return {
        name: reverse(name, kwargs={k: known[k] for k in entry.pattern.converters})
        for name, entry in _names(get_resolver())
        if name not in OPEN
    }


def _answers(client: Client, address: str):
    yield client.get(address)
    yield client.post(address, {})
    yield client.get(address, HTTP_HX_REQUEST="true")
    yield client.post(address, {}, HTTP_HX_REQUEST="true")


def _acmes_words() -> list[str]:
    """What would betray Acme's data: names of its candidates and jobs."""
    names = [str(a.candidate) for a in Application.objects.select_related("candidate")[:50]]
    return [*names, *Job.objects.values_list("name", flat=True)]


def test_there_is_something_to_walk(connect) -> None:
    connect()
    assert len(_addresses()) >= 10


def test_who_is_not_signed_in_is_sent_to_sign_in(connect, client: Client) -> None:
    connect()
    for name, address in _addresses().items():
        for answer in _answers(client, address):
            if answer.status_code != 405:  # the address does not take this method from anybody
                assert answer.status_code == 302, name
                assert answer.url.startswith(reverse("account_login")), name


@pytest.mark.parametrize("who", ["zoe", "uma", "ivy", "dana"])
def test_who_may_see_nothing_of_it_finds_nothing(connect, cast: Cast, sign_in, who: str) -> None:
    connect()
    words = _acmes_words()
    stranger = sign_in(getattr(cast, who))
    for name, address in _addresses().items():
        for answer in _answers(stranger, address):
            assert answer.status_code in {200, 204, 302, 403, 404, 405, 422}, name
            page = answer.getvalue().decode()
            assert not [word for word in words if word in page], name
    assert not ApplicationAction.objects.exists()


def test_a_colleague_without_the_right_finds_nothing_of_that_job(
    connect, cast: Cast, sign_in
) -> None:
    connect()
    vic = sign_in(cast.vic)
    hidden = Job.objects.exclude(grants__user__primary_email="vic@acme.example")
    for job in hidden:
        assert vic.get(reverse("applications:of_job", args=[job.pk])).status_code == 404
        for application in job.applications.all()[:1]:
            for name in ("row", "advance", "reject"):
                for answer in _answers(vic, reverse(f"applications:{name}", args=[application.pk])):
                    assert answer.status_code in {404, 405}
    assert not ApplicationAction.objects.exists()


def test_private_candidates_are_shown_to_nobody(connect, cast: Cast, sign_in) -> None:
    connect()
    private = Application.objects.filter(candidate__private=True, job__status="open")
    assert private.exists()
    for name in ("ada", "sam", "remy"):
        somebody = sign_in(getattr(cast, name))
        for application in private:
            address = reverse("applications:row", args=[application.pk])
            assert somebody.get(address).status_code == 404
