"""Customer success: sees how everybody stands, helps by the same verbs, never meets a secret."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from portal.connections.models import CheckRun, Connection
from portal.mirror.models import SyncRun
from tests.cast import Cast
from tests.conftest import FULL


def _changelist(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _all_pages(client) -> list[str]:
    """Every list and one page of each of our kinds that this person may open."""
    pages = []
    for model in admin.site._registry:
        answer = client.get(_changelist(model))
        if answer.status_code != 200:
            continue
        pages.append(answer.content.decode())
        row = model._default_manager.first()
        if row is not None:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            one = client.get(reverse(name, args=[row.pk]))
            pages.append(one.content.decode())
    return pages


def test_cas_sees_organizations_connections_checks_and_syncs(connect, cast: Cast, sign_in) -> None:
    connect()
    cas = sign_in(cast.cas)
    page = cas.get(_changelist(Connection)).content.decode()
    assert "Acme" in page
    assert "Live" in page
    for model in (CheckRun, SyncRun):
        assert "Acme" in cas.get(_changelist(model)).content.decode()


@pytest.mark.parametrize("who", ["cas", "ola"])
def test_no_admin_page_shows_a_secret(connect, cast: Cast, sign_in, kind: str, who: str) -> None:
    connect(kind)
    secrets = [
        FULL[kind][name] for name in ("api_key", "client_id", "client_secret") if name in FULL[kind]
    ]
    pages = _all_pages(sign_in(getattr(cast, who)))
    assert len(pages) > 10
    for page in pages:
        for secret in secrets:
            assert secret not in page


def test_check_permissions_puts_a_check_on_the_queue(connect, cast: Cast, sign_in, work) -> None:
    connection = connect()
    answer = sign_in(cast.cas).post(
        _changelist(Connection),
        {"action": "check_permissions", "_selected_action": [connection.pk]},
        follow=True,
    )
    assert "1 being checked" in answer.content.decode()
    work()
    assert connection.checks.first().requested_by == cast.cas
    assert connection.checks.first().status == CheckRun.Status.DONE


def test_sync_now_puts_a_sync_on_the_queue(connect, cast: Cast, sign_in, work) -> None:
    connection = connect()
    sign_in(cast.cas).post(
        _changelist(Connection), {"action": "sync_now", "_selected_action": [connection.pk]}
    )
    work()
    newest = connection.syncs.first()
    assert newest.requested_by == cast.cas
    assert newest.status == SyncRun.Status.DONE


def test_before_a_credential_was_entered_the_actions_say_so(cast: Cast, sign_in) -> None:
    connection = Connection.objects.create(organization=cast.ada.organization)
    for action in ("check_permissions", "sync_now"):
        answer = sign_in(cast.cas).post(
            _changelist(Connection),
            {"action": action, "_selected_action": [connection.pk]},
            follow=True,
        )
        assert "No credential was entered yet" in answer.content.decode()


def test_recruiters_and_admins_of_customers_do_not_get_in(cast: Cast, sign_in) -> None:
    for member in (cast.ada, cast.remy, cast.zoe):
        assert sign_in(member).get(reverse("admin:index")).status_code == 302


def test_cas_cannot_make_herself_more_than_she_is(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    page = reverse("admin:accounts_user_change", args=[cast.cas.pk])
    cas.post(page, {"email": cast.cas.email, "name": "Cas", "is_staff": "on", "is_superuser": "on"})
    cast.cas.refresh_from_db()
    assert not cast.cas.is_superuser


def test_nobody_deletes_or_edits_history_by_hand(connect, cast: Cast, sign_in) -> None:
    connection = connect()
    ola = sign_in(cast.ola)
    for row in (connection, connection.checks.first(), connection.syncs.first()):
        label = f"{row._meta.app_label}_{row._meta.model_name}"
        assert ola.post(reverse(f"admin:{label}_delete", args=[row.pk])).status_code == 403
