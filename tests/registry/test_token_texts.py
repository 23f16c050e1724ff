"""What tokens look like, for those who find them: the patterns and the checksum."""

import re
import tomllib
import zlib
from pathlib import Path

import pytest

from greenroom import paths
from greenroom.registry import token_texts

EXAMPLES = Path(__file__).parents[2] / "examples"
RULES = tomllib.loads((EXAMPLES / "operations" / "gitleaks.toml").read_text())["rules"]
DOCUMENTED = re.findall(r"^\\bgr_\S+$", (paths.DOCS / "tokens.md").read_text(), re.MULTILINE)
OLD = "gr_" + "Ab3" * 16


def test_the_patterns_find_whole_tokens_and_nothing_else() -> None:
    made = [token_texts.new_text() for _ in range(50)]
    for patterns in ([rule["regex"] for rule in RULES], DOCUMENTED):
        new, old = map(re.compile, patterns)
        for text in made:
            for around in ("{}", "token = '{}'", "https://__token__:{}@index.example/", "x\n{}\n"):
                found = [match.group(0) for match in new.finditer(around.format(text))]
                assert found == [text]
                assert not old.search(around.format(text))
        assert old.search(OLD)
        assert not new.search(OLD)
        for other in (made[0][:-1], made[0] + "x", "gr_" + "-" * 54, f"x{made[0]}"):
            assert not new.search(other)


def test_the_checksum_is_what_the_documentation_says() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for _ in range(200):
        text = token_texts.new_text()
        value = 0
        for digit in text[51:]:
            value = 62 * value + digits.index(digit)
        assert value == zlib.crc32(text[:51].encode())


@pytest.mark.parametrize("place", [3, 10, 11, 30, 50, 51, 56])
def test_every_mistake_of_one_character_is_noticed(place: int) -> None:
    text = token_texts.new_text()
    assert token_texts.is_well_formed(text)
    for other in "0Aa-é ":
        if text[place] != other:
            assert not token_texts.is_well_formed(text[:place] + other + text[place + 1 :])
    assert not token_texts.is_well_formed(text[:place] + text[place + 1 :])
    assert token_texts.is_well_formed(OLD)
