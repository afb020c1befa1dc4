from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.lookups import Exact

from integrations.ats.emails import is_lookalike_email, normalize_domain, normalize_email
from portal.core.names import form_fields
from portal.core.names.search_keys import MAX_KEY_LENGTH, build_search_key


class NormalizedEmailField(models.EmailField[str, str]):
    """Stores and compares addresses by `normalize_email`; refuses look-alikes of others."""

    def to_python(self, value: Any) -> Any:
        return normalize_email(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        if is_lookalike_email(value or ""):  # forms and sign-in refuse it before, with a sentence
            raise ValidationError(form_fields.LOOKALIKE_EMAIL)
        setattr(model_instance, self.attname, value)
        return value

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": form_fields.EmailField, **kwargs})

    def deconstruct(self) -> Any:
        # The column is an EmailField's, so migrations need not import this class.
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.EmailField", args, kwargs


# The database's iexact compares by UPPER, which turns ſ into S.
NormalizedEmailField.register_lookup(Exact, "iexact")


class NormalizedDomainField(models.CharField[str, str]):
    """Stores and compares email domains by `normalize_domain`."""

    def to_python(self, value: Any) -> Any:
        return normalize_domain(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class NameField(models.CharField[str, str]):
    """A name that somebody types: forms take one line with visible letters."""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": form_fields.NameField, **kwargs})

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class SearchNameField(models.CharField[str, str]):
    """The search key of the fields that `sources` names; see `portal.core.names.search_keys`.

    Set by `save` and `bulk_create`; SQL and `update` have to set it beside the name.
    """

    def __init__(self, *, sources: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.sources = sources
        super().__init__(
            **{
                "max_length": MAX_KEY_LENGTH,
                "blank": True,
                "default": "",
                "db_default": "",
                "editable": False,
                **kwargs,
            }
        )

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = build_search_key(*(getattr(model_instance, name) for name in self.sources))
        setattr(model_instance, self.attname, value)
        return value

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs
