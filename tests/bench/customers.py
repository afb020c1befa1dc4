# ruff: noqa: S608  (our own tables)
"""Many connected customers in seconds: connect the first through the portal, copy its rows.

The sandbox's numbered accounts differ only in IDs and domains, so a copy of the first customer's
rows with shifted IDs is what a sync of the next account would have stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from integrations.greenhouse.sandbox import NumberedAccount
from integrations.greenhouse.sandbox.numbered_accounts import ID_OFFSET_STEP

PK_STEP = 100_000  # between the rows of one customer and the next
# Rows that are not part of a customer's state, or have secrets or a hash chain of their own.
NOT_COPIED = {
    "admin.LogEntry", "audit.Entry", "audit.ChainHead", "connections.ApiCall",
    "connections.Credential", "core.Transition", "sync.RefreshRequest",
    "usersessions.UserSession",
}  # fmt: skip
NOT_COPIED_APPS = {"notifications", "webhooks", "support"}


@dataclass(frozen=True)
class Customer:
    """A customer's keys; its admin is ada, its recruiter sam (a Site Admin), at its own domain."""

    number: int
    organization_id: int
    connection_id: int

    @property
    def account(self) -> NumberedAccount:
        return NumberedAccount(self.number)

    def build_email(self, name: str) -> str:
        return f"{name}@{self.account.domain}"


def connect_customers(count: int) -> list[Customer]:
    """Connect and sync the first customer in this process, and copy it."""
    first = _connect_first_customer()
    if count > 1:
        _copy_customer(first, count)
    return [
        Customer(
            number,
            first.organization_id + PK_STEP * (number - 1),
            first.connection_id + PK_STEP * (number - 1),
        )
        for number in range(1, count + 1)
    ]


def _connect_first_customer() -> Customer:
    from django.test import Client
    from django.urls import reverse

    from portal.accounts.models import Membership
    from portal.connections.models import Connection
    from tests import queue
    from tests.factories import MembershipFactory

    account = NumberedAccount(1)
    admin = MembershipFactory(
        user__email=f"ada@{account.domain}",
        organization__name=account.name,
        role=Membership.Role.ADMIN,
    )
    organization = admin.organization
    MembershipFactory(user__email=f"sam@{account.domain}", organization=organization)
    browser = Client()
    browser.force_login(admin.user)
    form = {
        "kind": "harvest_oauth",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
    }
    browser.post(reverse("onboarding:credential"), form)
    queue.run_tasks()
    connection = Connection.objects.get(organization=organization)
    if connection.state not in (Connection.State.LIVE, Connection.State.DEGRADED):
        raise SystemExit(f"The first customer is not connected but {connection.state}.")
    return Customer(1, organization.pk, connection.pk)


# -- copying ---------------------------------------------------------------------------------------
def _copy_customer(first: Customer, count: int) -> None:
    from django.db import connection, transaction

    models = list(_list_copied_models())
    tables = {model._meta.db_table for model in models} | {"connections_credential"}
    with transaction.atomic(), connection.cursor() as cursor:
        for model in models:
            cursor.execute(_build_copy_statement(model, tables), [count])
        _create_credentials(count)
    with connection.cursor() as cursor:
        for table in sorted(tables):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                " HAVING max(id) IS NOT NULL"
            )
        cursor.execute("ANALYZE")


def _list_copied_models() -> Iterator[Any]:
    """Yield the models that lead to an organization or a user by foreign keys."""
    from django.apps import apps

    candidates = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.label not in NOT_COPIED
        and model._meta.app_label not in NOT_COPIED_APPS
        and model._meta.pk.column == "id"
        and not model._meta.proxy
    ]
    chosen = {"accounts.Organization", "accounts.User"}
    while True:
        more = {
            model._meta.label
            for model in candidates
            if any(f.is_relation and f.related_model._meta.label in chosen
                   for f in model._meta.concrete_fields)
        }  # fmt: skip
        if more <= chosen:
            return (yield from (model for model in candidates if model._meta.label in chosen))
        chosen |= more


