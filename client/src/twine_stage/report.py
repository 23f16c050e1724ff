"""What the commands say: lines for people, JSON for scripts, variables for CI systems."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from twine_stage.connection import origin
from twine_stage.errors import Failure
from twine_stage.memory import Record, session_id
from twine_stage.staging import Arrival, Staged
from twine_stage.uploads import EDITABLE, ENDED, Session

Body = dict[str, Any]

# The address of a stage: where the index itself begins, and the draft's page.
_STAGE = re.compile(r"((https?://.*/)draft/[^/]+/)simple/?")
_PUBLISH = re.compile(r"Publish it: (https?://\S+)")
_ONE_INDEX = re.compile(r"Or with one index: pip install --index-url (https?://\S+) \S+")
# How the notices begin that say what the lines say as well.
_SAID = (
    "Draft of ",
    "Try it: ",
    "Or with one index: ",
    "It expires on ",
    "The digest of its content is ",
    "Publish it: ",
)
# A file name as a sentence quotes it.
_FILENAME = re.compile(r"(['\"`])(\S+\.(?:whl|tar\.gz|zip))\1")
_KILO = 1000


def session_body(session: Session, release: tuple[str, str] | None) -> Body:
    """A session for scripts. The keys are documented in the README and stay.

    What it is a session of is no part of what an index says of it.
    """
    project, version = release or (None, None)
    return {
        "id": session_id(*release, session.url) if release is not None else None,
        "project": project,
        "version": version,
        "status": session.status,
        "session-url": session.url,
        "stage-url": session.stage,
        "page-url": _page(session),
        "publish-url": _publish_page(session),
        "install-command": install_command(session, project, version),
        "one-index-command": one_index_command(session, project, version),
        "expires-at": session.expires or None,
        "content-digest": session.digest,
        "size": session.size,
        "files": [
            {"filename": name, "status": file.status, "notices": list(file.notices)}
            for name, file in sorted(session.files.items())
        ],
        "notices": list(session.notices),
    }


def staged_body(staged: Staged) -> Body:
    """A session for scripts, with what this run did to it."""
    release = (staged.release.project, staged.release.version)
    place = staged.place
    if place is None:
        nowhere = "published" if not staged.unpublished else "canceled"
        session = Session(nowhere, nowhere, expires="", links={}, mechanisms=(), files={})
        body = session_body(session, release) | {"id": None, "session-url": None}
    else:
        body = session_body(place.session, release)
    return body | {
        "opened": place is not None and place.opened,
        "uploaded": staged.named(Arrival.UPLOADED),
        "unchanged": staged.named(Arrival.UNCHANGED),
        "already-published": staged.named(Arrival.PUBLISHED),
        "failed": {name: str(failure) for name, failure in sorted(staged.failures.items())},
    }


def record_body(record: Record) -> Body:
    """A session that is remembered, for scripts."""
    return {
        "id": record.id,
        "project": record.project,
        "version": record.version,
        "status": record.status,
        "session-url": record.session,
        "repository-url": record.repository,
        "changed-at": record.changed,
    }


def session_lines(body: Mapping[str, Any]) -> list[str]:
    """A session for people. Lines are never broken, so that addresses can be copied.

    Files that are there are counted; those that are not, and the index's remarks, have lines.
    """
    name = " ".join(str(body[key]) for key in ("project", "version") if body[key])
    lines = [f"{name or body['session-url']}: {body['status']}"]
    is_open = body["status"] not in ENDED
    command = f"twine session publish {body['id'] or body['session-url']}"
    rows = [
        ("Files", _amount(len(body["files"]), body["size"]) if body["files"] or is_open else None),
        ("Page", body["page-url"]),
        ("Stage", body["stage-url"]),
        ("Install", body["install-command"]),
        ("Or", body["one-index-command"]),
        ("Publish", command if body["status"] in EDITABLE else None),
        ("", body["publish-url"] if body["status"] in EDITABLE else None),
        ("Session", body["id"] or body["session-url"]),
        ("Digest", body["content-digest"] if is_open else None),
        ("Expires", body["expires-at"] if is_open else None),
    ]
    lines += [f"  {label + ':' if label else '':9}{value}" for label, value in rows if value]
    for file in body["files"]:
        if file["status"] != "completed" or file["notices"]:
            lines.append(f"  {file['status']:<11}{file['filename']}")
            lines += [f"             {notice}" for notice in file["notices"]]
    if is_open:
        lines += [f"  {notice}" for notice in body["notices"] if not notice.startswith(_SAID)]
    return lines


def staged_lines(staged: Staged) -> list[str]:
    """What was staged, for people."""
    release = f"{staged.release.project} {staged.release.version}"
    published = staged.named(Arrival.PUBLISHED)
    if not staged.unpublished:
        size = sum(dist.size for dist in staged.release.dists)
        return [
            f"{release}: already published",
            f"  Files:   {_amount(len(published), size)}, with the same content",
            "Nothing was staged.",
        ]
    lines = session_lines(staged_body(staged))
    if published:
        were = "file was" if len(published) == 1 else "files were"
        lines.append(
            f"{len(published)} more {were} already published with the same content, and not "
            f"staged: {', '.join(published)}"
        )
    return [*lines, "Nothing that was staged is public."]


def failure_lines(staged: Sequence[Staged]) -> list[str]:
    """What is missing, a line for each file or reason, and how to go on."""
    lines = []
    for one in staged:
        if not one.failures:
            continue
        groups = _failures(one)
        rows = [row for reason, names in groups for row in _failure_rows(reason, names)]
        lines += (
            [f"{_missing(one)}:", *(f"  {row}" for row in rows)]
            if len(rows) > 1
            else [f"{_missing(one)}: {rows[0]}"]
        )
        there = len(one.outcomes) - len(one.failures) - len(one.named(Arrival.PUBLISHED))
        if there and one.place is not None:
            lines.append(
                f"{_amount(there)} of them {'is' if there == 1 else 'are'} in session "
                f"{one.place.record.id}. Stage the others there with the same command again."
            )
    return lines


def _failure_rows(reason: str, names: Sequence[str]) -> list[str]:
    if len(names) == 1:
        return [f"{names[0]}: {reason}"]
    return [f"{len(names)} files: {reason}", *(f"  {name}" for name in names)]


def failed_sentence(staged: Sequence[Staged]) -> str:
    """What is missing, as one sentence for scripts."""
    sentences = []
    for one in staged:
        if one.failures:
            reasons = "; ".join(
                f"{', '.join(names)}: {reason.rstrip('.')}" for reason, names in _failures(one)
            )
            sentences.append(f"{_missing(one)}: {reasons}.")
    return " ".join(sentences)


def public_line(session: Session) -> str:
    """How much became public with the session, which has no files any more."""
    return f"  Files:   {_amount(len(session.files), session.size)}"


def reason_lines(sentences: Iterable[str]) -> list[str]:
    """Several reasons of one refusal: a line each, those that differ in a file name as one."""
    groups: dict[str, list[str]] = {}
    for sentence in dict.fromkeys(sentences):
        found = _FILENAME.findall(sentence)
        named = {name for _, name in found}
        same = _FILENAME.sub("this file", sentence) if len(named) == 1 else sentence
        groups.setdefault(same, []).append(sentence)
    lines = []
    for reason, members in groups.items():
        if len(members) == 1:
            lines += members
        else:
            lines.append(f"{len(members)} files: {reason}")
            lines += [f"  {found[2]}" for found in map(_FILENAME.search, members) if found]
    return lines


def _missing(staged: Staged) -> str:
    number = len(staged.failures)
    return (
        f"{number} of {_amount(len(staged.outcomes))} of {staged.release.project} "
        f"{staged.release.version} {'was' if number == 1 else 'were'} not staged"
    )


def _failures(staged: Staged) -> list[tuple[str, list[str]]]:
    """The reasons, each with the files that it is of."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, failure in sorted(staged.failures.items()):
        reason = str(failure)
        same = re.sub(rf"(['\"`]?){re.escape(name)}\1", "this file", reason)
        groups.setdefault(same, []).append((name, reason))
    return [
        (members[0][1] if len(members) == 1 else same, [name for name, _ in members])
        for same, members in groups.items()
    ]


