"""Reviewing applications one by one, and the activity pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.records import Attachment
from portal.applications.models import ApplicationAction, Sitting
from portal.applications.sittings import highlighted
from portal.connections.models import PermissionCheck
from portal.mirror.models import Application, Job, RejectionReason
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    applications,
    click,
    newest,
    reject,
    seen,
    truth,
)
from tests.portal.applications.many import confirm_batch, pick_from_one_job

Status = ApplicationAction.Status
NO_UNDO = "An unreject has no Undo here."


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def _begin_review(client: Client, job_id: int, **more: str) -> str:
    values = {"status": "active", "stage": "", **more}
    answer = client.post(reverse("applications:begin_review", args=[job_id]), values)
    url: str = answer.url
    return url


def _get_place(client: Client, url: str, place: int) -> str:
    page_html: str = client.get(f"{url}?at={place}").content.decode()
    return page_html


def _review_order() -> list[int]:
    return Sitting.objects.get().order


def _remove_permission(permission: str) -> None:
    """Let the last permission check report this permission as missing."""
    checks = PermissionCheck.objects.filter(permission=permission)
    assert checks.update(outcome="missing")


@any_generation
def test_review_keeps_order_and_place(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    first = remy.get(page)
    total = first.context["sitting"].total
    assert f"1 of {total}" in first.content.decode()
    place = first.context["sitting"].order.index(application.pk) + 1
    assert remy.get(f"{page}?at={place}").context["application"] == application
    response = remy.post(
        address("advance", application.pk), seen(application, **{"in": "review"}), follow=True
    )
    work()
    progress = f"{place + 1} of {total}" if place < total else "been through all"
    assert progress in response.content.decode()
    assert progress in remy.get(page).content.decode()  # back later
    assert "Advanced in Greenhouse" in remy.get(page).content.decode()
    remy.get(f"{page}?at=2")
    job_url = reverse("applications:of_job", args=[application.job_id])
    assert f"Go on at 2 of {total}" in remy.get(job_url).content.decode()
    end = remy.get(f"{page}?at={total + 1}").content.decode()
    assert f"You have been through all {total}" in end


@any_generation
def test_review_undo_keeps_place(remy: Client, sandbox: Sandbox, work) -> None:
    page = _begin_review(remy, an_application().job_id)
    application = remy.get(page).context["application"]
    reason = RejectionReason.objects.order_by("remote_id").first()
    values = seen(application, reason=reason.pk, **{"in": "review"})
    response = remy.post(address("reject", application.pk), values, follow=True)
    number = response.context["sitting"].number
    undo_response = remy.post(address("withdraw", newest().pk), {"in": "review"}, follow=True)
    assert undo_response.context["sitting"].number == number
    assert newest().status == Status.WITHDRAWN
    assert truth(sandbox, application).status == "active"
    # The reason is preselected for the next rejection.
    assert undo_response.context["reject_form"]["reason"].value() == reason.pk


@any_generation
def test_undo_button_id_is_stable(remy: Client) -> None:
    """Focus is restored by id after a partial update."""
    application = an_application()
    page = _begin_review(remy, application.job_id)
    reject(remy, application, **{"in": "review"})
    undo_id = f'id="undo-deed-{newest().pk}"'
    assert undo_id in remy.get(page).content.decode()
    decisions_url = reverse("applications:decisions", args=[application.job_id])
    assert undo_id in remy.get(decisions_url, **HTMX).content.decode()
    assert undo_id in remy.get(reverse("applications:my_activity"), **HTMX).content.decode()


@any_generation
def test_activity_pager_ids_are_stable(remy: Client, cast: Cast) -> None:
    ApplicationAction.objects.bulk_create(
        ApplicationAction(application=an_application(), membership=cast.remy, kind="advance",
                          status="done", after={})
        for _ in range(101)
    )  # fmt: skip
    second_page = remy.get(
        reverse("applications:my_activity"), {"page": 2}, **HTMX
    ).content.decode()
    assert 'id="pages-previous"' in second_page
    assert 'id="pages-next"' in second_page


@any_generation
def test_decision_links_to_place_and_is_announced(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application, **{"in": "review"})
    work()
    decisions_url = reverse("applications:decisions", args=[application.job_id])
    decisions = remy.get(decisions_url, **HTMX).content.decode()
    assert f'href="{page}?at={place}"' in decisions
    assert f'id="deed-status-{newest().pk}" data-announce="Advance: ' in decisions
    assert "changed meanwhile" in decisions
    application_link = f'href="{reverse("applications:of_job", args=[application.job_id])}'
    application_link += f'?application={application.pk}"'
    for url in (reverse("applications:my_activity"), address("history", application.pk)):
        assert application_link in remy.get(url).content.decode()


@any_generation
def test_unreject_has_own_key_and_no_undo(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    assert 'data-key="a"' in _get_place(remy, page, place)
    assert NO_UNDO not in _get_place(remy, page, place)
    reject(remy, application)
    action = newest()
    ApplicationAction.objects.filter(pk=action.pk).update(status=Status.DONE)
    Application.objects.filter(pk=application.pk).update(status="rejected")
    rejected = _get_place(remy, page, place)
    assert 'data-key="a"' not in rejected
    assert 'data-key="b"' in rejected
    assert "<kbd>b</kbd>" in rejected
    assert NO_UNDO in rejected


@any_generation
def test_review_card_polls_until_settled(remy: Client, sandbox: Sandbox, work, later) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    place = _review_order().index(application.pk) + 1
    poll_attribute = f'hx-get="{address("review_card", application.pk)}"'
    assert poll_attribute not in _get_place(remy, page, place)
    reject(remy, application, **{"in": "review"})
    assert poll_attribute in _get_place(remy, page, place)
    card = remy.get(address("review_card", application.pk), **HTMX).content.decode()
    assert poll_attribute in card
    assert "data-key=" in card, "the résumé, Greenhouse"
    assert 'data-key="b"' not in card
    later(60)
    remy.get(address("review_card", application.pk), **HTMX)  # sends due actions, as a row does
    work()
    card = remy.get(address("review_card", application.pk), **HTMX).content.decode()
    assert poll_attribute not in card
    assert "Rejected in Greenhouse" in card
    assert "<dd>Rejected</dd>" in card
    assert 'data-key="b"' in card


@any_generation
def test_disabled_action_shows_reason(remy: Client) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    _remove_permission("applications.transfer")
    page_html = _get_place(remy, page, place)
    described_by = f'aria-describedby="why-transfer-{application.pk}"'
    assert f'type="button" aria-disabled="true" {described_by}' in page_html
    reason = re.search(rf'id="why-transfer-{application.pk}">([^<]+)<', page_html)
    assert reason is not None
    assert "lacks" in reason[1]


@any_generation
def test_review_form_declares_keyboard_behavior(remy: Client) -> None:
    page = remy.get(_begin_review(remy, an_application().job_id)).content.decode()
    assert "data-enter-submits" in page
    assert "Escape leaves it" in page


@any_generation
def test_names_hidden_without_candidate_permission(remy: Client) -> None:
    application = an_application()
    person = application.candidate
    type(person).objects.filter(pk=person.pk).update(title="Falconer", company="Mews Ltd")
    _remove_permission("candidates.list")
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    click(remy, "advance", application)
    job_url = reverse("applications:of_job", args=[application.job_id])
    for url in (
        f"{page}?at={place}",
        reverse("applications:my_activity"),
        address("history", application.pk),
        f"{job_url}?application={application.pk}",
    ):
        page_html = remy.get(url).content.decode()
        assert f"Application {application.remote_id}" in page_html
        for text in (str(person), "Falconer", "Mews Ltd", "> None<", ": None<"):
            assert text not in page_html, (url, text)
    ApplicationAction.objects.all().delete()
    page_html = remy.get(f"{job_url}?application={application.pk}").content.decode()
    assert f"More for Application {application.remote_id}" in page_html
    for text in (str(person), "Falconer", "Mews Ltd"):
        assert text not in page_html


@any_generation
def test_activity_keeps_closed_job_without_undo(remy: Client, work) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    activity_url = reverse("applications:my_activity")
    assert "Undo" in remy.get(activity_url).content.decode()
    Job.objects.filter(pk=application.job_id).update(status="closed")
    page = remy.get(activity_url).content.decode()
    assert str(application.candidate) in page
    assert "Undo" not in page, "a closed job has no page for undoing"
    job_url = reverse("applications:of_job", args=[application.job_id])
    assert f'{job_url}"' not in page
    assert f"{job_url}?" not in page
    assert reverse("jobs:closed", args=[application.job_id]) in page


@any_generation
def test_unfinished_review_offers_resume_first(remy: Client) -> None:
    application = an_application()
    job_url = reverse("applications:of_job", args=[application.job_id])
    review = _begin_review(remy, application.job_id)
    page = remy.get(job_url).content.decode()
    assert f'<a class="btn btn-primary" href="{review}">Go on at 1 of' in page
    assert "Start again" in page
    assert "Review one by one" not in page
    Sitting.objects.all().delete()
    page = remy.get(job_url).content.decode()
    assert "Review one by one" in page
    assert "Start again" not in page


@any_generation
def test_review_back_link_keeps_filters(remy: Client) -> None:
    application = an_application()
    stage = {"status": "active", "stage": str(application.stage_id)}
    page = remy.get(_begin_review(remy, application.job_id, **stage)).content.decode()
    job_url = reverse("applications:of_job", args=[application.job_id])
    back_link = f'href="{job_url}?status=active&amp;stage={application.stage_id}"'
    assert back_link in page
    last_page = remy.get(reverse("applications:review", args=[application.job_id]), {"at": 9999})
    assert last_page.content.decode().count(back_link) == 2  # a breadcrumb and a button


@any_generation
def test_decisions_hidden_after_access_lost(remy: Client, work) -> None:
    application = an_application()
    page = _begin_review(remy, application.job_id)
    decisions = reverse("applications:decisions", args=[application.job_id])
    click(remy, "advance", application)
    work()
    urls = (decisions, page)
    assert all('id="deed-' in remy.get(url).content.decode() for url in urls)
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())
    assert not any('id="deed-' in remy.get(url).content.decode() for url in urls)


@any_generation
def test_stage_history_url_changes_with_application(remy: Client) -> None:
    """The browser caches by URL, so the URL must identify the application's version."""
    page = _begin_review(remy, an_application().job_id)

    def history_urls(place: int) -> list[str]:
        return re.findall(r'hx-get="(/applications/[^"]+)"', _get_place(remy, page, place))

    current_url, next_url = sorted(
        history_urls(1), key=lambda url: f"/{_review_order()[0]}/" not in url
    )
    assert history_urls(2)[-1] == next_url, "the prefetched URL is used again"
    Application.objects.filter(pk=_review_order()[0]).update(changed_at=timezone.now())
    assert current_url not in history_urls(1)


