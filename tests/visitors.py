"""Somebody who visits the admin."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.db.models import QuerySet
from django.test import Client


def client_of(*rights: str) -> Client:
    """Rosa, who may look at everything, and do what is named."""
    return _signed_in("rosa", Permission.objects.filter(codename__startswith="view_") | _named(rights))


def staff(name: str, *rights: str) -> Client:
    """Somebody who may do what is named, and nothing else."""
    return _signed_in(name, _named(rights))


def _named(rights: tuple[str, ...]) -> QuerySet[Permission]:
    return Permission.objects.filter(codename__in=rights)


def _signed_in(name: str, rights: QuerySet[Permission]) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(rights)
    client = Client()
    client.force_login(user)
    return client
