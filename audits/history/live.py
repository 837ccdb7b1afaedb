"""Keep a message the moment a listener hears of it, in conversations that are kept up to date.

Nothing depends on it: a sync closes every gap afterwards. So it says nothing of how far a conversation
is kept, and what it stores twice, or late, changes nothing.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audits.history.models import Conversation, Sender
from audits.history.retention import load_retention
from audits.history.store import Stored, store_heard
from members.platforms.history import Heard
from members.platforms.types import Platform, PlatformUser


@transaction.atomic
def keep_heard(heard: Heard) -> Stored:
    """Keep one message as it is now, or note that it was deleted. Nothing where the conversation is not kept.

    What is older than messages are kept stays away: somebody may edit what was purged.
    """
    group = {"group__platform": heard.platform, "group__external_id": heard.group_id}
    conversation = Conversation.objects.filter(kept=True, **group).select_related("group").first()
    if conversation is None:
        return Stored()
    now = timezone.now()
    start = load_retention().start(conversation.group, now)
    if heard.message is not None and start is not None and heard.message.sent_at < start:
        return Stored()
    return store_heard(conversation=conversation, message=heard.message, deleted=heard.deleted)


def known_on_slack(user_id: str) -> PlatformUser | None:
    """Events name nobody: syncs have learnt who wrote here before."""
    row = Sender.objects.filter(platform=Platform.SLACK, external_id=user_id).exclude(name="").first()
    if row is None:
        return None
    usernames = (row.username,) if row.username else ()
    return PlatformUser(Platform.SLACK, row.external_id, usernames, row.name, is_bot=row.is_bot)
