"""The columns in which subscribers, subscriptions and the whitelist travel as tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from import_export import widgets

from members.spreadsheet import naive_utc
from members.tables import Moment, TableResource, WholeNumber, Word, column, shown
from whitelist import services
from whitelist.decision import SubscriptionStatus
from whitelist.models import Subscriber, Subscription, WhitelistEntry
from whitelist.moments import parse_moment
from whitelist.record import note
from whitelist.subscriptions import note_changes

SOURCE = "import"


class Instant(widgets.Widget):
    """A point in time: a spreadsheet's own, or a text (`parse_moment`); UTC where no zone is said."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> datetime | None:
        return parse_moment(value)

    def render(self, value: datetime | None, obj: Any = None, **options: Any) -> Any:
        return "" if value is None else naive_utc(value)


class SubscriberResource(TableResource):
    telegram_id = column("telegram_id", WholeNumber())
    username = column("username")
    first_name = column("first_name")
    last_name = column("last_name")
    last_seen_utc = shown("last_seen_at", Moment(), name="last_seen_utc")

    class Meta:
        model = Subscriber
        fields = ("telegram_id", "username", "first_name", "last_name", "last_seen_utc")
        import_id_fields = ("telegram_id",)

    def after_save_instance(self, instance: Subscriber, row: Any, **options: Any) -> None:
        note("subscriber.changed", [instance.pk], actor=_importer(options), at=timezone.now(), detail=SOURCE)


class SubscriptionResource(TableResource):
    """The columns of `loadsubscribers`; the subscribers have to be known already."""

    telegram_id = column("subscriber_id", WholeNumber(), name="telegram_id")
    username = shown("subscriber__username", name="username")
    first_name = shown("subscriber__first_name", name="first_name")
    status = column("status", Word(SubscriptionStatus))
    expires_at = column("expires_at", Instant())
    grace_until = column("grace_until", Instant())

    class Meta:
        model = Subscription
        fields = ("telegram_id", "username", "first_name", "status", "expires_at", "grace_until")
        import_id_fields = ("telegram_id",)

    def after_init_instance(self, instance: Subscription, new: bool, row: Any, **options: Any) -> None:
        instance._before = None if new else Subscription.objects.get(pk=instance.pk)  # type: ignore[attr-defined]

    def after_save_instance(self, instance: Subscription, row: Any, **options: Any) -> None:
        note_changes(
            [(instance._before, instance)],  # type: ignore[attr-defined]
            actor=_importer(options),
            source=f"import of {options.get('file_name') or 'a table'}",
            now=timezone.now(),
        )


class WhitelistResource(TableResource):
    """Rows of the table are granted; those that are there already stay as they are, the burned ones too."""

    telegram_id = column("telegram_id", WholeNumber())
    note = column("note")
    source = shown("source")
    granted_utc = shown("granted_at", Moment(), name="granted_utc")
    granted_by = shown("granted_by")
    revoked_utc = shown("revoked_at", Moment(), name="revoked_utc")
    revoked_by = shown("revoked_by")
    cause = shown("revoke_cause", name="cause")
    reason = shown("revoke_reason", name="reason")

    class Meta:
        model = WhitelistEntry
        fields = (
            "telegram_id",
            "note",
            "source",
            "granted_utc",
            "granted_by",
            "revoked_utc",
            "revoked_by",
            "cause",
            "reason",
        )
        import_id_fields = ("telegram_id",)

    def skip_row(
        self, instance: WhitelistEntry, original: Any, row: Any, import_validation_errors: Any = None
    ) -> bool:
        return instance._state.adding is False and not import_validation_errors

    def save_instance(self, instance: WhitelistEntry, is_create: bool, row: Any, **options: Any) -> None:
        services.grant(
            telegram_ids=[instance.telegram_id],
            actor=_importer(options),
            source=SOURCE,
            note=instance.note,
        )


def _importer(options: dict[str, Any]) -> str:
    user = options.get("user")
    return user.get_username() if user is not None else SOURCE
