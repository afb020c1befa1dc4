"""Django's own messages about a field's value, in the product's words."""

from django.core import validators
from django.forms import fields, models

NO_LONGER_AN_OPTION = "This option is no longer available. Select another one."


def set_form_messages() -> None:
    """Call this before any form is declared: fields copy their messages."""
    validators.MaxLengthValidator.message = (
        "Use at most %(limit_value)d characters. This has %(show_value)d."
    )
    validators.MinLengthValidator.message = (
        "Use at least %(limit_value)d characters. This has %(show_value)d."
    )
    validators.MaxValueValidator.message = "Enter %(limit_value)s or less."
    validators.MinValueValidator.message = "Enter %(limit_value)s or more."
    validators.DecimalValidator.messages = {
        "invalid": "Enter a number.",
        "max_digits": "Use at most %(max)s digits.",
        "max_decimal_places": "Use at most %(max)s digits after the decimal point.",
        "max_whole_digits": "Use at most %(max)s digits before the decimal point.",
    }
    for choice_field in (
        fields.ChoiceField,
        fields.MultipleChoiceField,
        models.ModelChoiceField,
        models.ModelMultipleChoiceField,
    ):
        choice_field.default_error_messages = {
            **choice_field.default_error_messages,
            "invalid_choice": NO_LONGER_AN_OPTION,
        }
