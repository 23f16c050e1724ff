"""A sitemap as bytes (sitemaps.org): a pure function of the pages that it lists."""

from collections.abc import Iterable
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from greenroom import times

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def index(urls: Iterable[str]) -> bytes:
    """The list of the sitemap's parts."""
    return _document("sitemapindex", "sitemap", ((url, None) for url in urls))


def part(pages: Iterable[tuple[str, datetime | None]]) -> bytes:
    """A part of the sitemap: the address of each page, and when it last changed, where known."""
    return _document("urlset", "url", pages)


def _document(name: str, entry_name: str, entries: Iterable[tuple[str, datetime | None]]) -> bytes:
    root = Element(name, xmlns=_NAMESPACE)
    for url, changed in entries:
        entry = SubElement(root, entry_name)
        SubElement(entry, "loc").text = url
        if changed is not None:
            SubElement(entry, "lastmod").text = times.seconds(changed)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written
