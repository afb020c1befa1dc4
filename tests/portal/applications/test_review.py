"""Reviewing applications one by one, and the activity pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction, ReviewSession
from portal.applications.review import review_page
from portal.applications.review.highlighting import highlight_words
from portal.connections.models import PermissionCheck
from portal.sync.models import Application, Job, RejectionReason
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    find_application,
    get_card_url,
    get_decisions_url,
    get_latest_action,
    get_review_origin,
    get_sandbox_application,
    list_applications,
    reject_application,
    submit_action,
)
from tests.portal.applications.batch_helpers import confirm_batch, pick_from_one_job

Status = ApplicationAction.Status
NO_UNDO = "Can't be undone here."


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _begin_review(client: Client, job_id: int, **more: str) -> str:
    values = {"status": "active", "stage": "", **more}
    answer = client.post(reverse("applications:start_job_review", args=[job_id]), values)
    url: str = answer.url
    return url


def _get_place(client: Client, url: str, place: int) -> str:
    page_html: str = client.get(f"{url}?position={place}").content.decode()
    return page_html


def _review_order() -> list[int]:
    return ReviewSession.objects.get().application_ids


def _remove_permission(permission: str) -> None:
    """Let the last permission check report this permission as missing."""
    checks = PermissionCheck.objects.filter(permission=permission)
    assert checks.update(outcome="missing")


@any_generation
def test_review_keeps_order_and_place(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    first = remy.get(page)
    total = first.context["place"].total
    assert f"1 of {total}" in first.content.decode()
    place = first.context["review_session"].application_ids.index(application.pk) + 1
    assert remy.get(f"{page}?position={place}").context["application"] == application
    response = remy.post(
        build_action_url("advance", application.pk),
        build_form_values(application, **{"origin": get_review_origin()}),
        follow=True,
    )
    run_tasks()
    progress = f"{place + 1} of {total}" if place < total else "been through all"
    assert progress in response.content.decode()
    assert progress in remy.get(page).content.decode()  # back later
    assert "Advanced to" in remy.get(page).content.decode()
    remy.get(f"{page}?position=2")
    job_url = reverse("applications:job_detail", args=[application.job_id])
    assert f"Resume review (2 of {total})" in remy.get(job_url).content.decode()
    end = remy.get(f"{page}?position={total + 1}").content.decode()
    assert f"All {total} reviewed" in end


@any_generation
def test_review_undo_keeps_place(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    page = _begin_review(remy, find_application().job_id)
    application = remy.get(page).context["application"]
    reason = RejectionReason.objects.order_by("remote_id").first()
    values = build_form_values(application, reason=reason.pk, **{"origin": get_review_origin()})
    response = remy.post(build_action_url("reject", application.pk), values, follow=True)
    number = response.context["place"].number
    undo_response = remy.post(
        build_action_url("cancel_action", get_latest_action().pk),
        {"origin": get_review_origin()},
        follow=True,
    )
    assert undo_response.context["place"].number == number
    assert get_latest_action().status == Status.CANCELED
    assert get_sandbox_application(sandbox, application).status == "active"
    form_page = remy.get(
        build_action_url("reject", application.pk), {"origin": get_review_origin()}
    )
    assert form_page.context["form"]["reason"].value() == reason.pk, "preselected for the next"


@any_generation
def test_undo_button_id_is_stable(remy: Client) -> None:
    """Focus is restored by id after a partial update."""
    application = find_application()
    page = _begin_review(remy, application.job_id)
    reject_application(remy, application, **{"origin": get_review_origin()})
    undo_id = f'id="undo-activity-{get_latest_action().pk}"'
    assert undo_id in remy.get(page).content.decode()
    decisions_url = get_decisions_url()
    assert undo_id in remy.get(decisions_url, **HTMX).content.decode()
    assert undo_id in remy.get(reverse("applications:my_activity"), **HTMX).content.decode()


@any_generation
def test_activity_pager_ids_are_stable(remy: Client, personas: Personas) -> None:
    ApplicationAction.objects.bulk_create(
        ApplicationAction(application=find_application(), membership=personas.remy, kind="advance",
                          status="done", state_after={})
        for _ in range(101)
    )  # fmt: skip
    second_page = remy.get(
        reverse("applications:my_activity"), {"page": 2}, **HTMX
    ).content.decode()
    assert 'id="pages-previous"' in second_page
    assert 'id="pages-next"' in second_page


@any_generation
def test_decision_links_to_place_and_is_announced(
    remy: Client, sandbox: Sandbox, run_tasks
) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["review_session"].application_ids.index(application.pk) + 1
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    submit_action(remy, "advance", application, **{"origin": get_review_origin()})
    run_tasks()
    decisions_url = get_decisions_url()
    decisions = remy.get(decisions_url, **HTMX).content.decode()
    assert f'href="{page}?position={place}"' in decisions
    action = get_latest_action()
    announcement = f"{application.candidate} not advanced."
    assert f'id="activity-status-{action.pk}" data-announce="{announcement}' in decisions
    application_link = f'href="{build_action_url("applicant", application.pk)}"'
    for url in (reverse("applications:my_activity"), build_action_url("history", application.pk)):
        assert application_link in remy.get(url).content.decode()


@any_generation
def test_unreject_has_own_key_and_no_undo(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["review_session"].application_ids.index(application.pk) + 1
    assert 'data-key="a"' in _get_place(remy, page, place)
    assert NO_UNDO not in _get_place(remy, page, place)
    reject_application(remy, application)
    action = get_latest_action()
    ApplicationAction.objects.filter(pk=action.pk).update(status=Status.DONE)
    Application.objects.filter(pk=application.pk).update(status="rejected")
    rejected = _get_place(remy, page, place)
    assert 'data-key="a"' not in rejected
    assert 'data-key="b"' in rejected
    assert "<kbd>b</kbd>" in rejected
    assert NO_UNDO in rejected


@any_generation
def test_review_card_polls_until_settled(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    place = _review_order().index(application.pk) + 1
    poll_attribute = f'hx-get="{get_card_url(application.pk)}"'
    assert poll_attribute not in _get_place(remy, page, place)
    reject_application(remy, application, **{"origin": get_review_origin()})
    assert poll_attribute in _get_place(remy, page, place)
    card = remy.get(get_card_url(application.pk), **HTMX).content.decode()
    assert poll_attribute in card
    assert "data-key=" in card, "the résumé, Greenhouse"
    assert 'data-key="b"' not in card
    advance_clock(60)
    remy.get(get_card_url(application.pk), **HTMX)  # sends due actions, as a row does
    run_tasks()
    card = remy.get(get_card_url(application.pk), **HTMX).content.decode()
    assert poll_attribute not in card
    assert "Rejected." in card
    assert "<dd>Rejected</dd>" in card
    assert 'data-key="b"' in card


@any_generation
def test_disabled_action_shows_reason(remy: Client) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["review_session"].application_ids.index(application.pk) + 1
    _remove_permission("applications.transfer")
    page_html = _get_place(remy, page, place)
    described_by = f'aria-describedby="why-transfer-{application.pk}"'
    # The key is the button's: it takes the focus, so that the reason is read out.
    button = f'type="button" data-key="t" aria-disabled="true" {described_by}'
    assert button in page_html
    reason = re.search(rf'id="why-transfer-{application.pk}">([^<]+)<', page_html)
    assert reason is not None
    assert "is missing a permission" in reason[1]


@any_generation
def test_review_form_declares_keyboard_behavior(remy: Client) -> None:
    page = remy.get(_begin_review(remy, find_application().job_id)).content.decode()
    assert "or Escape to cancel" in page
    for keys in ("a", "r", "s j", "m", "t", "e"):
        assert f'data-key="{keys}"' in page, keys


@any_generation
def test_names_hidden_without_candidate_permission(remy: Client) -> None:
    application = find_application()
    person = application.candidate
    type(person).objects.filter(pk=person.pk).update(title="Falconer", company="Mews Ltd")
    _remove_permission("candidates.list")
    page = _begin_review(remy, application.job_id)
    place = remy.get(page).context["review_session"].application_ids.index(application.pk) + 1
    submit_action(remy, "advance", application)
    job_url = reverse("applications:job_detail", args=[application.job_id])
    for url in (
        f"{page}?position={place}",
        reverse("applications:my_activity"),
        build_action_url("history", application.pk),
        build_action_url("applicant", application.pk),
        build_action_url("same_person", application.pk),
        build_action_url("contact", application.pk),
        f"{job_url}?application={application.pk}",
    ):
        page_html = remy.get(url).content.decode()
        assert f"Application {application.remote_id}" in page_html
        for text in (str(person), "Falconer", "Mews Ltd", "> None<", ": None<"):
            assert text not in page_html, (url, text)
    ApplicationAction.objects.all().delete()
    page_html = remy.get(f"{job_url}?application={application.pk}").content.decode()
    assert f"More actions for Application {application.remote_id}" in page_html
    for text in (str(person), "Falconer", "Mews Ltd"):
        assert text not in page_html


@any_generation
def test_activity_keeps_closed_job_without_undo(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    activity_url = reverse("applications:my_activity")
    assert "Undo" in remy.get(activity_url).content.decode()
    Job.objects.filter(pk=application.job_id).update(status="closed")
    page = remy.get(activity_url).content.decode()
    assert str(application.candidate) in page
    assert "Undo" not in page, "a closed job has no page for undoing"
    job_url = reverse("applications:job_detail", args=[application.job_id])
    assert f"{job_url}?application={application.pk}" in page


@any_generation
def test_unfinished_review_offers_resume_first(remy: Client) -> None:
    application = find_application()
    job_url = reverse("applications:job_detail", args=[application.job_id])
    review = _begin_review(remy, application.job_id)
    page = remy.get(job_url).content.decode()
    assert f'<a class="btn btn-primary" href="{review}">Resume review (1 of' in page
    assert "Start over" in page
    assert "Review one by one" not in page
    ReviewSession.objects.all().delete()
    page = remy.get(job_url).content.decode()
    assert "Review one by one" in page
    assert "Start over" not in page


@any_generation
def test_review_back_link_keeps_filters(remy: Client) -> None:
    application = find_application()
    stage = {"status": "active", "stage": str(application.stage_id)}
    page = remy.get(_begin_review(remy, application.job_id, **stage)).content.decode()
    job_url = reverse("applications:job_detail", args=[application.job_id])
    back_link = f'href="{job_url}?status=active&amp;stage={application.stage_id}"'
    assert back_link in page
    last_page = remy.get(
        reverse("applications:review", args=[ReviewSession.objects.get().pk]), {"position": 9999}
    )
    assert last_page.content.decode().count(back_link) == 2  # a breadcrumb and a button


@any_generation
def test_decisions_hidden_after_access_lost(remy: Client, run_tasks) -> None:
    application = find_application()
    page = _begin_review(remy, application.job_id)
    decisions = get_decisions_url()
    submit_action(remy, "advance", application)
    run_tasks()
    urls = (decisions, page)
    assert all('id="activity-' in remy.get(url).content.decode() for url in urls)
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())
    for url in urls:
        page_html = remy.get(url, **HTMX).content.decode()
        assert 'id="activity-' not in page_html
        assert "Advanced. This is no longer available to you." in page_html
        assert str(application.candidate) not in _get_last_decision(remy, page)


@any_generation
def test_stage_history_url_changes_with_application(remy: Client) -> None:
    """The browser caches by URL, so the URL must identify the application's version."""
    page = _begin_review(remy, find_application().job_id)

    def history_urls(place: int) -> list[str]:
        return re.findall(
            r'hx-get="(/applications/[^"]+as_of[^"]+)"', _get_place(remy, page, place)
        )

    current_url, next_url = sorted(
        history_urls(1), key=lambda url: f"/{_review_order()[0]}/" not in url
    )
    assert history_urls(2)[-1] == next_url, "the prefetched URL is used again"
    Application.objects.filter(pk=_review_order()[0]).update(changed_at=timezone.now())
    assert current_url not in history_urls(1)


