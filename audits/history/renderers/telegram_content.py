"""What a Telegram message brings beside text and files, under Telegram Desktop's keys. Pure.

Field facts: Telegram Desktop's export_output_json.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Raw = Mapping[str, Any]


def content_fields(raw: Raw) -> dict[str, Any]:
    """The fields of a poll, a contact or a place, and of the reactions, in what Telegram sent."""
    media = _object(raw, "media")
    match media.get("_"):
        case "MessageMediaPoll":
            fields: dict[str, Any] = {"poll": _poll(media)}
        case "MessageMediaContact":
            contact = {key: media.get(key, "") for key in ("first_name", "last_name", "phone_number")}
            fields = {"contact_information": contact}
        case "MessageMediaGeo" | "MessageMediaGeoLive":
            fields = {"location_information": _place(media)}
            if "period" in media:
                fields["live_location_period_seconds"] = media["period"]
        case "MessageMediaVenue":
            fields = {"place_name": media.get("title", ""), "address": media.get("address", "")}
            fields["location_information"] = _place(media)
        case "MessageMediaGame":
            game = _object(media, "game")
            fields = {"game_title": game.get("title", ""), "game_description": game.get("description", "")}
        case _:
            fields = {}
    reactions = [_reaction(each) for each in _object(raw, "reactions").get("results") or ()]
    return fields | ({"reactions": reactions} if reactions else {})


def _poll(media: Raw) -> dict[str, Any]:
    poll, results = _object(media, "poll"), _object(media, "results")
    votes = {each.get("option"): each for each in results.get("results") or ()}
    return {
        "question": _plain(poll.get("question")),
        "closed": bool(poll.get("closed")),
        "total_voters": results.get("total_voters", 0),
        "answers": [_answer(each, votes.get(each.get("option"), {})) for each in _answers(poll)],
    }


def _answers(poll: Raw) -> Sequence[Raw]:
    return [each for each in poll.get("answers") or () if "option" in each]


def _answer(answer: Raw, votes: Raw) -> dict[str, Any]:
    return {
        "text": _plain(answer.get("text")),
        "voters": votes.get("voters", 0),
        "chosen": bool(votes.get("chosen")),
    }


def _place(media: Raw) -> dict[str, Any] | None:
    geo = _object(media, "geo")
    return {"latitude": geo["lat"], "longitude": geo["long"]} if "lat" in geo and "long" in geo else None


def _reaction(told: Raw) -> dict[str, Any]:
    reaction = _object(told, "reaction")
    count = {"count": told.get("count", 0)}
    match reaction.get("_"):
        case "ReactionEmoji":
            return {"type": "emoji", **count, "emoji": reaction.get("emoticon", "")}
        case "ReactionCustomEmoji":
            return {"type": "custom_emoji", **count, "document_id": str(reaction.get("document_id", ""))}
    return {"type": "paid" if reaction.get("_") == "ReactionPaid" else "unknown", **count}


def _plain(text: Any) -> str:
    """Texts have markup since Telegram's layer 179; before, they were strings."""
    return str(text.get("text", "")) if isinstance(text, Mapping) else str(text or "")


def _object(source: Raw, key: str) -> Raw:
    value = source.get(key)
    return value if isinstance(value, Mapping) else {}
