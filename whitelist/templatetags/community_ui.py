"""What pages of the gated community share."""

from __future__ import annotations

from typing import Any

from django import template

from whitelist.setup import setup_steps

register = template.Library()


@register.inclusion_tag("admin/whitelist/setup.html")
def community_setup() -> dict[str, Any]:
    """What is missing before the community can be looked after, with the next step; nothing once it can."""
    steps = setup_steps()
    return {"steps": steps, "next": next((step for step in steps if not step.done), None)}
