"""How descriptions become HTML."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenroom.distributions import description as subject
from greenroom.distributions import rendering
from greenroom.distributions.description import (
    MAX_RENDERED,
    parse_content_type,
    render,
    restructuredtext_problem,
)


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


def test_a_renderer_that_crashes_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 20,000 mail addresses in a row do this to the Markdown renderer, in some seconds.
    crash = tmp_path / "crash.py"
    crash.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(rendering, "__file__", str(crash))
    assert render("hi", "text/markdown") is None
    assert restructuredtext_problem("hi") is None


def test_a_renderer_that_does_not_finish_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "TIME_LIMIT", 0.5)
    begin = time.monotonic()
    assert render(">" * 500_000, "text/markdown") is None
    assert restructuredtext_problem("a\n b\n" * 50_000) is None
    assert time.monotonic() - begin < 5


MEASURED = """
import resource
from greenroom.distributions.description import render
table = "|a" * 2000 + "\\n" + "|-" * 2000 + "\\n" + ("|b" * 50 + "\\n") * 3000
assert render(table, "text/markdown") is None
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_renderer_that_wants_too_much_memory_is_stopped() -> None:
    used = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    ).stdout

    assert int(used) < 256 * 1024  # KiB


def test_a_process_that_cannot_start_renders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(subprocess, "run", fail)
    assert render("hi", "text/markdown") is None


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
