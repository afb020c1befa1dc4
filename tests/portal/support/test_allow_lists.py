"""Every way into the admin, by every role: no answer depends on what the role may not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin import ListFilter, ModelAdmin
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.db.models import CharField, ForeignKey, IntegerField, Model, OrderBy, TextField
from django.db.models.expressions import F
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, reverse

from portal.accounts.models import Organization, User
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import CheckRun, Connection
from portal.privacy import member_data
from portal.support.access.allow_lists import UNUSABLE_FILTER_MESSAGE, UNUSABLE_SELECTION_MESSAGE
from portal.support.access.roles import CSM, LEAD, OPERATOR
from portal.sync.models import Candidate, Job
from portal.webhooks.models import Endpoint
from tests.factories import UserFactory
from tests.personas import Personas

ROLES = (CSM, LEAD, OPERATOR, "Superuser")
REGISTERED = list(admin.site._registry.items())
MODELS = [pytest.param(model, id=model._meta.label) for model, _ in REGISTERED]
NONSENSE = ("x", "\0", "9" * 30, "-1", "1e30", "2026-99-99", "９", "7" * 5000)
SHOWN_BY = {"actor_name": "actor_label", "job_title": "name"}
# Found by search though no page shows them, and why.
SEARCHED_UNSHOWN = {
    "issues.Issue.organization.name": "the customer, whom the list shows as a link",
    "accounts.User.search_name": "the shown name, without case and accents",
    "accounts.Membership.user.search_name": "the shown name, without case and accents",
    "accounts.Organization.memberships.user.email": "on the customer's page, for those who see it",
    "sync.AtsUser.search_name": "the shown name, without case and accents",
    "signin.SingleSignOn.domains.domain": "listed below the form",
    "sync.Job.search_name": "the shown title, without case and accents",
    "sync.Job.requisition_id": "shown, except for confidential ones, which it does not find",
    "sync.AtsUser.emails.address": "the person's other addresses in Greenhouse",
}


def _create_staff(role: str) -> User:
    if role == "Superuser":
        return UserFactory(is_staff=True, is_superuser=True)
    user = UserFactory(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def _changelist(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture(params=ROLES)
def staff(request: pytest.FixtureRequest, personas: Personas) -> User:
    return _create_staff(request.param)


def _list_visible(user: User) -> Iterator[tuple[type[Model], ModelAdmin[Any], Any]]:
    for model, model_admin in REGISTERED:
        request = RequestFactory().get("/")
        request.user = user
        if model_admin.has_view_permission(request):
            yield model, model_admin, request


def _list_shown(model_admin: ModelAdmin[Any], request: Any) -> set[str]:
    columns = model_admin.get_list_display(request)
    if model_admin.opts.app_label == "django_q":  # its form needs a row
        return {*columns, *(field.name for field in model_admin.opts.fields)}
    shown = {*columns, *model_admin.get_fields(request)}
    return shown | {field for column, field in SHOWN_BY.items() if column in shown}


def _order_name(part: Any) -> str:
    if isinstance(part, OrderBy):
        part = part.expression
    return part.name if isinstance(part, F) else str(part).removeprefix("-")


def test_orders_only_by_sortable_columns(staff: User) -> None:
    for model, model_admin, request in _list_visible(staff):
        columns = model_admin.get_list_display(request)
        sortable = set(model_admin.get_sortable_by(request))
        assert sortable <= _list_shown(model_admin, request) | {*columns}, model
        for index in range(len(columns) + 2):
            for sign in ("", "-"):
                request.GET = QueryDict(f"o={sign}{index}")
                changelist = model_admin.get_changelist_instance(request)
                names = [_order_name(p) for p in changelist.queryset.query.order_by]
                column = dict(enumerate(changelist.list_display)).get(index)
                defaults = [_order_name(p) for p in changelist._get_default_ordering()]
                chosen = set(names) - {"pk", "id", *defaults}
                assert column in sortable or not chosen, (model, column, names)


@pytest.mark.parametrize("model", MODELS)
def test_other_pages_reference_only_by_key(model: type[Model], staff: User, sign_in) -> None:
    client, name = sign_in(staff), f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    pages = [_changelist(model)]
    pages += [reverse(f"{name}_change", args=[row.pk])] if row else []
    for page in pages:
        is_open = client.get(page).status_code == 200
        for field in model._meta.fields:
            if not field.primary_key:
                status = client.get(page, {"_to_field": field.name, "_popup": 1}).status_code
                assert status in ({400} if is_open else {400, 403}), (page, field.name)


def test_completes_only_declared_fields(staff: User, sign_in) -> None:
    client, url = sign_in(staff), reverse("admin:autocomplete")
    request = RequestFactory().get("/")
    request.user = staff
    declared = {
        (model, name)
        for model, model_admin in REGISTERED
        if model_admin.has_add_permission(request) or model_admin.has_change_permission(request)
        for name in model_admin.get_autocomplete_fields(request)
    }
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if not isinstance(field, ForeignKey):
                continue
            query = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
            answer = client.get(url, {**query, "field_name": field.name, "term": "a"})
            expected = 200 if (model, field.name) in declared else 403
            assert answer.status_code == expected, (model, field.name)
    assert client.get(url, {"app_label": "x", "model_name": "\0"}).status_code == 403


def test_completion_ignores_nul(personas: Personas, sign_in) -> None:
    query = {"app_label": "accounts", "model_name": "membership", "field_name": "user"}
    answer = sign_in(personas.cas).get(reverse("admin:autocomplete"), {**query, "term": "a\0"})
    assert answer.status_code == 200


def test_search_reaches_only_shown_fields(staff: User) -> None:
    for model, model_admin, request in _list_visible(staff):
        if model._meta.app_label == "django_q":
            continue
        shown = _list_shown(model_admin, request)
        for path in model_admin.get_search_fields(request):
            names = path.lstrip("=^@").split("__")
            label = f"{model._meta.label}.{'.'.join(names)}"
            assert names[0] in shown or label in SEARCHED_UNSHOWN or names[0] == "connection", label


def _list_secret_parts(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Parts of every text stored in the model's rows, by the field's name."""
    for row in model._default_manager.all()[:3]:
        for field in model._meta.fields:
            value = str(getattr(row, field.attname) or "")
            if isinstance(field, CharField | TextField) and len(value) >= 16:
                yield field.name, value[5:13]


