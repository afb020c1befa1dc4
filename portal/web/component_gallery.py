from __future__ import annotations

from datetime import timedelta

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.accounts.access import public_view


class _SampleForm(forms.Form):
    name = forms.CharField(help_text="As it stands in Greenhouse.")
    secret = forms.CharField(widget=forms.PasswordInput, required=False)
    agree = forms.BooleanField(label="I have told my colleagues", required=False)


@public_view("sample data only, and routed in development alone")
def show_component_gallery(request: HttpRequest) -> HttpResponse:
    invalid_form = _SampleForm({"name": ""})
    invalid_form.is_valid()
    labels = ("Credential", "Permissions", "First sync", "Live")

    def build_steps(*states: str) -> list[dict[str, str]]:
        return [
            {"label": label, "state": state, "url": "#main"}
            for label, state in zip(labels, states, strict=True)
        ]

    context = {
        "form": _SampleForm(),
        "bad_form": invalid_form,
        "steps": build_steps("done", "current", "todo", "todo"),
        "blocked_steps": build_steps("done", "blocked", "todo", "todo"),
        "recent": timezone.now() - timedelta(minutes=3),
        "old": timezone.now() - timedelta(days=9),
        "bars": [
            {"x": 0, "width": 60, "n": 1},
            {"x": 60, "width": 30, "n": 2},
            {"x": 90, "width": 10, "n": 4},
        ],
    }
    return render(request, "web/component_gallery.html", context)