@any_generation
def test_impersonation_does_not_move_review_place(
    remy: Client, personas: Personas, sign_in
) -> None:
    page = _begin_review(remy, find_application().job_id)
    cas = sign_in(personas.cas)
    cas.post(
        reverse("admin:start_impersonation", args=[personas.remy.pk]),
        {"reason": "They ask for help"},
    )
    response = cas.get(f"{page}?position=2")
    assert response.status_code == 200
    assert response.context["place"].number == 2
    assert ReviewSession.objects.get().position == 0


@any_generation
def test_impersonation_sends_no_due_action(
    remy: Client, personas: Personas, sign_in, advance_clock
) -> None:
    application, *batch_applications = pick_from_one_job(3)
    _begin_review(remy, application.job_id)
    reject_application(remy, application)
    batch_url = confirm_batch(remy, "advance", batch_applications).url
    advance_clock(60)
    cas = sign_in(personas.cas)
    cas.post(
        reverse("admin:start_impersonation", args=[personas.remy.pk]),
        {"reason": "They ask for help"},
    )
    for url in (
        build_action_url("row", application.pk),
        get_card_url(application.pk),
        get_decisions_url(),
        batch_url,
    ):
        assert cas.get(url, **HTMX).status_code == 200, url
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {Status.SCHEDULED}


