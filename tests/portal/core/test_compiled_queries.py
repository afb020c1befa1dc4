"""Lookups that are compiled once. On SQLite they are compiled each time, with the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.core.database.compiled_queries import (
    NotCompilable,
    collect_once,
    compile_once,
    count_once,
    update_once,
)
from portal.core.database.id_lists import IsOneOf
from portal.core.tenancy.scope import (
    ScopeRequired,
    all_organizations,
    organization_scope,
    start_without_scope,
)
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@compile_once
def _find_users(emails: tuple[str, ...], joined_after: datetime) -> QuerySet[User]:
    users = User.objects.filter(email__in=emails, date_joined__gt=joined_after)
    return users.order_by("email")


@compile_once
def _find_members(email: str, *, role: str) -> QuerySet[Membership, tuple[Any, ...]]:
    members = Membership.objects.filter(user__email=email, role=role).order_by("pk")
    return members.values_list("organization__slug", "user__email")


@compile_once
def _find_organizations(owner_id: int | None) -> QuerySet[Organization, dict[str, Any]]:
    return Organization.objects.filter(owner=owner_id).values("slug")


def test_rows_match_arguments() -> None:
    ada, ben = UserFactory(email="ada@a.example"), UserFactory(email="ben@a.example")
    yesterday, tomorrow = timezone.now() - DAY, timezone.now() + DAY
    assert _find_users(("ben@a.example", "ada@a.example"), yesterday) == [ada, ben]
    assert _find_users(("ben@a.example", "nobody@a.example"), yesterday) == [ben]
    assert _find_users(("ada@a.example",), yesterday) == [ada]
    assert _find_users((), yesterday) == []
    assert _find_users(("ada@a.example",), tomorrow) == []


@compile_once
def _find_by_names(names: tuple[tuple[str, ...], ...]) -> QuerySet[User]:
    users = User.objects.order_by("email")
    for first_name, last_name in names:
        users = users.filter(Q(name__contains=first_name) | Q(name__icontains=last_name))
    return users


@count_once
def _count_users(emails: tuple[str, ...]) -> QuerySet[User]:
    return User.objects.filter(email__in=emails)


@collect_once
def _collect_users(name: str, *, limit: int) -> QuerySet[User, dict[str, Any]]:
    return User.objects.filter(name__contains=name).order_by("pk").values("pk")[:limit]


def test_text_is_found_within_names() -> None:
    ada, ben = UserFactory(name="Ada 100%"), UserFactory(name="Ben_O\\N")
    assert _find_by_names((("Ada", "-"),)) == [ada]
    assert _find_by_names((("-", "ben_o\\n"),)) == [ben]
    assert _find_by_names((("00%", "-"), ("-", "ADA"))) == [ada]
    for pattern in ("A%a", "B_n", "%%", "\\%"):
        assert _find_by_names(((pattern, pattern),)) == []


def test_rows_are_counted() -> None:
    UserFactory(email="ada@a.example"), UserFactory(email="ben@a.example")
    assert _count_users(("ada@a.example", "ben@a.example")) == 2
    assert _count_users(("ada@a.example",)) == 1
    assert _count_users(()) == 0


def test_ids_are_collected() -> None:
    users = [UserFactory(name=f"Ada {n}") for n in range(3)]
    assert _collect_users("Ben", limit=9) in [(None, 0), ("[]", 0)]  # SQLite has a list
    for limit in (2, 3):
        ids, count = _collect_users("Ada", limit=limit)
        assert count == limit
        is_collected = IsOneOf(F("pk"), Value(ids))
        assert list(User.objects.filter(is_collected).order_by("pk")) == users[:limit]


@update_once
def _set_joined(email: str, at: datetime) -> tuple[QuerySet[User], dict[str, Any]]:
    return User.objects.filter(email=email), {"date_joined": at}


def test_rows_are_updated() -> None:
    ada, ben = UserFactory(email="ada@a.example"), UserFactory(email="ben@a.example")
    times = {user.pk: timezone.now() - days * DAY for days, user in enumerate((ada, ben), 1)}
    assert _set_joined("ada@a.example", times[ada.pk]) == 1
    assert _set_joined("ben@a.example", times[ben.pk]) == 1
    assert _set_joined("nobody@a.example", timezone.now()) == 0
    assert dict(User.objects.values_list("pk", "date_joined")) == times


@compile_once
def _lock_user(pk: int) -> QuerySet[User]:
    return User.objects.select_for_update().filter(pk=pk)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_within_transactions_only() -> None:
    user = UserFactory()
    with transaction.atomic():
        assert _lock_user(user.pk) == [user]
    with pytest.raises(transaction.TransactionManagementError):
        _lock_user(user.pk)


def test_keyword_values_compiled_apart() -> None:
    MembershipFactory(user__email="ada@a.example", organization__slug="acme", role="admin")
    with all_organizations("a test"):
        assert _find_members("ada@a.example", role="admin") == [("acme", "ada@a.example")]
        assert _find_members("ada@a.example", role="recruiter") == []


def test_none_finds_empty_columns() -> None:
    owner = UserFactory()
    OrganizationFactory(slug="owned", owner=owner)
    OrganizationFactory(slug="free", owner=None)
    with all_organizations("a test"):
        assert _find_organizations(owner.pk) == [{"slug": "owned"}]
        assert _find_organizations(None) == [{"slug": "free"}]


def test_only_rows_of_active_organization() -> None:
    user = UserFactory(email="ada@a.example")
    organizations = [OrganizationFactory(slug=slug) for slug in ("one", "two")]
    for organization in organizations:
        MembershipFactory(user=user, organization=organization, role="admin")
    for _ in range(2):
        for organization in organizations:
            with organization_scope(organization.pk):
                rows = _find_members("ada@a.example", role="admin")
            assert [slug for slug, _ in rows] == [organization.slug]
    with all_organizations("a test"):
        assert len(_find_members("ada@a.example", role="admin")) == 2


@pytest.mark.refused_queries
def test_refused_without_organization() -> None:
    with all_organizations("a test"):
        _find_members("ada@a.example", role="admin")
    with start_without_scope(), pytest.raises(ScopeRequired):
        _find_members("ada@a.example", role="admin")


@pytest.mark.postgres
def test_compiled_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    user = UserFactory(email="ada@a.example")
    _find_users(("ada@a.example",), timezone.now())

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(SQLCompiler, "as_sql", fail)
    assert _find_users(("ada@a.example",), timezone.now() - DAY) == [user]


@pytest.mark.postgres
def test_fixed_time_is_refused() -> None:
    @compile_once
    def find_new_users(email: str) -> QuerySet[User]:
        return User.objects.filter(email=email, date_joined__gt=timezone.now())

    with pytest.raises(NotCompilable):
        find_new_users("ada@a.example")


@pytest.mark.postgres
def test_changed_argument_is_refused() -> None:
    @compile_once
    def find_by_start(start: str) -> QuerySet[User]:
        return User.objects.filter(email__startswith=start)

    with pytest.raises(NotCompilable):
        find_by_start("ada")


@pytest.mark.postgres
def test_value_derived_from_argument_is_refused() -> None:
    @compile_once
    def find_next(pk: int) -> QuerySet[User]:
        return User.objects.filter(pk__in=[pk, pk + 7])

    with pytest.raises(NotCompilable):
        find_next(1)


@pytest.mark.postgres
def test_prefetched_rows_are_refused() -> None:
    @compile_once
    def find_user(pk: int) -> QuerySet[User]:
        return User.objects.filter(pk=pk).prefetch_related("memberships")

    with pytest.raises(NotCompilable):
        find_user(1)
