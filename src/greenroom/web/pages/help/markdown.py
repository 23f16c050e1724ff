"""The pages of ``docs/`` as HTML: which there are, and how their links and headings turn out.

They are ours, so that they are rendered in the process itself, once.
"""

import html
import re
from functools import cache

from msgspec import Struct

from greenroom import paths

# In the order in which they are listed. No other file is read, whatever an address says.
NAMES = (
    "start",
    "uploading",
    "clients",
    "drafts",
    "review",
    "contents",
    "upload-2.0",
    "upload-2.0-presigned",
    "ci",
    "checks",
    "trusted-publishing",
    "protect-a-project",
    "scheduled-publishing",
    "errors",
    "webhooks",
    "maintaining",
    "accounts",
    "http",
    "operating",
    "monitoring",
)

# The renderer puts this before the address of each heading, for what others wrote.
_THEIRS = "user-content-"
_HEADING = re.compile(r"<h([1-6])[^>]*>(.*?)(?:<a [^>]*></a>)?</h\1>", re.DOTALL)
# To other files of the repository: no address of another site, and none inside the page.
_LINK = re.compile(r'<a href="(?![a-z]+:|#)([^"#]*)(#[^"]*)?"[^>]*>(.*?)</a>', re.DOTALL)
_IMAGE = re.compile(r"<img [^>]*>")
# The renderer calls the language of a program the language of its text.
_CODE = re.compile(r"<pre(?: lang=\"[^\"]*\")?>")
_TAG = re.compile(r"<[^>]*>")
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
# What examples call this index.
_EXAMPLE = "https://index.example/"
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


class Page(Struct, frozen=True):
    """A page: its title and first sentence as text, and all below the title as HTML.

    Its examples are about an index at another address than this one: see ``Page.about``.
    """

    name: str
    title: str
    summary: str
    body: str

    @property
    def has_examples(self) -> bool:
        """Whether it has examples with whole URLs."""
        return _EXAMPLE in self.body

    def about(self, home: str) -> str:
        """The body, with examples about the index whose front page has this URL."""
        return self.body.replace(_EXAMPLE, html.escape(home))


@cache
def page(name: str) -> Page:
    """The page of this name, which is one of ``NAMES``."""
    if name not in NAMES:
        raise KeyError(name)
    text = (paths.DOCS / f"{name}.md").read_text(encoding="utf-8")
    from readme_renderer import markdown  # what few ask for need not be in memory from the start

    rendered = _IMAGE.sub("", markdown.render(text) or "").replace(f"#{_THEIRS}", "#")
    heading = _HEADING.search(rendered)
    body = rendered[heading.end() :] if heading is not None else rendered
    # Long lines scroll, by keyboard too.
    body = _CODE.sub('<pre tabindex="0">', body)
    first = _PARAGRAPH.search(body)
    return Page(
        name=name,
        title=_text(heading[2]) if heading is not None else name,
        summary=_text(first[1]).partition(". ")[0].removesuffix(".") if first is not None else "",
        body=_TABLE.sub(_scrolling, _LINK.sub(_linked, _HEADING.sub(_anchored, body))),
    )


def anchor(heading: str) -> str:
    """What a heading is reached by, as on the sites that show the same files."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchored(heading: re.Match[str]) -> str:
    level, inside = heading.groups()
    return f'<h{level} id="{anchor(_text(inside))}">{inside}</h{level}>'


def _scrolling(table: re.Match[str]) -> str:
    """A table that is wider than the screen scrolls, by keyboard too."""
    return f'<div class="scrolling" role="group" aria-label="Table" tabindex="0">{table[0]}</div>'


def _linked(link: re.Match[str]) -> str:
    """A link to another page leads there; one to a page that is not served is its text."""
    name, fragment, inside = link[1].removesuffix(".md"), link[2] or "", link[3]
    return f'<a href="../{name}/{fragment}">{inside}</a>' if name in NAMES else inside


def _text(inside: str) -> str:
    return html.unescape(_TAG.sub("", inside)).strip()