@any_generation
def test_impersonation_does_not_move_review_place(remy: Client, cast: Cast, sign_in) -> None:
    page = _begin_review(remy, an_application().job_id)
    cas = sign_in(cast.cas)
    cas.post(reverse("admin:look_begin", args=[cast.remy.pk]), {"reason": "They ask for help"})
    response = cas.get(f"{page}?at=2")
    assert response.status_code == 200
    assert response.context["sitting"].number == 2
    assert Sitting.objects.get().at == 0


@any_generation
def test_impersonation_sends_no_due_action(remy: Client, cast: Cast, sign_in, later) -> None:
    application, *batch_applications = pick_from_one_job(3)
    _begin_review(remy, application.job_id)
    reject(remy, application)
    batch_url = confirm_batch(remy, "advance", batch_applications).url
    later(60)
    cas = sign_in(cast.cas)
    cas.post(reverse("admin:look_begin", args=[cast.remy.pk]), {"reason": "They ask for help"})
    for url in (
        address("row", application.pk),
        address("review_card", application.pk),
        reverse("applications:decisions", args=[application.job_id]),
        batch_url,
    ):
        assert cas.get(url, **HTMX).status_code == 200, url
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {Status.HELD}


@any_generation
def test_review_marks_words_and_links_same_person(remy: Client) -> None:
    application = an_application()
    Application.objects.filter(pk=application.pk).update(
        answers=[{"question": "Where?", "answer": "Berlin <b>or</b> remote"}]
    )
    other_applications = Application.objects.filter(
        job__grants__user__primary_email="remy@acme.example", job__status="open"
    ).exclude(job=application.job_id)
    Application.objects.filter(pk=other_applications.first().pk).update(
        candidate=application.candidate
    )
    page = _begin_review(remy, application.job_id)
    habits_url = reverse("applications:habits", args=[application.job_id])
    remy.post(habits_url, {"words": "REMOTE, berlin", "keys": "on"})
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    page_html = remy.get(f"{page}?at={place}").content.decode()
    linked = other_applications.first()
    assert linked is not None
    assert f'/requisitions/{linked.job_id}/?application={linked.pk}"' in page_html
    assert "<mark>Berlin</mark> &lt;b&gt;or&lt;/b&gt; <mark>remote</mark>" in page_html
    assert "The same person elsewhere" in page_html
    assert "data-keys" in page_html
    remy.post(habits_url, {"words": ""})
    assert "data-keys" not in remy.get(page).content.decode()


