"""How descriptions become HTML."""

import re
import sys
from urllib.parse import unquote

import hypothesis
import pytest
from bs4 import BeautifulSoup
from hypothesis import strategies as st
from readme_renderer import markdown, txt

from greenroom.distributions import description as subject
from greenroom.distributions.description import (
    MAX_RENDERED,
    parse_content_type,
    render,
    restructuredtext_problem,
)
from tests import processes


@pytest.mark.parametrize(
    ("content_type", "text", "html"),
    [
        ("text/markdown", "# Title\n\n*hi*", "<em>hi</em>"),
        ("text/markdown; variant=GFM", "~~gone~~", "<del>gone</del>"),
        ("text/markdown; variant=CommonMark", "~~kept~~", "~~kept~~"),
        ("text/markdown; charset=UTF-8; variant=GFM", "ä", "<p>ä</p>"),
        ("Text/Markdown", "*hi*", "<em>hi</em>"),
        ("text/x-rst", "*hi*", "<em>hi</em>"),
        (None, "*hi*", "<em>hi</em>"),
        ("text/plain", "*hi*\n<b>", "*hi*<br>&lt;b&gt;"),
    ],
)
def test_descriptions_are_rendered_as_declared(
    content_type: str | None, text: str, html: str
) -> None:
    assert html in (render(text, content_type) or "")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/markdown; variant=Fancy",
        "text/markdown; charset=latin-1",
        "markdown",
        "text/plain2",
        "x\ny",
        "text/plain; x*",
        "text/plain; charset*=utf-8'en'x",
        "text/plain; charset*0*=",
        "ä",
        "\ud800",
        ";",
    ],
)
def test_unknown_content_types_are_not_rendered(content_type: str) -> None:
    html = render("hi", content_type)
    assert html is None or content_type.startswith("text/plain;")


MARKDOWN_DANGERS = """\
<script>alert(1)</script>

[a](javascript:alert(1)) <a href="javascript:alert(1)">b</a>

<img src=x onerror="alert(1)"> <iframe src="https://index.example"></iframe>

<style>a{}</style>

Still here.
"""


def test_html_of_markdown_is_safe() -> None:
    html = (render(MARKDOWN_DANGERS, "text/markdown") or "").lower()
    assert "still here" in html
    for danger in ("<script", "<iframe", "<style", "onerror", "javascript:"):
        assert danger not in html


def test_plain_text_has_no_html_in_it() -> None:
    html = render(MARKDOWN_DANGERS, "text/plain") or ""
    assert "<" not in html.replace("<br>", "")


def test_html_of_restructuredtext_is_safe() -> None:
    html = render("`a <javascript:alert(1)>`_ <script>alert(1)</script>", "text/x-rst") or ""
    assert "alert" in html
    assert "<script" not in html
    assert 'href="javascript:' not in html


@pytest.mark.parametrize(
    "directive", [".. raw:: html\n\n   <script>alert(1)</script>\n", ".. include:: /etc/passwd\n"]
)
def test_restructuredtext_cannot_reach_outside(directive: str) -> None:
    assert render(directive, "text/x-rst") is None


def test_links_are_not_followed_by_search_engines() -> None:
    assert 'rel="nofollow"' in (render("<https://index.example>", "text/markdown") or "")


def test_broken_restructuredtext_is_not_rendered() -> None:
    assert render("Title\n==\n\n`broken <", "text/x-rst") is None


def test_a_problem_of_restructuredtext_is_told_with_what_docutils_says() -> None:
    problem = restructuredtext_problem(":no-such-role:`x`")
    assert problem is not None
    assert "no-such-role" in problem


@pytest.mark.parametrize("text", ["", " \n", "*fine*", "x" * (MAX_RENDERED + 1)])
def test_there_is_no_problem_with_what_renders_or_is_shown_as_text(text: str) -> None:
    assert restructuredtext_problem(text) is None


def test_a_description_that_is_too_long_is_not_rendered() -> None:
    assert render("x" * (MAX_RENDERED + 1), "text/plain") is None


def test_a_renderer_that_does_not_finish_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "TIME_LIMIT", 0.5)
    assert render(">" * 500_000, "text/markdown") is None
    assert restructuredtext_problem("a\n b\n" * 50_000) is None


