"""Saying whose a group is: by hand, or by taking a guess. Every change is in the group's history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from simple_history.utils import bulk_update_with_history

from members.customers.guess import Match, guess, index_names
from members.customers.models import Customer
from members.models import Group
from members.services import remember_as_seen

GUESSED = "guessed by its name, and confirmed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A group without a customer, and the customers that its name names: one, or several to choose from."""

    group: Group
    matches: tuple[Match, ...]

    @property
    def clear(self) -> bool:
        return len(self.matches) == 1


def groups_without_customer() -> QuerySet[Group]:
    """Of those that are audited."""
    return Group.objects.filter(customer=None, in_scope=True, archived=False)


def propose() -> tuple[Proposal, ...]:
    """For every group without a customer whose name names one; the clear ones first. Two queries."""
    index = index_names(
        (pk, (name, *aliases)) for pk, name, aliases in Customer.objects.values_list("pk", "name", "aliases")
    )
    groups = groups_without_customer().select_related("category").order_by("name", "platform", "pk")
    proposals = (Proposal(group, guess(group.name, index)) for group in groups)
    return tuple(sorted((each for each in proposals if each.matches), key=lambda each: not each.clear))


@transaction.atomic
def take_guesses(*, chosen: Mapping[int, int]) -> int:
    """Give groups the customers that a person chose for them: the group's key → the customer's.

    A group that has got a customer meanwhile keeps it. Returns how many were given one.
    """
    customers = Customer.objects.in_bulk(set(chosen.values()))
    wanted = {group: customers[customer] for group, customer in chosen.items() if customer in customers}
    return _set_customers({group.pk: wanted[group.pk] for group in _locked(wanted, customer=None)}, GUESSED)


@transaction.atomic
def set_customer(*, groups: QuerySet[Group], customer: Customer | None) -> int:
    """Say whose the groups are, whatever was said before. Returns how many that changed."""
    others = groups.exclude(customer=customer) if customer else groups.filter(customer__isnull=False)
    return _set_customers(dict.fromkeys(others.order_by().values_list("pk", flat=True), customer))


def _set_customers(customers: Mapping[int, Customer | None], reason: str | None = None) -> int:
    rows = list(_locked(customers))
    remember_as_seen(rows)
    for row in rows:
        row.customer = customers[row.pk]
    bulk_update_with_history(rows, Group, ["customer"], batch_size=500, default_change_reason=reason)
    return len(rows)


def _locked(keys: Mapping[int, object], **condition: object) -> Iterator[Group]:
    """In the order of the keys, so that it and an audit that writes groups never wait for each other."""
    rows = Group.objects.select_for_update().filter(pk__in=list(keys), **condition)
    return iter(rows.order_by("pk"))
