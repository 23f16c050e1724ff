"""Descriptions of projects as HTML that is safe to show."""

from email.message import Message
from html import escape
from typing import Literal

from msgspec import Struct

from greenroom.distributions import rendering
from greenroom.distributions.errors import quoted
from greenroom.distributions.renderer import RENDERER

MARKDOWN = rendering.MARKDOWN
RESTRUCTUREDTEXT = rendering.RESTRUCTUREDTEXT
PLAIN = "text/plain"
CONTENT_TYPES = (MARKDOWN, RESTRUCTUREDTEXT, PLAIN)
MARKDOWN_VARIANTS = ("GFM", "CommonMark")

MAX_RENDERED = 1_000_000
"""Characters up to which a description is rendered. Longer ones are shown as the text they are."""

TIME_LIMIT = float(rendering.SECONDS)
"""Seconds after which a rendering is given up."""


def render(description: str, content_type: str | None) -> str | None:
    """Turn a description into clean HTML, or None when it cannot be rendered.

    ``content_type`` is the core metadata field of that name; absent, it means reStructuredText, as
    it did before PEP 566 brought the field. Whoever gets None shows the text as it is. Never
    raises, whatever it is given, and takes ``TIME_LIMIT`` seconds at most, once it is its turn. As
    it takes a process of its own, keep what it returns.
    """
    kind, variant = parse_content_type(content_type)
    if kind is None:
        return None
    if kind == PLAIN:
        return _plain(description)
    return _render_apart(description, kind, variant).html


def restructuredtext_problem(description: str) -> str | None:
    """Why a description that is declared as reStructuredText does not render; None when it does.

    There is no problem with one that is empty, or that takes too long: it is shown as text.
    """
    if not description.strip():
        return None
    outcome = _render_apart(description, RESTRUCTUREDTEXT, "")
    if not outcome.refused:
        return None
    detail = f" ({quoted(outcome.warning)})" if outcome.warning else ""
    return (
        f"The description does not render as reStructuredText{detail}. "
        "Correct it, or declare its true Description-Content-Type."
    )


def parse_content_type(
    content_type: str | None,
) -> tuple[Literal["text/markdown", "text/x-rst", "text/plain"] | None, str]:
    """Split a Description-Content-Type into its type and its Markdown variant.

    The type is None when it is none of ``CONTENT_TYPES``, when its charset is not UTF-8, or when
    its variant is unknown. The variant is GFM unless it is given.
    """
    message = Message()
    message["Content-Type"] = " ".join((content_type or RESTRUCTUREDTEXT).split())
    try:
        kind = message.get_content_type()
        charset = _parameter(message, "charset") or "UTF-8"
        variant = _parameter(message, "variant") or "GFM"
    except (ValueError, LookupError):  # what the email package makes of malformed parameters
        return None, "GFM"
    if charset.upper() != "UTF-8":
        return None, "GFM"
    if kind == "text/markdown" and variant in MARKDOWN_VARIANTS:
        return "text/markdown", variant
    if kind == "text/x-rst":
        return "text/x-rst", "GFM"
    # The email package makes text/plain of whatever it cannot read.
    if kind == "text/plain" and (content_type or "").strip().lower().startswith(PLAIN):
        return "text/plain", "GFM"
    return None, "GFM"


def _parameter(message: Message, name: str) -> str | None:
    value = message.get_param(name)
    return value if isinstance(value, str) else None


class _Outcome(Struct, frozen=True):
    """What became of a rendering."""

    html: str | None = None
    refused: bool = False
    """The renderer says that the text is wrong, as opposed to: it did not finish."""
    warning: str = ""


def _plain(text: str) -> str | None:
    """Plain text as HTML, as ``readme_renderer`` makes it; this is done in no time, anywhere."""
    if len(text) > MAX_RENDERED:
        return None
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    html = escape(text, quote=False).replace("\xa0", "&nbsp;")
    return html.replace("\n", "<br>").replace("\r", "\n")


def _render_apart(description: str, kind: str, variant: str) -> _Outcome:
    """Render in a process that may fail without taking this one along."""
    if len(description) > MAX_RENDERED:
        return _Outcome()
    if not description.strip():
        return _Outcome(html="")
    answer = RENDERER.render(
        description,
        is_restructuredtext=kind == RESTRUCTUREDTEXT,
        variant=variant,
        seconds=TIME_LIMIT,
    )
    if answer is None:
        return _Outcome()
    outcome, text = answer
    if outcome == rendering.RENDERED:
        return _Outcome(html=text)
    return _Outcome(refused=outcome == rendering.DOES_NOT_RENDER, warning=text)
