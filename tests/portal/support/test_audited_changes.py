"""Changes by staff in the admin site appear in the customer's log."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.urls import reverse

from portal.accounts.models import Membership, Organization, User
from portal.audit.models import Entry
from portal.signin.models import SingleSignOn, SingleSignOnDomain
from portal.support.admin import audited_changes
from tests.factories import MembershipFactory
from tests.personas import Personas


def _organization_url(organization: Organization) -> str:
    return reverse("admin:accounts_organization_change", args=[organization.pk])


MEMBERSHIP = "admin:accounts_membership_"


def _membership_url(member: Membership) -> str:
    return reverse(f"{MEMBERSHIP}change", args=[member.pk])


def _newest_entry(verb: str) -> Entry:
    return Entry.objects.filter(verb=verb).order_by("-pk")[0]


def test_renamed_customer_appears_in_log(personas: Personas, sign_in) -> None:
    acme = personas.ada.organization
    form = {"name": "Acme Hiring", "slug": acme.slug}
    assert sign_in(personas.cas).post(_organization_url(acme), form).status_code == 302
    entry = _newest_entry("organization.changed")
    assert (entry.organization_id, entry.by) == (acme.pk, personas.cas)
    assert (entry.before, entry.after) == ({"name": "Acme"}, {"name": "Acme Hiring"})
    log = sign_in(personas.ada).get(reverse("audit:log")).content.decode()
    assert "Acme Hiring" in log
    assert "Cas &lt;cas@portal.example&gt;" in log


def test_role_change_and_new_member_appear_in_log(personas: Personas, sign_in) -> None:
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    newcomer = User.objects.create_user("nia@acme.example", "x", name="Nia")
    form = {"user": newcomer.pk, "organization": acme.pk, "role": "recruiter"}
    assert cas.post(_membership_url(personas.remy), {"role": "admin"}).status_code == 302
    assert cas.post(reverse(f"{MEMBERSHIP}add"), form).status_code == 302
    entry = _newest_entry("member.role_changed")
    assert entry.description == "made remy@acme.example admin"
    assert (entry.before, entry.after) == ({"role": "recruiter"}, {"role": "admin"})
    added = _newest_entry("member.added")
    assert added.description == "added nia@acme.example as recruiter"
    assert Entry.objects.filter(organization=acme).count() == 2


def test_membership_keeps_user_and_organization(personas: Personas, sign_in) -> None:
    form = {
        "role": "admin",
        "user": personas.zoe.user_id,
        "organization": personas.zoe.organization_id,
    }
    assert sign_in(personas.cas).post(_membership_url(personas.remy), form).status_code == 302
    remy = Membership.objects.get(pk=personas.remy.pk)
    assert (remy.user, remy.organization) == (personas.remy.user, personas.remy.organization)


def test_last_admin_cannot_be_demoted_or_removed(personas: Personas, sign_in) -> None:
    answer = sign_in(personas.cas).post(
        _membership_url(personas.ada), {"role": "recruiter"}, follow=True
    )
    assert "needs an admin" in answer.content.decode()
    delete = reverse(f"{MEMBERSHIP}delete", args=[personas.ada.pk])
    answer = sign_in(personas.ola).post(delete, {"post": "yes"}, follow=True)
    assert "needs an admin" in answer.content.decode()
    assert Membership.objects.get(pk=personas.ada.pk).is_admin
    assert not Entry.objects.exists()
    assert not LogEntry.objects.exists()


def test_new_customer_and_removal_are_logged(personas: Personas, sign_in) -> None:
    ola, add = sign_in(personas.ola), reverse("admin:accounts_organization_add")
    ola.post(add, {"name": "Third", "slug": "third"})
    assert _newest_entry("organization.created").after == {"name": "Third", "slug": "third"}
    delete = reverse(f"{MEMBERSHIP}delete", args=[personas.uma.pk])
    assert "Remove Uma from Acme?" in ola.get(delete).content.decode()
    assert ola.post(delete, {"post": "yes"}).status_code == 302
    assert not Membership.objects.filter(pk=personas.uma.pk).exists()
    assert _newest_entry("member.removed").before == {"user": "Uma", "role": "recruiter"}


def test_deactivated_account_appears_in_log(personas: Personas, sign_in) -> None:
    page = reverse("admin:accounts_user_change", args=[personas.uma.user_id])
    form = {"email": "uma@acme.example", "name": "Uma", "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert sign_in(personas.ola).post(page, form).status_code == 302
    entry = _newest_entry("account.changed")
    assert entry.organization_id == personas.uma.organization_id
    assert (entry.before, entry.after) == ({"is_active": True}, {"is_active": False})


def test_last_active_admin_stays_active(personas: Personas, sign_in) -> None:
    page = reverse("admin:accounts_user_change", args=[personas.ada.user_id])
    form = {"email": "ada@acme.example", "name": "Ada", "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0}  # fmt: skip
    colleague = MembershipFactory(
        organization=personas.ada.organization, role="admin", user__is_active=False
    )
    assert "would have no active admin" in sign_in(personas.ola).post(page, form).content.decode()
    User.objects.filter(pk=colleague.user_id).update(is_active=True)
    assert sign_in(personas.ola).post(page, form).status_code == 302


def test_deletion_appears_in_log_with_its_cascade(personas: Personas, sign_in) -> None:
    acme, ola = personas.ada.organization, sign_in(personas.ola)
    sso = SingleSignOn.objects.create(
        organization=acme, name="Okta", server_url="https://x.example"
    )
    SingleSignOnDomain.objects.create(single_sign_on=sso, domain="acme.example")
    page = reverse("admin:signin_singlesignon_delete", args=[sso.pk])
    assert ola.post(page, {"post": "yes"}).status_code == 302
    entry = _newest_entry("singlesignon.deleted")
    assert (entry.organization_id, entry.by) == (acme.pk, personas.ola)
    assert entry.before == {"id": sso.pk}
    assert entry.after == {"signin.SingleSignOn": 1, "signin.SingleSignOnDomain": 1}


def test_deleted_account_and_customer_leave_an_entry(personas: Personas, sign_in) -> None:
    ola, other = sign_in(personas.ola), personas.zoe.organization
    selected = {"action": "delete_selected", "_selected_action": [personas.uma.user_id]}
    users = reverse("admin:accounts_user_changelist")
    assert ola.post(users, {**selected, "post": "yes"}).status_code == 302
    entry = _newest_entry("user.deleted")
    assert entry.organization_id == personas.ada.organization_id
    assert (entry.after or {})["accounts.Membership"] == 1
    page = reverse("admin:accounts_organization_delete", args=[other.pk])
    assert ola.post(page, {"post": "yes"}).status_code == 302
    assert not Organization.objects.filter(pk=other.pk).exists()
    entry = _newest_entry("organization.deleted")
    assert (entry.organization_id, entry.before) == (None, {"id": other.pk})
    assert "Other Inc" in entry.description


def test_deletion_without_entry_does_not_happen(personas: Personas, sign_in, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(audited_changes, "record_entry", fail)
    ola, page = (
        sign_in(personas.ola),
        reverse("admin:accounts_user_delete", args=[personas.uma.user_id]),
    )
    ola.raise_request_exception = False
    assert ola.post(page, {"post": "yes"}).status_code == 500
    assert User.objects.filter(pk=personas.uma.user_id).exists()