def _amount(number: int, size: int | None = None) -> str:
    """So many files, and how large they are together."""
    files = f"{number} file{'' if number == 1 else 's'}"
    return files if size is None else f"{files}, {_readable(size)}"


def _readable(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < _KILO:
            return f"{amount:.3g} {unit}"
        amount /= _KILO
    return f"{amount:.3g} GB"


def _page(session: Session) -> str | None:
    """The page of the draft, where the address of the stage tells it."""
    stage = _STAGE.fullmatch(session.stage or "")
    return stage[1] if stage is not None else None


def _publish_page(session: Session) -> str | None:
    """The page that publishes it, which a notice tells."""
    return _told(_PUBLISH, session)


def _told(notice: re.Pattern[str], session: Session) -> str | None:
    """The address that such a notice tells; only one of the index itself."""
    told = [found[1] for found in map(notice.fullmatch, session.notices) if found is not None]
    return next((address for address in told if origin(address) == origin(session.url)), None)


def install_command(session: Session, project: str | None, version: str | None) -> str | None:
    """The line that installs from the session, and what that depends on from the same index.

    It never leaves pip to look on its default index. Where the index is not known from the
    address of the stage, the stage is the only one that is asked.
    """
    if session.stage is None or project is None or version is None:
        return None
    requirement = shlex.quote(f"{project}=={version}")
    stage = _STAGE.fullmatch(session.stage)
    if stage is None:
        return f"pip install --index-url {shlex.quote(session.stage)} {requirement}"
    return (
        f"pip install --index-url {shlex.quote(stage[2] + 'simple/')} "
        f"--extra-index-url {shlex.quote(session.stage)} {requirement}"
    )


def one_index_command(session: Session, project: str | None, version: str | None) -> str | None:
    """The line that does so for installers that take one index, where the index tells of such."""
    address = _told(_ONE_INDEX, session)
    if address is None or project is None or version is None:
        return None
    requirement = shlex.quote(f"{project}=={version}")
    return f"pip install --index-url {shlex.quote(address)} {requirement}"


def append_variables(path: Path, staged: Staged) -> None:
    """Add where the session is to a file of ``name=value`` lines, as CI systems read them.

    They are empty where there is no session, because all of it is published already.

    Raises:
        Failure: it cannot be written.
    """
    variables = {
        "session_id": staged.place.record.id if staged.place is not None else "",
        "session_url": staged.place.session.url if staged.place is not None else "",
        "stage_url": (staged.place.session.stage or "") if staged.place is not None else "",
    }
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in variables.items())
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error


def as_json(body: Mapping[str, Any]) -> str:
    """The body as it is printed."""
    return json.dumps(body, indent=2)


def release_of(session: Session) -> tuple[str, str] | None:
    """Project and version, as far as the names of the files tell."""
    for name in session.files:
        try:
            if name.endswith(".whl"):
                project, version, _, _ = parse_wheel_filename(name)
            else:
                project, version = parse_sdist_filename(name)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        return str(project), str(version)
    return None
