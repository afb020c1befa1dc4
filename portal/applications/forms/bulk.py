"""One thing done to many: which ones, where each stood on screen, and what the kind asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from integrations.ats.types import SeenStage
from portal.applications.forms.move import MoveFields
from portal.applications.forms.reject import RejectFields, last_reason
from portal.applications.models import Kind
from portal.applications.verbs import Ground
from portal.core.keys import as_key
from portal.mirror.models import Application


class ChosenForm(forms.Form):
    """Which ones, and where each stood on screen."""

    chosen = forms.CharField(widget=forms.HiddenInput)

    @staticmethod
    def packed(applications: Iterable[Application]) -> str:
        """Each application with the stage in which it is shown."""
        return " ".join(
            f"{one.pk}:{one.stage_remote_id or ''}:{one.stage_entry_id or ''}"
            for one in applications
        )

    def clean_chosen(self) -> dict[int, SeenStage]:
        try:
            return dict(_unpacked(entry) for entry in self.cleaned_data["chosen"].split())
        except ValueError:
            raise forms.ValidationError("This page was incomplete. Choose again, please.") from None


class BatchForm(ChosenForm):
    """One thing done to many. The subclasses ask for what their kind needs."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any], at: Ground,
        membership: Any, connection_id: int,
    ) -> None:  # fmt: skip
        super().__init__(data, initial=dict(initial))
        self.at, self.membership, self.connection_id = at, membership, connection_id
        self.prepare()

    def prepare(self) -> None:
        """Fill the choices."""

    def parameters(self) -> dict[str, Any]:
        """What the verb needs besides, in Greenhouse's own ids."""
        return {}


def _unpacked(entry: str) -> tuple[int, SeenStage]:
    pk, stage, stay = entry.split(":")
    return _key(pk), SeenStage(
        stage_id=_key(stage) if stage else None, entry_id=_key(stay) if stay else None
    )


def _key(text: str) -> int:
    key = as_key(text)
    if key is None:
        raise ValueError
    return key


class RejectBatchForm(RejectFields, BatchForm):
    """Reject many for one reason."""

    def prepare(self) -> None:
        self.offer_reasons(self.connection_id, last_reason(self.membership))
        self.offer_mails(self.connection_id, self.at.held)


class MoveBatchForm(MoveFields, BatchForm):
    """Move many to one stage."""

    def prepare(self) -> None:
        self.offer_stages(self.at.stages)


def batch_form(kind: str) -> type[BatchForm]:
    """The form that asks for what this kind needs."""
    forms_: Mapping[str, type[BatchForm]] = {
        Kind.REJECT: RejectBatchForm,
        Kind.MOVE: MoveBatchForm,
    }
    return forms_.get(kind, BatchForm)
