"""Invite links, and people who ask to be let in: https://core.telegram.org/api/invites"""

from __future__ import annotations

import secrets
import time
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.updates import invite
from groupadmin.sandbox.telegram.dispatch import Call, answers, user_in_request
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.permissions import has_right, require_right
from groupadmin.sandbox.telegram.messages import Conversation
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramUser


@answers(functions.messages.ExportChatInviteRequest, subjects=lambda call: ["invite link"])
def export_chat_invite(call: Call, request: Any) -> Any:
    """A new link each time. The sandbox does not follow links: `TelegramSandbox.join` plays that part."""
    chat = _chat(call, request.peer)
    require_right(call, chat, "invite_users")
    link = f"https://t.me/+{secrets.token_urlsafe(12)}"
    chat.invite_links.append(link)
    call.wrote()
    exported = invite(link, call.viewer, int(time.time()), by_request=bool(request.request_needed))
    exported.expire_date, exported.usage_limit = request.expire_date, request.usage_limit
    exported.permanent = not (request.expire_date or request.usage_limit)
    return exported


@answers(functions.messages.EditExportedChatInviteRequest, subjects=lambda call: ["invite link"])
def edit_exported_chat_invite(call: Call, request: Any) -> Any:
    """Here links are only ever revoked; what else the call can change stays as it is."""
    chat = _chat(call, request.peer)
    require_right(call, chat, "invite_users")
    if request.link not in chat.invite_links:
        raise RpcError("INVITE_HASH_EXPIRED")
    edited = invite(request.link, call.viewer, int(time.time()), by_request=bool(request.request_needed))
    if request.revoked:
        chat.invite_links.remove(request.link)
        edited.revoked = True
        call.wrote()
    return types.messages.ExportedChatInvite(edited, call.view.users({call.viewer}))


@answers(functions.messages.HideChatJoinRequestRequest, subjects=user_in_request)
def hide_chat_join_request(call: Call, request: Any) -> Any:
    """Let somebody in who asked to join, or do not."""
    chat = _chat(call, request.peer)
    require_right(call, chat, "invite_users")
    user = call.peers.user(request.user_id)
    if user.id not in chat.join_requests:
        raise RpcError("HIDE_REQUESTER_MISSING")
    approved = bool(request.approved)
    changes = call.backend.actions.decide_request(call.origin, chat, user.id, approved=approved)
    call.wrote()
    return call.answer_updates(changes, people={call.viewer, user.id}, place=chat)


def missing_invitee(user: TelegramUser) -> types.MissingInvitee:
    """How a call that could not add `user` says so."""
    return types.MissingInvitee(
        user.id, premium_would_allow_invite=user.trusts_premium, premium_required_for_pm=user.unreachable
    )


def shown_invite(call: Call, chat: TelegramChat) -> types.ChatInviteExported | None:
    """The main invite link, for those who may invite."""
    if not chat.invite_links or not has_right(call, chat, "invite_users"):
        return None
    return invite(chat.invite_links[0], call.viewer, chat.created, by_request=False)


def _chat(call: Call, peer: Any) -> TelegramChat:
    place = call.peers.place(peer)
    if isinstance(place, Conversation):
        raise RpcError("PEER_ID_INVALID")
    return place
