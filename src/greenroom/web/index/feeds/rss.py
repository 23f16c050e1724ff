"""A feed as bytes of RSS 2.0: a pure function of what it tells."""

from datetime import datetime
from email.utils import format_datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from msgspec import Struct

from greenroom.core_metadata import mailboxes
from greenroom.web.http.xml import xml_text


class Item(Struct, frozen=True):
    """One piece of news; ``link`` is absolute, and names it for good.

    ``author`` is what metadata has as ``Author-email``: any number of addresses, with names or not.
    """

    title: str
    link: str
    description: str
    author: str
    published: datetime


class Channel(Struct, frozen=True):
    """A feed: what it is called, the page that it belongs to, and its items, the newest first."""

    title: str
    link: str
    description: str
    items: tuple[Item, ...]


def render(channel: Channel) -> bytes:
    """The feed, in UTF-8."""
    root = Element("rss", version="2.0")
    top = SubElement(root, "channel")
    _add(top, "title", channel.title)
    _add(top, "link", channel.link)
    _add(top, "description", channel.description)
    _add(top, "language", "en")
    for item in channel.items:
        _add_item(top, item)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _add_item(channel: Element, item: Item) -> None:
    element = SubElement(channel, "item")
    _add(element, "title", item.title)
    _add(element, "link", item.link)
    _add(element, "guid", item.link)
    _add(element, "description", item.description)
    author = _author(item.author)
    if author:
        _add(element, "author", author)
    _add(element, "pubDate", format_datetime(item.published, usegmt=True))


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = xml_text(text)


def _author(written: str) -> str:
    """All addresses, without the names; empty where there is none."""
    return ", ".join(mailbox.address for mailbox in mailboxes(written) if mailbox.is_address)
