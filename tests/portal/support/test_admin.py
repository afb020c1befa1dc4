"""The admin site for customer success: data, actions and limits."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from portal.connections.models import CheckRun, Connection
from portal.sync.models import SyncRun
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas


def _changelist_url(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _read_all_pages(client) -> list[str]:
    """Each list and one change page of every model that this user may open."""
    pages = []
    for model in admin.site._registry:
        answer = client.get(_changelist_url(model))
        if answer.status_code != 200:
            continue
        pages.append(answer.content.decode())
        row = model._default_manager.first()
        if row is not None:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            change_page = client.get(reverse(name, args=[row.pk]))
            pages.append(change_page.content.decode())
    return pages


def test_csm_sees_customer_data(connect, personas: Personas, sign_in) -> None:
    connect()
    cas = sign_in(personas.cas)
    page = cas.get(_changelist_url(Connection)).content.decode()
    assert "Acme" in page
    assert "Connected" in page
    for model in (CheckRun, SyncRun):
        assert "Acme" in cas.get(_changelist_url(model)).content.decode()


@pytest.mark.slow("opens every list and a row of every model in the admin site")
@pytest.mark.parametrize("name", ["cas", "ola"])
def test_admin_pages_show_no_secret(
    connect, personas: Personas, sign_in, kind: str, name: str
) -> None:
    connect(kind)
    secrets = [
        FULL_CREDENTIALS[kind][key]
        for key in ("api_key", "client_id", "client_secret")
        if key in FULL_CREDENTIALS[kind]
    ]
    pages = _read_all_pages(sign_in(getattr(personas, name)))
    assert len(pages) > 10
    for page in pages:
        for secret in secrets:
            assert secret not in page


def test_permission_check_action_queues_check(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connection = connect()
    answer = sign_in(personas.cas).post(
        _changelist_url(Connection),
        {"action": "check_permissions", "_selected_action": [connection.pk]},
        follow=True,
    )
    assert "Check permissions: requested for Acme." in answer.content.decode()
    run_tasks()
    assert connection.checks.first().requested_by == personas.cas
    assert connection.checks.first().status == CheckRun.Status.DONE


def test_sync_action_queues_sync(connect, personas: Personas, sign_in, run_tasks) -> None:
    connection = connect()
    sign_in(personas.cas).post(
        _changelist_url(Connection), {"action": "sync_now", "_selected_action": [connection.pk]}
    )
    run_tasks()
    newest = connection.syncs.first()
    assert newest.requested_by == personas.cas
    assert newest.status == SyncRun.Status.DONE


def test_actions_refused_without_credential(personas: Personas, sign_in) -> None:
    connection = Connection.objects.create(organization=personas.ada.organization)
    for action in ("check_permissions", "sync_now"):
        answer = sign_in(personas.cas).post(
            _changelist_url(Connection),
            {"action": action, "_selected_action": [connection.pk]},
            follow=True,
        )
        assert "No credential yet" in answer.content.decode()


def test_customers_cannot_open_admin(personas: Personas, sign_in) -> None:
    for member in (personas.ada, personas.remy, personas.zoe):
        assert sign_in(member).get(reverse("admin:index")).status_code == 302


def test_csm_cannot_raise_own_rights(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    page = reverse("admin:accounts_user_change", args=[personas.cas.pk])
    cas.post(
        page, {"email": personas.cas.email, "name": "Cas", "is_staff": "on", "is_superuser": "on"}
    )
    personas.cas.refresh_from_db()
    assert not personas.cas.is_superuser


def test_history_cannot_be_edited_or_deleted(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    ola = sign_in(personas.ola)
    for row in (connection, connection.checks.first(), connection.syncs.first()):
        label = f"{row._meta.app_label}_{row._meta.model_name}"
        assert ola.post(reverse(f"admin:{label}_delete", args=[row.pk])).status_code == 403
        change = ola.post(reverse(f"admin:{label}_change", args=[row.pk]), {"status": "x"})
        assert change.status_code == 403, label
