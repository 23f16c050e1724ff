"""Renders descriptions, as a process of its own that ``renderer.py`` starts, and forks for each.

A renderer that meets hostile text can take minutes, gigabytes, or the whole process down with it: a
stack that overflows in native code is no exception that anybody could catch. So each description
gets a process that has little to lose. To start Python and import a renderer takes ten times as
long as to render, so that is done once: this process waits for descriptions, has what renders them
imported, and forks for each. It reads none of them itself. This file is run by its path, and
imports nothing of ours.

What the renderers give is clean, but not made for a page of somebody else's: fragments do not meet
the places that they name, and who uses a keyboard or a screen reader meets links without a text and
code that cannot be scrolled. ``improved`` mends that, and cleans the result once more.

    python rendering.py  < socket  > file

It locks the file as long as it is there; where another one has, it ends at once. For each message
of ``ORDER`` on its standard input, a Unix socket, with a stream socket in it, a process takes the
Markdown variant, a line end and a description from that stream, up to its end. It answers ``BEGUN``
at once, then ``ANSWER``: an outcome and a length; then as many bytes: the HTML, or for
``DOES_NOT_RENDER`` the first warning. A process that breaks off leaves less. When the standard
input ends, or nothing has come for ``IDLE`` seconds, all of this ends.
"""

import contextlib
import fcntl
import gc
import io
import os
import re
import resource
import signal
import socket
import struct
import time
from html import escape, unescape
from itertools import pairwise
from urllib.parse import urlsplit

MARKDOWN = "text/markdown"
RESTRUCTUREDTEXT = "text/x-rst"
RENDERED = 0
DOES_NOT_RENDER = 3

ORDER = struct.Struct("!Bd")
"""Whether it is reStructuredText, and the seconds that the rendering may take."""
BEGUN = b"+"
ANSWER = struct.Struct("!BQ")

MEMORY = 256 * 1024 * 1024
SECONDS = 10
MAX_HTML = 8_000_000
IDLE = 300.0

_PREFIX = "user-content-"
"""Of every id, so that none is one of the page."""

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_SCROLLING = frozenset({"pre", "table"})

_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [^ =>"]+="[^"]*")*)>')
_ATTRIBUTE = re.compile(r' ([^ =>"]+)="([^"]*)"')


