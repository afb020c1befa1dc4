"""Every admin page by every role: who may open it, and that nobody deletes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.accounts.models import Membership, Organization, User
from portal.audit.entries import record_entry
from portal.connections.models import CheckRun
from portal.connections.permissions import fix_links
from portal.issues import service
from portal.issues.models import Issue
from portal.members import invitations
from portal.notifications import notify
from portal.privacy import member_data
from portal.support.access.roles import CSM, LEAD, OPERATOR
from portal.support.customers import timeline
from portal.support.monitoring import monitors
from portal.sync.models import SyncRun
from tests.factories import UserFactory
from tests.personas import Personas

CONNECTIONS = {
    "organization",
    "connection",
    "checkrun",
    "apicall",
    "syncrun",
    "issue",
    "endpoint",
    "delivery",
    "heartbeat",
}
EVERYTHING = CONNECTIONS | {
    "user",
    "membership",
    "atsuser",
    "job",
    "applicationaction",
    "impersonation",
    "entry",
    "notification",
    "outgoingemail",
    "signonrequest",
}
INTERNAL = {"queuedtask", "failure", "schedule"}
MAY_OPEN = {
    CSM: EVERYTHING,
    LEAD: EVERYTHING,
    OPERATOR: CONNECTIONS | INTERNAL | {"singlesignon", "signonrequest"},
}
MAY_ADD = {
    CSM: {"organization", "membership"},
    LEAD: {"organization", "membership", "user"},
    OPERATOR: {"singlesignon"},
}
OPEN = {
    "login",
    "logout",
    "jsi18n",
    "index",
    "password_change",
    "password_change_done",
    "autocomplete",
    "app_list",
    "all_records",
}
STAFF_PAGES = {
    "accounts_organization_summary": {CSM, LEAD, OPERATOR},
    "accounts_organization_run_action": {CSM, LEAD},
    "accounts_organization_diagnostic_bundle": {CSM, LEAD},
    "accounts_organization_refresh_job": {CSM, LEAD},
    "accounts_organization_fix_link": {CSM, LEAD},
    "accounts_organization_revoke_fix_link": {CSM, LEAD},
    "accounts_organization_resend_invitation": {CSM, LEAD},
    "issues_issue_send_message": {CSM, LEAD},
    "start_impersonation": {CSM, LEAD},
    "stop_impersonation": {CSM, LEAD, OPERATOR},
    "support_save_filter": {CSM, LEAD, OPERATOR},
    "support_remove_filter": {CSM, LEAD, OPERATOR},
    "support_customer_invitation": {CSM, LEAD},
    "support_new_customer": {CSM, LEAD},
    "system_health": {OPERATOR},
    "setup_funnel": {CSM, LEAD, OPERATOR},
    "runbook": {CSM, LEAD, OPERATOR},
    "sync_job_access_check": {CSM, LEAD},
}


def _create_staff(role: str) -> User:
    person = UserFactory(email=f"{role.split()[0].lower()}@portal.example", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return person


def _walk_patterns(resolver: URLResolver):
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _walk_patterns(entry)
        elif isinstance(entry, URLPattern) and entry.name:
            yield entry


def _admin_patterns() -> dict[str, URLPattern]:
    [admin_resolver] = [
        resolver
        for resolver in get_resolver().url_patterns
        if getattr(resolver, "namespace", "") == "admin"
    ]
    return {entry.name: entry for entry in _walk_patterns(admin_resolver)}


@pytest.fixture
def rows(connect, personas: Personas) -> None:
    """At least one row of most models."""
    connect(without={"applications.reject"})
    service.open_issue(
        personas.ada.organization,
        Issue.Cause.MISSING_PERMISSION,
        title="“Reject” is not ticked",
        description="Tick it.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        key="applications.reject",
    )


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
@pytest.mark.slow("opens every page of every model in the admin site")
@pytest.mark.parametrize("role", [CSM, LEAD, OPERATOR])
def test_role_opens_only_its_own_pages(rows, sign_in, role: str) -> None:
    client, opened = sign_in(_create_staff(role)), set()
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        is_allowed = model._meta.model_name in MAY_OPEN[role]
        answer = client.get(reverse(f"admin:{name}_changelist"))
        assert answer.status_code == (200 if is_allowed else 403), name
        opened |= {model._meta.model_name} if is_allowed else set()
        add_status = client.get(reverse(f"admin:{name}_add")).status_code
        assert add_status == (200 if model._meta.model_name in MAY_ADD[role] else 403), name
        if row := model._default_manager.first():
            for page in ("change", "history"):
                address = reverse(f"admin:{name}_{page}", args=[row.pk])
                assert client.get(address).status_code == (200 if is_allowed else 403), address
            address = reverse(f"admin:{name}_delete", args=[row.pk])
            for answer in (client.get(address), client.post(address, {"post": "yes"})):
                assert answer.status_code == 403, f"{role} may delete {name}"
    assert opened == MAY_OPEN[role] & {m._meta.model_name for m in admin.site._registry}


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
@pytest.mark.parametrize("role", [CSM, LEAD, OPERATOR])
def test_staff_page_requires_its_role(rows, personas: Personas, sign_in, role: str) -> None:
    client, acme = sign_in(_create_staff(role)), personas.ada.organization
    invited, _ = invitations.create_invitation(acme, "nia@acme.example", role="recruiter", by=None)
    link, _ = fix_links.create_link(acme.connection, ["applications.reject"], by=personas.ada.user)
    parameters = {
        "organization_id": personas.ada.organization_id,
        "key": "check",
        "issue_id": Issue.objects.first().pk,
        "membership_id": personas.remy.pk,
        "invitation_id": invited.pk,
        "link_id": link.pk,
        "filter_id": 1,
    }
    for name, entry in _admin_patterns().items():
        if name not in STAFF_PAGES:
            continue
        address = reverse(
            f"admin:{name}", kwargs={key: parameters[key] for key in entry.pattern.converters}
        )
        statuses = {client.get(address).status_code, client.post(address).status_code}
        assert (statuses - {405} != {403}) == (role in STAFF_PAGES[name]), (name, statuses)


def test_every_admin_page_is_covered() -> None:
    labels = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    forms = {
        f"{label}_{page}"
        for label in labels
        for page in ("changelist", "add", "change", "history", "delete")
    }
    assert set(_admin_patterns()) - forms - OPEN - {"auth_user_password_change"} == set(STAFF_PAGES)


def test_lead_edits_members_but_makes_no_staff(personas: Personas, sign_in) -> None:
    lead = sign_in(_create_staff(LEAD))
    page = reverse("admin:accounts_user_change", args=[personas.uma.user_id])
    form = {
        "email": "uma@acme.example",
        "name": "Uma U",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [Group.objects.get(name=LEAD).pk],
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    assert lead.post(page, form).status_code == 302
    uma = User.objects.get(pk=personas.uma.user_id)
    assert (uma.name, uma.is_active) == ("Uma U", False)
    assert not uma.is_staff
    assert not uma.is_superuser
    assert not uma.groups.exists()


@pytest.mark.parametrize("account", ["a colleague", "a superuser"])
def test_lead_cannot_change_staff_accounts(personas: Personas, sign_in, account: str) -> None:
    lead, user = (
        sign_in(_create_staff(LEAD)),
        personas.cas if account == "a colleague" else personas.ola,
    )
    page = reverse("admin:accounts_user_change", args=[user.pk])
    page_before = lead.get(page)
    assert (page_before.status_code, user.email in page_before.content.decode()) == (200, True)
    form = {
        "email": "mine@elsewhere.example",
        "name": "Mine",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    assert lead.post(page, form).status_code == 403
    assert User.objects.get(pk=user.pk).email == user.email
    assert User.objects.get(pk=user.pk).is_active
    assert (
        sign_in(personas.ola).post(page, {**form, "email": "new@portal.example"}).status_code == 302
    )


def test_erased_account_cannot_be_reused(personas: Personas, sign_in) -> None:
    uma = personas.uma.user
    member_data.erase_member(uma)
    page = reverse("admin:accounts_user_change", args=[uma.pk])
    form = {
        "email": "me@elsewhere.example",
        "name": "Me",
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    for user in (_create_staff(LEAD), personas.ola):
        assert sign_in(user).post(page, form).status_code == 403
    assert not User.objects.get(pk=uma.pk).is_active


@pytest.mark.parametrize("role", [CSM, LEAD])
def test_staff_cannot_become_customer_member(personas: Personas, sign_in, role: str) -> None:
    user, add = _create_staff(role), reverse("admin:accounts_membership_add")
    for staff in (user, personas.cas, personas.ola):
        form = {"user": staff.pk, "organization": personas.ada.organization_id, "role": "admin"}
        for client in (sign_in(user), sign_in(personas.ola)):
            page = client.post(add, form).content.decode()
            assert re.search(
                r'class="errorlist"[^>]*><li>Staff can.{1,6}t be members of a cust', page
            )
        assert not Membership.objects.filter(user=staff).exists()
    assert sign_in(user).get(reverse("members:list")).status_code == 403


def test_new_staff_gains_no_customer_rights(personas: Personas, sign_in) -> None:
    User.objects.filter(pk=personas.remy.user_id).update(is_staff=True)
    page = reverse("admin:accounts_membership_change", args=[personas.remy.pk])
    answer = sign_in(personas.cas).post(page, {"role": "admin"})
    assert "be members of a customer" in answer.content.decode()
    assert not Membership.objects.get(pk=personas.remy.pk).is_admin


def _read_pages(client) -> Iterator[tuple[str, str]]:
    """Every admin page that opens: lists, some rows of each and their history."""
    addresses = [reverse("admin:index"), reverse("admin:system_health"), reverse("admin:runbook")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        for row in model._default_manager.all()[:3]:
            addresses += [
                reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")
            ]
    for organization in Organization.objects.all():
        customer_url = reverse("admin:accounts_organization_summary", args=[organization.pk])
        addresses += [
            customer_url,
            *(f"{customer_url}?kind={kind}" for kind in timeline.EVENT_KINDS),
        ]
    for address in addresses:
        answer = client.get(address)
        if answer.status_code == 200:
            yield address, answer.content.decode()


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
@pytest.mark.slow("opens every page of the admin site and every link on them")
@pytest.mark.parametrize("role", [CSM, OPERATOR])
def test_operator_sees_no_customer_people_or_dead_links(
    rows, personas: Personas, sign_in, role: str
) -> None:
    acme = personas.ada.organization
    invitations.create_invitation(acme, "nia@acme.example", role="recruiter", by=personas.ada.user)
    record_entry("a.deed", "did it", organization=acme, by=personas.remy.user)
    notify.notify_users([personas.sam.user], acme, key="k", subject="Hello", body="Sam")
    CheckRun.objects.update(requested_by=personas.ada.user)
    SyncRun.objects.update(requested_by=personas.ada.user)
    monitors.run_monitors()
    service.open_issue(
        acme,
        Issue.Cause.ACTING_USER_REFUSED,
        title="Greenhouse denies Remy “Reject”",
        description="In the name of remy@acme.example",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )
    client, links, opened = sign_in(_create_staff(role)), set(), set()
    name_pattern = re.compile(r"@acme\.example|\b(Ada|Sam|Remy|Uma|Vic|Dana|Ivy)\b")
    pages_with_names = {}
    for address, page in _read_pages(client):
        opened.add(address)
        links |= {html.unescape(link) for link in re.findall(r'href="(/admin/[^"#]+)', page)}
        if match := name_pattern.search(page):
            pages_with_names[address] = match[0]
    assert bool(pages_with_names) == (role == CSM), pages_with_names
    dead_links = {
        link for link in _pick_one_per_shape(links - opened) if client.get(link).status_code == 403
    }
    assert dead_links == set()


def _pick_one_per_shape(links: set[str]) -> set[str]:
    """Of links that differ only in the values of their parameters, such as pages, keep one."""
    parsed = {link: urlsplit(link) for link in sorted(links)}
    return set(
        {(url.path, *sorted(parse_qs(url.query))): link for link, url in parsed.items()}.values()
    )


def test_operator_cannot_search_by_member_address(personas: Personas, sign_in) -> None:
    board = reverse("admin:accounts_organization_changelist")
    for role, is_listed in ((CSM, True), (OPERATOR, False)):
        page = sign_in(_create_staff(role)).get(board, {"q": "remy@acme.example"}).content.decode()
        assert ('class="support-name"' in page) == is_listed