def _read_body(client: Client, model: type[Model], term: str) -> str:
    body = client.get(_changelist(model), {"q": term}).content.decode()
    body = re.sub(r"csrfmiddlewaretoken.*?>|nonce=\"[^\"]*\"", "", body)
    return body.replace(term, "·").replace(quote(term), "·")


def test_part_of_secret_finds_nothing(connect, staff: User, sign_in) -> None:
    connect()
    Endpoint.objects.get_or_create(connection=Connection.objects.first())
    client, tried = sign_in(staff), set()
    for model, model_admin, request in _list_visible(staff):
        shown = _list_shown(model_admin, request)
        for field, part in _list_secret_parts(model):
            if field not in shown and f"{model._meta.label}.{field}" not in SEARCHED_UNSHOWN:
                tried.add(field)
                absent = _read_body(client, model, "zqzqzqzq")
                assert _read_body(client, model, part) == absent, (model, field)
    assert tried


PAGING_PARAMETERS = ("p", "o", "all", "q", "e", "_facets")


@pytest.mark.slow("sends each value to every filter of every list")
@pytest.mark.parametrize(
    ("role", "value"),
    [*(("Superuser", value) for value in NONSENSE), *((role, "x") for role in ROLES[:-1])],
    ids=range(len(NONSENSE) + len(ROLES) - 1),
)
def test_nonsense_filters_are_a_message(role: str, value: str, personas: Personas, sign_in) -> None:
    staff, tried = _create_staff(role), set()
    client = sign_in(staff)
    for place, (model, model_admin, request) in enumerate(_list_visible(staff)):
        filters = model_admin.get_changelist_instance(request).get_filters(request)[0]
        kinds = {name: _get_filter_kind(item) for item in filters for name in _list_names(item)}
        kinds |= {name: (model, name) for name in _pick_paging_parameters(value, place)}
        for name, kind in kinds.items():
            if kind in tried:  # the same filter of the same kind of field, in another list
                continue
            tried.add(kind)
            answer = client.get(_changelist(model), {name: value})
            if answer.status_code == 302:
                assert answer["Location"].startswith(_changelist(model)), (model, name)
                if name not in PAGING_PARAMETERS and not name.startswith("customer"):
                    *_, message = get_messages(answer.wsgi_request)
                    assert str(message) == UNUSABLE_FILTER_MESSAGE, (model, name)
            else:
                assert answer.status_code == 200, (model, name)


def _pick_paging_parameters(value: str, place: int) -> list[str]:
    """Each list gets each parameter with one of the values, and each value every parameter."""
    turn = NONSENSE.index(value) + place
    return [p for n, p in enumerate(PAGING_PARAMETERS) if (turn + n) % len(NONSENSE) == 0]


def _list_names(item: ListFilter) -> list[str]:
    return [name for name in item.expected_parameters() if name]


