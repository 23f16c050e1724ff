"""What ``devpi-export`` writes: ``dataindex.json``, and the files of the stage indexes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

from msgspec import Struct
from packaging.utils import canonicalize_name

from greenroom.distributions.historical import looks_like_one
from greenroom.importing.candidates import Candidate, Passed, SourceFailed, Trouble
from greenroom.importing.requirements import Wanted
from greenroom.importing.sources.local_files import inside, modified, opener
from greenroom.other_indexes.pages import is_digest

DATA = "dataindex.json"

_Object = Mapping[str, object]


class _Index(Struct, frozen=True):
    """One stage index, with the people of this index."""

    name: str
    files: tuple[_Object, ...]
    owner: str | None
    maintainers: tuple[str, ...]


class DevpiSource:
    """The files of stage indexes. Mirrors are left out: what they have is elsewhere."""

    def __init__(
        self,
        folder: Path,
        wanted: Mapping[str, Wanted],
        *,
        indexes: Iterable[str],
        map_user: Callable[[str], str | None] | None,
    ) -> None:
        """Read what was exported.

        Args:
            folder: the export.
            wanted: the projects; empty for all.
            indexes: which stage indexes, as ``user/name``; none for all.
            map_user: gives the user name here for one of devpi's, None for nobody; None where all
                files are to be one owner's.

        Raises:
            SourceFailed: it is no such export, or has no such index.
        """
        self._folder = folder
        self._wanted = wanted
        self._map_user = map_user
        self._indexes = [self._index(name, data) for name, data in _chosen(folder, tuple(indexes))]
        self.passed = Passed()
        self.people = tuple(
            sorted(
                {
                    person
                    for index in self._indexes
                    for person in (index.owner, *index.maintainers)
                    if person is not None
                }
            )
        )

    def offers(self) -> Iterator[Candidate | Trouble]:
        """See ``Source.offers``."""
        for index in self._indexes:
            for entry in sorted(index.files, key=_order):
                offer = self._offer(index, entry)
                if offer is None:
                    self.passed.count += 1
                elif isinstance(offer, Trouble) or self._is_wanted(offer):
                    yield offer

    def _is_wanted(self, candidate: Candidate) -> bool:
        if not self._wanted:
            return True
        wanted = self._wanted.get(candidate.project or "")
        return wanted is not None and wanted.takes(candidate.filename)

    def _index(self, name: str, data: _Object) -> _Index:
        owner: str | None = None
        maintainers: tuple[str, ...] = ()
        if self._map_user is not None:
            owner = self._map_user(name.partition("/")[0])
            acl = _dict(data.get("indexconfig")).get("acl_upload")
            people = [self._map_user(user) for user in _texts(acl) if not user.startswith(":")]
            others = (person for person in people if person not in (None, owner))
            maintainers = tuple(dict.fromkeys(cast("Iterable[str]", others)))
        files = data.get("files")
        entries = files if isinstance(files, list) else []
        return _Index(
            name, tuple(entry for entry in entries if isinstance(entry, dict)), owner, maintainers
        )

    def _offer(self, index: _Index, entry: _Object) -> Candidate | Trouble | None:
        relative, project = entry.get("relpath"), entry.get("projectname")
        if entry.get("type") != "releasefile" or not isinstance(relative, str):
            return None
        filename = relative.rpartition("/")[2]
        if not looks_like_one(filename) or not isinstance(project, str):
            return None
        name = canonicalize_name(project)
        path = inside(self._folder, relative)
        if path is None:
            return Trouble(relative, "The file is in the export's list, and not in it.", name)
        uploader, moment = _upload(entry)
        return Candidate(
            filename=filename,
            where=relative,
            open=opener(path),
            project=name,
            size=path.stat().st_size,
            digests=_digests(_dict(entry.get("entrymapping"))),
            uploaded=moment or _last_modified(entry) or modified(path),
            uploader=self._map_user(uploader) if self._map_user and uploader else None,
            owner=index.owner,
            maintainers=index.maintainers,
        )


def _chosen(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, _Object]]:
    """The stage indexes of these names, or all of them."""
    indexes = _dict(_data(folder).get("indexes"))
    stages = {
        name: _dict(data)
        for name, data in indexes.items()
        if _dict(_dict(data).get("indexconfig")).get("type") != "mirror"
    }
    for name in names:
        if name in indexes and name not in stages:
            raise SourceFailed(f"The index {name!r} is a mirror: import from where it mirrors.")
        if name not in stages:
            held = ", ".join(sorted(stages)) or "none"
            raise SourceFailed(f"The export has no stage index {name!r}. It has: {held}.")
    for name in names or sorted(stages):
        yield name, stages[name]


def _data(folder: Path) -> _Object:
    try:
        data = json.loads((folder / DATA).read_bytes())
    except OSError as error:
        raise SourceFailed(f"{folder / DATA} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("indexes"), dict):
        raise SourceFailed(f"{folder / DATA} is not what devpi-export writes.")
    return data


def _dict(value: object) -> _Object:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _order(entry: _Object) -> tuple[str, datetime, str]:
    _, moment = _upload(entry)
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    return canonicalize_name(str(entry.get("projectname"))), moment or long_ago, str(entry)


def _upload(entry: _Object) -> tuple[str | None, datetime | None]:
    """Who uploaded a file first, and when, as devpi's log has it."""
    log = entry.get("log")
    for line in log if isinstance(log, list) else []:
        said = _dict(line)
        if said.get("what") == "upload":
            who, when = said.get("who"), said.get("when")
            return who if isinstance(who, str) else None, _moment(when)
    return None, None


def _moment(when: object) -> datetime | None:
    if not isinstance(when, list) or len(when) < 6:
        return None
    try:
        return datetime(*(int(part) for part in when[:6]), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _last_modified(entry: _Object) -> datetime | None:
    text = _dict(entry.get("entrymapping")).get("last_modified")
    try:
        found = parsedate_to_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC) if found is not None else None


def _digests(mapping: _Object) -> dict[str, str]:
    """The digests of a file: older exports have one, under another name."""
    found = {
        name: value
        for name, value in _dict(mapping.get("hashes")).items()
        if isinstance(value, str) and is_digest(name)
    }
    spec = mapping.get("hash_spec")
    if not found and isinstance(spec, str):
        name, _, value = spec.partition("=")
        found = {name: value} if is_digest(name) and value else {}
    md5 = mapping.get("md5")
    if not found and isinstance(md5, str):
        found = {"md5": md5}
    return found
