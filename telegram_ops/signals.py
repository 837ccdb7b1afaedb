"""What the floors above may want to know of the accounts."""

from __future__ import annotations

from django.dispatch import Signal

signed_in = Signal()
"""The account in use can be used from now on: `account`, and `actor`, the name of whoever signed in.

A receiver may answer with a `members.operations.kinds.Link` to what goes on because of it.
"""