def _get_filter_kind(item: ListFilter) -> tuple[type, ...]:
    return type(item), type(getattr(item, "field", None))


def test_unknown_choice_is_a_message(personas: Personas, sign_in) -> None:
    client = sign_in(personas.ola)
    for name, value in (("attention", "x"), ("connection__state__exact", "x"), ("freshness", "9")):
        answer = client.get(_changelist(Organization), {name: value}, follow=True)
        lists = [f"{_changelist(Organization)}?e=1", _changelist(Organization)]
        assert answer.redirect_chain == [(url, 302) for url in lists]
        assert "can&#x27;t be filtered that way" in answer.content.decode()


@pytest.mark.slow("opens every form of every model")
@pytest.mark.parametrize("value", ["x", "\0", "9" * 30], ids=["text", "nul", "digits"])
def test_nonsense_rows_and_forms_do_not_fail(value: str, staff: User, sign_in) -> None:
    client = sign_in(staff)
    for model, model_admin, request in _list_visible(staff):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for action in model_admin.get_actions(request):
            form = {"action": action, "_selected_action": value, "index": 0}
            answer = client.post(_changelist(model), form, follow=True)
            assert answer.status_code == 200, (model, action)
            if model._meta.pk.name == "id" and isinstance(model._meta.pk, IntegerField):
                assert UNUSABLE_SELECTION_MESSAGE.split("'")[0] in answer.content.decode()
        for page in ("change", "history", "delete"):
            url = reverse(f"{name}_{page}", args=["_00" if value == "\0" else value])
            assert client.get(url).status_code in {302, 403}, url
        if model_admin.has_add_permission(request):
            initial = {field.name: value for field in model._meta.fields}
            assert client.get(reverse(f"{name}_add"), initial).status_code == 200, model


def test_view_permission_runs_no_foreign_action(personas: Personas) -> None:
    for role in (CSM, LEAD, OPERATOR):
        for model, model_admin, request in _list_visible(_create_staff(role)):
            for name, (function, *_) in model_admin.get_actions(request).items():
                permissions = getattr(function, "allowed_permissions", None)
                assert permissions or model_admin.has_change_permission(request), (model, name)


def test_action_leaves_rows_outside_role(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    before = CheckRun.objects.count()
    form = {"action": "check_permissions", "_selected_action": connection.pk, "index": 0}
    sign_in(_create_staff(OPERATOR)).post(_changelist(Connection), form)
    assert CheckRun.objects.count() == before


def test_no_page_tells_which_rows_exist(personas: Personas) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:view_on_site", args=[1, 1])


def test_deletion_page_names_no_related_rows(connect, personas: Personas, sign_in) -> None:
    connect()
    names = {str(candidate) for candidate in Candidate.objects.all()}
    names |= set(Job.objects.filter(confidential=True).values_list("name", flat=True))
    acme = personas.ada.organization
    url = reverse("admin:accounts_organization_delete", args=[acme.pk])
    page = sign_in(personas.ola).get(url).content.decode()
    assert acme.name in page
    assert [name for name in names if name in page] == []


def test_part_of_erased_address_finds_no_entry(personas: Personas, sign_in) -> None:
    acme = personas.ada.organization
    record_entry("member.invited", "invited uma@acme.example", organization=acme)
    record_entry("member.invited", "invited vic@acme.example", organization=acme)
    member_data.erase_member(personas.uma.user)
    cas = sign_in(personas.cas)
    bodies = {_read_body(cas, Entry, term) for term in ("uma@acm", "umx@acm", "uma@acme.example")}
    assert len({len(body) for body in bodies}) == 1
    assert "invited vic@" in cas.get(_changelist(Entry), {"q": "vic@acm"}).content.decode()


def test_order_hides_erased_people(personas: Personas, sign_in) -> None:
    acme = personas.ada.organization
    for member in (personas.uma, personas.vic):
        record_entry("test.event", "did it", organization=acme, by=member.user)
    member_data.erase_member(personas.uma.user)
    cas = sign_in(personas.cas)
    columns = len(admin.site._registry[Entry].list_display)
    actor_column = admin.site._registry[Entry].list_display.index("actor_name") + 1
    pages = {
        re.sub(
            r"o%3D-?\d+|nonce=\"[^\"]*\"|value=\"-?\d\"",
            "",
            cas.get(_changelist(Entry), {"o": order})
            .content.decode()
            .split("<tbody>")[1]
            .split("</tbody>")[0],
        )
        for order in (str(actor_column), f"-{actor_column}", str(columns + 9))
    }
    assert len(pages) == 1
