"""Operator pages: metrics, bounded lists, retention and monitors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.signals import post_execute_in_worker, pre_execute

from portal.applications.models import ApplicationAction
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import ApiCall
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.notifications import notify
from portal.notifications.models import Notification
from portal.privacy import retention
from portal.support.admin import base
from portal.support.monitoring import monitors, system_health
from portal.sync.models import Application, AtsUserEmail
from tests.personas import Personas

METRICS = reverse("metrics")


def test_operator_sees_queue_workers_and_rate_budget(connect, personas: Personas, sign_in) -> None:
    connect()
    [meter] = system_health.list_request_meters()
    assert meter.calls == ApiCall.objects.count()
    page = sign_in(personas.ola).get(reverse("admin:system_health")).content.decode()
    for label in ("waiting", "worker", "Left before the limit", "Acme"):
        assert label in page


def test_metrics_require_token(connect, personas: Personas, sign_in, client, settings) -> None:
    connect()
    settings.METRICS_TOKEN = ""
    for header in ("", "Bearer ", "Bearer x"):
        assert client.get(METRICS, headers={"Authorization": header}).status_code == 403
    settings.METRICS_TOKEN = "a-token"
    assert client.get(METRICS, headers={"Authorization": "Bearer b-token"}).status_code == 403
    metrics = client.get(METRICS, headers={"Authorization": "Bearer a-token"}).content.decode()
    assert 'portal_connections{state="live"} 1.0' in metrics
    assert 'portal_queue_tasks{lane="clicks"} 0.0' in metrics
    assert 'portal_queue_oldest_seconds{lane="syncs"} 0.0' in metrics
    assert "portal_greenhouse_requests" in metrics
    for person in (personas.ada, personas.cas):
        assert sign_in(person).get(METRICS).status_code == 403
    assert sign_in(personas.ola).get(METRICS).status_code == 200


def test_metrics_report_durations(connect, sign_in, personas: Personas) -> None:
    connection = connect()
    ola = sign_in(personas.ola)

    def read_metric(prefix: str) -> float:
        lines = ola.get(METRICS).content.decode().splitlines()
        return sum(float(sample.rsplit(" ", 1)[1]) for sample in lines if sample.startswith(prefix))

    view = 'portal_request_seconds_count{method="GET",status="2xx",view="jobs:list"}'
    before = read_metric(view)
    sign_in(personas.ada).get(reverse("jobs:list"), {"q": "secret-search"})
    assert read_metric(view) == before + 1
    assert "secret-search" not in ola.get(METRICS).content.decode()
    task = {"id": "x", "func": "portal.sync.tasks.sync", "success": True}
    metric = 'portal_task_seconds_count{outcome="done",task="portal.sync.tasks.sync"}'
    before = read_metric(metric)
    pre_execute.send(sender="django_q", func=None, task=task)
    post_execute_in_worker.send(sender="django_q", func=None, task=task)
    assert read_metric(metric) == before + 1
    calls = ApiCall.objects.filter(connection=connection).count()
    assert read_metric('portal_greenhouse_request_seconds_bucket{le="+Inf"}') == calls > 0


def test_retention_deletes_old_rows_but_not_log(personas: Personas, advance_clock) -> None:
    acme = personas.ada.organization
    notify.notify_users([personas.ada.user], acme, key="k", subject="s", body="w")
    Transition.objects.create(subject="a.b", subject_id=1, old="x", new="y", reason="z")
    record_entry("a.deed", "did it", organization=acme)
    retention.delete_expired_rows()
    assert (Notification.objects.count(), Transition.objects.count()) == (1, 1)
    advance_clock(401 * 24 * 3600)
    retention.delete_expired_rows()
    assert (Notification.objects.count(), Transition.objects.count()) == (0, 0)
    assert Entry.objects.filter(verb="a.deed").exists()


def test_long_list_is_not_counted_to_its_end(
    connect, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect()
    monkeypatch.setattr(base, "MAX_COUNTED", 50)
    call = {"connection": connection, "method": "GET", "path": "/v3/jobs", "milliseconds": 1}
    ApiCall.objects.bulk_create(ApiCall(at=timezone.now(), **call) for _ in range(120))
    with CaptureQueriesContext(database) as captured:
        page = sign_in(personas.ola).get(reverse("admin:connections_apicall_changelist"))
    assert page.status_code == 200
    statements = [str(query["sql"]) for query in captured]  # prepared ones are not recorded
    counts = [sql for sql in statements if "COUNT(*)" in sql and "apicall" in sql]
    assert counts
    assert all("LIMIT 51" in sql for sql in counts)


def _add_action(personas: Personas, status: str) -> None:
    application = Application.objects.exclude(actions__isnull=False).first()
    ApplicationAction.objects.create(
        application=application,
        membership=personas.remy,
        kind="advance",
        status=status,
        settled_at=timezone.now(),
    )


def test_many_failed_actions_open_and_close_issue(connect, personas: Personas) -> None:
    connect()
    failing = Issue.objects.filter(cause=Issue.Cause.ACTIONS_FAILING, closed_at=None)
    for status in ("refused", "failed", "done", "done"):
        _add_action(personas, status)
    monitors.run_monitors()
    assert not failing.exists(), "four actions are too few to judge"
    _add_action(personas, "refused")
    monitors.run_monitors()
    assert failing.get().details == {"failed": 3, "of": 5}
    for _ in range(4):
        _add_action(personas, "done")
    monitors.run_monitors()
    assert not failing.exists()


def test_unmatched_people_are_issue_until_matched(connect, personas: Personas) -> None:
    connect()
    open_issues = Issue.objects.filter(cause=Issue.Cause.UNMATCHED_PEOPLE, closed_at=None)
    monitors.run_monitors()
    assert "uma@acme.example" in open_issues.get().description
    assert open_issues.get().severity == Issue.Severity.WARNING
    user = AtsUserEmail.objects.first().user
    AtsUserEmail.objects.create(user=user, address="uma@acme.example", verified=True)
    monitors.run_monitors()
    assert not open_issues.exists()


def test_changed_mail_domain_is_reported(connect, personas: Personas) -> None:
    connect()
    for member in (personas.sam, personas.remy, personas.vic):
        member.user.email = member.user.email.replace("acme.example", "acme-new.example")
        member.user.save()
    monitors.run_monitors()
    issue = Issue.objects.get(cause=Issue.Cause.UNMATCHED_PEOPLE)
    assert issue.title == "No Greenhouse user has an address at acme-new.example"
    assert issue.severity == Issue.Severity.CRITICAL
    assert issue.first_seen_at > timezone.now() - timedelta(minutes=5)
