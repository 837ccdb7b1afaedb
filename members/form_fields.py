"""What several forms of the admin ask for."""

from __future__ import annotations

from typing import Any

from django import forms

from members.models import Category
from members.platforms.types import Platform


class PlatformsField(forms.MultipleChoiceField):
    """Which platforms; all of them at first. Cleaned, a tuple of `Platform`."""

    def __init__(self, *, help_text: str = "Only groups of these.") -> None:
        super().__init__(
            choices=[(str(platform), platform.label) for platform in Platform],
            initial=[str(platform) for platform in Platform],
            widget=forms.CheckboxSelectMultiple,
            help_text=help_text,
        )

    def clean(self, value: Any) -> Any:
        return tuple(Platform(name) for name in super().clean(value))


class CategoryField(forms.ModelChoiceField):
    """Groups of which category. Cleaned, its key; "" for every one."""

    def __init__(self) -> None:
        super().__init__(
            Category.objects.order_by("position"),
            required=False,
            to_field_name="key",
            empty_label="Every category",
            help_text="Groups out of scope are never touched.",
        )

    def clean(self, value: Any) -> Any:
        category: Category | None = super().clean(value)
        return category.key if category is not None else ""


class DayInput(forms.DateInput):
    input_type = "date"


class DayField(forms.DateField):
    """A day, with the browser's calendar."""

    widget = DayInput
