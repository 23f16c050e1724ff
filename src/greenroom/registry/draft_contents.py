"""What is in a draft, as one digest, and what has changed since it was another.

The digest names a draft's content, so that whoever publishes can say what they have looked at.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from packaging.utils import canonicalize_name
from sqlalchemy import select
from sqlalchemy.orm import Session

from greenroom.models import Draft, DraftEvent
from greenroom.registry.errors import DraftChanged, InvalidRequest

CONTENT_DIGEST = r"^sha256:[0-9a-f]{64}$"
LENGTH_OF_CONTENT_DIGEST = 71
"""What a content digest looks like."""

_LOGGED = re.compile(r"sha256 ([0-9a-f]{64})(?: became ([0-9a-f]{64}))?")
_STAGING = ("added", "replaced", "removed")


def content_digest(project_name: str, version: str, files: Mapping[str, str]) -> str:
    """The digest of a draft with these files.

    Args:
        project_name: in any spelling.
        version: as the draft has it.
        files: the SHA-256 of each in hexadecimal, by file name.

    Returns:
        ``sha256:`` and the SHA-256 in hexadecimal of a line with the normalized project and the
        version, and a line ``<sha256> <filename>`` for each file, sorted by file name.
    """
    lines = [f"{canonicalize_name(project_name)} {version}\n"]
    lines += [f"{sha256} {filename}\n" for filename, sha256 in sorted(files.items())]
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


class HasContent(Protocol):
    """A file, as a row or as what is listed of it."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def sha256(self) -> str:
        """The digest of its content, in hexadecimal."""


def digest_of(draft: Draft, files: Iterable[HasContent]) -> str:
    """The digest of a draft that has these files."""
    return content_digest(draft.project_name, draft.version, _by_name(files))


def is_empty(draft: Draft) -> bool:
    """Whether a draft that was published had no files."""
    return draft.content_digest == content_digest(draft.project_name, draft.version, {})


def _by_name(files: Iterable[HasContent]) -> dict[str, str]:
    return {file.filename: file.sha256 for file in files}


def check_digest(text: str) -> None:
    """Raise InvalidRequest unless this is the form of a content digest.

    Raises:
        InvalidRequest: it is not.
    """
    if re.fullmatch(CONTENT_DIGEST, text) is None:
        raise InvalidRequest(
            "A content digest is 'sha256:' and 64 hexadecimal digits in lower case, as the draft's "
            "page and its session have it."
        )


def added(sha256: str) -> str:
    """What the log says of a file that came or went."""
    return f"sha256 {sha256}"


def replaced(former: str, sha256: str) -> str:
    """What the log says of a file that was replaced."""
    return f"sha256 {former} became {sha256}"


def former_digest(detail: str) -> str | None:
    """What a file had before it was replaced, out of what the log says; None where it was not."""
    logged = _LOGGED.fullmatch(detail)
    return logged[1] if logged is not None and logged[2] is not None else None


def check_unchanged(db: Session, draft: Draft, wanted: str, files: Sequence[HasContent]) -> None:
    """Raise DraftChanged unless the draft, which has these files now, has the wanted digest.

    Raises:
        InvalidRequest: what is wanted is no content digest.
        DraftChanged: with what has changed since the draft had it.
    """
    check_digest(wanted)
    now = digest_of(draft, files)
    if now == wanted:
        return
    what = f"The draft of {draft.project_name} {draft.version}"
    former = _with_digest(db, draft, wanted)
    if former is None:
        raise DraftChanged(
            f"{what} never had the content {wanted}: look at what it has now, which is {now}.", ()
        )
    raise DraftChanged(
        f"{what} has changed since its content was {wanted}: look at what it has now, which is "
        f"{now}.",
        tuple(_changes(former, _by_name(files))),
    )


def check_published(db: Session, draft: Draft, wanted: str) -> None:
    """Raise DraftChanged unless the draft was published with the wanted digest.

    Raises:
        InvalidRequest: what is wanted is no content digest.
        DraftChanged: with what had changed before it was published.
    """
    check_digest(wanted)
    # What was published before digests were kept cannot be compared.
    if draft.content_digest in (None, wanted):
        return
    former = _with_digest(db, draft, wanted)
    published = _with_digest(db, draft, draft.content_digest)
    known = former is not None and published is not None
    raise DraftChanged(
        f"The draft of {draft.project_name} {draft.version} was published with the content "
        f"{draft.content_digest}, not with {wanted}.",
        tuple(_changes(former or {}, published or {})) if known else (),
    )


def _with_digest(db: Session, draft: Draft, wanted: str) -> dict[str, str] | None:
    """The files that the draft had when its digest was this, the last time; from its log."""
    found: dict[str, str] | None = None
    for files in _history(db, draft):
        if content_digest(draft.project_name, draft.version, files) == wanted:
            found = dict(files)
    return found


def _history(db: Session, draft: Draft) -> Iterator[Mapping[str, str]]:
    """Every content that the draft has had, the oldest first. Each is good until the next."""
    files: dict[str, str] = {}
    yield files
    events = db.scalars(
        select(DraftEvent)
        .where(DraftEvent.draft_id == draft.id, DraftEvent.act.in_(_STAGING))
        .order_by(DraftEvent.id)
    )
    for event in events:
        logged = _LOGGED.fullmatch(event.detail)
        if event.filename is None or logged is None:
            continue
        if event.act == "removed":
            files.pop(event.filename, None)
        else:
            files[event.filename] = logged[2] or logged[1]
        yield files


def _changes(former: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each file that was added, replaced or removed."""
    for filename in sorted(former.keys() | now.keys()):
        before, after = former.get(filename), now.get(filename)
        if before is None:
            yield f"{filename!r} was added: sha256 {after}."
        elif after is None:
            yield f"{filename!r} was removed: sha256 {before}."
        elif before != after:
            yield f"{filename!r} was replaced: sha256 {before} became {after}."
