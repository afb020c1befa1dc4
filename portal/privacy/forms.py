from __future__ import annotations

import re

from django import forms

from portal.web.id_parsing import parse_id

# A candidate's page in Greenhouse is …/people/<ID>.
_CANDIDATE_PAGE = re.compile(r"/people/(\d+)")


class CandidateForm(forms.Form):
    candidate = forms.CharField(
        label="Candidate's ID or page in Greenhouse",
        max_length=300,
        help_text="The number after “/people/” in the address of the candidate's page.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Enter the candidate's ID or page in Greenhouse."},
    )

    def clean_candidate(self) -> int:
        text = self.cleaned_data["candidate"]
        page = _CANDIDATE_PAGE.search(text)
        remote_id = parse_id(page[1] if page else text)
        if remote_id is None:
            raise forms.ValidationError("Enter a number, or the address of a candidate's page.")
        return remote_id


class EraseMemberForm(forms.Form):
    email = forms.CharField(
        label="Email",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Type the member's email to confirm."},
    )

    def __init__(self, data: object, *, email: str) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._email = email
        self.fields["email"].help_text = f"Type {email} to confirm."

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip()
        if email.lower() != self._email.lower():
            raise forms.ValidationError("This isn't the member's email.")
        return email
