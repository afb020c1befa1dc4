"""Emails about new applicants, through the queue and with a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.mail import EmailMessage
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.core import outbox_fence, queue
from portal.jobs.applicant_emails import schedule, subscriptions
from portal.jobs.models import ApplicantDigest, ApplicantSubscription, DigestPart, SavedView
from portal.members import memberships
from portal.notifications import delivery, message_queue
from portal.notifications.models import Preference
from tests.personas import Personas
from tests.portal.entitlements import synced_data

QUEUE_DUE = "portal.jobs.tasks.queue_applicant_digests"
PAGE = reverse("jobs:applicant_emails")
Digest = ApplicantDigest.Status


@pytest.fixture
def move_to(time_machine, run_tasks):
    """Stop the clock at this time in UTC, and let a worker do what is due."""

    def stop_clock(text: str, *, run: bool = True) -> None:
        time_machine.move_to(datetime.fromisoformat(text).replace(tzinfo=UTC), tick=False)
        if run:
            queue.enqueue_task(QUEUE_DUE)
            run_tasks()

    stop_clock("2026-03-02 12:00", run=False)  # a Monday
    return stop_clock


@pytest.fixture
def executive(acme, move_to):
    return synced_data.create_job(acme, "Account Executive")


def _apply(job, name: str = "Ada Park", **fields):
    candidate, now = synced_data.create_candidate(job.connection, name), timezone.now()
    # The clock stands still; nobody applies in the instant in which somebody subscribes.
    fields.setdefault("first_seen_at", now + timedelta(seconds=1))
    fields.setdefault("changed_at", fields["first_seen_at"])
    return synced_data.create_application(job, candidate, applied_at=now, **fields)


def _subscribe(client, job, frequency: str = "daily", zone: str = "") -> None:
    url = reverse("jobs:subscribe_to_job", args=[job.pk])
    assert client.post(url, {"frequency": frequency, "zone": zone}).status_code == 302


def _list_subjects(mailoutbox: list[EmailMessage]) -> list[str]:
    return [mail.subject for mail in mailoutbox]


def test_daily_email_lists_new_applicants(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    _apply(executive, "Too Early")
    move_to("2026-03-02 12:10")
    _subscribe(sign_in(personas.sam), executive, zone="Europe/Berlin")
    move_to("2026-03-02 13:00")
    applications = [_apply(executive, name) for name in ("Ada Park", "Bo Lind", "Cy Moss")]
    move_to("2026-03-03 07:59")
    assert mailoutbox == []
    move_to("2026-03-03 08:00")  # 9:00 in Berlin
    [mail] = mailoutbox
    assert mail.subject == "Acme: 3 new applicants for Account Executive"
    assert mail.to == ["sam@acme.example"]
    for application in applications:
        assert str(application.candidate) in mail.body
        assert reverse("applications:applicant", args=[application.pk]) in mail.body
    assert "Too Early" not in mail.body
    move_to("2026-03-03 08:01")
    move_to("2026-03-04 08:00")
    assert len(mailoutbox) == 1  # nothing new


def test_daily_time_follows_daylight_saving(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    move_to("2026-03-27 12:00")  # clocks in Berlin go forward on Sunday, March 29
    _subscribe(sign_in(personas.sam), executive, zone="Europe/Berlin")
    sent_at: list[str] = []
    for day, before, nine in (
        ("2026-03-28", "07:59", "08:00"),  # a weekend is as good as other days
        ("2026-03-29", "06:59", "07:00"),
        ("2026-03-30", "06:59", "07:00"),
    ):
        _apply(executive)
        move_to(f"{day} {before}")
        assert len(mailoutbox) == len(sent_at)
        move_to(f"{day} {nine}")
        sent_at.append(nine)
        assert len(mailoutbox) == len(sent_at)


def test_instant_email_within_minutes(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    _subscribe(sign_in(personas.sam), executive, "instant")
    move_to("2026-03-02 12:05")
    _apply(executive)
    move_to("2026-03-02 12:05:30")
    assert mailoutbox == []
    move_to("2026-03-02 12:06:30")
    assert _list_subjects(mailoutbox) == ["Acme: 1 new applicant for Account Executive"]
    _apply(executive)
    move_to("2026-03-02 12:09")
    assert len(mailoutbox) == 1
    move_to("2026-03-02 12:10")
    assert len(mailoutbox) == 2


def test_saved_view_and_requisition_in_one_email(
    acme, sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    client, nurse = sign_in(personas.sam), synced_data.create_job(acme, "Nurse")
    confidential = synced_data.create_job(acme, "Secret", confidential=True)
    view = SavedView.objects.create(membership=personas.sam, name="Nurses", query="q=nurse")
    _subscribe(client, executive)
    client.post(reverse("jobs:subscribe_to_view", args=[view.pk]), {"frequency": "daily"})
    for job in (executive, nurse, confidential):
        _apply(job)
    move_to("2026-03-03 09:00")
    [mail] = mailoutbox
    assert mail.subject == "Acme: 2 new applicants for 2 requisitions"
    assert "1 new applicant for Nurse" in mail.body
    assert "Secret" not in mail.body


def test_view_subscription_sees_view_as_it_is_now(
    acme, sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    view = SavedView.objects.create(membership=personas.sam, name="Mine", query="q=nurse")
    url = reverse("jobs:subscribe_to_view", args=[view.pk])
    sign_in(personas.sam).post(url, {"frequency": "daily"})
    _apply(executive)
    SavedView.objects.update(query="q=account")
    move_to("2026-03-03 09:00")
    assert _list_subjects(mailoutbox) == ["Acme: 1 new applicant for Account Executive"]


def test_right_lost_before_sending_leaves_no_trace(
    acme, remy, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    nurse = synced_data.create_job(acme, "Nurse")
    grant = synced_data.create_grant(remy, executive)
    synced_data.create_grant(remy, nurse)
    client = sign_in(personas.remy)
    _subscribe(client, executive)
    _subscribe(client, nurse)
    _apply(executive)
    _apply(nurse)
    move_to("2026-03-03 09:00", run=False)
    schedule.queue_due_digests()
    grant.gone_at = timezone.now()
    grant.save()
    run_tasks()
    [mail] = mailoutbox
    assert mail.subject == "Acme: 1 new applicant for Nurse"
    assert "Executive" not in mail.body
    page = sign_in(personas.remy).get(PAGE).content.decode()
    assert "Executive" not in page
    assert "A requisition you can't access" in page


@pytest.mark.parametrize("change", ["private", "rejected", "old"])
def test_not_new_or_not_visible_is_not_listed(
    change, sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    application = _apply(executive)
    if change == "private":
        application.candidate.private = True
        application.candidate.save()
    elif change == "rejected":
        application.status = "rejected"
    else:
        application.applied_at = timezone.now() - timedelta(days=60)
    application.save()
    move_to("2026-03-03 09:00")
    assert mailoutbox == []
    assert not ApplicantDigest.objects.exists()


def test_names_need_permission_to_read_candidates(
    acme, sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    synced_data.record_check(acme, missing=(synced_data.CANDIDATES,))
    _subscribe(sign_in(personas.sam), executive)
    application = _apply(executive, "Ada Park")
    move_to("2026-03-03 09:00")
    [mail] = mailoutbox
    assert "Ada" not in mail.body
    assert f"Application {application.remote_id}" in mail.body


def test_name_that_mail_would_link_is_left_out(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive, "Prize evil.example")
    _apply(executive, "J.R. Smith")
    move_to("2026-03-03 09:00")
    [mail] = mailoutbox
    assert "evil.example" not in mail.body
    assert "J.R. Smith" in mail.body


def test_worker_killed_while_sending_sends_at_most_once(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, monkeypatch
) -> None:
    """The email may have left, so it is given up rather than sent twice."""
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    send = delivery.deliver_message

    def send_and_die(message: EmailMessage) -> None:
        send(message)
        raise SystemExit

    monkeypatch.setattr(delivery, "deliver_message", send_and_die)
    with pytest.raises(SystemExit):
        move_to("2026-03-03 09:00")
    monkeypatch.setattr(delivery, "deliver_message", send)
    for time in ("09:05", "09:11", "10:00"):
        move_to(f"2026-03-03 {time}")
    assert len(mailoutbox) == 1
    assert ApplicantDigest.objects.get().status == Digest.FAILED


def test_worker_killed_before_sending_loses_nothing(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, monkeypatch
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "enqueue_task", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            schedule.queue_due_digests()
    assert not ApplicantDigest.objects.exists()
    move_to("2026-03-03 09:01")
    assert len(mailoutbox) == 1


def test_lost_task_is_queued_again(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, monkeypatch
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "enqueue_task", lambda *_, **__: None)
        schedule.queue_due_digests()
    move_to("2026-03-03 09:04")
    assert len(mailoutbox) == 1


def test_two_workers_claim_a_period_once(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    seen_by_both = list(schedule._list_due())
    for _ in range(2):
        schedule._claim_period(seen_by_both)
    assert DigestPart.objects.count() == 1
    [digest] = ApplicantDigest.objects.all()
    queue.enqueue_task(
        schedule.SEND_TASK, digest.pk, organization_id=sam.connection.organization_id
    )
    run_tasks()
    assert len(mailoutbox) == 1


def test_refused_email_is_tried_again(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, monkeypatch
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)

    def refuse(_: EmailMessage) -> None:
        raise message_queue.MessageNotSent("SMTPServerDisconnected")

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "deliver_message", refuse)
        move_to("2026-03-03 09:00")
    assert mailoutbox == []
    move_to("2026-03-03 09:04")
    assert len(mailoutbox) == 1


def test_snoozed_emails_arrive_in_one_afterwards(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    until = timezone.now() + timedelta(days=3)
    Preference.objects.create(user=personas.sam.user, paused_until=until)
    for day in ("03", "04"):
        _apply(executive)
        move_to(f"2026-03-{day} 09:00")
    assert mailoutbox == []
    move_to("2026-03-06 09:00")
    assert _list_subjects(mailoutbox) == ["Acme: 2 new applicants for Account Executive"]


def test_unsubscribing_from_email_needs_no_sign_in(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, client
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00")
    [mail] = mailoutbox
    url = mail.extra_headers["List-Unsubscribe"].strip("<>")
    assert url in mail.body
    path = url[url.index("/requisitions/") :]
    assert client.get(path).status_code == 200
    assert ApplicantSubscription.objects.exists()
    assert "Emails turned off" in client.post(path).content.decode()
    assert not ApplicantSubscription.objects.exists()
    assert client.post(f"{path}x").status_code == 404


def test_unsubscribing_drops_what_waits(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    schedule.queue_due_digests()
    [subscription] = ApplicantSubscription.objects.all()
    off_url = reverse("jobs:delete_subscription", args=[subscription.pk])
    assert sign_in(personas.sam).post(off_url).status_code == 302
    run_tasks()
    assert mailoutbox == []


def test_never_turns_a_subscription_off(sam, executive, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    _subscribe(client, executive)
    assert "Account Executive" in client.get(PAGE).content.decode()
    _subscribe(client, executive, "")
    assert not ApplicantSubscription.objects.exists()


def test_removed_member_gets_no_email(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    schedule.queue_due_digests()
    memberships.remove_member(personas.sam, by=personas.ada.user)
    run_tasks()
    move_to("2026-03-04 09:00")
    assert mailoutbox == []


@pytest.mark.parametrize("state", ["paused", "disconnected"])
def test_disconnected_customer_gets_no_email(
    state, acme, sam, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    schedule.queue_due_digests()
    acme.state = state
    acme.save()
    run_tasks()
    move_to("2026-03-04 09:00")
    assert mailoutbox == []


def test_chosen_time_zone_outlasts_browsers(
    sam, executive, personas: Personas, sign_in, move_to
) -> None:
    client = sign_in(personas.sam)
    _subscribe(client, executive, zone="Nowhere/Land")
    assert not Preference.objects.exists()
    zone_url = reverse("jobs:set_time_zone")
    assert client.post(zone_url, {"time_zone": "Asia/Tokyo"}).status_code == 302
    _subscribe(client, executive, zone="Europe/Berlin")
    [subscription] = ApplicantSubscription.objects.all()
    assert subscription.due_at == datetime(2026, 3, 3, 0, tzinfo=UTC)
    assert client.post(zone_url, {"time_zone": "Nowhere/Land"}).status_code == 422


def test_subscriptions_are_limited(
    acme, sam, executive, personas: Personas, sign_in, monkeypatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 1)
    client, nurse = sign_in(personas.sam), synced_data.create_job(acme, "Nurse")
    _subscribe(client, executive)
    response = client.post(
        reverse("jobs:subscribe_to_job", args=[nurse.pk]), {"frequency": "daily"}
    )
    assert response.status_code == 422
    _subscribe(client, executive, "instant")  # a change is no new one


def test_hidden_requisition_cannot_be_subscribed_to(
    remy, executive, personas: Personas, sign_in
) -> None:
    url = reverse("jobs:subscribe_to_job", args=[executive.pk])
    for response in (sign_in(personas.remy).get(url), sign_in(personas.remy).post(url)):
        assert response.status_code == 404


@pytest.mark.parametrize("frequency", ["instant", "daily"])
def test_finding_due_is_one_query_among_a_thousand(
    frequency, acme, executive, run_tasks, move_to
) -> None:
    _insert_subscriptions(executive, frequency, 1000)
    _apply(executive)
    with CaptureQueriesContext(database) as nothing_due:
        schedule.queue_due_digests()
    move_to("2026-03-03 09:00", run=False)
    with CaptureQueriesContext(database) as all_due:
        assert len(schedule._list_due()) == 1000
    assert len(nothing_due) == len(all_due) == 1


def _insert_subscriptions(job, frequency: str, count: int) -> None:
    organization = job.connection.organization
    users = User.objects.bulk_create(
        User(email=f"reader{number}@acme.example") for number in range(count)
    )
    members = Membership.objects.bulk_create(
        Membership(user=user, organization=organization) for user in users
    )
    due_at = timezone.now() + timedelta(minutes=5)
    ApplicantSubscription.objects.bulk_create(
        ApplicantSubscription(membership=member, job=job, frequency=frequency, due_at=due_at)
        for member in members
    )


def test_instant_period_has_one_email(
    acme, sam, executive, personas: Personas, sign_in, move_to, mailoutbox
) -> None:
    """What arrives after a period's email waits for the next period, here in a saved view."""
    client, nurse = sign_in(personas.sam), synced_data.create_job(acme, "Nurse")
    view = SavedView.objects.create(membership=personas.sam, name="Nurses", query="q=nurse")
    _subscribe(client, executive, "instant")
    client.post(reverse("jobs:subscribe_to_view", args=[view.pk]), {"frequency": "instant"})
    move_to("2026-03-02 12:03", run=False)
    _apply(executive)
    move_to("2026-03-02 12:05")
    assert _list_subjects(mailoutbox) == ["Acme: 1 new applicant for Account Executive"]
    _apply(nurse)
    move_to("2026-03-02 12:07")
    assert len(mailoutbox) == 1
    move_to("2026-03-02 12:10")
    assert _list_subjects(mailoutbox)[1:] == ["Acme: 1 new applicant for Nurse"]


def test_restored_backup_sends_no_digest(
    sam, executive, personas: Personas, sign_in, move_to, mailoutbox, run_tasks
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    _apply(executive)
    move_to("2026-03-03 09:00", run=False)
    schedule.queue_due_digests()
    outbox_fence.outbox_released.run()
    run_tasks()
    assert mailoutbox == []
    assert ApplicantDigest.objects.get().status == Digest.FAILED


def test_other_members_subscriptions_are_out_of_reach(
    sam, executive, personas: Personas, sign_in
) -> None:
    _subscribe(sign_in(personas.sam), executive)
    off_url = reverse("jobs:delete_subscription", args=[ApplicantSubscription.objects.get().pk])
    for other in (personas.remy, personas.zoe):
        assert sign_in(other).post(off_url).status_code == 404
        assert "Account Executive" not in sign_in(other).get(PAGE).content.decode()
    assert ApplicantSubscription.objects.count() == 1