def test_review_shows_custom_field_values(remy: Client) -> None:
    candidates = (one for stage in range(4) for one in applications(stage=stage))
    application = next(one for one in candidates if one.custom.get("available_from"))
    _begin_review(remy, application.job_id)
    place = Sitting.objects.get().order.index(application.pk) + 1
    response = remy.get(f"/requisitions/{application.job_id}/review/?at={place}")
    page = response.content.decode()
    year = application.custom["available_from"][:4]
    assert re.search(rf"<dt>Available from</dt><dd[^>]*>[^<]*{year}[^<]*</dd>", page)
    assert "Asked for a higher level" not in page  # a private field


def test_highlighting_treats_words_literally() -> None:
    assert highlighted("C++ (and C)", "c++, (") == [
        ("C++", True), (" ", False), ("(", True), ("and C)", False),
    ]  # fmt: skip
    assert highlighted("Go at Google, in JavaScript", "java, go, javascript") == [
        ("Go", True), (" at Google, in ", False), ("JavaScript", True),
    ]  # fmt: skip
    assert highlighted("C, C++", "c, c++") == [("C", True), (", ", False), ("C++", True)]
    assert highlighted("plain", " , ") == [("plain", False)]


def test_stage_history_read_live_and_cached_privately(
    remy: Client, kind: str, sandbox: Sandbox
) -> None:
    response = remy.get(address("details", an_application().pk))
    assert response["Cache-Control"] == "private, max-age=60"
    requests_before = len(sandbox.requests)
    page = remy.get(address("details", an_application().pk)).content.decode()
    has_history = kind == "harvest_oauth"  # v1 keeps no history
    assert (len(sandbox.requests) > requests_before) is has_history
    assert ("trail" in page) is has_history


