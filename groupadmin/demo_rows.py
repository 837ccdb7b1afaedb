"""What the demo has beside its audit: somebody who may sign in, a gated community in use, a few customers.

Brought in as a new user would, by the ordinary commands and services; in one process, since each start of one
takes longer than all of this.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

from django.core.management import call_command

from members.customers.models import Customer
from members.customers.services import propose, take_guesses
from whitelist import services
from whitelist.burning import Cause

CUSTOMERS = {
    "Acme Example, Inc.": (),
    "Northwind Example Ltd": ("Northwind",),
    "Amber Example": (),
    "Birch Example GmbH": (),
    "Copper Example": ("Copper Sample",),
    "Dune Example": (),
    "Kestrel Mockup": (),
    "Saffron Prototype": (),
}
"""Invented ones, some of whose names the groups carry; with other names of theirs."""
LEFT_TO_THE_USER = 3
"""Of how many customers the groups still have to be matched."""


def fill(user: str, subscribers: str, unprotected: Iterable[int]) -> None:
    """Make everything for an installation that has had its first audit.

    `subscribers`: a file for `loadsubscribers`; `unprotected`: who is burned again after the seeding. The
    password comes in DJANGO_SUPERUSER_PASSWORD.
    """
    quiet = io.StringIO()
    call_command(
        "createsuperuser", username=user, email=f"{user}@example.com", interactive=False, verbosity=0
    )
    call_command("loadsubscribers", subscribers, stdout=quiet)
    call_command("seed_whitelist", "--yes", stdout=quiet, stderr=quiet)
    services.burn(
        telegram_ids=unprotected, cause=Cause.MANUAL, actor=user, reason="For the demo: they are at risk."
    )
    _add_customers()


def _add_customers() -> None:
    rows = [
        Customer(
            crm_id=f"DEMO-{number}",
            name=name,
            aliases=list(aliases),
            crm_url=f"https://crm.example.com/accounts/{number}",
        )
        for number, (name, aliases) in enumerate(CUSTOMERS.items(), start=1001)
    ]
    for row in rows:
        row.save()
    matched = {row.pk for row in rows[:-LEFT_TO_THE_USER]}
    clear = {each.group.pk: each.matches[0].customer for each in propose() if each.clear}
    take_guesses(chosen={group: customer for group, customer in clear.items() if customer in matched})
