"""What our staff enters in the admin's forms stands in the customer's own log."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from portal.accounts.models import Membership, Organization, User
from portal.audit.models import Entry
from tests.cast import Cast


def _change(organization: Organization) -> str:
    return reverse("admin:accounts_organization_change", args=[organization.pk])


def _form(organization: Organization, **more: Any) -> dict[str, Any]:
    """The form as the browser sends it: the name, and every member."""
    members = list(organization.memberships.order_by("pk"))
    sent: dict[str, Any] = {
        "name": organization.name,
        "slug": organization.slug,
        "memberships-TOTAL_FORMS": len(members),
        "memberships-INITIAL_FORMS": len(members),
    }
    for n, member in enumerate(members):
        for name, value in (("id", member.pk), ("user", member.user_id), ("role", member.role)):
            sent[f"memberships-{n}-{name}"] = value
        sent[f"memberships-{n}-organization"] = organization.pk
    return {**sent, **more}


def _newest(verb: str) -> Entry:
    return Entry.objects.filter(verb=verb).order_by("-pk")[0]


def test_a_new_name_stands_there_with_the_old_one(cast: Cast, sign_in) -> None:
    acme = cast.ada.organization
    sent = _form(acme, name="Acme Hiring")
    assert sign_in(cast.cas).post(_change(acme), sent).status_code == 302
    entry = _newest("organization.changed")
    assert (entry.organization_id, entry.by) == (acme.pk, cast.cas)
    assert (entry.before, entry.after) == ({"name": "Acme"}, {"name": "Acme Hiring"})
    log = sign_in(cast.ada).get(reverse("audit:log")).content.decode()
    assert "Acme Hiring" in log
    assert "Cas &lt;cas@portal.example&gt;" in log


def test_a_role_that_was_given_and_a_person_who_was_added(cast: Cast, sign_in) -> None:
    acme = cast.ada.organization
    place = [m.pk for m in acme.memberships.order_by("pk")].index(cast.remy.pk)
    newcomer = User.objects.create_user("nia@acme.example", "x", name="Nia")
    number = acme.memberships.count()
    sent = _form(acme, **{
        f"memberships-{place}-role": "admin",
        "memberships-TOTAL_FORMS": number + 1,
        f"memberships-{number}-user": newcomer.pk,
        f"memberships-{number}-role": "recruiter",
    })  # fmt: skip
    assert sign_in(cast.cas).post(_change(acme), sent).status_code == 302
    entry = _newest("member.role_changed")
    assert entry.words == "made remy@acme.example admin"
    assert (entry.before, entry.after) == ({"role": "recruiter"}, {"role": "admin"})
    added = _newest("member.added")
    assert added.words == "put nia@acme.example into the organization as recruiter"
    assert Entry.objects.filter(organization=acme).count() == 2, "who was not changed is not named"


def test_the_last_admin_stays_one(cast: Cast, sign_in) -> None:
    acme = cast.ada.organization
    place = [m.pk for m in acme.memberships.order_by("pk")].index(cast.ada.pk)
    sent = _form(acme, **{f"memberships-{place}-role": "recruiter"})
    answer = sign_in(cast.cas).post(_change(acme), sent)
    assert "needs an admin" in answer.content.decode()
    assert Membership.objects.get(pk=cast.ada.pk).is_admin
    assert not Entry.objects.exists()


def test_a_new_customer_and_who_was_taken_out(cast: Cast, sign_in) -> None:
    ola, add = sign_in(cast.ola), reverse("admin:accounts_organization_add")
    empty = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    ola.post(add, {"name": "Third", "slug": "third", **empty})
    assert _newest("organization.made").after == {"name": "Third", "slug": "third"}
    acme = cast.ada.organization
    place = [m.pk for m in acme.memberships.order_by("pk")].index(cast.uma.pk)
    ola.post(_change(acme), _form(acme, **{f"memberships-{place}-DELETE": "on"}))
    assert not Membership.objects.filter(pk=cast.uma.pk).exists()
    assert _newest("member.taken_out").before == {"user": "Uma", "role": "recruiter"}


def test_an_account_that_was_switched_off_stands_in_its_customers_log(cast: Cast, sign_in) -> None:
    page = reverse("admin:accounts_user_change", args=[cast.uma.user_id])
    sent = {"email": "uma@acme.example", "name": "Uma", "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0}  # fmt: skip
    assert sign_in(cast.ola).post(page, sent).status_code == 302
    entry = _newest("account.changed")
    assert entry.organization_id == cast.uma.organization_id
    assert (entry.before, entry.after) == ({"is_active": True}, {"is_active": False})