@any_generation
def test_stage_history_page_without_javascript(remy: Client) -> None:
    application = an_application()
    link = address("details", application.pk)
    page = remy.get(link).content.decode()
    assert "<html" in page
    assert str(application.candidate) in page
    assert f'href="/requisitions/{application.job_id}/"' in page
    partial = remy.get(link, **HTMX)
    assert "<html" not in partial.content.decode()
    assert "HX-Request" in partial["Vary"]


def test_resume_redirects_to_fresh_link(remy: Client, sandbox: Sandbox) -> None:
    with_resume = _find_with_attachment(sandbox, "resume")
    response = remy.get(address("resume", with_resume.pk))
    assert response.status_code == 302
    assert response.url.startswith("https://attachments.")
    assert response["Cache-Control"] == "no-store"
    requests_before = len(sandbox.requests)
    remy.get(address("resume", with_resume.pk))
    assert len(sandbox.requests) > requests_before


def test_resume_opens_newest_file(remy: Client, sandbox: Sandbox) -> None:
    with_resume = _find_with_attachment(sandbox, "resume")
    world = sandbox.world()
    candidate_id = with_resume.candidate.remote_id
    [existing, *_] = world.attachments.where("candidate_id", candidate_id)
    owner_fields = {"candidate_id": candidate_id, "application_id": existing.application_id}
    world.add(Attachment, "2019-01-01T00:00:00.000Z", filename="former.pdf", **owner_fields)
    world.add(Attachment, "2099-01-01T00:00:00.000Z", filename="newest.pdf", **owner_fields)
    world.add(Attachment, "2019-01-02T00:00:00.000Z", filename="late.pdf", **owner_fields)
    assert "newest.pdf" in remy.get(address("resume", with_resume.pk)).url


def _find_with_attachment(sandbox: Sandbox, kind: str) -> Application:
    world = sandbox.world()
    owners = {row.candidate_id for row in world.attachments if row.type == kind}
    visible_applications = Application.objects.filter(
        job__grants__user__primary_email="remy@acme.example",
        job__status="open",
        candidate__private=False,
    )
    return visible_applications.filter(candidate__remote_id__in=owners).first()


@any_generation
def test_activity_listed_per_person_and_application(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    application = an_application()
    click(sign_in(cast.sam), "advance", application)
    work()
    application.refresh_from_db()
    reject(remy, application)
    own_activity = remy.get(reverse("applications:my_activity")).content.decode()
    assert own_activity.count('class="row-item"') == 1
    assert "Undo" in own_activity
    history = remy.get(address("history", application.pk)).content.decode()
    assert history.count('class="row-item"') == 2
    assert "Sam" in history
    response = remy.post(address("withdraw", newest().pk), {"in": "activity"})
    assert response.url == reverse("applications:my_activity")


@any_generation
def test_activity_query_count_stays_constant(
    remy: Client, cast: Cast, django_assert_max_num_queries
) -> None:
    job_applications = list(
        Application.objects.filter(job=an_application().job_id, candidate__private=False)
    )
    ApplicationAction.objects.bulk_create(
        ApplicationAction(
            application=application, membership=cast.remy, kind="advance", status="done", after={}
        )
        for application in job_applications * 4
    )
    with django_assert_max_num_queries(14):
        remy.get(reverse("applications:my_activity"))
    page = _begin_review(remy, job_applications[0].job_id)
    with django_assert_max_num_queries(34):
        remy.get(page)


@any_generation
def test_review_404_without_access(remy: Client, cast: Cast, sign_in) -> None:
    application = an_application()
    _begin_review(remy, application.job_id)
    for name in ("zoe", "uma"):
        stranger = sign_in(getattr(cast, name))
        for url_name in ("review", "begin_review", "decisions", "habits"):
            url = reverse(f"applications:{url_name}", args=[application.job_id])
            posts = url_name in ("begin_review", "habits")
            assert (stranger.post(url) if posts else stranger.get(url)).status_code == 404
        for url_name in ("details", "resume", "history", "review_card"):
            assert stranger.get(address(url_name, application.pk)).status_code == 404
