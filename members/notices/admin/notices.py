"""The list of notices, each with what became of it on every way; its settings; and “send a test”."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from members.notices import delivery
from members.notices.admin.settings import NoticeSettingsForm
from members.notices.kinds import Channel, NoticeKind
from members.notices.models import Delivery, Message, MessageState, Notice, NoticeSettings
from members.notices.services import usable, write
from members.records import RecordAdmin
from members.ui import DASH, Tone, badge, time_tag

TONES: dict[str, Tone] = {
    MessageState.WAITING: "info",
    MessageState.SENDING: "info",
    MessageState.SENT: "good",
    MessageState.FAILED: "bad",
}


class OutcomeFilter(admin.SimpleListFilter):
    """What became of a notice, on any way."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("sent", "Sent"),
            ("waiting", "Waiting"),
            ("failed", "Not delivered"),
            ("nobody", "Wanted by nobody"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notice]) -> QuerySet[Notice]:
        sending = Delivery.objects.filter(message__state__in=(MessageState.WAITING, MessageState.SENDING))
        match self.value():
            case "sent":
                found = Delivery.objects.filter(message__state=MessageState.SENT)
            case "waiting":
                found = sending | Delivery.objects.filter(message=None)
            case "failed":
                found = Delivery.objects.filter(message__state=MessageState.FAILED)
            case "nobody":
                return queryset.filter(deliveries=None)
            case _:
                return queryset
        return queryset.filter(pk__in=found.values("notice"))


@admin.register(Notice)
class NoticeAdmin(RecordAdmin):
    list_display = ("told", "kind", "on_slack", "by_email", "by_bot", "created")
    list_display_links = ("told",)
    list_filter = ("kind", OutcomeFilter)
    search_fields = ("text",)
    date_hierarchy = "created_at"
    actions = None
    change_list_template = "admin/notices/notice/change_list.html"
    change_form_template = "admin/notices/notice/change_form.html"
    fields = ("kind", "whole_text", "about", "created")
    empty_hint = "They are written by audits, operations and schedules. Send a test from their settings."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        return super().get_queryset(request).prefetch_related("deliveries__message")

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"notices_notice_{name}")

        return [
            page("settings/", self.settings_view, "settings"),
            page("test/", require_POST(self.test_view), "test"),
            page("again/<int:pk>/", require_POST(self.again_view), "again"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        given_up = Message.objects.filter(state=MessageState.FAILED)
        context = {
            "failures": given_up.count(),
            "last_failure": given_up.first(),
            "nowhere": not usable(NoticeSettings.current()),
            "may_set": _may_set(request),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        notice: Notice = kwargs["obj"]
        context |= {"deliveries": list(notice.deliveries.all()), "may_set": _may_set(request), "tones": TONES}
        return super().render_change_form(request, context, *args, **kwargs)

    def settings_view(self, request: HttpRequest) -> HttpResponse:
        """Who is told what; whoever may not change it sees it."""
        if not (self.has_view_permission(request) or _may_set(request)):
            raise PermissionDenied
        stored = NoticeSettings.current()
        if request.method == "POST" and not _may_set(request):
            raise PermissionDenied
        form = NoticeSettingsForm(request.POST if request.method == "POST" else None, instance=stored)
        if form.is_valid():
            form.save()
            messages.success(request, "The settings are saved. They hold for what is written from now on.")
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "title": "Notice settings",
            "opts": self.opts,
            "form": form,
            "may_set": _may_set(request),
        }
        return TemplateResponse(request, "admin/notices/notice/settings.html", context)

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Send a test on one way, now, and say how it went."""
        if not _may_set(request):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:notices_notice_settings"))
        name = request.POST.get("channel", "")
        if name not in list(Channel) or Channel(name) not in usable(NoticeSettings.current()):
            messages.error(request, "This way is not set up.")
            return back
        channel = Channel(name)
        write(
            kind=NoticeKind.TEST,
            text=f"A test, sent by {request.user.get_username()}. Nothing has to be done.",
            path=reverse("admin:notices_notice_settings"),
            channels=frozenset({channel}),
        )
        if channel is Channel.BOT:
            messages.info(request, "The bot says it to its owners within seconds, if it runs.")
            return back
        delivery.collect([channel])
        newest = Message.objects.filter(channel=channel, kind=NoticeKind.TEST).first()
        if newest is not None and delivery.send_message(newest):
            messages.success(request, f"The test was sent: {channel.label}.")
        elif newest is not None:
            newest.refresh_from_db()
            if newest.error:
                messages.error(request, f"The test was not sent. {newest.error}")
            else:  # a worker was faster
                messages.success(request, f"The test is on its way: {channel.label}.")
        return back

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have a message that was given up sent anew."""
        if not _may_set(request):
            raise PermissionDenied
        message = get_object_or_404(Message, pk=pk)
        if delivery.try_again(message):
            messages.success(request, f"{message} is sent again within a minute.")
        else:
            messages.info(request, f"{message} was not given up: there is nothing to do.")
        back = message.deliveries.first()
        if back is None:
            return HttpResponseRedirect(reverse("admin:notices_notice_changelist"))
        return HttpResponseRedirect(reverse("admin:notices_notice_change", args=[back.notice_id]))

    @admin.display(description="Notice", ordering="id")
    def told(self, notice: Notice) -> str:
        return notice.headline

    @admin.display(description="Text")
    def whole_text(self, notice: Notice) -> SafeString:
        return format_html('<div class="letter">{}</div>', notice.text)

    @admin.display(description="About")
    def about(self, notice: Notice) -> SafeString | str:
        return format_html('<a href="{}">Open the page</a>', notice.path) if notice.path else DASH

    @admin.display(description="Slack")
    def on_slack(self, notice: Notice) -> SafeString:
        return _state(notice, Channel.SLACK)

    @admin.display(description="E-mail")
    def by_email(self, notice: Notice) -> SafeString:
        return _state(notice, Channel.EMAIL)

    @admin.display(description="Bot")
    def by_bot(self, notice: Notice) -> SafeString:
        return _state(notice, Channel.BOT)

    @admin.display(description="Written", ordering="created_at")
    def created(self, notice: Notice) -> SafeString:
        return time_tag(notice.created_at)


def _state(notice: Notice, channel: Channel) -> SafeString:
    """What became of it there, in a word."""
    found = next((row for row in notice.deliveries.all() if row.channel == channel), None)
    if found is None:
        return SafeString(f'<span class="empty-value">{DASH}</span>')
    if found.message is None:
        return badge("Waiting", "info", hint="Goes out with the next message of its kind.")
    message = found.message
    if message.state == MessageState.WAITING and message.error:
        return badge("Tried again", "warn", hint=message.error)
    return badge(message.get_state_display(), TONES[message.state], hint=message.error)


def _may_set(request: HttpRequest) -> bool:
    return request.user.has_perm("notices.change_noticesettings")
