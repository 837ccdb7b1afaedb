"""What changed between two versions of a row, as a person would write it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simple_history.template_utils import HistoricalRecordContextHelper

from members.dates import moment_in_words
from members.ui import DASH


class PlainChanges(HistoricalRecordContextHelper):
    """The package's own words are Python's: None, [], True, and what stands in the column."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        prepared = super().prepare_delta_change_value(change, value)
        choices = dict(getattr(self.model._meta.get_field(change.field), "flatchoices", ()))
        match prepared:
            case None | "" | []:
                return DASH
            case bool():
                return "yes" if prepared else "no"
            case datetime():
                return moment_in_words(prepared)
            case list():
                return ", ".join(map(str, prepared))
        return choices.get(prepared, prepared)