def _build_copy_statement(model: Any, tables: set[str]) -> str:
    columns = {
        field.column: _build_copied_value(field, tables) for field in model._meta.local_fields
    }
    names = ", ".join(f'"{name}"' for name in columns)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({names})'
        f" SELECT {', '.join(columns.values())}"
        f' FROM "{model._meta.db_table}" row CROSS JOIN generate_series(2, %s) AS copy(number)'
        f" WHERE row.id < {PK_STEP}"
    )


def _build_copied_value(field: Any, tables: set[str]) -> str:
    """Return the SQL of this column in the copy `number`, by its type."""
    from django.db import models

    column = f'row."{field.column}"'
    if field.primary_key or (field.is_relation and field.related_model._meta.db_table in tables):
        return f"{column} + {PK_STEP} * (copy.number - 1)"
    name = f"'{NumberedAccount(1).name}', 'customer-' || copy.number"
    if isinstance(field, models.CharField | models.TextField):
        return f"replace({column}, {name})"
    if isinstance(field, models.JSONField):
        return f"replace({column}::text, {name})::jsonb"
    if isinstance(field, models.BigIntegerField) and "fingerprint" not in field.name:
        first_offset = NumberedAccount(1).id_offset
        shifted = f"{column} + {ID_OFFSET_STEP} * (copy.number - 1)::bigint"
        return f"CASE WHEN {column} >= {first_offset} THEN {shifted} ELSE {column} END"
    return column


def _create_credentials(count: int) -> None:
    from portal.connections.models import Credential
    from portal.core.secrets.secret_field import fingerprint_secrets

    original = Credential.objects.get()
    copies = []
    for number in range(2, count + 1):
        account, step = NumberedAccount(number), PK_STEP * (number - 1)
        copies.append(
            Credential(
                pk=original.pk + step,
                connection_id=original.connection_id + step,
                kind=original.kind,
                client_id=account.client_id,
                secret=account.client_secret,
                reader_id=original.reader_id and original.reader_id + ID_OFFSET_STEP * (number - 1),
                last_four=account.client_secret[-4:],
                fingerprint=fingerprint_secrets(account.client_id, account.client_secret),
                entered_by_id=original.entered_by_id and original.entered_by_id + step,
            )
        )
    Credential.objects.bulk_create(copies)


# -- using -----------------------------------------------------------------------------------------
class SandboxControl:
    """The sandbox's control endpoints, which answer loopback addresses only."""

    def __init__(self, url: str) -> None:
        transport = httpx.HTTPTransport(local_address="127.0.0.1")
        self._http = httpx.Client(base_url=url, transport=transport, timeout=60)

    def run_mutation(self, account: str, action: str, **values: Any) -> Any:
        body = {"account": account, "action": action, **values}
        return self._call("POST", "/__mutate", json=body)["record"]

    def add_fault(self, account: str, **fault: Any) -> None:
        self._call("POST", "/__faults", json={"account": account, "times": None, **fault})

    def clear_faults(self) -> None:
        self._call("DELETE", "/__faults")

    def list_requests(self, **selection: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._call("GET", "/__requests", params=selection)
        return rows

    def clear_requests(self) -> None:
        self._call("DELETE", "/__requests")

    def read_list(self, account: NumberedAccount, path: str) -> list[dict[str, Any]]:
        """Read a whole v1 list, as the account's own client would."""
        rows: list[dict[str, Any]] = []
        target: str | None = f"/v1/{path}?per_page=500"
        while target:
            response = self._http.get(target, auth=(account.api_key, "")).raise_for_status()
            rows += response.json()
            target = response.links.get("next", {}).get("url")
        return rows

    def _call(self, method: str, path: str, **more: Any) -> Any:
        return self._http.request(method, path, **more).raise_for_status().json()


def sandbox_arguments(port: int, accounts: int, *extra: str) -> list[str]:
    options = ["--port", str(port), "--accounts", str(accounts), "--jobs", "1", *extra]
    return ["-m", "integrations.greenhouse.sandbox", *options]
