"""Words to search by: plain ones, so that every database sees the same words in the same text."""

from collections.abc import Sequence
from unicodedata import category, normalize

# Longer ones are cut: PostgreSQL takes no word of more than 2046 bytes.
LONGEST_WORD = 200
_LONGEST_TEXT = 20_000
_MOST_WORDS = 200
_CLASSIFIER = "zzclassifier"


def words(text: str) -> list[str]:
    """The words of a text in their order, in the form in which they are compared.

    A word is letters, marks and digits, of whatever script, in one compatible form (NFKC) and with
    case folded. All else is between words.
    """
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    spaced = "".join(char if category(char)[0] in "LMN" else " " for char in folded)
    return [word[:LONGEST_WORD] for word in spaced.split() if word[0].isalnum()]


def classifier(text: str) -> str:
    """A classifier as one word, which is no beginning of any that people search for."""
    return f"{_CLASSIFIER}{''.join(words(text))}"[:LONGEST_WORD]


def document(
    name: str, summary: str, keywords: Sequence[str], classifiers: Sequence[str] = ()
) -> dict[str, str]:
    """The columns of a search document, for a project of this name and its standing release."""
    parts = words(name)
    return {
        "name": " ".join(parts),
        "joined": " ".join("".join(parts[start:]) for start in range(len(parts) - 1)),
        "keywords": " ".join(
            filter(None, [_different_words(" ".join(keywords)), *_classifiers(classifiers)])
        ),
        "summary": _different_words(summary),
    }


def _classifiers(texts: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(map(classifier, texts[:_MOST_WORDS]))]


def _different_words(text: str) -> str:
    """Each word once: to repeat it wins nothing."""
    return " ".join([*dict.fromkeys(words(text[:_LONGEST_TEXT]))][:_MOST_WORDS])
