"""One application at a time, and what was done when."""

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
from tests.portal.applications.many import confirm, of_one_job

Status = ApplicationAction.Status
NO_UNDO = "An unreject has no Undo here."


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def _begin(client: Client, job_id: int, **more: str) -> str:
    values = {"status": "active", "stage": "", **more}
    answer = client.post(reverse("applications:begin_review", args=[job_id]), values)
    url: str = answer.url
    return url


def _at(client: Client, page: str, place: int) -> str:
    shown: str = client.get(f"{page}?at={place}").content.decode()
    return shown


def _order() -> list[int]:
    return Sitting.objects.get().order


def _lacking(permission: str) -> None:
    """As if the last check had found that the credential lacks it."""
    found = PermissionCheck.objects.filter(permission=permission)
    assert found.update(outcome="missing")


def test_it_goes_through_all_in_a_fixed_order_and_keeps_the_place(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    first = remy.get(page)
    total = first.context["sitting"].total
    assert f"1 of {total}" in first.content.decode()
    here = first.context["sitting"].order.index(application.pk) + 1
    assert remy.get(f"{page}?at={here}").context["application"] == application
    went = remy.post(
        address("advance", application.pk), seen(application, **{"in": "review"}), follow=True
    )
    work()
    onwards = f"{here + 1} of {total}" if here < total else "been through all"
    assert onwards in went.content.decode()
    assert onwards in remy.get(page).content.decode()  # back later
    assert "Advanced in Greenhouse" in remy.get(page).content.decode()
    remy.get(f"{page}?at=2")
    again = reverse("applications:of_job", args=[application.job_id])
    assert f"Go on at 2 of {total}" in remy.get(again).content.decode()
    end = remy.get(f"{page}?at={total + 1}").content.decode()
    assert f"You have been through all {total}" in end


def test_a_decision_is_undone_from_the_sitting_and_the_place_stays(
    remy: Client, sandbox: Sandbox, work
) -> None:
    page = _begin(remy, an_application().job_id)
    application = remy.get(page).context["application"]
    reason = RejectionReason.objects.order_by("remote_id").first()
    values = seen(application, reason=reason.pk, **{"in": "review"})
    there = remy.post(address("reject", application.pk), values, follow=True)
    number = there.context["sitting"].number
    undone = remy.post(address("withdraw", newest().pk), {"in": "review"}, follow=True)
    assert undone.context["sitting"].number == number
    assert newest().status == Status.WITHDRAWN
    assert truth(sandbox, application).status == "active"
    # The reason stands there already next time.
    assert undone.context["reject_form"]["reason"].value() == reason.pk


def test_the_focus_finds_undo_again_after_each_poll(remy: Client) -> None:
    """A part that is swapped gives the focus back to what bears the same id."""
    application = an_application()
    page = _begin(remy, application.job_id)
    reject(remy, application, **{"in": "review"})
    undo = f'id="undo-deed-{newest().pk}"'
    assert undo in remy.get(page).content.decode()
    part = reverse("applications:decisions", args=[application.job_id])
    assert undo in remy.get(part, **HTMX).content.decode()
    assert undo in remy.get(reverse("applications:my_activity"), **HTMX).content.decode()


def test_the_focus_finds_the_pages_of_activity_again_too(remy: Client, cast: Cast) -> None:
    ApplicationAction.objects.bulk_create(
        ApplicationAction(application=an_application(), membership=cast.remy, kind="advance",
                          status="done", after={})
        for _ in range(101)
    )  # fmt: skip
    second = remy.get(reverse("applications:my_activity"), {"page": 2}, **HTMX).content.decode()
    assert 'id="pages-previous"' in second
    assert 'id="pages-next"' in second


def test_what_was_decided_leads_to_its_place_and_its_end_is_spoken(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application, **{"in": "review"})
    work()
    part = reverse("applications:decisions", args=[application.job_id])
    told = remy.get(part, **HTMX).content.decode()
    assert f'href="{page}?at={place}"' in told
    assert f'id="deed-status-{newest().pk}" data-announce="Advance: ' in told
    assert "changed meanwhile" in told
    alone = f'href="{reverse("applications:of_job", args=[application.job_id])}'
    alone += f'?application={application.pk}"'
    for elsewhere in (reverse("applications:my_activity"), address("history", application.pk)):
        assert alone in remy.get(elsewhere).content.decode()


def test_keys_advance_and_bring_back_are_two_and_a_bring_back_has_no_undo(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    assert 'data-key="a"' in _at(remy, page, place)
    assert NO_UNDO not in _at(remy, page, place)
    reject(remy, application)
    later_undone = newest()
    ApplicationAction.objects.filter(pk=later_undone.pk).update(status=Status.DONE)
    Application.objects.filter(pk=application.pk).update(status="rejected")
    rejected = _at(remy, page, place)
    assert 'data-key="a"' not in rejected
    assert 'data-key="b"' in rejected
    assert "<kbd>b</kbd>" in rejected
    assert NO_UNDO in rejected


def test_the_card_asks_for_itself_until_it_can_be_decided_again(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    place = _order().index(application.pk) + 1
    itself = f'hx-get="{address("review_card", application.pk)}"'
    assert itself not in _at(remy, page, place)
    reject(remy, application, **{"in": "review"})
    assert itself in _at(remy, page, place)
    card = remy.get(address("review_card", application.pk), **HTMX).content.decode()
    assert itself in card
    assert "data-key=" in card, "the résumé, Greenhouse"
    assert 'data-key="b"' not in card
    later(60)
    remy.get(address("review_card", application.pk), **HTMX)  # it sends what is due, as a row does
    work()
    card = remy.get(address("review_card", application.pk), **HTMX).content.decode()
    assert itself not in card
    assert "Rejected in Greenhouse" in card
    assert "<dd>Rejected</dd>" in card
    assert 'data-key="b"' in card


def test_what_is_off_stands_there_with_the_reason(remy: Client) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    _lacking("applications.transfer")
    shown = _at(remy, page, place)
    told = f'aria-describedby="why-transfer-{application.pk}"'
    assert f'type="button" aria-disabled="true" {told}' in shown
    assert f'id="why-transfer-{application.pk}">' in shown


def test_a_reason_and_enter_reject_and_escape_leaves(remy: Client) -> None:
    page = remy.get(_begin(remy, an_application().job_id)).content.decode()
    assert "data-enter-submits" in page
    assert "Escape leaves it" in page


def test_without_the_right_to_names_none_stands_anywhere(remy: Client) -> None:
    application = an_application()
    person = application.candidate
    type(person).objects.filter(pk=person.pk).update(title="Falconer", company="Mews Ltd")
    _lacking("candidates.list")
    page = _begin(remy, application.job_id)
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    click(remy, "advance", application)
    requisition = reverse("applications:of_job", args=[application.job_id])
    for address_ in (
        f"{page}?at={place}",
        reverse("applications:my_activity"),
        address("history", application.pk),
        f"{requisition}?application={application.pk}",
    ):
        shown = remy.get(address_).content.decode()
        assert f"Application {application.remote_id}" in shown
        for word in (str(person), "Falconer", "Mews Ltd", "> None<", ": None<"):
            assert word not in shown, (address_, word)
    ApplicationAction.objects.all().delete()
    shown = remy.get(f"{requisition}?application={application.pk}").content.decode()
    assert f"More for Application {application.remote_id}" in shown
    for word in (str(person), "Falconer", "Mews Ltd"):
        assert word not in shown


def test_what_was_done_on_a_closed_job_stays_in_ones_activity(remy: Client, work) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    mine = reverse("applications:my_activity")
    assert "Undo" in remy.get(mine).content.decode()
    Job.objects.filter(pk=application.job_id).update(status="closed")
    page = remy.get(mine).content.decode()
    assert str(application.candidate) in page
    assert "Undo" not in page, "there is no page on which it could be undone"
    open_ones = reverse("applications:of_job", args=[application.job_id])
    assert f'{open_ones}"' not in page
    assert f"{open_ones}?" not in page
    assert reverse("jobs:closed", args=[application.job_id]) in page


def test_going_on_comes_before_starting_again(remy: Client) -> None:
    application = an_application()
    requisition = reverse("applications:of_job", args=[application.job_id])
    review = _begin(remy, application.job_id)
    page = remy.get(requisition).content.decode()
    assert f'<a class="btn btn-primary" href="{review}">Go on at 1 of' in page
    assert "Start again" in page
    assert "Review one by one" not in page
    Sitting.objects.all().delete()
    page = remy.get(requisition).content.decode()
    assert "Review one by one" in page
    assert "Start again" not in page


def test_going_back_keeps_what_was_chosen_on_the_requisition(remy: Client) -> None:
    application = an_application()
    stage = {"status": "active", "stage": str(application.stage_id)}
    page = remy.get(_begin(remy, application.job_id, **stage)).content.decode()
    requisition = reverse("applications:of_job", args=[application.job_id])
    back = f'href="{requisition}?status=active&amp;stage={application.stage_id}"'
    assert back in page
    end = remy.get(reverse("applications:review", args=[application.job_id]), {"at": 9999})
    assert end.content.decode().count(back) == 2  # the way back is a button, too


def test_decisions_on_what_one_no_longer_sees_are_not_shown(remy: Client, work) -> None:
    application = an_application()
    page = _begin(remy, application.job_id)
    decisions = reverse("applications:decisions", args=[application.job_id])
    click(remy, "advance", application)
    work()
    places = (decisions, page)
    assert all('id="deed-' in remy.get(place).content.decode() for place in places)
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())
    assert not any('id="deed-' in remy.get(place).content.decode() for place in places)


def test_stage_history_is_asked_anew_once_the_application_changed(remy: Client) -> None:
    """The browser keeps an answer for its address; so the address says of which state it is."""
    page = _begin(remy, an_application().job_id)

    def asked(at: int) -> list[str]:
        return re.findall(r'hx-get="(/applications/[^"]+)"', _at(remy, page, at))

    first, ahead = sorted(asked(1), key=lambda one: f"/{_order()[0]}/" not in one)
    assert asked(2)[-1] == ahead, "what was fetched ahead is asked for by the same address"
    Application.objects.filter(pk=_order()[0]).update(changed_at=timezone.now())
    assert first not in asked(1)


def test_staff_who_look_as_somebody_page_and_leave_the_place(
    remy: Client, cast: Cast, sign_in
) -> None:
    page = _begin(remy, an_application().job_id)
    cas = sign_in(cast.cas)
    cas.post(reverse("admin:look_begin", args=[cast.remy.pk]), {"reason": "They ask for help"})
    there = cas.get(f"{page}?at=2")
    assert there.status_code == 200
    assert there.context["sitting"].number == 2
    assert Sitting.objects.get().at == 0


def test_staff_who_look_as_somebody_send_nothing_that_is_due(
    remy: Client, cast: Cast, sign_in, later
) -> None:
    one, *others = of_one_job(3)
    _begin(remy, one.job_id)
    reject(remy, one)
    there = confirm(remy, "advance", others).url
    later(60)
    cas = sign_in(cast.cas)
    cas.post(reverse("admin:look_begin", args=[cast.remy.pk]), {"reason": "They ask for help"})
    for page in (
        address("row", one.pk),
        address("review_card", one.pk),
        reverse("applications:decisions", args=[one.job_id]),
        there,
    ):
        assert cas.get(page, **HTMX).status_code == 200, page
    assert set(ApplicationAction.objects.values_list("status", flat=True)) == {Status.HELD}


def test_it_shows_answers_with_words_marked_and_the_same_person_elsewhere(remy: Client) -> None:
    application = an_application()
    Application.objects.filter(pk=application.pk).update(
        answers=[{"question": "Where?", "answer": "Berlin <b>or</b> remote"}]
    )
    other = Application.objects.filter(
        job__grants__user__primary_email="remy@acme.example", job__status="open"
    ).exclude(job=application.job_id)
    Application.objects.filter(pk=other.first().pk).update(candidate=application.candidate)
    page = _begin(remy, application.job_id)
    keep = reverse("applications:habits", args=[application.job_id])
    remy.post(keep, {"words": "REMOTE, berlin", "keys": "on"})
    place = remy.get(page).context["sitting"].order.index(application.pk) + 1
    shown = remy.get(f"{page}?at={place}").content.decode()
    elsewhere = other.first()
    assert elsewhere is not None
    assert f'/requisitions/{elsewhere.job_id}/?application={elsewhere.pk}"' in shown
    assert "<mark>Berlin</mark> &lt;b&gt;or&lt;/b&gt; <mark>remote</mark>" in shown
    assert "The same person elsewhere" in shown
    assert "data-keys" in shown
    remy.post(keep, {"words": ""})
    assert "data-keys" not in remy.get(page).content.decode()


def test_it_shows_what_the_fields_that_the_customer_added_hold(remy: Client) -> None:
    every = (one for stage in range(4) for one in applications(stage=stage))
    application = next(one for one in every if one.custom)
    page = remy.get(_begin(remy, application.job_id)).content.decode()
    place = Sitting.objects.get().order.index(application.pk) + 1
    page = remy.get(f"/requisitions/{application.job_id}/review/?at={place}").content.decode()
    assert "<dt>Available from</dt>" in page
    assert "Asked for a higher level" not in page  # a private one


def test_words_are_words_and_no_patterns() -> None:
    assert highlighted("C++ (and C)", "c++, (") == [
        ("C++", True), (" ", False), ("(", True), ("and C)", False),
    ]  # fmt: skip
    assert highlighted("Go at Google, in JavaScript", "java, go, javascript") == [
        ("Go", True), (" at Google, in ", False), ("JavaScript", True),
    ]  # fmt: skip
    assert highlighted("C, C++", "c, c++") == [("C", True), (", ", False), ("C++", True)]
    assert highlighted("plain", " , ") == [("plain", False)]


def test_stage_history_is_read_at_this_moment_and_kept_by_the_browser_alone(
    remy: Client, kind: str, sandbox: Sandbox
) -> None:
    answer = remy.get(address("details", an_application().pk))
    assert answer["Cache-Control"] == "private, max-age=60"
    told = answer.content.decode()
    assert ("trail" in told) is (kind == "harvest_oauth")  # v1 keeps no history


def test_without_javascript_the_stage_history_is_a_page_of_its_own(remy: Client) -> None:
    application = an_application()
    link = address("details", application.pk)
    page = remy.get(link).content.decode()
    assert "<html" in page
    assert str(application.candidate) in page
    assert f'href="/requisitions/{application.job_id}/"' in page
    part = remy.get(link, **HTMX)
    assert "<html" not in part.content.decode()
    assert "HX-Request" in part["Vary"]


def test_a_resume_is_a_fresh_link_and_kept_nowhere(remy: Client, sandbox: Sandbox) -> None:
    with_resume = _with(sandbox, "resume")
    answer = remy.get(address("resume", with_resume.pk))
    assert answer.status_code == 302
    assert answer.url.startswith("https://attachments.")
    assert answer["Cache-Control"] == "no-store"
    before = len(sandbox.requests)
    remy.get(address("resume", with_resume.pk))
    assert len(sandbox.requests) > before


def test_the_newest_resume_is_opened(remy: Client, sandbox: Sandbox) -> None:
    with_resume = _with(sandbox, "resume")
    world = sandbox.world()
    owner = with_resume.candidate.remote_id
    [there, *_] = world.attachments.where("candidate_id", owner)
    of_it = {"candidate_id": owner, "application_id": there.application_id}
    world.add(Attachment, "2019-01-01T00:00:00.000Z", filename="former.pdf", **of_it)
    world.add(Attachment, "2099-01-01T00:00:00.000Z", filename="newest.pdf", **of_it)
    world.add(Attachment, "2019-01-02T00:00:00.000Z", filename="late.pdf", **of_it)
    assert "newest.pdf" in remy.get(address("resume", with_resume.pk)).url


def _with(sandbox: Sandbox, kind: str) -> Application:
    world = sandbox.world()
    owners = {row.candidate_id for row in world.attachments if row.type == kind}
    mine = Application.objects.filter(
        job__grants__user__primary_email="remy@acme.example",
        job__status="open",
        candidate__private=False,
    )
    return mine.filter(candidate__remote_id__in=owners).first()


def test_activity_is_told_for_a_person_and_for_an_application(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    application = an_application()
    click(sign_in(cast.sam), "advance", application)
    work()
    application.refresh_from_db()
    reject(remy, application)
    mine = remy.get(reverse("applications:my_activity")).content.decode()
    assert mine.count('class="row-item"') == 1
    assert "Undo" in mine
    both = remy.get(address("history", application.pk)).content.decode()
    assert both.count('class="row-item"') == 2
    assert "Sam" in both
    gone = remy.post(address("withdraw", newest().pk), {"in": "activity"})
    assert gone.url == reverse("applications:my_activity")


def test_the_number_of_queries_of_activity_does_not_grow(
    remy: Client, cast: Cast, django_assert_max_num_queries
) -> None:
    some = list(Application.objects.filter(job=an_application().job_id, candidate__private=False))
    ApplicationAction.objects.bulk_create(
        ApplicationAction(
            application=one, membership=cast.remy, kind="advance", status="done", after={}
        )
        for one in some * 4
    )
    with django_assert_max_num_queries(14):
        remy.get(reverse("applications:my_activity"))
    page = _begin(remy, some[0].job_id)
    with django_assert_max_num_queries(34):
        remy.get(page)


def test_who_may_not_see_it_reviews_nothing(remy: Client, cast: Cast, sign_in) -> None:
    application = an_application()
    _begin(remy, application.job_id)
    for who in ("zoe", "uma"):
        stranger = sign_in(getattr(cast, who))
        for name in ("review", "begin_review", "decisions", "habits"):
            url = reverse(f"applications:{name}", args=[application.job_id])
            posts = name in ("begin_review", "habits")
            assert (stranger.post(url) if posts else stranger.get(url)).status_code == 404
        for name in ("details", "resume", "history", "review_card"):
            assert stranger.get(address(name, application.pk)).status_code == 404
