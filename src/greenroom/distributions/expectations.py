"""Which files a release is expected to have, as people write it, a line each.

::

    sdist
    any
    manylinux x86_64 cp311-cp314
    musllinux aarch64 cp312, cp313
    macos arm64 cp39 abi3
    windows amd64 cp313t

A line is ``sdist``; or a platform, as the matrix of the review calls it, with the Pythons that
there have to be wheels for. ``any`` is a wheel that is for all platforms. Without Pythons, any
wheel for the platform will do. A wheel that fits counts, so that one with ABI 3 may stand for
several Pythons; with ``abi3`` at the end of the line it must be such a one. What follows ``#`` is
no part of it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from greenroom.distributions.errors import quoted
from greenroom.distributions.matrix import ABI3, ANY, Wheel, platforms_of

MOST_LINES = 100
LONGEST_LINE = 200
_MOST_PYTHONS = 50

_RANGE = re.compile(r"cp3(\d{1,3})(t?)(?:[-\u2013\u2014\u2026]|\.\.)cp3(\d{1,3})(t?)")
_DASH = re.compile(r"\s*([-\u2013\u2014\u2026]|\.\.)\s*(?=cp)")
_PYTHON = re.compile(r"(?:cp|pp)3\d{1,3}t?|py[23]\d{0,3}")
_MACHINE = re.compile(r"[a-z0-9_]{1,40}")
_FAMILIES = {
    "manylinux": "manylinux",
    "musllinux": "musllinux",
    "linux": "linux",
    "macos": "macos",
    "macosx": "macos",
    "windows": "windows",
    "win": "windows",
    "ios": "ios",
    "android": "android",
    "emscripten": "emscripten",
    "pyodide": "emscripten",
}
_MACHINES = {
    ("windows", "32"): "x86",
    ("windows", "win32"): "x86",
    ("windows", "x86_64"): "amd64",
    ("macos", "intel"): "x86_64",
    ("macos", "aarch64"): "arm64",
}


class InvalidExpectation(ValueError):
    """A line says nothing that is understood; the sentence says what to write."""


class Expectation(Struct, frozen=True):
    """One line.

    Attributes:
        line: as it was written, in order.
        platforms: as the matrix calls them; none for a source distribution. ``macos universal2``
            is two.
        pythons: none where any will do.
        must_be_abi3: whether only wheels with ABI 3 count.
    """

    line: str
    platforms: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    must_be_abi3: bool = False

    def missing(self, wheels: Sequence[Wheel], *, has_sdist: bool) -> Iterator[str]:
        """What is missing of it, in words, each in a few."""
        if not self.platforms:
            if not has_sdist:
                yield "a source distribution"
            return
        kind = "a wheel with ABI 3 for" if self.must_be_abi3 else "a wheel for"
        for platform in self.platforms:
            own = [
                wheel
                for wheel in wheels
                if platform in wheel.platforms and (wheel.abi == ABI3 or not self.must_be_abi3)
            ]
            if not self.pythons and not own:
                yield f"{kind} {platform}"
            for python in self.pythons:
                if not any(wheel.fits(platform, python) for wheel in own):
                    yield f"{kind} {platform} {python}"


def parse(text: str) -> tuple[Expectation, ...]:
    """What somebody has written, a line each; empty lines say nothing.

    Raises:
        InvalidExpectation: with what is wrong with which line.
    """
    if len(text) > MOST_LINES * LONGEST_LINE:
        raise InvalidExpectation(f"That is too long: write at most {MOST_LINES} lines.")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = tuple(_parsed(number, line) for number, line in enumerate(lines, 1) if line)
    if len(found) > MOST_LINES:
        raise InvalidExpectation(f"Write at most {MOST_LINES} lines, not {len(found)}.")
    return found


def missing(
    expectations: Iterable[Expectation], wheels: Sequence[Wheel], *, has_sdist: bool
) -> tuple[str, ...]:
    """What is missing of all of it, in words."""
    found = (each.missing(wheels, has_sdist=has_sdist) for each in expectations)
    return tuple(dict.fromkeys(what for several in found for what in several))


def _parsed(number: int, line: str) -> Expectation:
    if len(line) > LONGEST_LINE:
        raise InvalidExpectation(f"Line {number} is longer than {LONGEST_LINE} characters.")
    words = _DASH.sub(r"\1", line.lower()).replace(",", " ").split()
    if words == ["sdist"]:
        return Expectation("sdist")
    must_be_abi3 = words[-1:] == [ABI3]
    if must_be_abi3:
        words.pop()
    platforms, rest = _platforms(number, words)
    pythons = tuple(dict.fromkeys(each for word in rest for each in _pythons(number, word)))
    if len(pythons) > _MOST_PYTHONS:
        raise InvalidExpectation(f"Line {number} is about more than {_MOST_PYTHONS} Pythons.")
    if must_be_abi3 and ANY in platforms:
        raise InvalidExpectation(f"Line {number}: a wheel for any platform has no ABI.")
    return Expectation(" ".join(line.split()), platforms, pythons, must_be_abi3)


def _platforms(number: int, words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    if words and words[0] in (ANY, "pure"):
        return (ANY,), words[1:]
    # A platform tag as file names have it; the versions in it say nothing here.
    if words and "_" in words[0] and (found := tuple(platforms_of(words[0]))) != (words[0],):
        return found, words[1:]
    if words and words[0] == "sdist":
        raise InvalidExpectation(f"Line {number}: nothing may follow 'sdist'.")
    family = _FAMILIES.get(words[0]) if words else None
    if family is None:
        raise InvalidExpectation(
            f"Line {number} begins with {quoted(words[0] if words else '')}: write 'sdist', 'any', "
            f"or a platform, which is one of {', '.join(dict.fromkeys(_FAMILIES.values()))}, with "
            "its machine, such as 'manylinux x86_64 cp311-cp314'."
        )
    if len(words) < 2 or not _MACHINE.fullmatch(words[1]) or _PYTHON.fullmatch(words[1]):
        raise InvalidExpectation(
            f"Line {number} does not say for which machine: write it behind the platform, such as "
            f"'{family} {_EXAMPLES.get(family, 'x86_64')}'."
        )
    if family == "macos" and words[1] == "universal2":
        return ("macos x86_64", "macos arm64"), words[2:]
    return (f"{family} {_MACHINES.get((family, words[1]), words[1])}",), words[2:]


_EXAMPLES = {"windows": "amd64", "macos": "arm64", "emscripten": "wasm32"}


def _pythons(number: int, word: str) -> Iterator[str]:
    if found := _RANGE.fullmatch(word):
        first, last = int(found[1]), int(found[3])
        if first > last or found[2] != found[4] or last - first >= _MOST_PYTHONS:
            raise InvalidExpectation(
                f"Line {number}: {quoted(word)} is no range: write the older Python first, such "
                "as 'cp311-cp314'."
            )
        yield from (f"cp3{minor}{found[2]}" for minor in range(first, last + 1))
    elif _PYTHON.fullmatch(word):
        yield word
    else:
        raise InvalidExpectation(
            f"Line {number}: {quoted(word)} is no Python: write tags such as 'cp312', 'cp313t', "
            "'pp311' or 'py3', or a range such as 'cp311-cp314'."
        )
