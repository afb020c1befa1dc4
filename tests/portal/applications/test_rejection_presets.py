"""Rejection presets, and reading the email of a rejection before it is sent."""

from __future__ import annotations

import time

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.applications.forms.presets import PresetForm
from portal.applications.models import ApplicationAction, RejectionPreset
from portal.applications.page.email_preview import render_body
from portal.audit.models import Entry
from portal.connections.models import PermissionCheck
from portal.sync.models import Candidate, EmailTemplate, RejectionReason
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    find_application,
    get_latest_action,
    get_review_origin,
)

PRESETS = "applications:presets"
EMAILS = "applications:rejection_emails"


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _get_reason(number: int = 0) -> RejectionReason:
    return RejectionReason.objects.order_by("remote_id")[number]


def _get_template() -> EmailTemplate:
    return EmailTemplate.objects.get(name="Thank you, not this time")


def _add_preset(client: Client, name: str = "Too junior", digit: int = 1, **more: object) -> int:
    """Returns the response's status."""
    values = {"name": name, "digit": digit, "reason": _get_reason().pk, "mail_after": 60, **more}
    return client.post(reverse(PRESETS), values).status_code


def _press_digit(client: Client, preset: RejectionPreset, **more: object):
    """Press the preset's button in a review of the application's requisition."""
    application = find_application()
    client.post(reverse("applications:start_job_review", args=[application.job_id]))
    values = build_form_values(application, preset=preset.click, origin=get_review_origin(), **more)
    return client.post(build_action_url("reject", application.pk), values, **HTMX)


@any_generation
def test_preset_rejects_with_its_fields(remy: Client) -> None:
    template = _get_template()
    assert _add_preset(remy, notes="Next year", template=template.pk, mail_after=1440) == 302
    response = _press_digit(remy, RejectionPreset.objects.get())
    assert "held for" in response.content.decode()
    action = get_latest_action()
    assert (action.kind, action.status) == ("reject", ApplicationAction.Status.SCHEDULED)
    assert (action.reason, action.notes) == (_get_reason(), "Next year")
    assert action.parameters == {
        "template": template.remote_id, "template_name": template.name, "mail_after": 1440,
    }  # fmt: skip


@any_generation
def test_preset_without_reason_opens_form(remy: Client) -> None:
    _add_preset(remy, notes="Next year")
    RejectionPreset.objects.update(reason=None)
    response = _press_digit(remy, RejectionPreset.objects.get())
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#action-dialog-body"
    html = response.content.decode()
    assert "Select a reason" in html
    assert "Next year" in html
    assert not ApplicationAction.objects.exists()
    assert "no longer in Greenhouse" in remy.get(reverse(PRESETS)).content.decode()


@any_generation
@pytest.mark.parametrize("changed", ["reason", "notes", "template", "mail_after"])
def test_preset_changed_meanwhile_opens_form(remy: Client, changed: str) -> None:
    """A key does what the page said, not what an admin made of it since."""
    _add_preset(remy)
    shown = RejectionPreset.objects.get()
    values = {
        "reason": _get_reason(1), "notes": "New", "template": _get_template(), "mail_after": 1440,
    }  # fmt: skip
    RejectionPreset.objects.update(**{changed: values[changed]})
    response = _press_digit(remy, shown)
    assert response.status_code == 422
    assert "This preset was changed" in response.content.decode()
    assert not ApplicationAction.objects.exists()


@any_generation
def test_preset_sends_no_unwanted_email(remy: Client) -> None:
    _add_preset(remy, template=_get_template().pk)
    Candidate.objects.update(can_email=False)
    application = find_application()
    start_url = reverse("applications:start_job_review", args=[application.job_id])
    page = remy.post(start_url, follow=True).content.decode()
    assert "accept email, so none is sent" in page.replace("&#x27;", "'")
    _press_digit(remy, RejectionPreset.objects.get())
    assert get_latest_action().parameters == {}


@any_generation
def test_own_preset_goes_before_shared_one(remy: Client, personas: Personas, sign_in) -> None:
    ada, sam = sign_in(personas.ada), sign_in(personas.sam)
    _add_preset(ada, "Shared", is_shared="on")
    _add_preset(ada, "Of Ada", 2)
    _add_preset(remy, "Of Remy")
    application = find_application()
    start_url = reverse("applications:start_job_review", args=[application.job_id])
    of_remy = remy.post(start_url, follow=True).context["presets"]
    of_sam = sam.post(start_url, follow=True).context["presets"]
    assert [(row.digit, row.name) for row in of_remy] == [(1, "Of Remy")]
    assert [(row.digit, row.name) for row in of_sam] == [(1, "Shared")]
    page = sam.get(reverse(PRESETS)).content.decode()
    assert "Of Ada" not in page
    assert "Of Remy" not in page


