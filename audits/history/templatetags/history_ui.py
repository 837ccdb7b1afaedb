"""What the pages of conversations need of templates: `{% load history_ui %}`."""

from __future__ import annotations

from django import template

from audits.history.display import size_in_words

register = template.Library()
register.filter("size", size_in_words)