@any_generation
def test_review_marks_words_and_links_same_person(remy: Client) -> None:
    application = find_application()
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
    preferences_url = reverse("applications:review_preferences")
    remy.post(
        preferences_url, {"highlighted_words": "REMOTE, berlin", "single_key_shortcuts": "on"}
    )
    place = remy.get(page).context["review_session"].application_ids.index(application.pk) + 1
    page_html = remy.get(f"{page}?position={place}").content.decode()
    linked = other_applications.first()
    assert linked is not None
    assert f'href="{build_action_url("applicant", linked.pk)}"' in page_html
    assert "<mark>Berlin</mark> &lt;b&gt;or&lt;/b&gt; <mark>remote</mark>" in page_html
    assert "Other applications" in page_html
    assert "data-keys" in page_html
    remy.post(preferences_url, {"highlighted_words": ""})
    assert "data-keys" not in remy.get(page).content.decode()


@any_generation
def test_no_order_depends_on_highlighted_words(remy: Client) -> None:
    job_id = find_application().job_id
    list_url = reverse("applications:job_detail", args=[job_id])

    def read_orders() -> list[list[int]]:
        ReviewSession.objects.all().delete()
        _begin_review(remy, job_id)
        rows = remy.get(list_url).context["rows"]
        return [_review_order(), [row.application.pk for row in rows]]

    before = read_orders()
    last = Application.objects.filter(pk=before[0][-1])
    last.update(answers=[{"question": "Languages?", "answer": "Kotlin"}])
    preferences_url = reverse("applications:review_preferences")
    remy.post(preferences_url, {"highlighted_words": "Kotlin", "single_key_shortcuts": "on"})
    assert read_orders() == before


