"""An index over HTTP, by its simple pages (PEP 503, 691, 700)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from packaging.utils import canonicalize_name

from greenroom.distributions.historical import looks_like_one
from greenroom.importing import simple_pages
from greenroom.importing.candidates import Candidate, Passed, SourceFailed, Trouble
from greenroom.importing.fetching import Fetcher, shown
from greenroom.importing.requirements import Wanted
from greenroom.importing.simple_pages import ACCEPT, Link, Page

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
                links = simple_pages.project_files(page) if page is not None else []
            except SourceFailed as error:
                yield Trouble(shown(address), str(error), name)
                continue
            if page is None:
                yield Trouble(shown(address), f"The index has no project {name!r}.", name)
            yield from self._candidates(name, links)

    def _listed(self) -> Iterable[str]:
        page: Page | None = self._fetcher.page(self._base, ACCEPT)
        if page is None:
            raise SourceFailed(f"There is no index at {shown(self._base)} (404).")
        return [name for name in simple_pages.project_names(page) if _is_name(name)]

    def _candidates(self, name: str, links: Iterable[Link]) -> Iterator[Candidate]:
        for link in sorted(links, key=lambda link: (link.uploaded or _LONG_AGO, link.filename)):
            if not looks_like_one(link.filename):
                self.passed.count += 1
            elif name not in self._wanted or self._wanted[name].takes(link.filename):
                yield Candidate(
                    filename=link.filename,
                    where=shown(link.url),
                    open=partial(self._fetcher.file, link.url),
                    project=name,
                    size=link.size,
                    digests=link.digests,
                    uploaded=link.uploaded,
                    yanked=link.yanked,
                    is_local=False,
                )


def _is_name(text: str) -> bool:
    return text.isascii() and canonicalize_name(text).replace("-", "").isalnum()
