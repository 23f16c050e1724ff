"""Whether the files of one release are of one release: what they say of themselves, and sources."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from greenroom.core_metadata import CoreMetadata, vouched_for
from greenroom.distributions.comparison import place_of
from greenroom.distributions.contents import Member
from greenroom.distributions.review import Code, Finding

_SHOWN = 3


class Found(Struct, frozen=True):
    """A finding, and the files in which it is; none where it is about all of them together."""

    finding: Finding
    filenames: tuple[str, ...] = ()


class Described(Struct, frozen=True):
    """A file by what it says of itself."""

    filename: str
    is_sdist: bool
    metadata: CoreMetadata


# --- metadata -------------------------------------------------------------------------------------

_NOT_COMPARED = frozenset({"metadata_version", "name", "version", "dynamic", "platforms"})
# What a wheel has of them beside the metadata is another matter.
_NOT_OF_SDISTS = _NOT_COMPARED | {"license_files"}


def disagreements(files: Sequence[Described]) -> Iterator[Found]:
    """Fields of the core metadata that files of a release do not say in the same way.

    Wheels are held against what most of them say, a source distribution against the wheels in
    what it vouches for (PEP 643), or says, where it is of an older version of the metadata.
    """
    wheels = [file for file in files if not file.is_sdist]
    names = [name for name in CoreMetadata.__struct_fields__ if name not in _NOT_COMPARED]
    for name in names:
        said = {file.filename: _said(file.metadata, name) for file in wheels}
        counts = Counter(said.values())
        if not counts:
            continue
        usual = counts.most_common(1)[0][0]
        for value in counts:
            if value != usual:
                odd = tuple(filename for filename, each in said.items() if each == value)
                detail = _difference(name, usual, value)
                yield Found(Finding(Code.METADATA_DISAGREES, detail=detail), odd)
        for sdist in files:
            if sdist.is_sdist and _is_bound_to(sdist.metadata, name):
                value = _said(sdist.metadata, name)
                if value not in counts:
                    detail = _difference(name, usual, value)
                    yield Found(Finding(Code.SDIST_DISAGREES, detail=detail), (sdist.filename,))


def _is_bound_to(sdist: CoreMetadata, name: str) -> bool:
    if name in _NOT_OF_SDISTS:
        return False
    vouched = vouched_for(sdist)
    return name in vouched if vouched else bool(getattr(sdist, name)) and name not in sdist.dynamic


def _said(metadata: CoreMetadata, name: str) -> frozenset[str]:
    value = getattr(metadata, name)
    normalized = _NORMALIZED.get(name, _plain)
    if isinstance(value, str):
        return frozenset({normalized(value)} if value.strip() else ())
    return frozenset(
        normalized(each) if isinstance(each, str) else ": ".join(each) for each in value
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def requirement(text: str) -> str:
    """A requirement in one spelling of those that say the same (PEP 508)."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return _plain(text)
    parsed.name = canonicalize_name(parsed.name)
    return str(parsed)


def _specifiers(text: str) -> str:
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return _plain(text)


_NORMALIZED: Mapping[str, Callable[[str], str]] = {
    "requires_dist": requirement,
    "requires_python": _specifiers,
    "provides_extra": lambda text: canonicalize_name(text),
}


def _difference(name: str, usual: frozenset[str], value: frozenset[str]) -> str:
    field = name.replace("_", "-")
    if name == "description":
        return f"{field} is another one"
    parts = [
        f"{what} {', '.join(_short(each) for each in sorted(values)[:_SHOWN])}"
        + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")
        for what, values in (("lacks", usual - value), ("has", value - usual))
        if values
    ]
    return f"{field} {' and '.join(parts)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")


# --- sources --------------------------------------------------------------------------------------

_MADE_BY_BUILDS = re.compile(
    r"(?:.*/)?(?:_?_?version_?_?|_version_info|_build_?info|__config__|_distributor_init|"
    r"[^/]*_pb2(?:_grpc)?)\.py"
)
_TEMPLATES = (".in", ".tmpl", ".tpl", ".template", ".src", ".j2", ".jinja", ".jinja2", ".mako")
_LEFT_OUT = re.compile(
    r"(?:^|/)(?:tests?|testing|benchmarks|examples|docs?|_?build_?tools?)/|"
    r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|conftest|setup|_?build|_custom_build)\.py$"
)
_IN_DATA = re.compile(r"\*\.data/(?:purelib|platlib)/")


class Sources:
    """The Python sources of a source distribution, to hold wheels against.

    Args:
        members: of the source distribution.
        unix_sources: digests of those that have line ends of Windows, without them, by path.
    """

    def __init__(self, members: Iterable[Member], unix_sources: Mapping[str, str]) -> None:
        self._places: dict[str, str] = {}
        self._digests: set[str] = set()
        self._by_name: dict[str, list[str]] = {}
        for member in members:
            place = place_of(member.path, is_sdist=True)
            self._by_name.setdefault(place.rpartition("/")[2], []).append(place)
            if place.endswith(".py"):
                digest = unix_sources.get(member.path, member.sha256)
                self._places[place] = digest
                self._digests.add(digest)

    def compare(
        self, members: Iterable[Member], unix_sources: Mapping[str, str]
    ) -> Iterator[Finding]:
        """What a wheel has that the source distribution has not, or otherwise; and what it lacks.

        Args:
            members: of the wheel.
            unix_sources: as above, of the wheel.
        """
        if not self._places:
            return
        modules: dict[str, Member] = {}
        compiled: set[str] = set()
        for member in members:
            place = _IN_DATA.sub("", place_of(member.path, is_sdist=False))
            if place.endswith(".py"):
                modules[place] = member
            elif member.native is not None:
                compiled.add(place.rpartition("/")[0] + "/" + _stem(place))
        roots: Counter[str] = Counter()
        for place, member in modules.items():
            digest = unix_sources.get(member.path, member.sha256)
            same = self._source_of(place)
            if same is not None:
                roots[same.removesuffix(place)] += 1
            if digest in self._digests or self._is_made(place) or member.size == 0:
                continue
            code = Code.NOT_IN_SDIST if same is None else Code.DIFFERS_FROM_SDIST
            yield Finding(code, place)
        if roots:
            yield from self._missing(roots.most_common(1)[0][0], modules, compiled)

    def _source_of(self, place: str) -> str | None:
        """Where the source of a module is, in whichever folder."""
        found = self._by_name.get(place.rpartition("/")[2], ())
        return next((each for each in found if f"/{each}".endswith(f"/{place}")), None)

    def _is_made(self, place: str) -> bool:
        """Whether a module is one that builds write, or is made of a template."""
        if _MADE_BY_BUILDS.fullmatch(place):
            return True
        endings = (*(f".py{ending}" for ending in _TEMPLATES), ".pyx")
        return any(self._source_of(place.removesuffix(".py") + each) for each in endings)

    def _missing(
        self, root: str, modules: Mapping[str, Member], compiled: set[str]
    ) -> Iterator[Finding]:
        tops = {place.partition("/")[0] for place in modules if "/" in place}
        for place in self._places:
            if not place.startswith(root):
                continue
            module = place.removeprefix(root)
            is_ours = module.partition("/")[0] in tops and "/" in module
            if not is_ours or module in modules or _LEFT_OUT.search(module):
                continue
            if module.rpartition("/")[0] + "/" + _stem(module) not in compiled:
                yield Finding(Code.NOT_IN_WHEEL, module)


def _stem(place: str) -> str:
    return place.rpartition("/")[2].partition(".")[0]