def test_review_shows_custom_field_values(remy: Client) -> None:
    candidates = (candidate for stage in range(4) for candidate in list_applications(stage=stage))
    application = next(
        candidate for candidate in candidates if candidate.custom.get("available_from")
    )
    _begin_review(remy, application.job_id)
    place = ReviewSession.objects.get().application_ids.index(application.pk) + 1
    response = remy.get(f"/review/{ReviewSession.objects.get().pk}/?position={place}")
    page = response.content.decode()
    year = application.custom["available_from"][:4]
    assert re.search(rf"<dt>Available from</dt><dd[^>]*>[^<]*{year}[^<]*</dd>", page)
    assert "Asked for a higher level" not in page  # a private field


def test_highlighting_treats_words_literally() -> None:
    assert highlight_words("C++ (and C)", "c++, (") == [
        ("C++", True), (" ", False), ("(", True), ("and C)", False),
    ]  # fmt: skip
    assert highlight_words("Go at Google, in JavaScript", "java, go, javascript") == [
        ("Go", True), (" at Google, in ", False), ("JavaScript", True),
    ]  # fmt: skip
    assert highlight_words("C, C++", "c, c++") == [("C", True), (", ", False), ("C++", True)]
    assert highlight_words("plain", " , ") == [("plain", False)]


