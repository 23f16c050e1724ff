"""For which Pythons, platforms and ABIs a release has wheels, beside another release (PEP 425)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from greenroom.distributions.errors import InvalidFilename
from greenroom.distributions.filenames import WheelName, parse_wheel_filename

ANY = "any"
OWN, ABI3, FREE_THREADED, NO_ABI = "own", "abi3", "free-threaded", "none"


class CellState(StrEnum):
    """Whether a release can be installed without being built, on one Python of one platform."""

    HERE = "here"  # a wheel of its own, as before
    NEW = "new"  # a wheel of its own, where the release before had nothing that fits
    COVERED = "covered"  # no wheel of its own, but another one fits
    GAP = "gap"  # nothing fits, and the release before had a wheel for it
    NONE = "none"  # nothing fits, and nothing did


class Cell(Struct, frozen=True):
    """One Python on one platform.

    Attributes:
        state: whether there is something for it.
        filenames: the wheels that are for exactly this.
        covered_by: of those that fit as well, the first, where there are none of its own.
        former: the wheels of the release before that are for exactly this.
    """

    state: CellState
    filenames: tuple[str, ...] = ()
    covered_by: str | None = None
    former: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """A platform with an ABI.

    Attributes:
        platform: such as ``manylinux x86_64``, ``macos arm64``, ``windows amd64`` or ``any``.
        abi: ``own`` (of one version of Python), ``abi3``, ``free-threaded`` or ``none``.
        cells: one for each column, in their order.
    """

    platform: str
    abi: str
    cells: tuple[Cell, ...]


class Matrix(Struct, frozen=True):
    """What there are wheels for.

    Attributes:
        pythons: the columns: Python tags such as ``cp312`` and ``py3``, the oldest first.
        rows: the platforms, ``any`` first.
    """

    pythons: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def gaps(self) -> tuple[tuple[str, str], ...]:
        """What the release before had a wheel for, and this one has none: in words, and which."""
        return tuple(
            (f"{row.platform} {python}{f' {ABI3}' if row.abi == ABI3 else ''}", cell.former[0])
            for row in self.rows
            for python, cell in zip(self.pythons, row.cells, strict=True)
            if cell.state is CellState.GAP
        )


# --- wheels by what they are for ------------------------------------------------------------------

_PYTHON = re.compile(r"(py|cp|pp)(\d)(\d*)(t?)")
_LINUX = re.compile(r"(manylinux|musllinux|linux)(?:[0-9]+|_\d+_\d+)?_(.+)")
_MACOS = re.compile(r"macosx_\d+_\d+_(\w+)")
_MACHINES_OF_MACOS = {
    "universal2": ("x86_64", "arm64"),
    "universal": ("x86_64", "i386", "ppc", "ppc64"),
    "intel": ("x86_64", "i386"),
    "fat": ("i386", "ppc"),
    "fat3": ("x86_64", "i386", "ppc"),
    "fat64": ("x86_64", "ppc64"),
}
_WINDOWS = {"win32": "windows x86", "win_amd64": "windows amd64", "win_arm64": "windows arm64"}
_OTHERS = re.compile(r"(ios|android)_\d+(?:_\d+)?_(.+)")
_WASM = re.compile(r"(?:pyodide|pyemscripten|emscripten|wasi)_(?:\d+_)*(\w+)")


class Wheel(Struct, frozen=True):
    """A wheel, by what it is for.

    Attributes:
        pythons: Python tags; of a wheel for Pythons without a global lock with ``t`` at the end.
        platforms: without the versions of systems and of their libraries.
        abi: as in :class:`Row`.
    """

    filename: str
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]
    abi: str

    def is_for(self, platform: str, abi: str, python: str) -> bool:
        """Whether it is for exactly this."""
        return abi == self.abi and platform in self.platforms and python in self.pythons

    def fits(self, platform: str, python: str) -> bool:
        """Whether installers take it for this Python on this platform."""
        if ANY not in self.platforms and platform not in self.platforms:
            return False
        return any(self._runs_on(own, python) for own in self.pythons)

    def _runs_on(self, own: str, python: str) -> bool:
        if own == python:
            return True
        mine, theirs = _PYTHON.fullmatch(own), _PYTHON.fullmatch(python)
        if mine is None or theirs is None or mine[2] != theirs[2] or mine[4]:
            return False
        is_older = not mine[3] or (bool(theirs[3]) and int(mine[3]) <= int(theirs[3]))
        if self.abi == ABI3:
            return mine[1] == theirs[1] == "cp" and not theirs[4] and is_older
        return self.abi == NO_ABI and mine[1] == "py" and is_older


def wheels(filenames: Iterable[str]) -> tuple[Wheel, ...]:
    """Those of the files that are wheels, by name; names that are none are left out."""
    return tuple(map(wheel, filter(None, map(_named, sorted(filenames)))))


def _named(filename: str) -> WheelName | None:
    try:
        return parse_wheel_filename(filename, private=True)
    except InvalidFilename:
        return None


def wheel(named: WheelName) -> Wheel:
    """A wheel, by what its file name says."""
    abis = named.abi_tag.split(".")
    is_free_threaded = all(re.fullmatch(r"cp\d+t|abi3t", abi) for abi in abis)
    abi = OWN
    if is_free_threaded:
        abi = FREE_THREADED
    elif "abi3" in abis:
        abi = ABI3
    elif abis == ["none"]:
        abi = NO_ABI
    pythons = named.python_tag.split(".")
    if is_free_threaded:
        pythons = [f"{python}t" for python in pythons]
    platforms = dict.fromkeys(
        each for tag in named.platform_tag.split(".") for each in platforms_of(tag)
    )
    return Wheel(named.filename, tuple(pythons), tuple(platforms), abi)


def platforms_of(tag: str) -> Iterator[str]:
    """The platforms of one platform tag, in words; a tag that is not known is itself."""
    if found := _LINUX.fullmatch(tag):
        yield f"{found[1]} {found[2]}"
    elif found := _MACOS.fullmatch(tag):
        yield from (f"macos {each}" for each in _MACHINES_OF_MACOS.get(found[1], (found[1],)))
    elif found := _OTHERS.fullmatch(tag):
        yield f"{found[1]} {found[2]}"
    elif found := _WASM.fullmatch(tag):
        yield f"emscripten {found[1]}"
    else:
        yield _WINDOWS.get(tag, tag)


# --- the matrix -----------------------------------------------------------------------------------

_ORDER_OF_ABIS = (NO_ABI, ABI3, OWN, FREE_THREADED)


def matrix(before: Sequence[Wheel], now: Sequence[Wheel]) -> Matrix:
    """What there are wheels for, beside what there were wheels for."""
    every = [*now, *before]
    pythons = sorted({python for each in every for python in each.pythons}, key=python_order)
    rows = sorted(
        {(platform, each.abi) for each in every for platform in each.platforms},
        key=lambda row: (row[0] != ANY, row[0], _ORDER_OF_ABIS.index(row[1])),
    )
    return Matrix(
        tuple(pythons),
        tuple(
            Row(
                platform,
                abi,
                tuple(_cell(before, now, platform, abi, python) for python in pythons),
            )
            for platform, abi in rows
        ),
    )


def _cell(
    before: Sequence[Wheel], now: Sequence[Wheel], platform: str, abi: str, python: str
) -> Cell:
    exact = tuple(each.filename for each in now if each.is_for(platform, abi, python))
    former = tuple(each.filename for each in before if each.is_for(platform, abi, python))
    if exact:
        was_there = any(each.fits(platform, python) for each in before) or not before
        return Cell(CellState.HERE if was_there else CellState.NEW, exact, former=former)
    fitting = [each for each in now if _stands_for(each, platform, abi, python)]
    if fitting:
        return Cell(CellState.COVERED, covered_by=fitting[0].filename, former=former)
    return Cell(CellState.GAP if former else CellState.NONE, former=former)


def _stands_for(each: Wheel, platform: str, abi: str, python: str) -> bool:
    """Whether a wheel fits; for one that was for later Pythons too, it has to be as well."""
    if abi == ABI3 and each.abi not in (ABI3, NO_ABI):
        return False
    return each.fits(platform, python)


def python_order(tag: str) -> tuple[str, int, int, str]:
    """Sorts Python tags: ``py``, then CPython, then others, each the oldest first."""
    found = _PYTHON.fullmatch(tag)
    if found is None:
        return ("z", 0, 0, tag)
    kind = {"py": "a", "cp": "b", "pp": "c"}[found[1]]
    return (kind, int(found[2]), int(found[3] or -1), found[4])


# --- predecessors ---------------------------------------------------------------------------------


def predecessors(before: Iterable[str], now: Iterable[str]) -> Mapping[str, str | None]:
    """Which file of a release each file of another one follows.

    A source distribution follows a source distribution; a wheel one for the same, else one for the
    same platform and the nearest Python, else the nearest of all.

    Args:
        before: names of source distributions and wheels.
        now: likewise; each is in what is given back.
    """
    former = list(before)
    sdists = [name for name in former if not name.endswith(".whl")]
    known = wheels(name for name in former if name.endswith(".whl"))
    found: dict[str, str | None] = {}
    for filename in now:
        if not filename.endswith(".whl"):
            found[filename] = sdists[0] if sdists else None
            continue
        own = wheels([filename])
        found[filename] = _nearest(own[0], known) if own and known else None
    return found


def _nearest(own: Wheel, known: Sequence[Wheel]) -> str:
    def distance(other: Wheel) -> tuple[bool, bool, bool, int, str]:
        return (
            not set(own.platforms) & set(other.platforms),
            own.abi != other.abi,
            _family(own) != _family(other),
            min(_apart(mine, theirs) for mine in own.pythons for theirs in other.pythons),
            other.filename,
        )

    return min(known, key=distance).filename


def _family(each: Wheel) -> str:
    return each.platforms[0].partition(" ")[0]


def _apart(mine: str, theirs: str) -> int:
    a, b = python_order(mine), python_order(theirs)
    return abs((a[1] - b[1]) * 100 + a[2] - b[2]) + 1000 * (a[0] != b[0])