@any_generation
def test_presets_are_edited_by_their_owner(remy: Client, personas: Personas, sign_in) -> None:
    ada, zoe = sign_in(personas.ada), sign_in(personas.zoe)
    _add_preset(ada, "Shared", is_shared="on")
    _add_preset(remy, "Of Remy", is_shared="on")
    shared, own = RejectionPreset.objects.order_by("pk")
    assert own.membership == personas.remy, "recruiters share none"
    for client, preset in ((remy, shared), (ada, own), (zoe, shared), (zoe, own)):
        assert client.get(reverse("applications:edit_preset", args=[preset.pk])).status_code == 404
        url = reverse("applications:delete_preset", args=[preset.pk])
        assert client.post(url).status_code == 404
    assert _press_digit(remy, shared).status_code == 200
    values = {"name": "Renamed", "digit": 4, "reason": _get_reason(1).pk, "mail_after": 60}
    remy.post(reverse("applications:edit_preset", args=[own.pk]), values)
    own.refresh_from_db()
    assert (own.name, own.digit, own.reason) == ("Renamed", 4, _get_reason(1))
    remy.post(reverse("applications:delete_preset", args=[own.pk]))
    assert list(RejectionPreset.objects.all()) == [shared]
    verbs = Entry.objects.filter(verb__startswith="rejection_presets").values_list(
        "verb", flat=True
    )
    assert sorted(verb.partition(".")[2] for verb in verbs) == [
        "added", "added", "changed", "removed",
    ]  # fmt: skip


@any_generation
def test_preset_of_others_is_not_used(remy: Client, personas: Personas, sign_in) -> None:
    _add_preset(sign_in(personas.ada), "Of Ada")
    assert _press_digit(remy, RejectionPreset.objects.get()).status_code == 404
    assert not ApplicationAction.objects.exists()


@any_generation
def test_preset_form_names_used_key(remy: Client) -> None:
    _add_preset(remy)
    values = {"name": "Other", "digit": 1, "reason": _get_reason().pk, "mail_after": 60}
    response = remy.post(reverse(PRESETS), values)
    assert response.status_code == 422
    assert "Key 1 is used by “Too junior”." in response.content.decode()
    assert remy.post(reverse(PRESETS), {"digit": "x"}).status_code == 422


def test_email_is_read_before_it_is_sent(remy: Client, kind: str) -> None:
    query = {"template": _get_template().pk, "mail_after": "60"}
    html = remy.get(reverse(EMAILS), query, **HTMX).content.decode()
    assert '<code class="token">CANDIDATE_FIRST_NAME</code>' in html
    assert "thank you for your time" in html
    assert "Remy" in html, "who sends it"
    assert "unless you undo the rejection" in html
    assert ("Your application" in html) is (kind == "harvest_oauth"), "v1 gives no subject"
    page = remy.get(reverse(EMAILS)).content.decode()
    assert "After an interview" in page
    assert "My own words" not in page, "not a rejection"


@any_generation
def test_other_emails_are_not_stored(remy: Client) -> None:
    assert EmailTemplate.objects.get(name="My own words").body == ""


@any_generation
def test_emails_are_hidden_without_permission(remy: Client, personas: Personas, sign_in) -> None:
    PermissionCheck.objects.filter(permission="email_templates.list").update(outcome="missing")
    assert "thank you for your time" not in remy.get(reverse(EMAILS)).content.decode()
    for name in ("zoe", "uma"):
        assert sign_in(getattr(personas, name)).get(reverse(EMAILS)).status_code == 404


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p onclick='x()'>Hi {{NAME}}</p>", '<p>Hi <code class="token">NAME</code></p>'),
        ("<script>x()</script><img src=//evil>Hi", "Hi"),
        ("<a href='javascript:x()'>site</a>", "site"),
        ("Hi {{ FIRST_NAME }}\n2 < 3", 'Hi <code class="token">FIRST_NAME</code><br>2 &lt; 3'),
        ("<b title='{{X}}'>{{<i>Y</i>}}</b>", "<b>{{<i>Y</i>}}</b>"),
        ("&lt;script&gt;x&lt;/script&gt;", "&lt;script&gt;x&lt;/script&gt;"),
    ],
)
def test_email_body_is_only_text_and_layout(body: str, expected: str) -> None:
    assert render_body(body) == expected


@any_generation
@pytest.mark.parametrize("lost", ["permission", "templates"])
def test_preset_with_email_that_is_gone_rejects_nobody(remy: Client, lost: str) -> None:
    """Whoever pressed a key that promised an email decides anew."""
    _add_preset(remy, template=_get_template().pk)
    if lost == "permission":
        PermissionCheck.objects.filter(permission="email_templates.list").update(outcome="missing")
    else:
        EmailTemplate.objects.update(gone_at=timezone.now())
    response = _press_digit(remy, RejectionPreset.objects.get())
    assert response.status_code == 422
    assert "Reject without an email" in response.content.decode()
    assert not ApplicationAction.objects.exists()


@any_generation
@pytest.mark.parametrize("minutes", ["9223372036854775807", "1" * 30, "-60", "morning"])
def test_preview_takes_no_other_delays(remy: Client, minutes: str) -> None:
    response = remy.get(reverse(EMAILS), {"mail_after": minutes})
    assert response.status_code == 200
    assert all(preview.send_at is None for preview in response.context["previews"])


@pytest.mark.parametrize("body", ["<" + " " * 50_000, "<a" * 25_000, "<div>" * 10_000])
def test_preview_of_hostile_text_takes_no_time(body: str) -> None:
    started_at = time.process_time()
    render_body(body)
    assert time.process_time() - started_at < 0.3


@any_generation
def test_digit_taken_meanwhile_is_told(remy: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other preset was not there yet when the form looked for it."""
    _add_preset(remy)
    find_preset = PresetForm._find_preset_on
    monkeypatch.setattr(
        PresetForm, "_find_preset_on", lambda form, data: find_preset(form, data) and None
    )
    assert _add_preset(remy, "Second") == 422
    assert RejectionPreset.objects.get().name == "Too junior"
