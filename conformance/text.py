"""Holds the quotes against a copy of the PEP: is every sentence quoted, is every quote in it?"""

import re
from collections.abc import Iterator

import conformance.cases  # noqa: F401 (registers them)
from conformance.register import CASES, Case, Unchecked
from conformance.unchecked import UNCHECKED

_BEGINS, _ENDS = "Upload 2.0 API Specification", "Recommendations for Client Implementers"
_KEY_WORD = re.compile(r"\*\*(MUST|SHOULD|MAY)( NOT)?\*\*")
_RULE = re.compile(r"^([=\-~+^])\1+$")


def unquoted(source: str) -> list[str]:
    """What does not fit, in a copy of the PEP in reStructuredText.

    That is every sentence with a key word, and every row of a table of states, of the specification
    that nobody quotes; and every quote that is not in the text.

    Raises:
        ValueError: it has no specification.
    """
    whole = _plain(source)
    entries: list[Case | Unchecked] = [*CASES, *UNCHECKED]
    quotes = sorted({quote for entry in entries for quote in entry.quotes})
    plain = [_plain(quote) for quote in quotes]
    titles = set(re.findall(r"^(.+)\n([=\-~+^])\2+$", source, re.MULTILINE))
    sections = {part for entry in entries for part in entry.section.split(": ")}
    named = {_plain(title) for title, _ in titles}
    missing = [f"No such section: {section}" for section in sorted(sections - named)]
    missing += [
        f"Not in the text: {quote}"
        for quote, text in zip(quotes, plain, strict=True)
        if text not in whole
    ]
    for unit in _units(source):
        text = _plain(unit)
        if not any(quote in text or text in quote for quote in plain):
            missing.append(f"Not quoted: {text}")
    return missing


def _units(source: str) -> Iterator[str]:
    """The sentences with a key word, and the rows of the tables of states."""
    specification = source[source.index(f"\n{_BEGINS}\n=") : source.index(f"\n{_ENDS}\n=")]
    for paragraph in re.split(r"\n\s*\n", specification):
        if ".. list-table::" in paragraph or "* - From" in paragraph:
            yield from re.split(r"\n\s*\* - ", paragraph)[2:]
        elif _KEY_WORD.search(paragraph):
            for sentence in re.split(r"(?<=[.:])(?<!i\.e\.)(?<!e\.g\.)\s+(?=[A-Z`:])", paragraph):
                if _KEY_WORD.search(sentence):
                    yield sentence


def _plain(text: str) -> str:
    """Without markup and line breaks."""
    lines = [line for line in text.splitlines() if not _RULE.match(line.strip())]
    text = " ".join(" ".join(lines).split())
    text = re.sub(r":rfc:`(\d+)", r":rfc:`RFC \1", text)
    text = re.sub(r":\w+:`([^`<]+?)\s*<[^`>]*>`", r"\1", text)
    text = re.sub(r":\w+:`([^`]+)`", r"\1", text)
    text = re.sub(r"`([^`<]+?)\s*<[^`>]*>`_*", r"\1", text)
    text = re.sub(r"\*\*|\*|`+_*|\[#[\w-]+\]_", "", text)
    text = re.sub(r"(?<=\s)- (?=\w)", "", text)
    return " ".join(text.split())