def main() -> None:
    """Fork for each order on standard input, until it ends or nothing has come for long."""
    if not _is_the_only_one():
        return
    orders = socket.socket(fileno=os.dup(0))
    orders.settimeout(IDLE)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        try:
            message, descriptors, *_ = socket.recv_fds(orders, ORDER.size, 1)
        except OSError:
            break
        if len(message) != ORDER.size or len(descriptors) != 1:
            break
        is_restructuredtext, seconds = ORDER.unpack(message)
        kind = RESTRUCTUREDTEXT if is_restructuredtext else MARKDOWN
        _prepare(kind)
        if os.fork() == 0:
            _answer(descriptors[0], kind, seconds)
        os.close(descriptors[0])
    # Whoever asked is gone: nobody wants what is still being rendered. All that was forked here is
    # in the group of this process, which was started as the first of its own.
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _is_the_only_one() -> bool:
    """Lock the file on standard output, which others lock for a moment to see whether we are."""
    for _ in range(5):
        with contextlib.suppress(OSError):
            fcntl.lockf(1, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def _reap(*_: object) -> None:
    """Let those go that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


_prepared: set[str] = set()


def _prepare(kind: str) -> None:
    """Have imported what renders this kind, before the first description of it is."""
    if kind in _prepared:
        return
    _prepared.add(kind)
    if kind == MARKDOWN:
        rendered("# A\n\n```python\nx = 1\n```\n", kind, "GFM")
    else:
        rendered("A\n=\n\n.. code:: python\n\n   x = 1\n", kind, "")
    gc.collect()
    gc.freeze()  # no child copies memory only to look through it


def _answer(descriptor: int, kind: str, seconds: float) -> None:
    """Render what comes from the socket, in the process that was just forked, and end."""
    # No handler is needed for this alarm, so that native code that never returns obeys it, too.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        # Not even what breaks out of a renderer gets hold of other descriptions.
        os.closerange(0, descriptor)
        os.closerange(descriptor + 1, 64)
        _limit_resources()
        with socket.socket(fileno=descriptor) as asked:
            asked.sendall(BEGUN)
            request = b"".join(iter(lambda: asked.recv(1 << 16), b""))
            variant, _, text = request.decode().partition("\n")
            html, warning = rendered(text, kind, variant)
            outcome = RENDERED if html is not None else DOES_NOT_RENDER
            content = (html if html is not None else warning).encode("utf-8", "replace")
            asked.sendall(ANSWER.pack(outcome, len(content)) + content)
    finally:
        os._exit(0)


def rendered(description: str, kind: str, variant: str) -> tuple[str | None, str]:
    """The description as HTML; or None where the renderer refuses it, and its first warning."""
    warnings = io.StringIO()
    try:
        html = _render(description, kind, variant, warnings)
    except (Exception, SystemExit) as error:  # docutils exits where others raise
        html = None
        warnings.write(type(error).__name__)
    if html is None or len(html) > MAX_HTML:
        return None, _first_line(warnings.getvalue())
    return html, ""


def _limit_resources() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _render(description: str, kind: str, variant: str, warnings: io.StringIO) -> str | None:
    # Each renderer takes a while to import: only the one that is wanted is.
    if kind == MARKDOWN:
        from readme_renderer import clean, markdown

        clean.ALLOWED_ATTRIBUTES["a"].add("name")  # what ids were before there were ids
        return improved(markdown.render(description, variant=variant))
    from readme_renderer import rst

    return improved(rst.render(description, stream=warnings))


class _Token:
    """A piece of HTML: a tag that begins or ends; without a tag, text as it is written.

    It is no dataclass, as what makes those would be a sixth of the memory of this process.
    """

    __slots__ = ("attributes", "ends", "tag", "text")

    def __init__(
        self,
        tag: str = "",
        *,
        ends: bool = False,
        text: str = "",
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.tag = tag
        self.ends = ends
        self.text = text
        self.attributes = {} if attributes is None else attributes

    def begins(self, *tags: str) -> bool:
        """Whether it is the beginning of one of these tags."""
        return not self.ends and self.tag in tags

    def written(self) -> str:
        """The token as HTML."""
        if not self.tag:
            return self.text
        if self.ends:
            return f"</{self.tag}>"
        given = "".join(f' {name}="{escape(text)}"' for name, text in self.attributes.items())
        return f"<{self.tag}{given}>"


def _tokens(html: str) -> list[_Token]:
    """The pieces of clean HTML, which nh3 writes in one way only."""
    found = []
    end = 0
    for match in _TAG.finditer(html):
        if match.start() > end:
            found.append(_Token(text=html[end : match.start()]))
        end = match.end()
        slash, tag, attributes = match.groups()
        given = _ATTRIBUTE.findall(attributes) if attributes else []
        found.append(
            _Token(tag, ends=bool(slash), attributes={name: unescape(text) for name, text in given})
        )
    found.append(_Token(text=html[end:]))
    return found


def improved(html: str | None) -> str | None:
    """The clean HTML of a renderer for a page where it is one part of several.

    Every id has a prefix, and every fragment that names one, too. No heading has a link that shows
    nothing, every other link and every picture and box has a text, what may scroll can be reached
    by keyboard, and nothing is said of the language of what is no language.
    """
    if html is None:
        return None
    import nh3
    from readme_renderer import clean

    tokens = _tokens(html)
    _let_fragments_meet(tokens)
    _give_links_text(tokens)
    _keep_first_lines(tokens)
    for token in tokens:
        if token.tag and not token.ends:
            _make_accessible(token)
    more = {"pre": {"tabindex"}, "table": {"tabindex"}, "input": {"aria-label"}}
    return nh3.clean(
        "".join(token.written() for token in tokens),
        tags=clean.ALLOWED_TAGS,
        attributes={
            tag: clean.ALLOWED_ATTRIBUTES.get(tag, set()) | more.get(tag, set())
            for tag in {*clean.ALLOWED_ATTRIBUTES, *more}
        },
        link_rel="nofollow",
        url_schemes={"http", "https", "mailto"},
    )


def _let_fragments_meet(tokens: list[_Token]) -> None:
    places = set()
    for token in tokens:
        name = token.attributes.pop("name", "")
        place = token.attributes.get("id") or name
        if place:
            token.attributes["id"] = _prefixed(place)
            places.add(_prefixed(place))
    for token in tokens:
        target = token.attributes.get("href", "")
        if target.startswith("#") and target != "#":
            place = _prefixed(target[1:])
            # Every page has a top, without an id.
            is_top = place == f"{_PREFIX}top" and place not in places
            token.attributes["href"] = "#top" if is_top else f"#{place}"


def _prefixed(name: str) -> str:
    while name.startswith(_PREFIX):
        name = name.removeprefix(_PREFIX)
    return _PREFIX + name


def _give_links_text(tokens: list[_Token]) -> None:
    """Links that show a picture alone get its text; those that show nothing are none any more."""
    heading: _Token | None = None
    start: int | None = None
    for position, token in enumerate(tokens):
        if token.tag in _HEADINGS:
            heading = None if token.ends else token
        elif token.begins("a"):
            start = position
        elif token.tag == "a" and start is not None:
            _give_text(tokens[start : position + 1], heading)
            start = None


def _give_text(link: list[_Token], heading: _Token | None) -> None:
    """``link`` is all from the beginning of the link to its end."""
    first, last = link[0], link[-1]
    pictures = [token for token in link if token.begins("img")]
    shown = "".join(unescape(token.text) for token in link)
    if shown.strip() or any(picture.attributes.get("alt", "").strip() for picture in pictures):
        return
    target = first.attributes.pop("href", "")
    if pictures:
        first.attributes["href"] = target
        pictures[0].attributes["alt"] = _named(target)
    elif heading is not None:
        place = first.attributes.pop("id", None)
        if place is not None and "id" not in heading.attributes:
            heading.attributes["id"] = place
            place = None
        first.tag = last.tag = "span" if place is not None else ""
        first.attributes = {"id": place} if place is not None else {}


def _named(target: str) -> str:
    """What a link is called that says nothing itself."""
    try:
        parts = urlsplit(target)
        name = parts.hostname or parts.path or "a part of this page"
    except ValueError:
        name = "another page"
    return f"link to {name}"


def _keep_first_lines(tokens: list[_Token]) -> None:
    """An empty line at the beginning of code is dropped by whoever reads HTML: write two."""
    for before, token in pairwise(tokens):
        if before.begins("pre") and token.text.startswith("\n"):
            token.text = "\n" + token.text


def _make_accessible(token: _Token) -> None:
    attributes = token.attributes
    attributes.pop("rel", None)
    if token.tag in _SCROLLING:
        attributes.pop("lang", None)
        attributes["tabindex"] = "0"
    elif token.tag == "img":
        attributes.setdefault("alt", "")
    elif token.tag == "input":
        attributes["aria-label"] = "done" if "checked" in attributes else "not done"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


if __name__ == "__main__":
    main()
