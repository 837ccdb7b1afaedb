"""The form that says who is told what, on which way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import available_timezones

from django import forms

from members.notices.kinds import Channel, NoticeKind
from members.notices.models import NoticeSettings
from members.notices.services import usable

if TYPE_CHECKING:
    SettingsFormBase = forms.ModelForm[NoticeSettings]
else:
    SettingsFormBase = forms.ModelForm

CHOSEN = tuple(kind for kind in NoticeKind if kind is not NoticeKind.TEST)
HOW_TO_SET_UP = {
    Channel.SLACK: "set SLACK_NOTIFY_CHANNEL",
    Channel.EMAIL: "set EMAIL_URL, and name recipients below",
    Channel.BOT: "set TELEGRAM_BOT_TOKEN and TELEGRAM_BOT_OWNERS",
}


@dataclass(frozen=True, slots=True)
class Way:
    """A column of the table: a way, and what it lacks ("" where it is set up)."""

    channel: Channel
    lacks: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a kind, and for each way the name of its box and whether it is ticked."""

    kind: NoticeKind
    boxes: tuple[tuple[str, Channel, bool], ...]


class NoticeSettingsForm(SettingsFormBase):
    """The boxes are named "kind channel"; each is a field of its own."""

    quiet_zone = forms.ChoiceField(
        label="Time zone",
        choices=[(name, name) for name in sorted(available_timezones())],
        help_text="Of the quiet hours.",
    )

    class Meta:
        model = NoticeSettings
        fields = ("recipients", "digest_minutes", "quiet_from", "quiet_until", "quiet_zone")
        widgets: ClassVar = {
            "recipients": forms.Textarea(
                attrs={"rows": 4, "class": "vLargeTextField", "spellcheck": "false"}
            ),
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        stored: NoticeSettings = self.instance
        for kind in CHOSEN:
            for channel in Channel:
                self.fields[_box(kind, channel)] = forms.BooleanField(
                    required=False, initial=channel in stored.channels_of(kind)
                )

    def save(self, commit: bool = True) -> NoticeSettings:
        chosen = {
            str(kind): [str(channel) for channel in Channel if self.cleaned_data[_box(kind, channel)]]
            for kind in CHOSEN
        }
        self.instance.channels = chosen
        return super().save(commit)

    def plain_fields(self) -> list[forms.BoundField]:
        """What stands below the table."""
        return [self[name] for name in self.Meta.fields]

    def rows(self) -> Iterator[Row]:
        for kind in CHOSEN:
            names = [(_box(kind, channel), channel) for channel in Channel]
            yield Row(kind, tuple((name, channel, bool(self[name].value())) for name, channel in names))

    def ways(self) -> list[Way]:
        ready = usable(self.instance)
        return [Way(channel, "" if channel in ready else HOW_TO_SET_UP[channel]) for channel in Channel]


def _box(kind: NoticeKind, channel: Channel) -> str:
    return f"{kind}-{channel}"
