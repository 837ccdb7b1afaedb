"""A Slack workspace that the sandbox serves: plain mutable data, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TEAM_ID = "T0SANDBOX"


@dataclass
class SlackUser:
    id: str
    name: str
    """The legacy username ("ada"): what people call the handle."""
    real_name: str
    display_name: str = ""
    email: str = ""
    team_id: str = TEAM_ID
    """Another team's id for a Slack Connect stranger."""
    deleted: bool = False
    is_bot: bool = False
    is_admin: bool = False
    """A workspace admin: may rename any channel, kick where that is restricted, and invite guests."""
    is_restricted: bool = False
    """A guest, who sees only the channels they are in."""
    is_ultra_restricted: bool = False
    """A guest of one single channel (Slack sets `is_restricted` on them too)."""

    @property
    def is_guest(self) -> bool:
        return self.is_restricted or self.is_ultra_restricted


@dataclass
class SlackChannel:
    id: str
    name: str
    creator: str
    members: dict[str, None] = field(default_factory=dict)
    """User ids in the order of joining (a dict used as an ordered set)."""
    managers: set[str] = field(default_factory=set)
    """User ids with the Channel Manager role, who may rename the channel."""
    is_private: bool = False
    is_im: bool = False
    """A direct message between two people (Slack calls it a conversation too)."""
    is_general: bool = False
    is_archived: bool = False
    is_ext_shared: bool = False
    created: int = 1_700_000_000
    topic: str = ""
    purpose: str = ""
    previous_names: list[str] = field(default_factory=list)
    team_id: str = TEAM_ID
    """The workspace in which it was made. A channel shared by Slack Connect is the same one in both."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Message objects as the Web API sends them, oldest first; replies carry `thread_ts`.

    What a parent says about its replies (`reply_count` and so on) is worked out when it is served.
    """


@dataclass
class SlackFile:
    """A file that messages share: they name it in their list `files`, as `{"id": …}`."""

    id: str
    name: str
    content: bytes = b""
    mimetype: str = "application/octet-stream"
    user: str = ""
    created: int = 1_700_000_000
    mode: str = "hosted"
    """Also "snippet", "external", "tombstone" (deleted) and "hidden_by_limit", as Slack calls them."""
    external_url: str = ""
    check_info: bool = False
    """Messages tell nothing but its id, as in channels that are shared with another company."""


@dataclass
class SlackUpload:
    """A file on its way: promised with its name and size, then sent, then shared."""

    id: str
    name: str
    length: int
    user: str
    content: bytes | None = None


@dataclass
class SlackToken:
    user_id: str
    scopes: frozenset[str]
    is_bot: bool = False
    revoked: bool = False


@dataclass
class SlackAppToken:
    """An app-level token (xapp-…) of the app that `user_id` installed: it opens Socket Mode, nothing else."""

    user_id: str
    app_id: str = "A0SANDBOX"
    socket_mode: bool = True
    """Whether Socket Mode is switched on for the app."""
    revoked: bool = False


@dataclass
class SlackWorld:
    team_id: str = TEAM_ID
    team_name: str = "Sandbox Company"
    domain: str = "sandbox-company"
    only_admins_kick: bool = False
    """The workspace preference that makes conversations.kick answer `restricted_action`."""
    users: dict[str, SlackUser] = field(default_factory=dict)
    channels: dict[str, SlackChannel] = field(default_factory=dict)
    tokens: dict[str, SlackToken] = field(default_factory=dict)
    app_tokens: dict[str, SlackAppToken] = field(default_factory=dict)
    files: dict[str, SlackFile] = field(default_factory=dict)
    uploads: dict[str, SlackUpload] = field(default_factory=dict)
    """By the file's id: what was begun with files.getUploadURLExternal and not completed yet."""
    base_url: str = ""
    """Where files lie, without a slash at the end; the server that serves the world sets it."""

    def add_file(self, file: SlackFile) -> SlackFile:
        self.files[file.id] = file
        return file

    def add_user(self, user: SlackUser) -> SlackUser:
        self.users[user.id] = user
        return user

    def add_channel(self, channel: SlackChannel) -> SlackChannel:
        self.channels[channel.id] = channel
        return channel

    def revoke(self, token: str) -> None:
        """From now on every call with `token` answers `token_revoked`."""
        self.tokens[token].revoked = True
