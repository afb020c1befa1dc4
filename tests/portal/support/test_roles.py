"""Every page of the admin, by every role: who may open it, and that nobody deletes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.accounts.models import Membership, Organization, User
from portal.audit.record import record
from portal.connections import fix_links
from portal.connections.models import CheckRun
from portal.issues import book
from portal.issues.models import Issue
from portal.members import invite
from portal.mirror.models import SyncRun
from portal.notices import tell
from portal.privacy import people
from portal.support import timeline, watch
from portal.support.roles import CSM, LEAD, OPERATOR
from tests.cast import Cast
from tests.factories import UserFactory

CONNECTIONS = {"organization", "connection", "checkrun", "apicall", "syncrun", "issue", "address",
               "delivery", "heartbeat"}  # fmt: skip
EVERYTHING = CONNECTIONS | {"user", "membership", "atsuser", "job", "applicationaction", "look",
                            "entry", "notice"}  # fmt: skip
OURS = {"ormq", "success", "failure", "schedule"}
MAY_OPEN = {CSM: EVERYTHING, LEAD: EVERYTHING, OPERATOR: CONNECTIONS | OURS | {"singlesignon"}}
MAY_ADD = {
    CSM: {"organization", "membership"},
    LEAD: {"organization", "membership", "user"},
    OPERATOR: {"singlesignon"},
}
OPEN = {"login", "logout", "jsi18n", "index", "password_change", "password_change_done",
        "autocomplete", "view_on_site", "app_list"}  # fmt: skip
DESK = {
    "accounts_organization_desk": {CSM, LEAD, OPERATOR},
    "accounts_organization_do": {CSM, LEAD},
    "accounts_organization_bundle": {CSM, LEAD},
    "accounts_organization_refresh": {CSM, LEAD},
    "accounts_organization_fix_link": {CSM, LEAD},
    "accounts_organization_revoke_link": {CSM, LEAD},
    "accounts_organization_resend": {CSM, LEAD},
    "issues_issue_send": {CSM, LEAD},
    "look_begin": {CSM, LEAD},
    "look_stop": {CSM, LEAD, OPERATOR},
    "machines": {OPERATOR},
    "runbook": {CSM, LEAD, OPERATOR},
    "mirror_job_why": {CSM, LEAD},
}


def _somebody(role: str) -> User:
    person = UserFactory(email=f"{role.split()[0].lower()}@portal.example", is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return person


def _walk(resolver: URLResolver):
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _walk(entry)
        elif isinstance(entry, URLPattern) and entry.name:
            yield entry


def _admin_patterns() -> dict[str, URLPattern]:
    [ours] = [r for r in get_resolver().url_patterns if getattr(r, "namespace", "") == "admin"]
    return {entry.name: entry for entry in _walk(ours)}


@pytest.fixture
def rows(connect, cast: Cast) -> None:
    """One row of most kinds."""
    connect(without={"applications.reject"})
    book.seen(
        cast.ada.organization,
        Issue.Cause.MISSING_PERMISSION,
        title="“Reject” is not ticked",
        words="Tick it.",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        key="applications.reject",
    )


@pytest.mark.parametrize("role", [CSM, LEAD, OPERATOR])
def test_each_role_opens_what_is_its_own_and_nothing_else(rows, sign_in, role: str) -> None:
    client, seen = sign_in(_somebody(role)), set()
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        may = model._meta.model_name in MAY_OPEN[role]
        answer = client.get(reverse(f"admin:{name}_changelist"))
        assert answer.status_code == (200 if may else 403), name
        seen |= {model._meta.model_name} if may else set()
        added = client.get(reverse(f"admin:{name}_add")).status_code
        assert added == (200 if model._meta.model_name in MAY_ADD[role] else 403), name
        if row := model._default_manager.first():
            for page in ("change", "history"):
                address = reverse(f"admin:{name}_{page}", args=[row.pk])
                assert client.get(address).status_code == (200 if may else 403), address
            address = reverse(f"admin:{name}_delete", args=[row.pk])
            for answer in (client.get(address), client.post(address, {"post": "yes"})):
                assert answer.status_code == 403, f"{role} may delete {name}"
    assert seen == MAY_OPEN[role] & {m._meta.model_name for m in admin.site._registry}


@pytest.mark.parametrize("role", [CSM, LEAD, OPERATOR])
def test_each_page_of_the_desk_asks_for_its_role(rows, cast: Cast, sign_in, role: str) -> None:
    client, acme = sign_in(_somebody(role)), cast.ada.organization
    invited, _ = invite.invite(acme, "nia@acme.example", role="recruiter", by=None)
    link, _ = fix_links.make(acme.connection, ["applications.reject"], by=cast.ada.user)
    known = {
        "organization_id": cast.ada.organization_id,
        "key": "check",
        "issue_id": Issue.objects.first().pk,
        "membership_id": cast.remy.pk,
        "invitation_id": invited.pk,
        "link_id": link.pk,
    }
    for name, entry in _admin_patterns().items():
        if name not in DESK:
            continue
        address = reverse(f"admin:{name}", kwargs={k: known[k] for k in entry.pattern.converters})
        statuses = {client.get(address).status_code, client.post(address).status_code}
        assert (statuses - {405} != {403}) == (role in DESK[name]), (name, statuses)


def test_every_page_of_the_admin_is_in_one_of_these_tests() -> None:
    labels = {f"{m._meta.app_label}_{m._meta.model_name}" for m in admin.site._registry}
    forms = {f"{label}_{page}" for label in labels
             for page in ("changelist", "add", "change", "history", "delete")}  # fmt: skip
    assert set(_admin_patterns()) - forms - OPEN - {"auth_user_password_change"} == set(DESK)


def test_a_lead_decides_about_people_but_makes_nobody_staff(cast: Cast, sign_in) -> None:
    lead = sign_in(_somebody(LEAD))
    page = reverse("admin:accounts_user_change", args=[cast.uma.user_id])
    sent = {"email": "uma@acme.example", "name": "Uma U", "is_staff": "on", "is_superuser": "on",
            "groups": [Group.objects.get(name=LEAD).pk], "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert lead.post(page, sent).status_code == 302
    uma = User.objects.get(pk=cast.uma.user_id)
    assert (uma.name, uma.is_active) == ("Uma U", False)
    assert not uma.is_staff
    assert not uma.is_superuser
    assert not uma.groups.exists()


@pytest.mark.parametrize("whose", ["a colleague", "a superuser"])
def test_a_lead_looks_at_our_own_accounts_and_changes_none(cast: Cast, sign_in, whose: str) -> None:
    lead, them = sign_in(_somebody(LEAD)), cast.cas if whose == "a colleague" else cast.ola
    page = reverse("admin:accounts_user_change", args=[them.pk])
    shown = lead.get(page)
    assert (shown.status_code, them.email in shown.content.decode()) == (200, True)
    sent = {"email": "mine@elsewhere.example", "name": "Mine", "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert lead.post(page, sent).status_code == 403
    assert User.objects.get(pk=them.pk).email == them.email
    assert User.objects.get(pk=them.pk).is_active
    assert sign_in(cast.ola).post(page, {**sent, "email": "new@portal.example"}).status_code == 302


def test_nobody_comes_back_as_somebody_who_was_erased(cast: Cast, sign_in) -> None:
    uma = cast.uma.user
    people.erase(uma)
    page = reverse("admin:accounts_user_change", args=[uma.pk])
    sent = {"email": "me@elsewhere.example", "name": "Me", "is_active": "on",
            "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}  # fmt: skip
    for who in (_somebody(LEAD), cast.ola):
        assert sign_in(who).post(page, sent).status_code == 403
    assert not User.objects.get(pk=uma.pk).is_active


@pytest.mark.parametrize("role", [CSM, LEAD])
def test_nobody_of_ours_becomes_a_member_of_a_customer(cast: Cast, sign_in, role: str) -> None:
    me, add = _somebody(role), reverse("admin:accounts_membership_add")
    for who in (me, cast.cas, cast.ola):
        sent = {"user": who.pk, "organization": cast.ada.organization_id, "role": "admin"}
        for client in (sign_in(me), sign_in(cast.ola)):
            page = client.post(add, sent).content.decode()
            assert re.search(r'class="errorlist"[^>]*><li>Our own staff belongs to no cust', page)
        assert not Membership.objects.filter(user=who).exists()
    assert sign_in(me).get(reverse("members:list")).status_code == 403


def test_who_became_staff_gets_no_more_rights_at_a_customer(cast: Cast, sign_in) -> None:
    User.objects.filter(pk=cast.remy.user_id).update(is_staff=True)
    page = reverse("admin:accounts_membership_change", args=[cast.remy.pk])
    answer = sign_in(cast.cas).post(page, {"role": "admin"})
    assert "Our own staff belongs to no customer" in answer.content.decode()
    assert not Membership.objects.get(pk=cast.remy.pk).is_admin


def _pages(client) -> Iterator[tuple[str, str]]:
    """Every page of the admin that opens: the lists, one row of each, its history."""
    addresses = [reverse("admin:index"), reverse("admin:machines"), reverse("admin:runbook")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        for row in model._default_manager.all()[:3]:
            addresses += [
                reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")
            ]
    for organization in Organization.objects.all():
        desk = reverse("admin:accounts_organization_desk", args=[organization.pk])
        addresses += [desk, *(f"{desk}?kind={kind}" for kind in timeline.KINDS)]
    for address in addresses:
        answer = client.get(address)
        if answer.status_code == 200:
            yield address, answer.content.decode()


@pytest.mark.parametrize("role", [CSM, OPERATOR])
def test_an_operator_meets_no_customers_people_and_no_closed_door(
    rows, cast: Cast, sign_in, role: str
) -> None:
    acme = cast.ada.organization
    invite.invite(acme, "nia@acme.example", role="recruiter", by=cast.ada.user)
    record("a.deed", "did it", organization=acme, by=cast.remy.user)
    tell.tell([cast.sam.user], acme, key="k", subject="Hello", words="Sam")
    CheckRun.objects.update(requested_by=cast.ada.user)
    SyncRun.objects.update(requested_by=cast.ada.user)
    watch.watch()
    book.seen(
        acme, Issue.Cause.ACTING_USER_REFUSED, title="Greenhouse does not let Remy “Reject”",
        words="In the name of remy@acme.example", severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )  # fmt: skip
    client, links = sign_in(_somebody(role)), set()
    named = re.compile(r"@acme\.example|\b(Ada|Sam|Remy|Uma|Vic|Dana|Ivy)\b")
    met = {}
    for address, page in _pages(client):
        links |= set(re.findall(r'href="(/admin/[^"#]+)', page))
        if found := named.search(page):
            met[address] = found[0]
    assert bool(met) == (role == CSM), met
    shut = {one for one in links if client.get(one.replace("&amp;", "&")).status_code == 403}
    assert shut == set()


def test_an_operator_finds_no_customer_by_a_persons_address(cast: Cast, sign_in) -> None:
    board = reverse("admin:accounts_organization_changelist")
    for role, found in ((CSM, True), (OPERATOR, False)):
        page = sign_in(_somebody(role)).get(board, {"q": "remy@acme.example"}).content.decode()
        assert ('class="desk-name"' in page) == found
