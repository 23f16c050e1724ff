"""What this machine remembers of sessions: enough to go on with them, and no secret.

Below ``$XDG_STATE_HOME/twine-stage`` (``~/.local/state/twine-stage``) each session has a folder,
with ``session.json`` and one file for each upload that is under way. Every file is written whole or
not at all, is for its owner only, and belongs to one writer, so that nothing has to be locked.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from base64 import b32encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twine_stage.errors import Failure

# As long as an index should be able to tell how a session ended.
KEPT = timedelta(days=30)

_ENDED = ("published", "canceled", "gone")
_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_UNSAFE = re.compile(r"[^a-z0-9.]+")


@dataclass(frozen=True, slots=True)
class Record:
    """A session that this machine took part in.

    Attributes:
        id: what people call it, on this machine and every other.
        name: the index's section in ``.pypirc``, if it was named by that.
        repository: the index's repository URL, without credentials.
        root: the index's root of Upload 2.0, if it has one.
        session: the address of the session.
        legacy: the index had no Upload 2.0, and took staged legacy uploads.
        status: how it stood when last looked at.
        changed: when that was.
        digest: the digest of its content when somebody last saw it, if the index tells that.
    """

    id: str
    project: str
    version: str
    name: str | None
    repository: str
    root: str | None
    session: str
    legacy: bool
    status: str
    changed: str
    digest: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can be done with it any more."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A file that is under way: its address, and what is in it."""

    url: str
    sha256: str


def session_id(project: str, version: str, session_url: str) -> str:
    """What people call a session: the same for everybody, and never the same for two."""
    digest = b32encode(hashlib.sha256(session_url.encode()).digest()).decode().lower()[:6]
    words = _UNSAFE.sub("-", f"{project}-{version}".lower()).strip("-.")
    return f"{words}-{digest}"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where sessions are remembered."""
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path.home() / ".local" / "state"
    return state / "twine-stage"


class Memory:
    """The sessions of one machine.

    What cannot be written is not remembered: a read-only home does not keep anybody from staging.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder()

    # Sessions

    def remember(self, record: Record) -> bool:
        """Note how a session stands now. False when that cannot be written."""
        record = replace(record, changed=datetime.now(UTC).isoformat(timespec="seconds"))
        return self._write(self._place(record.id) / "session.json", asdict(record))

    def forget(self, session: str) -> None:
        """Know nothing of it any more."""
        shutil.rmtree(self._place(session), ignore_errors=True)

    def get(self, session: str) -> Record | None:
        """The session of this id."""
        if not _ID.fullmatch(session):
            return None
        return _record(_read(self._place(session) / "session.json"))

    def sessions(self) -> list[Record]:
        """All of them, by project and version; those that ended long ago are forgotten."""
        records = sorted(
            self._all(), key=lambda record: (record.project, record.version, record.id)
        )
        for record in records:
            if record.ended and _is_old(record.changed):
                self.forget(record.id)
        return [record for record in records if not (record.ended and _is_old(record.changed))]

    def by_url(self, url: str) -> Record | None:
        """The session at this address."""
        return next((record for record in self._all() if record.session == url), None)

    def by_name(self, project: str, version: str) -> Record | None:
        """The session of a project and version: the open one, else the one that ended last.

        Raises:
            Failure: there are several, at different indexes.
        """
        known = [
            record
            for record in self.sessions()
            if (record.project, record.version) == (project, version)
        ]
        found = [record for record in known if not record.ended]
        if len(found) > 1:
            names = ", ".join(record.id for record in found)
            raise Failure(
                f"There are several sessions of {project} {version}: say which of {names}."
            )
        if found:
            return found[0]
        return max(known, key=lambda record: record.changed, default=None)

    def place_of(self, project: str) -> Record | None:
        """A session of any version of the project, which says at which index the project is.

        Raises:
            Failure: there are some at several indexes.
        """
        found = {
            (record.repository, record.root): record
            for record in sorted(self._all(), key=lambda record: record.changed)
            if record.project == project
        }
        if len(found) > 1:
            places = ", ".join(sorted(record.repository for record in found.values()))
            raise Failure(
                f"There were sessions of {project} at several indexes ({places}): say which with "
                "--repository-url."
            )
        return next(iter(found.values()), None)

    # Uploads that are under way

    def remember_upload(self, session: str, filename: str, upload: PendingUpload) -> None:
        """Note where a file is being uploaded to, so that another run can go on."""
        self._write(self._upload(session, filename), asdict(upload))

    def pending_upload(self, session: str, filename: str) -> PendingUpload | None:
        """Where a former run was uploading the file to."""
        match _read(self._upload(session, filename)):
            case {"url": str(url), "sha256": str(sha256)}:
                return PendingUpload(url, sha256)
        return None

    def forget_upload(self, session: str, filename: str) -> None:
        """It is over."""
        with suppress(OSError):
            self._upload(session, filename).unlink()

    def _all(self) -> Iterator[Record]:
        for path in self.folder.glob("*/session.json"):
            record = _record(_read(path))
            if record is not None and record.id == path.parent.name:
                yield record

    def _place(self, session: str) -> Path:
        return self.folder / session

    def _upload(self, session: str, filename: str) -> Path:
        return self._place(session) / "uploads" / f"{filename}.json"

    def _write(self, path: Path, content: dict[str, Any]) -> bool:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp makes files that only their owner can read.
            number, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(number, "w", encoding="utf-8") as file:
                    json.dump(content, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError:
            return False
        return True


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _record(content: Any) -> Record | None:
    try:
        record = Record(**content)
        texts = (record.id, record.project, record.version, record.repository, record.session)
        datetime.fromisoformat(record.changed)
    except (TypeError, ValueError):
        return None
    return record if all(isinstance(text, str) for text in texts) else None


def _is_old(moment: str) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(moment) > KEPT
