"""How hard a password is to guess: judged by an estimator that knows what people choose.

The estimator, zxcvbn, has the 30,000 commonest passwords, words and names in several languages,
patterns of the keyboard, dates, repetitions. It takes some milliseconds of the processor, 14 MiB,
and is loaded when the first password is chosen: call it in a turn (``password_turns``) and in no
unit of work. Only new passwords are judged.
"""

import re

STRONG = 3
"""zxcvbn's score of what 10**8 guesses do not find."""

_JUDGED = 32
"""The estimator takes longer than the square of the length: so many characters are looked at."""

# Signs that may stand for a letter. For each two of a letter it tries one more way to read all of
# the password: where there are many, each of these is taken for itself.
_SIGNS = "@({[<!|$+%"
_MOST_SIGNS = 2
_NO_LETTER = "\u00b7"

_SHORTEST_WORD = 3
_SHORTEST_REST = 8

_OWN = (
    "The password is made of your user name, your e-mail address or the name of this index: "
    "choose words that have nothing to do with them."
)
_WHAT_TO_DO = (
    "Use four or more words that do not belong together, or let a password manager make one."
)


def own_words(username: str, email: str, index_url: str | None) -> tuple[str, ...]:
    """What a password may not be made of: what anybody knows of the account and of the index."""
    host = re.sub(r"^\w+://|[/:].*$", "", index_url or "")
    wholes = [username, email, host, "greenroom"]
    parts = [part for whole in wholes for part in re.split(r"[^a-z0-9]+", whole.casefold())]
    words = {word.casefold() for word in (*wholes, *parts)}
    long_enough = (word for word in words if len(word) >= _SHORTEST_WORD)
    return tuple(sorted(long_enough, key=lambda word: (-len(word), word)))


def problems(password: str, own: tuple[str, ...]) -> list[str]:
    """Why a password is too easy to guess, with what to do; empty where it is not.

    Args:
        password: of any length.
        own: what it may not be made of (:func:`own_words`).
    """
    if _is_of(password, own):
        return [_OWN]
    beginning, end = password[:_JUDGED], password[-_JUDGED:]
    score, warning = _judged(beginning, own)
    if score < STRONG and end != beginning:
        score = max(score, _judged(end, own)[0])
    if score >= STRONG:
        return []
    words = ["The password is easy to guess.", warning, _WHAT_TO_DO]
    return [" ".join(filter(None, words))]


def _is_of(password: str, own: tuple[str, ...]) -> bool:
    """Whether little is left of it without these words."""
    text = rest = password.casefold()
    for word in own:
        rest = rest.replace(word, " ")
    return rest != text and sum(c.isalnum() for c in rest) < _SHORTEST_REST


def _judged(password: str, own: tuple[str, ...]) -> tuple[int, str]:
    """The estimator's score, from 0 to 4, and its warning."""
    # It is large, and few processes need it.
    from zxcvbn import zxcvbn

    found = zxcvbn(_with_few_signs(password), user_inputs=own)
    return int(found["score"]), str(found["feedback"]["warning"] or "")


def _with_few_signs(password: str) -> str:
    kept = [sign for sign in dict.fromkeys(password) if sign in _SIGNS][:_MOST_SIGNS]
    return "".join(c if c not in _SIGNS or c in kept else _NO_LETTER for c in password)
