"""How many of what there are, in words, and in one place."""

import re
from pathlib import Path

import greenroom
from greenroom import counts
from greenroom.counts import counted
from greenroom.paths import TEMPLATES


def test_one_is_one_and_all_else_are_several() -> None:
    assert [counted(count, "file") for count in range(3)] == ["0 files", "1 file", "2 files"]
    assert counted(2, "entry", "entries") == "2 entries"


def test_nobody_else_puts_an_s_behind_a_word() -> None:
    sources = [*Path(greenroom.__file__).parent.rglob("*.py"), *TEMPLATES.rglob("*.jinja2")]
    by_hand = re.compile(r"""(['"])\1 if [^}]* 1 else ['"]s['"]|['"]s['"] if [^}]* 1\b""")
    found = [path.name for path in sources if by_hand.search(path.read_text())]
    assert found == []
    assert Path(counts.__file__) in sources
