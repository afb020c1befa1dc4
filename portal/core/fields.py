from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import Exact

from integrations.ats.emails import normalize_email


class NormalizedEmailField(models.EmailField[str, str]):
    """Stores and compares addresses by `normalize_email`."""

    def to_python(self, value: Any) -> Any:
        return normalize_email(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        # The column is an EmailField's, so migrations need not import this class.
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.EmailField", args, kwargs


# The database's iexact compares by UPPER, which turns ſ into S.
NormalizedEmailField.register_lookup(Exact, "iexact")