def test_stage_history_read_live_and_cached_privately(
    remy: Client, kind: str, sandbox: Sandbox
) -> None:
    response = remy.get(build_action_url("stage_history", find_application().pk))
    assert response["Cache-Control"] == "private, max-age=60"
    requests_before = len(sandbox.requests)
    page = remy.get(build_action_url("stage_history", find_application().pk)).content.decode()
    has_history = kind == "harvest_oauth"  # v1 keeps no history
    assert (len(sandbox.requests) > requests_before) is has_history
    assert ("trail" in page) is has_history


@any_generation
def test_stage_history_page_without_javascript(remy: Client) -> None:
    application = find_application()
    link = build_action_url("stage_history", application.pk)
    page = remy.get(link).content.decode()
    assert "<html" in page
    assert str(application.candidate) in page
    assert f'href="/requisitions/{application.job_id}/"' in page
    partial = remy.get(link, **HTMX)
    assert "<html" not in partial.content.decode()
    assert "HX-Request" in partial["Vary"]


@any_generation
def test_activity_listed_per_person_and_application(
    remy: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = find_application()
    submit_action(sign_in(personas.sam), "advance", application)
    run_tasks()
    application.refresh_from_db()
    reject_application(remy, application)
    own_activity = remy.get(reverse("applications:my_activity")).content.decode()
    assert own_activity.count('class="row-item"') == 1
    assert "Undo" in own_activity
    history = remy.get(build_action_url("history", application.pk)).content.decode()
    assert history.count('class="row-item"') == 2
    assert "Sam" in history
    response = remy.post(
        build_action_url("cancel_action", get_latest_action().pk), {"origin": "activity"}
    )
    assert response.url == reverse("applications:my_activity")


@any_generation
def test_activity_query_count_stays_constant(
    remy: Client, personas: Personas, django_assert_max_num_queries
) -> None:
    job_applications = list(
        Application.objects.filter(job=find_application().job_id, candidate__private=False)
    )
    ApplicationAction.objects.bulk_create(
        ApplicationAction(
            application=application,
            membership=personas.remy,
            kind="advance",
            status="done",
            state_after={},
        )
        for application in job_applications * 4
    )
    with django_assert_max_num_queries(14):
        remy.get(reverse("applications:my_activity"))
    page = _begin_review(remy, job_applications[0].job_id)
    with django_assert_max_num_queries(34):
        remy.get(page)


@any_generation
def test_review_404_without_access(remy: Client, personas: Personas, sign_in) -> None:
    application = find_application()
    _begin_review(remy, application.job_id)
    for name in ("zoe", "uma"):
        stranger = sign_in(getattr(personas, name))
        session_pk = ReviewSession.objects.get().pk
        for url_name in ("review", "review_decisions"):
            url = reverse(f"applications:{url_name}", args=[session_pk])
            assert stranger.get(url).status_code == 404
        restart_url = reverse("applications:restart_review", args=[session_pk])
        start_url = reverse("applications:start_job_review", args=[application.job_id])
        for url in (restart_url, start_url):
            assert stranger.post(url).status_code == 404
        for url_name in ("stage_history", "resume", "history", "review_card"):
            assert stranger.get(build_action_url(url_name, application.pk)).status_code == 404


def _press_undo_key(client: Client, page: str) -> str:
    """Press the key u on the review page; returns the page after it, or an empty string."""
    button = re.search(
        r'action="(\S+)"(?:(?!</form>).)*data-key="u"', client.get(page).content.decode(), re.DOTALL
    )
    if button is None:
        return ""
    page_html: str = client.post(
        button[1], {"origin": get_review_origin()}, follow=True
    ).content.decode()
    return page_html


def _advance_in_review(client: Client, applications: list[Application], run_tasks) -> None:
    for application in applications:
        values = build_form_values(application, **{"origin": get_review_origin()})
        client.post(build_action_url("advance", application.pk), values)
        run_tasks()


@any_generation
def test_undo_key_walks_back_one_decision_each(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    applications = pick_from_one_job(3)
    page = _begin_review(remy, applications[0].job_id)
    stages = [get_sandbox_application(sandbox, a).stage_id for a in applications]
    _advance_in_review(remy, applications, run_tasks)
    for undone in reversed(range(3)):
        page_html = _press_undo_key(remy, page)
        assert f"Undoing:</strong> Advance, {applications[undone].candidate}" in page_html
        run_tasks()
        current = [get_sandbox_application(sandbox, a).stage_id for a in applications]
        assert current[undone:] == stages[undone:]
        assert all(current[i] != stages[i] for i in range(undone)), "one decision each"
    assert _press_undo_key(remy, page) == "", "an undo is not undone"
    assert remy.get(get_decisions_url(), **HTMX).content.decode().count(">Undone. Back in") == 3


@any_generation
def test_undo_key_waits_for_decision_being_sent(remy: Client, run_tasks) -> None:
    first, second = pick_from_one_job(2)
    page = _begin_review(remy, first.job_id)
    _advance_in_review(remy, [first, second], run_tasks)
    ApplicationAction.objects.filter(application=second).update(status=Status.SENDING)
    assert _press_undo_key(remy, page) == "", "the decision before it stands"
    ApplicationAction.objects.filter(application=second).update(status=Status.DONE)
    assert str(second.candidate) in _press_undo_key(remy, page)


@any_generation
def test_undone_decision_stays_undone_on_next_page(remy: Client, run_tasks) -> None:
    [first] = pick_from_one_job(1)
    page = _begin_review(remy, first.job_id)
    _advance_in_review(remy, [first], run_tasks)
    assert f"{first.candidate} advanced to" in _get_last_decision(remy, page)
    _press_undo_key(remy, page)
    run_tasks()
    for address in (page, f"{page}?position=2", f"{page}?position=1"):
        last_decision = _get_last_decision(remy, address)
        assert f"Undone:</strong> Advance, {first.candidate}" in last_decision
        assert "advanced to" not in last_decision
        assert "data-announce" not in last_decision, "the list of the session announces it"


@any_generation
def test_review_heading_counts_other_problems(
    remy: Client, run_tasks, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_page, "MAX_NAMED_PROBLEMS", 1)
    applications = pick_from_one_job(3)
    page = _begin_review(remy, applications[0].job_id)
    for application in applications:
        sandbox.run_mutation("reject_application", application_id=application.remote_id)
    _advance_in_review(remy, applications, run_tasks)
    last_decision = _get_last_decision(remy, page)
    assert f"{applications[2].candidate} not advanced." in last_decision
    assert last_decision.count("Not advanced:") == 1
    assert f">{applications[1].candidate}</a>" in last_decision.replace("\u2068", "").replace(
        "\u2069", ""
    )
    assert "1 more under" in last_decision


def _get_last_decision(client: Client, address: str) -> str:
    page_html = client.get(address).content.decode()
    match = re.search(r'id="last-decision".*?</div>', page_html, re.DOTALL)
    assert match is not None
    return match[0]


@any_generation
def test_undo_key_cancels_rejection_and_says_so(remy: Client, run_tasks) -> None:
    first, second = pick_from_one_job(2)
    page = _begin_review(remy, first.job_id)
    _advance_in_review(remy, [first], run_tasks)
    reject_application(remy, second, **{"origin": get_review_origin()})
    page_html = _press_undo_key(remy, page)
    assert f"Rejection of {second.candidate} canceled. Nothing was sent.</p>" in page_html
    assert f"Undoing:</strong> Advance, {first.candidate}" in _press_undo_key(remy, page)
