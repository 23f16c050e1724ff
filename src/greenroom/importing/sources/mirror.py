"""A mirror in a folder, as bandersnatch makes it: simple pages, and the files they link to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from greenroom.distributions.historical import looks_like_one
from greenroom.importing.candidates import Candidate, Passed, SourceFailed, Trouble
from greenroom.importing.requirements import Wanted
from greenroom.importing.sources.local_files import inside, modified, opener
from greenroom.other_indexes import pages
from greenroom.other_indexes.pages import NotAPage, Page, PageFile

_PAGES = (
    ("index.v1_json", "application/vnd.pypi.simple.v1+json"),
    ("index.json", "application/vnd.pypi.simple.v1+json"),
    ("index.html", "text/html"),
    ("index.v1_html", "text/html"),
)
_BASE = "http://mirror.invalid/"
_MOST_OF_A_PAGE = 256 * 2**20


def root_of(folder: Path) -> Path | None:
    """The folder that a mirror serves, which may be ``web`` in it; None where it is no mirror."""
    for root in (folder, folder / "web"):
        simple = root / "simple"
        if simple.is_dir() and any(_page_in(project) for project in _folders(simple)):
            return root
    return None


class MirrorSource:
    """The files of a mirror, with what its pages say of them."""

    def __init__(self, root: Path, wanted: Mapping[str, Wanted]) -> None:
        self._root = root
        self._wanted = wanted
        self.passed = Passed()
        self.people: tuple[str, ...] = ()

    def offers(self) -> Iterator[Candidate | Trouble]:
        """See ``Source.offers``."""
        for folder in sorted(_folders(self._root / "simple")):
            name = canonicalize_name(folder.name)
            found = _page_in(folder)
            if found is None or (self._wanted and name not in self._wanted):
                continue
            path, content_type = found
            try:
                if path.stat().st_size > _MOST_OF_A_PAGE:
                    raise SourceFailed("The page is longer than any page of an index.")
                page = Page(f"{_BASE}simple/{folder.name}/", content_type, path.read_bytes())
                files = pages.project_files(page)
            except OSError as error:
                yield Trouble(str(path), f"The page cannot be read: {error.strerror}.", name)
            except (SourceFailed, NotAPage) as error:
                yield Trouble(str(path), str(error), name)
            else:
                yield from self._candidates(name, files)

    def _candidates(self, name: str, files: list[PageFile]) -> Iterator[Candidate | Trouble]:
        for file in sorted(files, key=lambda file: file.filename):
            if not looks_like_one(file.filename):
                self.passed.count += 1
            elif name not in self._wanted or self._wanted[name].takes(file.filename):
                yield self._candidate(name, file)

    def _candidate(self, name: str, file: PageFile) -> Candidate | Trouble:
        relative = unquote(urlsplit(file.url).path).lstrip("/")
        path = inside(self._root, relative)
        if path is None:
            return Trouble(relative, "The file is on a page of the mirror, and not in it.", name)
        return Candidate(
            filename=file.filename,
            where=relative,
            open=opener(path),
            project=name,
            size=path.stat().st_size,
            digests=file.hashes,
            # The mirror gives its files the times that they had.
            uploaded=file.uploaded or modified(path),
            yanked=file.yanked,
        )


def _folders(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise SourceFailed(f"{folder} cannot be read: {error.strerror}.") from None


def _page_in(folder: Path) -> tuple[Path, str] | None:
    for name, content_type in _PAGES:
        if (folder / name).is_file():
            return folder / name, content_type
    return None
