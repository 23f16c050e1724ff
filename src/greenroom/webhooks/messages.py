"""What a webhook says: one JSON document, or a line for a chat room, and its header.

The header is that of Standard Webhooks (https://www.standardwebhooks.com): a name of the message
that stays the same, the moment when it is sent, and a signature of both and the body for each
secret. ``docs/webhooks.md`` says it to those who receive.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from msgspec import Struct

from greenroom import __version__, times
from greenroom.models import WebhookFormat
from greenroom.models.base import JSONObject
from greenroom.registry.permissions import NO_USERS, OPERATOR
from greenroom.registry.webhook_deliveries import Outgoing
from greenroom.registry.webhook_events import Event
from greenroom.settings import Settings
from greenroom.web.http.urls import Urls

_LONGEST_DETAIL = 500
# What would be markup where a line is read.
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Keyed(Struct, frozen=True):
    """A release set, by what its address has."""

    key: str


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """What is sent, with secrets in its address and its header."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def message(settings: Settings, outgoing: Outgoing) -> Message:
    """The request that tells a receiver of an event."""
    said = document(settings, outgoing)
    content = _FORMS[outgoing.format](said)
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"greenroom/{__version__} (webhook)",
        **signed(outgoing, body),
    }
    if outgoing.format != WebhookFormat.MATRIX:
        return Message("POST", outgoing.target.url, headers, body)
    # A room takes a message of the same transaction once (Matrix Client-Server API, PUT send).
    headers["Authorization"] = f"Bearer {outgoing.target.token}"
    url = f"{outgoing.target.url}/{quote(outgoing.message, safe='')}"
    return Message("PUT", url, headers, body)


def signed(outgoing: Outgoing, body: bytes) -> dict[str, str]:
    """The header that says by whom and when a body was sent."""
    at = str(int(outgoing.at.timestamp()))
    content = f"{outgoing.message}.{at}.".encode() + body
    signatures = [
        base64.b64encode(hmac.digest(key.secret, content, hashlib.sha256)).decode()
        for key in outgoing.keys
    ]
    return {
        "webhook-id": outgoing.message,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
        "greenroom-key-id": " ".join(key.id for key in outgoing.keys),
    }


def document(settings: Settings, outgoing: Outgoing) -> JSONObject:
    """What is told, as it is sent in the form ``json``."""
    facts = outgoing.facts
    said: JSONObject = {
        "event": outgoing.event,
        "id": outgoing.message,
        "time": _moment(facts.get("time")),
        "project": facts.get("project"),
        "version": facts.get("version"),
        "by": facts.get("by"),
    }
    if facts.get("set"):
        said["set"] = facts["set"]
    for name in ("releases", "content-digest", "files", "expires", "reason", "detail"):
        if facts.get(name):
            said[name] = _moment(facts[name]) if name == "expires" else facts[name]
    said["links"] = _links(settings, outgoing)
    return said


def _links(settings: Settings, outgoing: Outgoing) -> JSONObject:
    """Pages of people who are signed in, and of what is public; never the address of a draft."""
    project, version = outgoing.facts.get("project"), outgoing.facts.get("version")
    key = outgoing.facts.get("set-key")
    if settings.url is None:
        return {}
    urls = Urls(settings.url)
    if isinstance(key, str):
        return {"manage": urls.managed_set(Keyed(key))}
    if not isinstance(project, str):
        return {}
    if not isinstance(version, str):
        return {"manage": urls.managed_project_named(project)}
    if outgoing.event == Event.PUBLISHED:
        return {
            "manage": urls.managed_project_named(project),
            "release": urls.release_named(project, version),
        }
    return {"manage": urls.managed_draft_named(project, version)}


def _moment(said: object) -> str:
    at = datetime.fromisoformat(str(said))
    return times.milliseconds(at)


def _sentence(said: Mapping[str, object]) -> str:
    """A line for a chat room."""
    what = " ".join(str(said[name]) for name in ("project", "version") if said.get(name))
    if said.get("set"):
        what = f"the release set {said['set']}"
    by = str(said.get("by") or "")
    who = "This index" if by in NO_USERS or not by else by
    if by == OPERATOR.name:
        who = "The operator of this index"
    sentences = _WORDS_OF_SETS if said.get("set") else _WORDS
    words = sentences[str(said["event"])].format(what=what or "this index", by=who)
    detail = str(said.get("detail") or "").replace("\n", " ")[:_LONGEST_DETAIL]
    return f"{words}: {detail}" if detail else words


def _link(said: Mapping[str, object]) -> str:
    links = said.get("links")
    if not isinstance(links, dict) or not links:
        return ""
    return str(links.get("release") or links["manage"])


def _json(said: JSONObject) -> JSONObject:
    return said


def _slack(said: JSONObject) -> JSONObject:
    """What Slack takes at an incoming webhook, and others who do as it does."""
    text, link = _sentence(said).translate(_SLACK), _link(said)
    return {"text": f"{text}\n<{link}>" if link else text}


def _matrix(said: JSONObject) -> JSONObject:
    """A notice, which no machine answers (m.room.message, m.notice)."""
    text, link = _sentence(said), _link(said)
    return {"msgtype": "m.notice", "body": f"{text}\n{link}" if link else text}


_FORMS: Mapping[str, Callable[[JSONObject], JSONObject]] = MappingProxyType(
    {WebhookFormat.JSON: _json, WebhookFormat.SLACK: _slack, WebhookFormat.MATRIX: _matrix}
)
_WORDS_OF_SETS: Mapping[str, str] = MappingProxyType(
    {
        Event.PUBLISHED: "{by} published {what}",
        Event.DISCARDED: "{by} ended {what}",
        Event.TEST: "{by} tries the webhook of {what}",
    }
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        Event.STAGED: "{by} staged {what}",
        Event.CHANGED: "{by} changed the draft of {what}",
        Event.CHECKED: "{by} checked the draft of {what}",
        Event.APPROVED: "{by} approved the draft of {what}",
        Event.PUBLISHED: "{by} published {what}",
        Event.DISCARDED: "{by} ended the draft of {what}",
        Event.EXPIRING: "The draft of {what} expires soon",
        Event.TEST: "{by} tries the webhook of {what}",
    }
)
