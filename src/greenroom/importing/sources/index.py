"""An index over HTTP, by its simple pages (PEP 503, 691, 700)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from packaging.utils import canonicalize_name

from greenroom.distributions.historical import looks_like_one
from greenroom.importing.candidates import Candidate, Passed, SourceFailed, Trouble
from greenroom.importing.fetching import Fetcher, shown
from greenroom.importing.requirements import Wanted
from greenroom.other_indexes import pages
from greenroom.other_indexes.pages import ACCEPT, NotAPage, Page, PageFile

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class IndexSource:
    """The files of some projects of an index, or of all."""

    def __init__(self, fetcher: Fetcher, base: str, wanted: Mapping[str, Wanted]) -> None:
        """Nothing is asked yet.

        Args:
            fetcher: how to ask.
            base: the address of the list of projects.
            wanted: the projects; empty for all.
        """
        self._fetcher = fetcher
        self._base = base if base.endswith("/") else f"{base}/"
        self._wanted = wanted
        self.passed = Passed()
        self.people: tuple[str, ...] = ()

    def offers(self) -> Iterator[Candidate | Trouble]:
        """See ``Source.offers``."""
        names = sorted(self._wanted) or sorted(set(map(canonicalize_name, self._listed())))
        for name in names:
            address = f"{self._base}{name}/"
            try:
                page = self._fetcher.page(address, ACCEPT)
                files = pages.project_files(page) if page is not None else []
            except (SourceFailed, NotAPage) as error:
                yield Trouble(shown(address), str(error), name)
                continue
            if page is None:
                yield Trouble(shown(address), f"The index has no project {name!r}.", name)
            yield from self._candidates(name, files)

    def _listed(self) -> Iterable[str]:
        page: Page | None = self._fetcher.page(self._base, ACCEPT)
        if page is None:
            raise SourceFailed(f"There is no index at {shown(self._base)} (404).")
        try:
            names = pages.project_names(page)
        except NotAPage as error:
            raise SourceFailed(str(error)) from None
        return [name for name in names if _is_name(name)]

    def _candidates(self, name: str, files: Iterable[PageFile]) -> Iterator[Candidate]:
        for file in sorted(files, key=lambda file: (file.uploaded or _LONG_AGO, file.filename)):
            if not looks_like_one(file.filename):
                self.passed.count += 1
            elif name not in self._wanted or self._wanted[name].takes(file.filename):
                yield Candidate(
                    filename=file.filename,
                    where=shown(file.url),
                    open=partial(self._fetcher.file, file.url),
                    project=name,
                    size=file.size,
                    digests=file.hashes,
                    uploaded=file.uploaded,
                    yanked=file.yanked,
                    is_local=False,
                )


def _is_name(text: str) -> bool:
    return text.isascii() and canonicalize_name(text).replace("-", "").isalnum()