MEASURED = """
import resource
from greenroom.distributions.description import RENDERER, render
table = "|a" * 2000 + "\\n" + "|-" * 2000 + "\\n" + ("|b" * 50 + "\\n") * 3000
assert render(table, "text/markdown") is None
RENDERER.close()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_renderer_that_wants_too_much_memory_is_stopped() -> None:
    used = processes.run([sys.executable, "-c", MEASURED], check=True).stdout

    assert int(used) < 256 * 1024  # KiB


def test_plain_and_empty_texts_take_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RENDERER", None)
    assert render("<hi>", "text/plain") == "&lt;hi&gt;"
    assert render(" \n", "text/markdown") == render("", None) == ""


@hypothesis.given(
    st.text(st.characters() | st.sampled_from("\0\r\n\x0b\x0c\x1b\x85\xa0<>&'\"\u2028\ufeff\ud800"))
)
def test_plain_text_is_what_the_library_makes_of_it(text: str) -> None:
    assert render(text, "text/plain") == txt.render(text.encode("utf-8", "replace").decode())


@pytest.mark.parametrize("text", ["\0\ud800\x1b[31m\N{ZERO WIDTH SPACE}", ""])
@pytest.mark.parametrize("content_type", ["text/markdown", "text/x-rst", "text/plain"])
def test_odd_characters_do_no_harm(text: str, content_type: str) -> None:
    html = render(text, content_type)
    assert html is None or "\0" not in html


@pytest.mark.parametrize("kind", ["text/plain"])
@pytest.mark.parametrize("variant", ["\0", "--help", "x" * 1_000_000])
def test_a_variant_of_what_has_none_is_ignored(kind: str, variant: str) -> None:
    assert "hi" in (render("hi", f"{kind}; variant={variant}") or "")


@pytest.mark.parametrize(
    ("content_type", "parsed"),
    [
        ("text/markdown", ("text/markdown", "GFM")),
        ("text/markdown; variant=CommonMark", ("text/markdown", "CommonMark")),
        ("text/plain; charset=utf-8", ("text/plain", "GFM")),
        (None, ("text/x-rst", "GFM")),
        ("", ("text/x-rst", "GFM")),
        ("image/png", (None, "GFM")),
        ("text/x-rst; variant=GFM-but-not", ("text/x-rst", "GFM")),
    ],
)
def test_content_types_are_parsed(content_type: str | None, parsed: tuple[str | None, str]) -> None:
    assert parse_content_type(content_type) == parsed


# Places and fragments


def parsed(text: str, content_type: str | None = "text/markdown") -> BeautifulSoup:
    return BeautifulSoup(render(text, content_type) or "", "html.parser")


PLACES = {
    "an id": '[x](#spot)\n\n<a id="spot"></a>\n',
    "a name": '[x](#spot)\n\n<a name="spot"></a>\n',
    "an id of anything": '[x](#spot)\n\n<div id="spot">\n\nx\n\n</div>\n',
    "a heading of HTML": '[x](#spot)\n\n<h2 id="spot">Spot</h2>\n',
    "a link of HTML": '<a href="#spot">x</a>\n\n<img id="spot" src="https://index.example/x.png">',
    "the prefix": '[x](#user-content-spot)\n\n<a id="user-content-spot"></a>\n',
    "the prefix, half of it": '[x](#spot)\n\n<a id="user-content-spot"></a>\n',
    "the top, by itself": '[x](#top)\n\n<a id="top"></a>\n',
    "odd characters": "[x](#a\"&b)\n\n<a id='a\"&amp;b'></a>\n",
}


@pytest.mark.parametrize("variant", ["GFM", "CommonMark"])
@pytest.mark.parametrize("case", PLACES)
def test_fragments_meet_the_places_that_they_name(case: str, variant: str) -> None:
    html = parsed(PLACES[case], f"text/markdown; variant={variant}")

    (link,) = html.select("a[href]")
    (place,) = html.select("[id]")

    assert unquote(str(link["href"])) == f"#{place['id']}"
    # None is one that the page itself has.
    assert str(place["id"]).startswith("user-content-")


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("# My title\n\n[x](#my-title)\n", "text/markdown"),
        ("Text[^1].\n\n[^1]: A note.\n", "text/markdown"),
        ("My title\n========\n\nSee `My title`_.\n", "text/x-rst"),
        ("See [1]_.\n\n.. [1] A note.\n", "text/x-rst"),
        (".. _spot:\n\nA place, and x_.\n\n.. _x: spot_\n", "text/x-rst"),
    ],
)
def test_what_the_renderers_link_meets_too(text: str, content_type: str) -> None:
    html = parsed(text, content_type)

    targets = {str(link["href"])[1:] for link in html.select("a[href]")}

    assert targets
    assert targets <= {str(place["id"]) for place in html.select("[id]")}


def test_the_top_of_the_page_stays_its_top() -> None:
    (link,) = parsed("[up](#top)").select("a")
    assert link["href"] == "#top"


# Keyboards and screen readers


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("# One\n\n## Two `x`\n", "text/markdown"),
        ("One\n===\n\nTwo\n---\n\nText.\n", "text/x-rst"),
        ('# <a name="one"></a>One <a href="#one"></a>\n', "text/markdown"),
    ],
)
def test_headings_have_no_links_that_show_nothing(text: str, content_type: str) -> None:
    html = parsed(text, content_type)

    assert html.select("h1")
    assert html.select(":is(h1, h2) :is(a, span:empty:not([id]))") == []
    places = {str(place["id"]) for place in html.select("[id]")}
    assert "user-content-one" in places


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[![](https://index.example/x.svg)](https://ci.example/y)", "link to ci.example"),
        ("[![](https://index.example/x.svg)](mailto:a@index.example)", "link to a@index.example"),
        ("[![](https://index.example/x.svg)](#x)", "link to a part of this page"),
        ("[![Build](https://index.example/x.svg)](https://ci.example/)", "Build"),
        (
            '<a href="https://ci.example"><img src="https://index.example/x"></a>',
            "link to ci.example",
        ),
    ],
)
def test_a_link_that_shows_only_a_picture_has_a_text(text: str, name: str) -> None:
    (picture,) = parsed(text).select("a[href] > img")
    assert picture["alt"] == name


def test_a_link_that_shows_nothing_is_none() -> None:
    html = parsed('[](https://index.example) <a href="https://index.example">&nbsp;</a> [x](#y)')
    assert [link.text for link in html.select("a[href]")] == ["x"]


def test_every_picture_has_a_text_which_may_be_empty() -> None:
    html = parsed('<img src="https://index.example/x"> ![](https://index.example/y) text')
    assert [picture["alt"] for picture in html.select("img")] == ["", ""]


@pytest.mark.parametrize(
    ("text", "content_type", "tag"),
    [
        ("```python\nx = 1\n```\n", "text/markdown", "pre"),
        ("```no-such-language\nx = 1\n```\n", "text/markdown", "pre"),
        ("    x = 1\n", "text/markdown", "pre"),
        ('<pre lang="de">x</pre>\n', "text/markdown", "pre"),
        ("|a|b|\n|-|-|\n|c|d|\n", "text/markdown", "table"),
        (".. code:: python\n\n   x = 1\n", "text/x-rst", "pre"),
        ("Text::\n\n   x = 1\n", "text/x-rst", "pre"),
        ("==  ==\na   b\n==  ==\n", "text/x-rst", "table"),
    ],
)
def test_what_scrolls_is_reached_by_keyboard_and_has_no_language(
    text: str, content_type: str, tag: str
) -> None:
    (scrolling,) = parsed(text, content_type).select(tag)
    assert scrolling["tabindex"] == "0"
    assert "lang" not in scrolling.attrs


def test_boxes_of_a_list_of_tasks_have_a_text() -> None:
    boxes = parsed("- [x] this\n- [ ] that\n").select("input")
    assert [box["aria-label"] for box in boxes] == ["done", "not done"]
    assert all("disabled" in box.attrs for box in boxes)


def test_nobody_gives_these_attributes_but_the_index() -> None:
    html = parsed(
        '<p tabindex="1" aria-label="x" name="y" class="z" style="a" onclick="b">x</p>'
        '<pre tabindex="5" autofocus>y</pre>'
        '<a name="x" href="https://index.example" target="_top">z</a>'
    )
    assert [element.attrs for element in html.select("p, pre, a")] == [
        {"class": ["z"]},
        {"tabindex": "0"},
        {"href": "https://index.example", "id": "user-content-x", "rel": ["nofollow"]},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a &amp; b &lt;i&gt; &nbsp; &copy; &#x1F600; \u00e9 `<b>` &notanentity; &",
        '```html\n\n\n<b a="1">&amp;</b>\n```',
        "<pre>\n\nafter an empty line</pre>",
        "<details><summary>More</summary>\n\n*text*\n\n</details>",
        "a<br>b<hr><dl><dt>c</dt><dd>d</dd></dl>",
    ],
)
def test_nothing_else_is_changed(text: str) -> None:
    plain = markdown.render(text) or ""
    html = render(text, "text/markdown") or ""
    assert html.replace(' tabindex="0"', "") == re.sub(' lang="[^"]*"', "", plain)
